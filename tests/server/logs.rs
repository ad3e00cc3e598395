//! The library's log at the level TRACE: enough to find a fault, and no data of a visitor.
//!
//! The application of the tests runs in this process and logs here. Rocket's own lines are left out: at its most
//! verbose it prints request headers, the `Cookie` header among them.

use std::fmt::Write as _;

use session_runtime::config::Transport;
use session_runtime::patch::Patch;
use session_runtime::record::Record;
use session_runtime::store::{Durability, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::{Fault, head_at};
use session_runtime::{CookieConfig, Expiry, MemoryStore, SessionConfig, SessionKey, Sessions, SqliteStore};
use session_tests::cookie::{Cookie, encode, hex};
use session_tests::http::{Answer, Request};
use session_tests::log::Log;

use crate::process::Storage;
use crate::test_app::{TestApp, Work, patient, recording};

const SECRETS: [&str; 3] = ["hunter2-field", "anna-hunter2", "hunter2-entry"];

/// Texts that would reveal a session.
fn traces_of(cookie: &Cookie) -> Vec<String> {
    let (key, secret) = (cookie.key(), cookie.secret());
    let numbers = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    vec![
        cookie.value.clone(),
        cookie.value[..21].to_owned(),
        cookie.value[22..].to_owned(),
        SessionKey::from_bytes(key).to_string(),
        encode(&secret),
        hex(&key),
        hex(&secret),
        numbers(&key),
        numbers(&secret),
    ]
}

#[track_caller]
fn assert_reveals_nothing(text: &str, cookies: &[Cookie]) {
    let lower = text.to_lowercase();
    for word in SECRETS.map(str::to_owned).into_iter().chain(cookies.iter().flat_map(traces_of)) {
        assert!(!text.contains(&word) && !lower.contains(&word.to_lowercase()), "{word} is in:\n{text}");
    }
}

/// One visitor's browser, and every cookie that it ever had.
struct Visitor<'a> {
    app: &'a TestApp,
    cookies: Vec<Cookie>,
}

impl Visitor<'_> {
    fn post(&mut self, path: &str) -> Answer {
        let request = Request::post(path);
        let answer = self.app.ask(&match self.cookies.last() {
            Some(cookie) => request.cookie(cookie),
            None => request,
        });
        let set = answer.set_cookies().into_iter().map(Cookie::of).filter(|cookie| !cookie.value.is_empty());
        self.cookies.extend(set);
        answer
    }
}

/// Everything that a visitor, an attacker and a broken store bring about; the cookies that were ever in use.
fn everything(storage: Storage) -> Vec<Cookie> {
    let app = TestApp::launch(storage, patient());
    let mut visitor = Visitor { app: &app, cookies: Vec::new() };
    for path in ["/secret/hunter2-field", "/secret/hunter2-field?status=500", "/secret/hunter2-field?status=404"] {
        visitor.post(path);
    }
    for path in ["/login/anna-hunter2", "/renew", "/login/ben"] {
        visitor.post(path).expect(200).new_cookie();
    }
    let (old, current) = (visitor.cookies[2].pair(), visitor.cookies[3].pair());
    app.ask(&Request::post("/job/2").line(old));
    for line in [format!("{current}; {current}"), format!("id={}", encode(&[9; 32])), "id=hunter2-field".into()] {
        app.ask(&Request::get("/show").line(line)).expect(200);
    }
    visitor.post("/crash").expect(500);
    for fault in [Fault::Down, Fault::Panics, Fault::Corrupt] {
        for operation in ["load", "patch", "create", "delete"] {
            app.store.fail(operation, fault);
            for path in ["/secret/hunter2-field", "/renew", "/login/anna-hunter2", "/login/ben", "/logout"] {
                visitor.post(path);
            }
            app.store.recover();
            visitor.post(&format!("/secret/{}", "hunter2-field".repeat(1_000)));
        }
    }
    visitor.post("/logout").expect(200);
    visitor.cookies
}

/// C57: a whole life at TRACE leaves no id, key, cookie or value in what the library logs.
#[test]
fn the_log_reveals_nothing_about_a_visitor() {
    let log = Log::listen();
    let cookies: Vec<Cookie> = [Storage::Memory, Storage::Sqlite].into_iter().flat_map(everything).collect();
    let lines = log.all();
    for expected in
        ["unknown_id", "malformed or doubled", "unreadable as a whole", "could not be saved", "guard failed"]
    {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected} should be in:\n{}", lines.join("\n"));
    }
    assert_reveals_nothing(&lines.join("\n"), &cookies);
}

/// C57: nor does the life of a client whose ids are in headers.
#[test]
fn the_log_reveals_no_id_of_a_bearer() {
    let log = Log::listen();
    let app = TestApp::launch(Storage::Memory, patient().transport(Transport::Bearer));
    let mut ids: Vec<Cookie> = Vec::new();
    let mut ask = |path: &str, fault: Option<(&'static str, Fault)>| {
        let request = ids.last().map_or(Request::post(path), |id| {
            Request::post(path).header(format!("Authorization: Bearer {}", id.value))
        });
        if let Some((operation, fault)) = fault {
            app.store.fail(operation, fault);
        }
        let answer = app.ask(&request);
        app.store.recover();
        let given = answer.all("session-id").into_iter().filter(|id| *id != "-");
        ids.extend(given.map(|id| Cookie { name: "Session-Id".into(), value: id.into() }));
    };
    for path in ["/secret/hunter2-field", "/login/anna-hunter2", "/renew", "/crash", "/login/ben"] {
        ask(path, None);
    }
    for operation in ["load", "patch", "create", "delete"] {
        for path in ["/secret/hunter2-field", "/renew", "/login/anna-hunter2", "/logout"] {
            ask(path, Some((operation, Fault::Down)));
        }
    }
    let id = ids.last().unwrap().value.clone();
    for line in [format!("Bearer {id} {id}"), format!("Bearer {id}="), format!("Basic {id}")] {
        app.ask(&Request::get("/show").header(format!("Authorization: {line}"))).expect(200);
    }
    app.ask(&Request::post("/logout").header(format!("Authorization: Bearer {id}"))).expect(200);
    assert!(ids.len() > 3, "{} ids were given", ids.len());
    assert_reveals_nothing(&log.all().join("\n"), &ids);
}

/// C57: nor does `{:?}` or `{:#?}` of any public type that holds an id, a key, a value, or an address with a password.
#[tokio::test]
async fn debug_reveals_nothing_about_a_visitor() {
    let mut shown = String::new();
    let mut show = |value: &dyn std::fmt::Debug| write!(shown, "{value:?}\n{value:#?}\n").unwrap();
    let store = std::sync::Arc::new(MemoryStore::new());
    let sessions = Sessions::builder().store(store.clone()).schemas::<Work>().build().unwrap();
    let visit = sessions.open([]);
    let mut work = visit.write::<Work>().await.unwrap();
    work.set_secret("hunter2-field".into());
    show(&work);
    drop(work);
    let finished = visit.finish(200).await;
    let cookie = Cookie::of(finished.cookie.header().unwrap());
    let key = visit.key().unwrap();
    let now = session_runtime::clock::Timestamp::from(std::time::SystemTime::now());
    let loaded = session_runtime::Store::load(&store, key, &Wanted::all(), now).await.unwrap().unwrap();
    let Record { head, values, .. } = loaded.record.clone();
    let mut patch = Patch::on_generation(0);
    patch.set = vec![("own.done/hunter2-entry".into(), "\"hunter2-field\"".into())];
    patch.remove = vec!["own.done/hunter2-entry".into()];
    let folder = tempfile::tempdir().unwrap();
    let builder = SqliteStore::builder(folder.path().join("sessions.db")).durability(Durability::Power);
    let config = SessionConfig::new().store("postgres://anna-hunter2:hunter2-field@db/").cookie(CookieConfig::new());
    let error = StoreError::new(StoreErrorKind::Unavailable, "load");
    show(&sessions);
    show(&Sessions::builder().config(config.clone()));
    show(&Sessions::fairing::<Work>().config(config.clone()));
    show(&config);
    show(&CookieConfig::new());
    show(&visit);
    show(&finished);
    show(&finished.cookie);
    show(&finished.into_headers().collect::<Vec<_>>());
    show(&key);
    show(&head);
    show(&head.secret);
    show(&values);
    show(&loaded);
    show(&Record::new(head_at(0), values));
    show(&patch);
    show(&session_runtime::patch::Patched::Conflict(loaded.record.clone()));
    show(&session_runtime::patch::Patched::Done(head));
    show(&store);
    show(&builder);
    show(&builder.open().unwrap());
    show(&Wanted::all());
    show(&Expiry::Default);
    show(&error);
    show(&session_runtime::SessionError::from(error));
    assert_reveals_nothing(&shown, &[cookie]);
}

/// B63, B69, C02, C08: each of these is one line in the log and no more, unless lines for debugging are asked for: a
/// save dropped after a logout, a record that is unreadable as a whole, a doubled cookie, an unknown id.
#[tokio::test]
async fn each_event_is_one_line() {
    let log = Log::listen();
    let store = recording(MemoryStore::new());
    let sessions = Sessions::builder().store(store.clone()).schemas::<Work>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Work>().await.unwrap().set_last(1);
    let pair = Cookie::of(visit.finish(200).await.cookie.header().unwrap()).pair();
    // All of this runs on one thread, so lines of other tests are not counted.
    let lines_of = async |line: &str| {
        let before = log.here().len();
        let visit = sessions.open([line]);
        visit.read::<Work>().await.unwrap();
        assert!(visit.finish(200).await.error.is_none());
        log.here().split_off(before)
    };
    store.fail("load", Fault::Corrupt);
    assert_one(&lines_of(&pair).await, "ERROR", "unreadable as a whole");
    store.recover();
    assert_one(&lines_of(&format!("{pair}; {pair}")).await, "DEBUG", "malformed or doubled");
    let unknown = format!("{}={}", sessions.cookie_name(), encode(&[9; 32]));
    assert_one(&lines_of(&unknown).await, "DEBUG", "unknown_id");
    let late = sessions.open([pair.as_str()]);
    late.write::<Work>().await.unwrap().set_last(2);
    let logout = sessions.open([pair.as_str()]);
    logout.destroy();
    logout.finish(200).await;
    let before = log.here().len();
    assert_eq!(late.finish(200).await.cookie.header(), None);
    assert_one(&log.here()[before..], "INFO", "this request's changes are dropped");
}

#[track_caller]
fn assert_one(lines: &[String], level: &str, what: &str) {
    let [line] = lines else { panic!("{what} should be one line: {lines:?}") };
    assert!(line.starts_with(level) && line.contains(what), "{line}");
}
