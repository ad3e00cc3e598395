//! Lines that the library writes to the log: at the launch, and one for a request that fails.

use std::process::Command;
use std::time::Duration;

use rocket::figment::Figment;
use rocket::figment::providers::{Format as _, Toml};
use rocket::http::{Header, Status};
use rocket::local::asynchronous::Client;
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, catch, catchers, get, post, routes};
use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{ErrorKind, Expiry, MemoryStore, Session, SessionConfig, SessionError, SessionHandle, Sessions};
use session_tests::log::Log;

use crate::process::{Host, Profile, Storage, programs};
use crate::test_app::{STORE, Work, recording};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Lines of this thread that hold the words, among those written while `work` ran.
async fn lines(words: &str, work: impl Future<Output = ()>) -> Vec<String> {
    let log = Log::listen();
    let before = log.here().len();
    work.await;
    let lines = log.here().split_off(before);
    lines.into_iter().filter(|line| line.contains(words)).collect()
}

fn figment(toml: &str) -> Figment {
    rocket::Config::figment().select("debug").merge(("log_level", "off")).merge(Toml::string(toml).nested())
}

async fn launch(toml: &str) {
    let fairing = Sessions::fairing::<Work>().store(MemoryStore::new());
    drop(rocket::custom(figment(toml)).attach(fairing).ignite().await.unwrap());
}

/// The launch did not show a new user which file holds the sessions, or whether the settings were read.
#[test]
fn the_launch_logs_the_store_and_the_lifetimes() {
    for storage in [Storage::Memory, Storage::Sqlite, Storage::Postgres, Storage::Redis, Storage::Cluster] {
        let host = Host::new();
        let shop = host.open_with(Profile::Debug, storage, r#",absolute="20d",remember="60d""#);
        let output = shop.output();
        let logged: Vec<&str> = output.lines().filter(|line| line.contains("Sessions: stored in")).collect();
        let [line] = logged[..] else { panic!("one line: {logged:?}\n{output}") };
        let server =
            storage.server().map(|url| url.split(['@', '/', '?']).rfind(|part| part.contains(':')).unwrap().to_owned());
        let file = host.database().display().to_string();
        let at = match storage {
            Storage::Memory => "memory",
            Storage::Sqlite => &file,
            _ => server.as_deref().unwrap().split(',').next().unwrap(),
        };
        for word in [at, "14d", "20d", "60d"] {
            assert!(line.contains(word), "{word}: {line}");
        }
        assert!(!line.contains('@') && !line.contains("password"), "{line}");
    }
}

/// `ROCKET_SESSION_STORE` was ignored in silence.
#[test]
fn a_setting_in_a_place_that_is_not_read_is_warned_of() {
    let host = Host::new();
    let mut command = Command::new(programs().join("cart"));
    command.env("ROCKET_SESSION_STORE", "redis://:secret@localhost").env("ROCKET_SESSIONS", "{idle=\"1h\"}");
    let shop = host.launch(command, "{store=\"memory:\"}");
    let output = shop.output();
    for words in ["`session_store`", "ROCKET_SESSION={store=…}", "`sessions`", "`[default.session]`"] {
        assert!(output.contains(words), "{words}:\n{output}");
    }
    assert!(!output.contains("secret"), "{output}");
}

#[tokio::test]
async fn each_near_miss_of_the_table_is_warned_of() {
    for (toml, key) in [
        ("[default.sessions]\nidle = \"1h\"", "`sessions`"),
        ("[default.Session]\nidle = \"1h\"", "`Session`"),
        ("[default.session_]\nidle = \"1h\"", "`session_`"),
        ("[debug.sesion]\nidle = \"1h\"", "`sesion`"),
        ("[default]\nsession_idle = \"1h\"", "`session_idle`"),
        ("[default]\nidle = \"1h\"", "`idle`"),
        ("[default]\nclear_site_data = true", "`clear_site_data`"),
        ("[default]\ntrusted_origins = [\"https://a.example\"]", "`trusted_origins`"),
        ("[sessions]\nidle = \"1h\"", "the profile `sessions`"),
    ] {
        let warned = lines("is not read", launch(toml)).await;
        assert!(warned.len() == 1 && warned[0].contains(key) && warned[0].starts_with("WARN"), "{toml}: {warned:?}");
    }
    let none = "[default]\nport = 0\nsecret = 1\n[default.session]\nidle = \"1h\"\n[default.mission]\nidle = 1";
    assert_eq!(lines("is not read", launch(none)).await, [""; 0]);
}

/// C85: pages of sibling subdomains share the cookie, and each of their posts was refused without a word at the launch.
#[tokio::test]
async fn a_domain_without_trusted_origins_is_warned_of() {
    let domain = "[default.session]\ncookie = { domain = \"shop.example\" }";
    let logged = lines("session.trusted_origins", launch(domain)).await;
    assert!(logged.len() == 1 && logged[0].starts_with("WARN") && logged[0].contains("cookie.domain"), "{logged:?}");
    for rest in ["trusted_origins = [\"https://www.shop.example\"]", "cross_site = \"allow\""] {
        assert_eq!(lines("session.trusted_origins", launch(&format!("{domain}\n{rest}"))).await, [""; 0], "{rest}");
    }
    assert_eq!(lines("session.trusted_origins", launch("")).await, [""; 0]);
}

/// In a debug build a changed struct compiled without a word.
#[tokio::test]
async fn a_debug_launch_names_the_schemas_that_are_not_pinned() {
    let logged = lines("not pinned", launch("")).await;
    assert!(logged.len() == 1 && logged[0].starts_with("INFO") && logged[0].contains("`own`"), "{logged:?}");
    assert!(logged[0].contains("layout = "), "{logged:?}");
}

/// `Expiry::After(60 days)` was cut to the 30 days of `absolute` in silence.
#[tokio::test]
async fn a_choice_beyond_the_ceiling_is_one_line() {
    let choose = async |expiry| {
        let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Work>().build().unwrap();
        let visit = sessions.open([]);
        visit.write::<Work>().await.unwrap().set_last(1);
        visit.set_expiry(expiry);
        assert!(visit.finish(200).await.error.is_none());
    };
    let beyond = std::time::SystemTime::now() + 60 * DAY;
    for expiry in [Expiry::After(60 * DAY), Expiry::At(beyond)] {
        let logged = lines("session.remember", choose(expiry)).await;
        assert!(logged.len() == 1 && logged[0].starts_with("WARN") && logged[0].contains("30d"), "{logged:?}");
    }
    for expiry in [Expiry::After(30 * DAY), Expiry::Default, Expiry::BrowserClose] {
        assert_eq!(lines("session.remember", choose(expiry)).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_choice_of_a_stored_session_beyond_the_ceiling_is_one_line() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Work>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Work>().await.unwrap().set_last(1);
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let use_it = async |expiry: Option<Expiry>| {
        let visit = sessions.open([cookie.as_str()]);
        visit.write::<Work>().await.unwrap().set_last(2);
        if let Some(expiry) = expiry {
            visit.set_expiry(expiry);
        }
        assert!(visit.finish(200).await.error.is_none());
    };
    assert_eq!(lines("session.remember", use_it(Some(Expiry::After(60 * DAY)))).await.len(), 1);
    assert_eq!(lines("session.remember", use_it(None)).await, [""; 0], "logged once, when it is chosen");
}

#[get("/")]
fn many(_a: Option<&Work>, _b: Option<&SessionHandle>, _c: Option<&Work>, _d: &Work) {}

#[post("/")]
fn write(mut work: Session<Work>) {
    *work.count_mut() += 1;
}

/// Fetched only when a guard asks for it.
#[derive(Session)]
#[session(key = "late", version = 1, lazy)]
struct Late {
    pages: u64,
}

/// From this guard on the store is down.
struct Down;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Down {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let store = request.rocket().state::<RecordingStore>().unwrap();
        for operation in ["load", "patch"] {
            store.fail(operation, Fault::Down);
        }
        Outcome::Success(Self)
    }
}

#[post("/late")]
fn late(mut work: Session<Work>, _down: Down, late: Option<&Late>) {
    *work.count_mut() += late.map_or(1, |late| *late.pages());
}

#[post("/save")]
async fn save(mut work: Session<'_, Work>) -> Result<(), SessionError> {
    *work.count_mut() += 1;
    work.save().await
}

/// Looks the visitor up for the page's head, as catchers do.
#[catch(503)]
async fn sorry(request: &Request<'_>) -> (Status, String) {
    let known = request.guard::<&Work>().await.succeeded().is_some();
    (Status::ServiceUnavailable, format!("{known} {}", SessionError::of(request).unwrap()))
}

/// One request wrote a line for each guard, and none had the address.
#[tokio::test]
async fn a_request_during_an_outage_is_one_line_that_names_the_store() {
    // Before Rocket takes the place.
    Log::listen();
    let store = recording(MemoryStore::new());
    let config = SessionConfig::new().deadline(Duration::from_secs(6));
    let rocket = rocket::custom(figment(""))
        .attach(Sessions::fairing::<Work>().store(store.clone()).config(config))
        .mount("/", routes![many, write, save])
        .register("/", catchers![sorry]);
    let client = Client::untracked(rocket).await.unwrap();
    let answer = client.post("/").dispatch().await;
    let cookie = answer.headers().get_one("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
    for (operation, method, path) in [
        ("load", rocket::http::Method::Get, "/"),
        ("load", rocket::http::Method::Post, "/"),
        ("patch", rocket::http::Method::Post, "/"),
        ("patch", rocket::http::Method::Post, "/save"),
    ] {
        store.fail(operation, Fault::Down);
        let logged = lines("", async {
            let request = client.req(method, path).header(Header::new("Cookie", cookie.clone()));
            assert_eq!(request.dispatch().await.status(), Status::ServiceUnavailable);
        });
        let logged = logged.await;
        let [line] = &logged[..] else { panic!("{operation}, {method} {path}: {logged:?}") };
        assert!(line.starts_with("ERROR") && line.contains(STORE), "{line}");
        store.recover();
    }
}

/// A race that another request has won is no fault of the server, so its line is no error.
#[tokio::test]
async fn a_change_that_lost_a_race_is_one_line_and_no_error() {
    let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Work>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Work>().await.unwrap().set_last(1);
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let [slow, winner] = [(); 2].map(|()| sessions.open([cookie.as_str()]));
    slow.write::<Work>().await.unwrap().set_last(2);
    winner.renew();
    assert!(winner.finish(200).await.error.is_none());
    let logged = lines("refused", async {
        assert_eq!(slow.finish(200).await.error.map(|error| error.kind()), Some(ErrorKind::Renewed));
    });
    let logged = logged.await;
    assert!(logged.len() == 1 && logged[0].starts_with("INFO"), "{logged:?}");
}

/// A guard and then the save fail for one reason.
#[tokio::test]
async fn a_load_and_a_save_of_one_request_that_both_fail_are_one_line() {
    // Before Rocket takes the place.
    Log::listen();
    let store = recording(MemoryStore::new());
    let config = SessionConfig::new().deadline(Duration::from_secs(6));
    let rocket = rocket::custom(figment(""))
        .attach(Sessions::fairing::<(Work, Late)>().store(store.clone()).config(config))
        .manage(store.clone())
        .mount("/", routes![write, late]);
    let client = Client::untracked(rocket).await.unwrap();
    let answer = client.post("/").dispatch().await;
    let cookie = answer.headers().get_one("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
    let logged = lines("", async {
        let request = client.post("/late").header(Header::new("Cookie", cookie));
        assert_eq!(request.dispatch().await.status(), Status::ServiceUnavailable);
    });
    let logged = logged.await;
    assert!(logged.len() == 1 && logged[0].starts_with("ERROR"), "{logged:?}");
}
