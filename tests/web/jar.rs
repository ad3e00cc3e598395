//! A browser's cookie jar, step by step as RFC 6265bis section 5 has it, and every cookie configuration held against
//! it.
//!
//! Written from the RFC and not from the library, so that both would have to be wrong in the same way.

use rocket::http::Header;
use rocket::local::asynchronous::Client;
use session_runtime::testing::ManualClock;
use session_runtime::{CookieConfig, SameSite};

use crate::app::{Answer, Barrier, patient};
use crate::routes::rocket;
use crate::store::recording_store;

const HOST: &str = "www.example.org";
const PAGE: &str = "/shop/cart";

#[derive(Clone, Debug)]
struct Stored {
    name: String,
    value: String,
    domain: String,
    path: String,
    host_only: bool,
    secure: bool,
    same_site: String,
}

/// The origin and the kind of a request.
#[derive(Clone, Copy)]
enum From {
    SameSite,
    /// Another site's link or form, which replaces the page.
    Navigation {
        safe: bool,
    },
    /// An image, a frame or a script of another site's page.
    Subresource,
}

#[derive(Default)]
struct Jar(Vec<Stored>);

impl Jar {
    /// Section 5.7, the storage model; whether the cookie was taken.
    fn receive(&mut self, line: &str, https: bool) -> bool {
        let mut parts = line.split(';');
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<(String, &str)> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.trim().to_lowercase(), value.trim()))
            .collect();
        let last = |name: &str| attributes.iter().rev().find(|(have, _)| have == name).map(|(_, value)| *value);
        let domain = last("domain").map(|domain| domain.trim_start_matches('.').to_lowercase());
        if line.len() > 4096 || domain.as_deref().is_some_and(|domain| !domain_matches(HOST, domain)) {
            return false;
        }
        let path = last("path").filter(|path| path.starts_with('/')).unwrap_or("/shop").to_owned();
        let (secure, same_site) = (last("secure").is_some(), last("samesite").unwrap_or("Lax").to_lowercase());
        let http_only = last("httponly").is_some();
        let prefixed = |prefix: &str| name.to_lowercase().starts_with(prefix);
        let refused = [
            secure && !https,
            same_site == "none" && !secure,
            prefixed("__secure-") && !secure,
            prefixed("__http-") && !(secure && http_only),
            prefixed("__host-http-") && !http_only,
            prefixed("__host-") && !(secure && domain.is_none() && last("path") == Some("/")),
            !https && self.0.iter().any(|cookie| cookie.secure && cookie.name == name),
        ];
        if refused.contains(&true) {
            return false;
        }
        let host_only = domain.is_none();
        let domain = domain.unwrap_or_else(|| HOST.to_owned());
        self.0.retain(|cookie| {
            (cookie.name.as_str(), &cookie.domain, &cookie.path, cookie.host_only) != (name, &domain, &path, host_only)
        });
        let ended = last("max-age").is_some_and(|seconds| seconds.parse::<i64>().unwrap() <= 0);
        if !ended {
            let (name, value) = (name.to_owned(), value.to_owned());
            self.0.push(Stored { name, value, domain, path, host_only, secure, same_site });
        }
        true
    }

    /// Section 5.8.3, the retrieval algorithm: the `Cookie` header of a request to our page.
    fn header(&self, https: bool, from: From) -> Option<String> {
        let sent = |cookie: &&Stored| {
            let same_site = match from {
                From::SameSite => true,
                From::Navigation { safe } => cookie.same_site == "none" || (cookie.same_site == "lax" && safe),
                From::Subresource => cookie.same_site == "none",
            };
            let host = if cookie.host_only { cookie.domain == HOST } else { domain_matches(HOST, &cookie.domain) };
            host && same_site && path_matches(PAGE, &cookie.path) && (https || !cookie.secure)
        };
        let pairs: Vec<String> =
            self.0.iter().filter(sent).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

fn domain_matches(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn path_matches(page: &str, path: &str) -> bool {
    page == path || page.strip_prefix(path).is_some_and(|rest| path.ends_with('/') || rest.starts_with('/'))
}

/// One choice of each setting.
#[derive(Clone, Copy, Debug)]
struct Choice {
    name: Option<&'static str>,
    path: &'static str,
    domain: Option<&'static str>,
    secure: bool,
    same_site: SameSite,
    persistent: bool,
}

impl Choice {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        let prefixed = ["__Secure-sid", "__Http-sid", "__Host-sid", "__Host-Http-sid"];
        for name in [None, Some("sid")].into_iter().chain(prefixed.map(Some)) {
            for (path, domain) in
                [("/", None), ("/shop", None), ("/", Some("example.org")), ("/shop", Some(".example.org"))]
            {
                for secure in [true, false] {
                    for same_site in [SameSite::Strict, SameSite::Lax, SameSite::None] {
                        let persistent = path == "/shop";
                        all.push(Self { name, path, domain, secure, same_site, persistent });
                    }
                }
            }
        }
        all
    }

    /// True if a browser would accept the cookie. The launch must refuse all others.
    fn is_sound(self) -> bool {
        let host = self.name.is_some_and(|name| name.starts_with("__Host-"));
        let prefixed = self.name.is_some_and(|name| name.starts_with("__"));
        let whole_host = self.path == "/" && self.domain.is_none();
        (self.secure || !(prefixed || self.same_site == SameSite::None)) && (whole_host || !host)
    }

    async fn launch(self) -> Option<Client> {
        let mut cookie = CookieConfig::new().path(self.path).secure(self.secure).same_site(self.same_site);
        cookie = cookie.persistent(self.persistent);
        cookie = if let Some(name) = self.name { cookie.name(name) } else { cookie };
        cookie = if let Some(domain) = self.domain { cookie.domain(domain) } else { cookie };
        let config = patient().cookie(cookie);
        let rocket = rocket(recording_store(), ManualClock::new(), Barrier::default(), config);
        match Client::untracked(rocket).await {
            Ok(client) => Some(client),
            Err(error) => {
                assert!(matches!(error.kind(), rocket::error::ErrorKind::FailedFairings(_)), "{error}");
                None
            }
        }
    }
}

async fn post(client: &Client, path: &str, cookies: Option<String>) -> Answer {
    let request = client.post(path.to_owned());
    let request = match cookies {
        Some(cookies) => request.header(Header::new("Cookie", cookies)),
        None => request,
    };
    Answer::of(request.dispatch().await).await
}

/// B26, B59, C29: under every configuration that launches, a browser takes the cookie, sends it back, takes the renewed
/// one in its place, and is rid of it after a logout; what no browser would take does not launch.
#[rocket::async_test]
async fn a_browser_takes_every_cookie_and_its_removal() {
    let mut launched = 0;
    for choice in Choice::all() {
        let client = choice.launch().await;
        assert_eq!(client.is_some(), choice.is_sound(), "{choice:?}");
        let Some(client) = client else { continue };
        launched += 1;
        let (mut jar, https) = (Jar::default(), choice.secure);
        for path in ["/add/7", "/login/ada"] {
            let answer = post(&client, path, jar.header(https, From::SameSite)).await;
            assert_eq!((answer.status, answer.set_cookie.len()), (200, 1), "{choice:?}: {answer:?}");
            assert!(jar.receive(&answer.set_cookie[0], https), "{choice:?}: {answer:?}");
            assert_eq!(jar.0.len(), 1, "{choice:?}");
        }
        let add = post(&client, "/add/7", jar.header(https, From::SameSite)).await;
        assert_eq!((add.body.as_str(), add.set_cookie.len()), ("2", 0), "{choice:?}");
        let logout = post(&client, "/destroy", jar.header(https, From::SameSite)).await;
        assert_eq!(logout.set_cookie.len(), 1, "{choice:?}");
        assert!(jar.receive(&logout.set_cookie[0], https), "{choice:?}: {logout:?}");
        assert!(jar.0.is_empty(), "{choice:?}: {logout:?} leaves {:?}", jar.0);
    }
    assert!(launched > 30, "only {launched} configurations launch");
}

/// C29: the checker itself: what a removal with other attributes leaves behind.
#[test]
fn the_jar_keeps_a_cookie_that_a_careless_removal_names() {
    for removal in ["id=; Max-Age=0", "id=; Path=/; Max-Age=0", "id=; Path=/shop; Domain=example.org; Max-Age=0"] {
        let mut jar = Jar::default();
        assert!(jar.receive("id=x; Path=/shop/cart; Secure; HttpOnly; SameSite=Lax", true));
        jar.receive(removal, true);
        assert_eq!(jar.header(true, From::SameSite).as_deref(), Some("id=x"), "{removal}");
    }
    let mut jar = Jar::default();
    for refused in
        ["__Host-id=x; Secure; Path=/shop", "__Host-id=; Path=/; Max-Age=0", "__Host-Http-id=x; Secure; Path=/"]
    {
        assert!(!jar.receive(refused, true), "{refused}");
    }
}

/// C45: `SameSite` decides which requests of other sites carry the cookie, and so act for the visitor.
#[rocket::async_test]
async fn a_request_of_another_site_carries_the_cookies_that_same_site_allows() {
    let ways = [From::SameSite, From::Navigation { safe: true }, From::Navigation { safe: false }, From::Subresource];
    let table = [
        (SameSite::Strict, [true, false, false, false]),
        (SameSite::Lax, [true, true, false, false]),
        (SameSite::None, [true, true, true, true]),
    ];
    for (same_site, known) in table {
        let choice = Choice { name: None, path: "/", domain: None, secure: true, same_site, persistent: false };
        let client = choice.launch().await.unwrap();
        let mut jar = Jar::default();
        assert!(jar.receive(&post(&client, "/add/7", None).await.set_cookie[0], true));
        for (way, known) in ways.into_iter().zip(known) {
            let answer = post(&client, "/visit-and/204", jar.header(true, way)).await;
            assert_eq!(answer.set_cookie.is_empty(), known, "{same_site:?}: a stranger would get a cookie");
        }
    }
}
