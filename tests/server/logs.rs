//! What the library says in the log, at the level TRACE: enough to find a fault by, and nothing that belongs to a visitor.
//!
//! The log is that of this process, in which our own application runs. Rocket's log is its own affair: at its most
//! talkative it prints request headers, the `Cookie` header among them.

use std::fmt::Write as _;
use std::sync::{Mutex, Once};
use std::thread::ThreadId;

use session_runtime::patch::Patch;
use session_runtime::record::Record;
use session_runtime::store::{Durability, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{CookieConfig, Expiry, MemoryStore, SessionConfig, SessionKey, Sessions, SqliteStore};

use crate::cookie::{Cookie, encode, hex};
use crate::http::{Answer, Request};
use crate::own::{Frail, Own, Weakness, Work, patient};
use crate::place::Storage;

const SECRETS: [&str; 3] = ["hunter2-field", "anna-hunter2", "hunter2-entry"];

/// Everything that the library said, line by line.
pub(crate) struct Log(Mutex<Vec<(ThreadId, String)>>);

impl Log {
    /// Listens from the first call on, before an application of this process could take the place.
    pub(crate) fn listen() -> &'static Self {
        static LOG: Log = Log(Mutex::new(Vec::new()));
        static FIRST: Once = Once::new();
        FIRST.call_once(|| {
            log::set_logger(&LOG).expect("nobody else listens in this process");
            log::set_max_level(log::LevelFilter::Trace);
        });
        &LOG
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(_, line)| line.clone()).collect()
    }

    /// What was said by the thread that asks.
    pub(crate) fn here(&self) -> Vec<String> {
        let id = std::thread::current().id();
        self.0.lock().unwrap().iter().filter(|(thread, _)| *thread == id).map(|(_, line)| line.clone()).collect()
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("session_runtime")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {} {}", record.level(), record.target(), record.args());
            self.0.lock().unwrap().push((std::thread::current().id(), line));
        }
    }

    fn flush(&self) {}
}

/// What could be said of a session and must not be.
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
struct Visitor<'o> {
    own: &'o Own,
    cookies: Vec<Cookie>,
}

impl Visitor<'_> {
    fn post(&mut self, path: &str) -> Answer {
        let request = Request::post(path);
        let answer = self.own.ask(&match self.cookies.last() {
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
    let own = Own::launch(storage, patient());
    let mut visitor = Visitor { own: &own, cookies: Vec::new() };
    for path in ["/secret/hunter2-field", "/secret/hunter2-field?status=500", "/secret/hunter2-field?status=404"] {
        visitor.post(path);
    }
    for path in ["/login/anna-hunter2", "/renew", "/login/ben"] {
        visitor.post(path).expect(200).new_cookie();
    }
    let (old, current) = (visitor.cookies[2].pair(), visitor.cookies[3].pair());
    own.ask(&Request::post("/job/2").line(old));
    for line in [format!("{current}; {current}"), format!("id={}", encode(&[9; 32])), "id=hunter2-field".into()] {
        own.ask(&Request::get("/show").line(line)).expect(200);
    }
    visitor.post("/crash").expect(500);
    for weakness in [Weakness::Fails, Weakness::Panics, Weakness::Corrupt] {
        for operation in ["load", "patch", "create", "delete"] {
            own.store.weaken(operation, weakness);
            for path in ["/secret/hunter2-field", "/renew", "/login/anna-hunter2", "/login/ben", "/logout"] {
                visitor.post(path);
            }
            own.store.mend();
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
    let lines = log.lines();
    for expected in
        ["unknown_id", "malformed or doubled", "unreadable as a whole", "could not be saved", "guard failed"]
    {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected} should be in:\n{}", lines.join("\n"));
    }
    assert_reveals_nothing(&lines.join("\n"), &cookies);
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

/// B63, B69, C02, C08: each of these is one line in the log and no more, unless lines for debugging are asked for: a save dropped after a logout, a record that is
/// unreadable as a whole, a doubled cookie, an unknown id.
#[tokio::test]
async fn each_event_is_one_line() {
    let log = Log::listen();
    let store = Frail::over(MemoryStore::new());
    let sessions = Sessions::builder().store(store.clone()).schemas::<Work>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Work>().await.unwrap().set_last(1);
    let pair = Cookie::of(visit.finish(200).await.cookie.header().unwrap()).pair();
    // One thread does all of this, so what others say meanwhile is not counted.
    let lines_of = async |line: &str| {
        let before = log.here().len();
        let visit = sessions.open([line]);
        visit.read::<Work>().await.unwrap();
        assert!(visit.finish(200).await.error.is_none());
        log.here().split_off(before)
    };
    store.weaken("load", Weakness::Corrupt);
    assert_one(&lines_of(&pair).await, "ERROR", "unreadable as a whole");
    store.mend();
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
