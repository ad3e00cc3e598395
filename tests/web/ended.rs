//! The end of a session as a future: each reason, here and elsewhere, and nothing left behind.

mod elsewhere;
mod released;

use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rocket::local::asynchronous::Client;
use rocket::{State, post, routes};
use session_runtime::testing::{ManualClock, RecordingStore};
use session_runtime::{EndReason, Ended, SessionConfig, SessionHandle, Sessions};

use crate::app::{App, Auth, Barrier, Browser, Cart, patient};
use crate::routes::rocket;
use crate::store::recording_store;

const EVERY: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);
/// The longest time for what should take some intervals.
const PATIENCE: Duration = Duration::from_secs(20);

/// Futures that handlers have left behind.
#[derive(Default)]
struct Watching(Mutex<Vec<Ended>>);

#[post("/watch")]
fn watch(session: &SessionHandle, watching: &State<Watching>) {
    watching.0.lock().unwrap().push(session.ended());
}

#[post("/restart")]
fn restart(session: &SessionHandle) {
    session.restart();
}

/// A node of a fleet: an application on a store that others use too.
struct Node(App);

impl Node {
    async fn new(store: &RecordingStore, clock: &ManualClock, every: Duration) -> Self {
        Self::with(store, clock, patient().watch_every(every)).await
    }

    async fn with(store: &RecordingStore, clock: &ManualClock, config: SessionConfig) -> Self {
        let (store, clock, barrier) = (store.clone(), clock.clone(), Barrier::default());
        let rocket = rocket(store.clone(), clock.clone(), barrier.clone(), config);
        let rocket = rocket.manage(Watching::default()).mount("/", routes![watch, restart]);
        Self(App { client: Client::untracked(rocket).await.unwrap(), store, clock, barrier })
    }

    async fn alone(every: Duration) -> Self {
        Self::new(&recording_store(), &ManualClock::new(), every).await
    }

    async fn post(&self, browser: &mut Browser, path: &str) {
        let answer = self.0.post(browser, path).await;
        assert!(answer.status < 600, "{path}: {answer:?}");
    }

    /// A visitor with a cart, and a user if there is a name.
    async fn visitor(&self, user: Option<&str>) -> Browser {
        let mut browser = Browser::default();
        self.post(&mut browser, "/add/7").await;
        if let Some(user) = user {
            self.post(&mut browser, &format!("/login/{user}")).await;
        }
        browser
    }

    async fn watch(&self, browser: &Browser) -> Ended {
        self.post(&mut browser.clone(), "/watch").await;
        self.0.client.rocket().state::<Watching>().unwrap().0.lock().unwrap().pop().unwrap()
    }

    fn sessions(&self) -> &Sessions {
        Sessions::fetch(self.0.client.rocket()).unwrap()
    }
}

/// The reason, if the future has it already.
fn reason(ended: &mut Ended) -> Option<EndReason> {
    match Pin::new(ended).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reason) => Some(reason),
        Poll::Pending => None,
    }
}

/// Waits for the reason.
async fn awaited(ended: Ended) -> EndReason {
    tokio::time::timeout(PATIENCE, ended).await.expect("the session is over")
}

/// Waits until the store was asked so many times for heads. It is asked no longer once nothing is watched.
async fn checks(store: &RecordingStore, count: usize) {
    let mut seen = store.calls("heads");
    let all = async {
        while seen < count {
            tokio::time::sleep(EVERY / 4).await;
            seen += store.calls("heads");
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await;
    in_time.unwrap_or_else(|_| panic!("the store was asked {seen} times for heads, and not {count}"));
}

/// C91: nothing checks the store within this test.
#[rocket::async_test]
async fn an_end_in_this_process_is_known_at_once() {
    let node = Node::alone(HOUR).await;
    for (user, path, wanted) in [
        (None, "/destroy", EndReason::Over),
        (None, "/destroy?status=500", EndReason::Over),
        (None, "/restart", EndReason::Over),
        (None, "/login/ann", EndReason::LoggedOut),
        (None, "/renew", EndReason::LoggedOut),
        (Some("ann"), "/login/bob", EndReason::Over),
        (Some("ann"), "/logout-field", EndReason::Over),
        (Some("ann"), "/renew", EndReason::LoggedOut),
    ] {
        let mut browser = node.visitor(user).await;
        let (mut one, mut other) = (node.watch(&browser).await, node.watch(&browser).await);
        let mut neighbour = node.watch(&node.visitor(user).await).await;
        assert_eq!(reason(&mut one), None, "before {path}");
        node.post(&mut browser, path).await;
        for ended in [&mut one, &mut other] {
            assert_eq!(reason(ended), Some(wanted), "{user:?} {path}");
        }
        assert_eq!(reason(&mut neighbour), None, "another session ended at {path}");
    }
    assert_eq!(node.0.store.calls("heads"), 0);
}

#[rocket::async_test]
async fn a_job_that_destroys_a_session_ends_its_watches() {
    let node = Node::alone(HOUR).await;
    let browser = node.visitor(None).await;
    let mut ended = node.watch(&browser).await;
    let key = node.0.key(&browser).await;
    node.sessions().destroy(&key).await.unwrap();
    assert_eq!(reason(&mut ended), Some(EndReason::Over));
}

/// Writes, touches and periodic renewals are no end.
#[rocket::async_test]
async fn a_session_that_goes_on_was_taken_for_ended() {
    let config = patient().watch_every(EVERY).renew_every(HOUR);
    let node = Node::with(&recording_store(), &ManualClock::new(), config).await;
    let mut browser = node.visitor(Some("ann")).await;
    let mut ended = node.watch(&browser).await;
    let before = browser.clone();
    for _ in 0..5 {
        node.0.clock.advance(2 * HOUR);
        node.post(&mut browser, "/add/7").await;
    }
    assert_ne!(before, browser, "the id was not renewed");
    checks(&node.0.store, 3).await;
    assert_eq!(reason(&mut ended), None);
}

#[rocket::async_test]
async fn a_watch_follows_the_login_that_was_saved_before_it() {
    let node = Node::alone(HOUR).await;
    let visit = node.sessions().open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("A".into());
    let mut of_nothing = visit.ended();
    visit.write::<Cart>().await.unwrap().save().await.unwrap();
    let mut before = visit.ended();
    let mut auth = visit.write::<Auth>().await.unwrap();
    auth.set_user("ann".into());
    auth.save().await.unwrap();
    drop(auth);
    let mut after = visit.ended();
    assert_eq!(reason(&mut before), Some(EndReason::LoggedOut));
    assert_eq!((reason(&mut of_nothing), reason(&mut after)), (None, None));
    visit.destroy();
    assert_eq!(reason(&mut after), None, "nothing is destroyed yet");
    visit.finish(200).await;
    assert_eq!((reason(&mut after), reason(&mut visit.ended())), (Some(EndReason::Over), Some(EndReason::Over)));
}

#[rocket::async_test]
async fn without_a_stored_session_it_never_resolves() {
    let node = Node::alone(EVERY).await;
    let unknown = Browser(Some("A".repeat(43)));
    let mut futures = [node.watch(&Browser::default()).await, node.watch(&unknown).await];
    tokio::time::sleep(5 * EVERY).await;
    assert!(futures.iter_mut().all(|ended| reason(ended).is_none()));
    assert_eq!(node.0.store.calls("heads"), 0);
}
