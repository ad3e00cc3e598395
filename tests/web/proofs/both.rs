//! Proofs without a web framework, of sessions in a store, behind a cache and in the cookie.

use std::time::{Duration, SystemTime};

use session_runtime::testing::ManualClock;
use session_runtime::{CachedStore, CookieStore, ErrorKind, Sessions, SessionsBuilder, Visit};

use super::{All, Auth, Cart, MINUTE};
use crate::app::patient;
use crate::store::recording_store;

struct Site {
    sessions: Sessions,
    clock: ManualClock,
}

impl Site {
    fn new(at: impl FnOnce(SessionsBuilder) -> SessionsBuilder) -> Self {
        let clock = ManualClock::new();
        let builder = at(Sessions::builder()).config(patient()).clock(clock.clone());
        Self { sessions: builder.schemas::<All>().build().unwrap(), clock }
    }

    fn each() -> [Self; 3] {
        let key = CookieStore::random_key().unwrap();
        [
            Self::new(|builder| builder.store(recording_store())),
            Self::new(|builder| builder.store(CachedStore::new(recording_store()))),
            Self::new(|builder| builder.cookie_store(CookieStore::new([key]).unwrap())),
        ]
    }

    fn now(&self) -> SystemTime {
        self.clock.timestamp().into()
    }

    /// Finishes the visit; the browser then has its cookie.
    async fn close(&self, visit: Visit, browser: &mut Option<String>) {
        let finished = visit.finish(200).await;
        assert!(finished.error.is_none(), "{:?}", finished.error);
        if let Some(header) = finished.cookie.header() {
            *browser = header.split(';').next().map(str::to_owned);
        }
    }

    async fn login(&self, browser: &mut Option<String>) {
        let visit = self.sessions.open(browser.as_deref());
        visit.write::<Auth>().await.unwrap().set_user("ann".into());
        assert_eq!(visit.authenticated_at(), Some(self.now()), "not saved yet");
        self.close(visit, browser).await;
    }

    async fn kind(&self, browser: Option<&str>, age: Duration) -> Option<ErrorKind> {
        let checked = self.sessions.open(browser).authenticated_within(age).await;
        checked.err().map(|error| error.kind())
    }
}

#[tokio::test]
async fn a_proof_ages_and_is_given_again() {
    for site in Site::each() {
        let mut browser = None;
        let visit = site.sessions.open([]);
        visit.write::<Cart>().await.unwrap().set_visits(1);
        site.close(visit, &mut browser).await;
        assert_eq!(site.kind(browser.as_deref(), MINUTE).await, Some(ErrorKind::NotRecent));
        site.login(&mut browser).await;
        let at = Some(site.now());
        assert_eq!(site.kind(browser.as_deref(), MINUTE).await, None);
        site.clock.advance(2 * MINUTE);
        assert_eq!(site.kind(browser.as_deref(), MINUTE).await, Some(ErrorKind::NotRecent));
        let visit = site.sessions.open(browser.as_deref());
        assert_eq!(visit.authenticated_at(), None, "nothing is loaded");
        visit.load().await.unwrap();
        assert_eq!(visit.authenticated_at(), at);
        visit.reauthenticated();
        site.close(visit, &mut browser).await;
        assert_eq!(site.kind(browser.as_deref(), MINUTE).await, None);
    }
}

/// After an explicit save the request goes on with what is stored, its proof included.
#[tokio::test]
async fn a_saved_proof_is_seen_by_the_rest_of_the_request() {
    for site in Site::each() {
        let visit = site.sessions.open([]);
        let mut auth = visit.write::<Auth>().await.unwrap();
        auth.set_user("ann".into());
        auth.save().await.unwrap();
        let at = Some(site.now());
        site.clock.advance(MINUTE);
        assert_eq!(visit.authenticated_at(), at);
        auth.update_now(|auth| auth.set_level(2)).await.unwrap();
        assert_eq!(visit.authenticated_at(), None, "the level has renewed the id");
        drop(auth);
        visit.reauthenticated();
        visit.write::<Auth>().await.unwrap().save().await.unwrap();
        assert_eq!(visit.authenticated_at(), Some(site.now()));
    }
}

/// The id was renewed on another node: a copy that this node still has does not open a guarded route.
#[tokio::test]
async fn a_copy_in_a_cache_is_no_proof() {
    let store = recording_store();
    let node = || Site::new(|builder| builder.store(CachedStore::new(store.clone()).bound(Duration::from_secs(3600))));
    let (here, there) = (node(), node());
    let mut browser = None;
    here.login(&mut browser).await;
    let old = browser.clone();
    here.sessions.open(old.as_deref()).load().await.unwrap();
    let visit = there.sessions.open(browser.as_deref());
    visit.load().await.unwrap();
    visit.renew();
    there.close(visit, &mut browser).await;
    let visit = here.sessions.open(old.as_deref());
    assert_eq!(visit.read::<Auth>().await.unwrap().user().as_deref(), Some("ann"), "the copy");
    let checked = visit.authenticated_within(MINUTE).await;
    assert_eq!(checked.unwrap_err().kind(), ErrorKind::Renewed);
}

/// Nothing stores it, unless the request begins a session.
#[tokio::test]
async fn a_visitor_without_a_session_gives_no_proof() {
    for site in Site::each() {
        let visit = site.sessions.open([]);
        visit.reauthenticated();
        assert_eq!(visit.authenticated_at(), None);
        assert!(visit.authenticated_within(MINUTE).await.is_err());
        visit.write::<Cart>().await.unwrap().set_visits(1);
        assert_eq!(visit.authenticated_at(), Some(site.now()));
    }
}
