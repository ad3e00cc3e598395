//! Changes while the closure of an `update_now` runs, and runs again.

use std::sync::Arc;
use std::task::{Context, Waker};

use session_runtime::clock::Timestamp;
use session_runtime::config::Limits;
use session_runtime::patch::Patch;
use session_runtime::{MemoryStore, Session, SessionConfig, SessionKey, Sessions, Store};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

#[derive(Session)]
#[session(key = "prefs", version = 1)]
struct Prefs {
    theme: u32,
}

async fn begun(sessions: &Sessions) -> (SessionKey, String) {
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("A".into());
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    (visit.key().unwrap(), cookie)
}

/// Another program's write. A store in memory needs no waiting.
fn change(store: &MemoryStore, key: SessionKey) {
    let patch = Patch::on_generation(0).set([("other.key", "1")]);
    let mut change = store.patch(key, patch, Timestamp::from_millis(0));
    assert!(change.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

/// The first run's wishes were thrown away as a whole, and with them what another guard had handed over meanwhile.
#[tokio::test]
async fn a_guard_that_ends_inside_an_update_that_runs_again_loses_nothing() {
    let store = Arc::new(MemoryStore::new());
    let sessions = Sessions::builder().store(store.clone()).schemas::<(Cart, Prefs)>().build().unwrap();
    let (key, cookie) = begun(&sessions).await;
    let visit = sessions.open([&*cookie]);
    let mut prefs = Some(visit.write::<Prefs>().await.unwrap());
    prefs.as_mut().unwrap().set_theme(7);
    let mut cart = visit.write::<Cart>().await.unwrap();
    let mut runs = 0;
    let work = |cart: &mut CartMut| {
        runs += 1;
        cart.set_coupon("B".into());
        if runs == 1 {
            drop(prefs.take());
            change(&store, key);
        }
    };
    cart.update_now(work).await.unwrap();
    drop(cart);
    assert!(visit.finish(200).await.error.is_none());
    assert_eq!(runs, 2, "the other program's write should be met");
    assert_eq!(*sessions.read::<Prefs>(&key).await.unwrap().unwrap().theme(), 7);
    assert_eq!(sessions.read::<Cart>(&key).await.unwrap().unwrap().coupon().as_deref(), Some("B"));
}

/// An explicit renewal always takes effect, and so does one that was asked for inside an update which was then refused.
#[tokio::test]
async fn a_renewal_inside_a_refused_update_takes_effect() {
    let limits = Limits { record_bytes: 500, ..Limits::default() };
    let config = SessionConfig::new().limits(limits);
    let sessions = Sessions::builder().store(MemoryStore::new()).config(config).schemas::<Cart>().build().unwrap();
    let (_, cookie) = begun(&sessions).await;
    let visit = sessions.open([&*cookie]);
    let mut cart = visit.write::<Cart>().await.unwrap();
    let work = |cart: &mut CartMut| {
        visit.renew();
        cart.set_coupon("x".repeat(1_000));
    };
    assert!(cart.update_now(work).await.is_err());
    drop(cart);
    visit.finish(409).await;
    let old = sessions.open([&*cookie]);
    old.load().await.unwrap();
    assert!(old.key().is_none(), "the old id still opens");
}
