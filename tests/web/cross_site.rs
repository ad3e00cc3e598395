//! Requests from other sites: refused before anything is loaded, anonymous on listed paths, allowed for listed origins.

use rocket::http::uri::Host;
use rocket::http::{Header, Method, Status};
use rocket::local::asynchronous::{Client, LocalRequest};
use rocket::{Request, catch, catchers, get, post, routes, uri};
use session_runtime::config::CrossSite;
use session_runtime::testing::RecordingStore;
use session_runtime::{ErrorKind, Session, SessionConfig, SessionError, SessionHandle, Sessions};

use crate::app::{Auth, Cart};
use crate::store::recording_store;

#[post("/add")]
fn add(mut cart: Session<Cart>) -> String {
    *cart.visits_mut() += 1;
    cart.visits().to_string()
}

#[get("/show")]
fn show(cart: &Cart) -> String {
    cart.visits().to_string()
}

#[post("/logout")]
fn logout(session: &SessionHandle) {
    session.destroy();
}

#[post("/callback/paid")]
fn paid(cart: &Cart) -> String {
    cart.visits().to_string()
}

#[post("/ping")]
fn ping() {}

#[catch(403)]
fn forbidden(request: &Request<'_>) -> String {
    format!("{:?}", SessionError::of(request).map(SessionError::kind))
}

struct Site {
    client: Client,
    store: RecordingStore,
    cookie: String,
}

impl Site {
    /// The site with a visitor who has added once.
    async fn open(config: SessionConfig) -> Self {
        let store = recording_store();
        let rocket = rocket::custom(rocket::Config::figment().merge(("log_level", "off")))
            .attach(Sessions::fairing::<(Cart, Auth)>().store(store.clone()).config(config))
            .mount("/", routes![add, show, logout, paid, ping])
            .register("/", catchers![forbidden]);
        let client = Client::untracked(rocket).await.unwrap();
        let response = client.post("/add").dispatch().await;
        let line = response.headers().get_one("Set-Cookie").unwrap();
        let cookie = line.split(';').next().unwrap().to_owned();
        drop(response);
        Self { client, store, cookie }
    }

    fn request(
        &self,
        method: Method,
        path: &'static str,
        headers: &[(&'static str, &'static str)],
    ) -> LocalRequest<'_> {
        let mut request = self.client.req(method, path);
        request.add_header(Header::new("Cookie", self.cookie.clone()));
        // A server takes it from the header `Host`.
        request.inner_mut().set_host(Host::from(uri!("shop.example")));
        for (name, value) in headers {
            request.add_header(Header::new(*name, *value));
        }
        request
    }

    async fn post(&self, path: &'static str, headers: &[(&'static str, &'static str)]) -> (u16, String) {
        let response = self.request(Method::Post, path, headers).dispatch().await;
        let status = response.status().code;
        (status, response.into_string().await.unwrap_or_default())
    }

    async fn visits(&self) -> String {
        self.request(Method::Get, "/show", &[]).dispatch().await.into_string().await.unwrap()
    }
}

const FOREIGN: [(&str, &str); 1] = [("Sec-Fetch-Site", "cross-site")];

/// C85: a form on another site cannot write, cannot log out, and costs the store nothing.
#[rocket::async_test]
async fn a_request_from_another_site_is_refused_before_anything_is_loaded() {
    let site = Site::open(SessionConfig::new()).await;
    site.store.total_calls();
    for path in ["/add", "/logout"] {
        let response = site.request(Method::Post, path, &FOREIGN).dispatch().await;
        assert_eq!(response.status(), Status::Forbidden);
        assert!(response.headers().get_one("Set-Cookie").is_none(), "{path}");
        assert_eq!(response.into_string().await.unwrap(), format!("{:?}", Some(ErrorKind::CrossSite)));
    }
    assert_eq!(site.store.total_calls(), 0);
    assert_eq!(site.post("/ping", &FOREIGN).await.0, 200, "a route without a session guard is not checked");
    assert_eq!(site.visits().await, "1");
}

/// C85: headers, and the status of a post.
#[rocket::async_test]
async fn each_row_of_the_table_decides_a_post() {
    let site = Site::open(SessionConfig::new().trusted_origins(["https://pay.example"])).await;
    let (from, origin) = ("Sec-Fetch-Site", "Origin");
    let rows: [(&[_], u16); 12] = [
        (&[(from, "same-origin")], 200),
        (&[(from, "none"), (origin, "null")], 200),
        (&[(from, "cross-site"), (origin, "https://pay.example")], 200),
        (&[(from, "same-site"), (origin, "https://other.shop.example")], 403),
        (&[(from, "cross-site"), (origin, "https://shop.example")], 403),
        (&[], 200),
        (&[(origin, "https://shop.example")], 200),
        (&[(origin, "https://pay.example")], 200),
        (&[(origin, "https://evil.example")], 403),
        (&[(origin, "null")], 403),
        (&[(from, "same-origin"), (from, "cross-site")], 403),
        (&[(origin, "https://shop.example"), (origin, "https://evil.example")], 403),
    ];
    for (headers, status) in rows {
        assert_eq!(site.post("/add", headers).await.0, status, "{headers:?}");
    }
}

/// C86: a link from another site still opens the page with the visitor's session.
#[rocket::async_test]
async fn a_get_is_allowed_unless_it_opens_a_websocket() {
    let site = Site::open(SessionConfig::new()).await;
    let get = |headers: &'static [_]| site.request(Method::Get, "/show", headers).dispatch();
    assert_eq!(get(&FOREIGN).await.status(), Status::Ok);
    let upgrade = &[("Sec-Fetch-Site", "same-site"), ("Upgrade", "websocket"), ("Connection", "Upgrade")];
    assert_eq!(get(upgrade).await.status(), Status::Forbidden);
    assert_eq!(get(&[("Sec-Fetch-Site", "same-origin"), ("Upgrade", "websocket")]).await.status(), Status::Ok);
}

/// C85: a payment provider answers with a post of its own.
#[rocket::async_test]
async fn a_listed_path_is_anonymous_for_another_site() {
    let site = Site::open(SessionConfig::new().cross_site_paths(["/callback/"])).await;
    assert_eq!(site.post("/callback/paid", &FOREIGN).await, (200, "0".to_owned()));
    assert_eq!(site.post("/callback/paid", &[]).await, (200, "1".to_owned()));
    assert_eq!(site.post("/add", &FOREIGN).await.0, 403);
}

/// C85: an application with a check of its own needs no second one.
#[rocket::async_test]
async fn the_check_can_be_switched_off() {
    let site = Site::open(SessionConfig::new().cross_site(CrossSite::Allow)).await;
    assert_eq!(site.post("/add", &FOREIGN).await, (200, "2".to_owned()));
}
