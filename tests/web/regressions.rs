//! Fixed bugs: visits at a store that is slow, silent or shared with other requests.

mod at_the_end;
mod ending;
mod expiry;
mod given_up;
mod identity;
mod in_flight;
mod jobs;
mod panics;
mod records;
mod refused;
mod saving;
mod update_now;
mod values;

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use session_runtime::testing::{ManualClock, RecordingStore};
use session_runtime::{ErrorKind, Schema, Session, SessionConfig, SessionKey, Sessions, Visit};

use crate::app::{Answer, Auth, Browser, Cart, CartMut, History, Prefs, patient};
use crate::store::recording_store;

/// A value that may be impossible to encode.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub enum Trap {
    #[default]
    Fine,
    Fails,
    Panics,
}

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fine => serializer.serialize_unit_variant("Trap", 0, "Fine"),
            Self::Fails => Err(serde::ser::Error::custom("not today")),
            Self::Panics => panic!("encoding panics"),
        }
    }
}

#[derive(Session)]
#[session(key = "odd", version = 1)]
pub struct Odd {
    pub(crate) first: u32,
    pub(crate) trap: Trap,
    #[session(transient)]
    pub(crate) runs: u32,
    pub(crate) price: f64,
}

#[derive(Session)]
#[session(key = "tally", version = 1, on_invalid = "reset")]
pub struct Tally {
    #[session(merge = sum)]
    pub(crate) count: i64,
}

/// A value that panics when it is decoded.
#[derive(Debug, Default, Serialize)]
pub struct Bomb;

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("decoding panics")
    }
}

#[derive(Session)]
#[session(key = "bombs", version = 1)]
pub struct Bombs {
    pub(crate) bomb: Bomb,
}

/// A user that is reset if the stored value does not decode.
#[derive(Session)]
#[session(key = "member", version = 1, on_invalid = "reset")]
pub struct Member {
    #[session(renew)]
    pub(crate) name: Option<String>,
}

type All = (Cart, Auth, History, Prefs, Odd, Tally, Bombs, Member);

/// The sessions of an application, without a web framework around them.
pub struct Web {
    pub sessions: Sessions,
    pub store: RecordingStore,
    pub clock: ManualClock,
}

impl Web {
    pub fn new() -> Self {
        Self::with(patient())
    }

    pub fn with(config: SessionConfig) -> Self {
        let (store, clock) = (recording_store(), ManualClock::new());
        let builder = Sessions::builder().store(store.clone()).clock(clock.clone()).config(config);
        Self { sessions: builder.schemas::<All>().build().unwrap(), store, clock }
    }

    /// An application with one visitor, whose cart is as `edit` leaves it.
    pub async fn of_cart(edit: impl FnOnce(&mut CartMut)) -> (Self, Browser) {
        Self::new().with_cart(edit).await
    }

    pub async fn with_cart(self, edit: impl FnOnce(&mut CartMut)) -> (Self, Browser) {
        let mut browser = Browser::default();
        self.edit::<Cart>(&mut browser, edit).await;
        (self, browser)
    }

    /// An application with one visitor, whose cart holds the coupon "A".
    pub async fn of_visitor() -> (Self, Browser) {
        Self::new().with_visitor().await
    }

    pub async fn with_visitor(self) -> (Self, Browser) {
        self.with_cart(|cart| cart.set_coupon("A".into())).await
    }

    pub fn open(&self, browser: &Browser) -> Visit {
        let line = browser.0.as_ref().map(|id| format!("{}={id}", self.sessions.cookie_name()));
        self.sessions.open(line.as_deref())
    }

    /// Finishes a request with an answer that is no failure; the error that replaces it, if any.
    pub async fn close(&self, visit: Visit, browser: &mut Browser) -> Option<ErrorKind> {
        self.close_as(200, visit, browser).await
    }

    pub async fn close_as(&self, status: u16, visit: Visit, browser: &mut Browser) -> Option<ErrorKind> {
        let finished = visit.finish(status).await;
        let set_cookie = finished.cookie.header().map(str::to_owned).into_iter().collect();
        browser.take(&Answer { status, body: String::new(), set_cookie, headers: Vec::new() });
        finished.error.map(|error| error.kind())
    }

    /// A whole request that edits one schema.
    pub async fn edit<S: Schema>(&self, browser: &mut Browser, edit: impl FnOnce(&mut S::Mut)) {
        let visit = self.open(browser);
        edit(&mut *visit.write::<S>().await.unwrap());
        assert_eq!(self.close(visit, browser).await, None);
    }

    /// The same by another tab of the same browser, which keeps what comes back to itself.
    pub async fn edit_elsewhere<S: Schema>(&self, browser: &Browser, edit: impl FnOnce(&mut S::Mut)) {
        self.edit::<S>(&mut browser.clone(), edit).await;
    }

    pub async fn log_in(&self, browser: &mut Browser, user: &str) {
        self.edit::<Auth>(browser, |auth| auth.set_user(user.into())).await;
    }

    pub async fn key(&self, browser: &Browser) -> SessionKey {
        let visit = self.open(browser);
        visit.load().await.unwrap();
        visit.key().unwrap()
    }

    /// The stored text of one field or entry.
    pub async fn stored(&self, browser: &Browser, name: &str) -> Option<String> {
        let record = self.store.record(self.key(browser).await).await.unwrap();
        record.values.get(name).map(str::to_owned)
    }

    /// Puts texts into the browser's record, as another program might.
    pub async fn plant(&self, browser: &Browser, texts: &[(&str, &str)]) {
        let key = self.key(browser).await;
        for (name, text) in texts {
            self.store.plant(key, name, text).await;
        }
    }

    pub async fn coupon(&self, browser: &Browser) -> Option<String> {
        self.open(browser).read::<Cart>().await.unwrap().coupon().clone()
    }

    pub async fn user(&self, browser: &Browser) -> Option<String> {
        self.open(browser).read::<Auth>().await.unwrap().user().clone()
    }
}

/// Puts so many of a product into a cart.
fn add(product: u32, count: u32) -> impl FnOnce(&mut CartMut) {
    move |cart| *cart.items_mut().entry(product).or_default() += count
}

/// Begins something and drops it before it is done.
async fn give_up<T>(work: impl Future<Output = T>) {
    assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err(), "it was done before it was given up");
}
