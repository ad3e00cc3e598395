//! The end of a request: given up half-way, beside a save that never ends, and what comes after it.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::config::OnSaveError;
use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{Session, SessionConfig, SessionKey, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

fn sessions(pause: Duration, config: SessionConfig) -> Sessions {
    let store = RecordingStore::default();
    for operation in ["patch", "delete"] {
        store.fail(operation, Fault::Slow(pause));
    }
    Sessions::builder().store(store).config(config).schemas::<Cart>().build().unwrap()
}

fn patient(pause: Duration) -> Sessions {
    sessions(pause, SessionConfig::new().deadline(Duration::from_secs(30)))
}

/// A session with the coupon `A`: its key and its cookie.
async fn begun(sessions: &Sessions) -> (SessionKey, String) {
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("A".into());
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    (visit.key().unwrap(), cookie)
}

async fn coupon(sessions: &Sessions, key: &SessionKey) -> Option<String> {
    sessions.read::<Cart>(key).await.unwrap().and_then(|cart| cart.coupon().clone())
}

/// An adapter with a time limit of its own asked again and got a success.
#[tokio::test(start_paused = true)]
async fn an_end_that_was_given_up_is_no_success_when_asked_again() {
    for logout in [false, true] {
        let sessions = patient(Duration::from_secs(5));
        let (key, cookie) = begun(&sessions).await;
        let visit = sessions.open([&*cookie]);
        if logout {
            visit.destroy();
        } else {
            visit.write::<Cart>().await.unwrap().set_coupon("B".into());
        }
        assert!(tokio::time::timeout(Duration::from_secs(1), visit.finish(200)).await.is_err());
        assert!(visit.finish(200).await.error.is_some(), "nothing was stored: {:?}", coupon(&sessions, &key).await);
    }
}

/// The request's own changes were invisible during its save. A read in that time left the old value behind for all
/// later reads.
#[tokio::test(start_paused = true)]
async fn a_read_during_the_end_leaves_no_old_value_behind() {
    let sessions = patient(Duration::from_secs(5));
    let (_, cookie) = begun(&sessions).await;
    let visit = sessions.open([&*cookie]);
    visit.write::<Cart>().await.unwrap().set_coupon("B".into());
    let read = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        visit.read::<Cart>().await.unwrap();
    };
    let (finished, ()) = tokio::join!(visit.finish(200), read);
    assert!(finished.error.is_none());
    assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("B"));
}

/// After a failed answer, the result depended on an earlier read.
#[tokio::test(start_paused = true)]
async fn after_a_failed_answer_every_reader_sees_the_stored_values() {
    for read_before in [false, true] {
        let sessions = patient(Duration::ZERO);
        let (_, cookie) = begun(&sessions).await;
        let visit = sessions.open([&*cookie]);
        visit.write::<Cart>().await.unwrap().set_coupon("B".into());
        if read_before {
            visit.read::<Cart>().await.unwrap();
        }
        visit.finish(500).await;
        assert_eq!(visit.read::<Cart>().await.unwrap().coupon().as_deref(), Some("A"));
    }
}

/// With `on_save_error = "log"`, a logout that waited in vain for a save of the same request went out as a success.
#[tokio::test(start_paused = true)]
async fn a_logout_behind_a_save_that_never_ends_is_no_success() {
    for logout in [false, true] {
        let config = SessionConfig::new().deadline(Duration::from_secs(2)).on_save_error(OnSaveError::Log);
        let sessions = sessions(Duration::from_secs(3600), config);
        let (_, cookie) = begun(&sessions).await;
        let visit = sessions.open([&*cookie]);
        let mut cart = visit.write::<Cart>().await.unwrap();
        cart.set_coupon("B".into());
        let mut save = Box::pin(cart.save());
        let polled = save.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending(), "the save should be kept without being driven");
        if logout {
            visit.destroy();
        } else {
            visit.renew();
        }
        assert!(visit.finish(200).await.error.is_some());
    }
}

/// A stream that logs out comes too late; that nothing happened is in the log, and the session lives on.
#[tokio::test(start_paused = true)]
async fn a_logout_after_the_end_does_nothing() {
    let sessions = patient(Duration::ZERO);
    let (key, cookie) = begun(&sessions).await;
    let visit = Arc::new(sessions.open([&*cookie]));
    visit.load().await.unwrap();
    assert!(visit.finish(200).await.error.is_none());
    visit.destroy();
    assert!(visit.key().is_some() && coupon(&sessions, &key).await.is_some());
}
