//! The application under test: a few schemas, a browser, and what comes back to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rocket::http::{Cookie, Header};
use rocket::local::asynchronous::{Client, LocalRequest, LocalResponse};
use serde::{Deserialize, Serialize};
use session_runtime::testing::{ManualClock, RecordingStore};
use session_runtime::{Session, SessionConfig, SessionKey};
use tokio::sync::Notify;

use crate::routes::rocket;
use crate::store::recording_store;

#[derive(Session)]
#[session(key = "cart", version = 1)]
pub struct Cart {
    #[session(merge = keys(sum))]
    pub(crate) items: BTreeMap<u32, u32>,
    #[session(merge = keys)]
    pub(crate) tags: BTreeSet<String>,
    pub(crate) coupon: Option<String>,
    #[session(merge = sum)]
    pub(crate) visits: i64,
    #[session(merge = reject)]
    pub(crate) address: Option<String>,
    #[session(merge = with = longest)]
    pub(crate) note: String,
    #[session(default = 7)]
    pub(crate) luck: u8,
    pub(crate) weights: std::collections::HashMap<String, f64>,
    #[session(transient)]
    pub(crate) scratch: Option<String>,
}

#[expect(clippy::ptr_arg, reason = "the signature of a merge function")]
fn longest(_base: &String, theirs: &String, ours: String) -> String {
    if theirs.len() > ours.len() { theirs.clone() } else { ours }
}

#[derive(Session)]
#[session(key = "auth", version = 1)]
pub struct Auth {
    #[session(renew)]
    pub(crate) user: Option<String>,
    pub(crate) roles: Vec<String>,
}

/// Fetched only when a guard asks for it.
#[derive(Session)]
#[session(key = "history", version = 1, lazy)]
pub struct History {
    pub(crate) pages: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub dark: bool,
}

#[derive(Session)]
#[session(key = "prefs", version = 1, on_invalid = "reset")]
pub struct Prefs {
    #[session(merge = keys)]
    pub(crate) values: BTreeMap<String, u32>,
    pub(crate) settings: Settings,
    pub(crate) language: Option<String>,
}

pub type All = (Cart, Auth, History, Prefs);

/// A point in a handler: the handler reports that it is there, and waits until the test opens it.
#[derive(Clone, Default)]
pub struct Barrier(Arc<(Notify, Notify)>);

impl Barrier {
    pub async fn wait(&self) {
        self.0.0.notify_one();
        self.0.1.notified().await;
    }

    pub fn open(&self) {
        self.0.1.notify_one();
    }

    /// Runs `meanwhile` while `slow` waits in its handler.
    pub async fn during<A, B>(&self, slow: impl Future<Output = A>, meanwhile: impl Future<Output = B>) -> (A, B) {
        let meanwhile = async {
            self.0.0.notified().await;
            let done = meanwhile.await;
            self.open();
            done
        };
        tokio::join!(slow, meanwhile)
    }
}

/// An application with its store, clock and barrier.
pub struct App {
    pub client: Client,
    pub store: RecordingStore,
    pub clock: ManualClock,
    pub barrier: Barrier,
}

/// Time enough for a store on a busy machine; a test that waits for the end of it is still a matter of seconds.
pub fn patient() -> SessionConfig {
    SessionConfig::new().deadline(std::time::Duration::from_secs(6))
}

/// A browser, reduced to the value of the session cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Browser(pub Option<String>);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub set_cookie: Vec<String>,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str()).collect()
    }
}

impl App {
    pub async fn new() -> Self {
        Self::with(patient()).await
    }

    pub async fn with(config: SessionConfig) -> Self {
        Self::on(recording_store(), config).await
    }

    /// On a store that may hold something already.
    pub async fn on(store: RecordingStore, config: SessionConfig) -> Self {
        let (clock, barrier) = (ManualClock::new(), Barrier::default());
        let rocket = rocket(store.clone(), clock.clone(), barrier.clone(), config);
        let client = Client::untracked(rocket).await.unwrap();
        Self { client, store, clock, barrier }
    }

    pub async fn get(&self, browser: &mut Browser, path: &str) -> Answer {
        self.send(self.client.get(path.to_owned()), browser).await
    }

    pub async fn post(&self, browser: &mut Browser, path: &str) -> Answer {
        self.send(self.client.post(path.to_owned()), browser).await
    }

    pub async fn send(&self, request: LocalRequest<'_>, browser: &mut Browser) -> Answer {
        let request = match &browser.0 {
            Some(id) => request.private_line(id),
            None => request,
        };
        let answer = Answer::of(request.dispatch().await).await;
        browser.take(&answer);
        answer
    }

    /// The key of the browser's session.
    pub async fn key(&self, browser: &Browser) -> SessionKey {
        let mut copy = browser.clone();
        let facts = self.get(&mut copy, "/facts").await.body;
        let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
        facts["key"].as_str().unwrap().parse().unwrap()
    }
}

impl Browser {
    pub fn take(&mut self, answer: &Answer) {
        for line in &answer.set_cookie {
            let cookie = Cookie::parse(line.clone()).unwrap();
            let removed = cookie.max_age().is_some_and(rocket::time::Duration::is_zero);
            self.0 = (!removed).then(|| cookie.value().to_owned());
        }
    }
}

impl Answer {
    pub async fn of(response: LocalResponse<'_>) -> Self {
        let headers: Vec<(String, String)> =
            response.headers().iter().map(|header| (header.name().to_string(), header.value().to_owned())).collect();
        let set_cookie = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        let set_cookie = set_cookie.map(|(_, value)| value.clone()).collect();
        let status = response.status().code;
        Self { status, headers, set_cookie, body: response.into_string().await.unwrap_or_default() }
    }
}

trait RawLine {
    fn private_line(self, id: &str) -> Self;
}

impl RawLine for LocalRequest<'_> {
    fn private_line(self, id: &str) -> Self {
        self.header(Header::new("Cookie", format!("id={id}")))
    }
}
