//! Ends that another process has caused, and deadlines.

use std::time::Duration;

use session_runtime::store::CachedStore;
use session_runtime::testing::{Fault, ManualClock, RecordingStore};
use session_runtime::{CookieStore, EndReason, Ended, MemoryStore, SessionConfig, SessionKey, Sessions, Visit};
use tokio::time::Instant;

use super::{EVERY, HOUR, Node, awaited, checks, reason};
use crate::app::{All, Cart};
use crate::store::recording_store;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Two nodes over one store, with one clock.
async fn two_nodes() -> (Node, Node) {
    let (store, clock) = (recording_store(), ManualClock::new());
    (Node::new(&store, &clock, EVERY).await, Node::new(&store, &clock, EVERY).await)
}

/// C92
#[rocket::async_test]
async fn an_end_in_another_process_is_noticed() {
    let (here, there) = two_nodes().await;
    for (user, path, wanted) in [
        (None, "/destroy", EndReason::Over),
        (Some("ann"), "/restart", EndReason::Over),
        (None, "/login/ann", EndReason::LoggedOut),
        (Some("ann"), "/renew", EndReason::LoggedOut),
    ] {
        let mut browser = there.visitor(user).await;
        let (ended, mut neighbour) = (here.watch(&browser).await, here.watch(&there.visitor(user).await).await);
        there.post(&mut browser, path).await;
        assert_eq!(awaited(ended).await, wanted, "{user:?} {path}");
        assert_eq!(reason(&mut neighbour), None, "another session ended at {path}");
    }
}

/// C93: a copy in a cache may be as old as its bound.
#[rocket::async_test]
async fn a_copy_in_a_cache_hid_the_end() {
    let (store, clock) = (RecordingStore::new(MemoryStore::new()), ManualClock::new());
    let cached = RecordingStore::new(CachedStore::new(store.clone()).bound(HOUR));
    let (here, there) = (Node::new(&cached, &clock, EVERY).await, Node::new(&store, &clock, EVERY).await);
    let mut browser = there.visitor(None).await;
    let ended = here.watch(&browser).await;
    there.post(&mut browser, "/destroy").await;
    assert_eq!(awaited(ended).await, EndReason::Over);
}

/// C94: the last known deadline is not enough, since another node may have moved it.
#[rocket::async_test]
async fn a_session_that_another_node_has_used_expired_at_its_earlier_deadline() {
    let (store, clock) = (recording_store(), ManualClock::new());
    let config = || SessionConfig::new().idle(2 * HOUR).watch_every(EVERY);
    let (here, there) = (Node::with(&store, &clock, config()).await, Node::with(&store, &clock, config()).await);
    let mut browser = there.visitor(None).await;
    let mut ended = here.watch(&browser).await;
    store.fail("heads", Fault::Down);
    clock.advance(HOUR);
    there.post(&mut browser, "/add/7").await;
    clock.advance(HOUR + HOUR / 2);
    store.recover();
    checks(&store, 3).await;
    assert_eq!(reason(&mut ended), None);
    clock.advance(HOUR);
    assert_eq!(awaited(ended).await, EndReason::Expired);
}

/// C94
#[rocket::async_test]
async fn an_unavailable_store_ended_a_session_before_its_absolute_deadline() {
    let (here, there) = two_nodes().await;
    let store = &here.0.store;
    let mut browser = there.visitor(None).await;
    for fault in [Fault::Down, Fault::Panics, Fault::LockedOut, Fault::Corrupt] {
        store.fail("heads", fault);
        let (mut destroyed, mut expired) = (here.watch(&browser).await, here.watch(&there.visitor(None).await).await);
        there.post(&mut browser, "/destroy").await;
        here.0.clock.advance(15 * DAY);
        checks(store, 3).await;
        assert_eq!((reason(&mut destroyed), reason(&mut expired)), (None, None), "{fault:?}");
        here.0.clock.advance(16 * DAY);
        assert_eq!((awaited(destroyed).await, awaited(expired).await), (EndReason::Expired, EndReason::Expired));
        store.recover();
        browser = there.visitor(None).await;
    }
}

/// The deadline of each operation, and not the end of a store that hangs, limits a check.
#[rocket::async_test]
async fn a_check_that_hung_was_the_last_one() {
    let (store, clock) = (recording_store(), ManualClock::new());
    let config = SessionConfig::new().deadline(Duration::from_secs(1)).watch_every(EVERY);
    let (here, there) = (Node::with(&store, &clock, config).await, Node::new(&store, &clock, EVERY).await);
    let mut browser = there.visitor(None).await;
    store.fail_next("heads", Fault::Hangs);
    let ended = here.watch(&browser).await;
    store.hung().await;
    there.post(&mut browser, "/destroy").await;
    assert_eq!(awaited(ended).await, EndReason::Over);
}

/// C95: the check read the head before the login, and is judged after it.
#[rocket::async_test]
async fn a_check_that_began_before_a_login_ended_the_watch_of_that_login() {
    let (here, _) = two_nodes().await;
    let store = &here.0.store;
    let mut browser = here.visitor(None).await;
    let before = here.watch(&browser).await;
    // Its watch keeps the check going when the other one has ended.
    let mut neighbour = here.watch(&here.visitor(None).await).await;
    let login = async {
        here.post(&mut browser, "/login/ann").await;
        [here.watch(&browser).await]
    };
    let (reason_before, [mut after]) = store.before_answer("heads", awaited(before), login).await;
    assert_eq!(reason_before, EndReason::LoggedOut);
    checks(store, 3).await;
    assert_eq!((reason(&mut after), reason(&mut neighbour)), (None, None));
}

/// Sessions in cookies are on no server: only this process and the absolute deadline end them.
#[rocket::async_test]
async fn sessions_in_cookies_end_in_this_process() {
    let (clock, store) = (ManualClock::new(), CookieStore::new([CookieStore::random_key().unwrap()]).unwrap());
    let config = SessionConfig::new().watch_every(EVERY);
    let builder = Sessions::builder().cookie_store(store).config(config).clock(clock.clone());
    let sessions = builder.schemas::<All>().build().unwrap();
    let ((_, mut ended), (visit, _)) = (in_cookie(&sessions).await, in_cookie(&sessions).await);
    let mut destroyed = visit.ended();
    visit.destroy();
    visit.finish(200).await;
    assert_eq!(reason(&mut destroyed), Some(EndReason::Over));
    tokio::time::sleep(3 * EVERY).await;
    assert_eq!(reason(&mut ended), None);
    clock.advance(31 * DAY);
    assert_eq!(awaited(ended).await, EndReason::Expired);
}

async fn in_cookie(sessions: &Sessions) -> (Visit, Ended) {
    let visit = sessions.open([]);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("A".into());
    cart.save().await.unwrap();
    drop(cart);
    let ended = visit.ended();
    (visit, ended)
}

/// C92: a thousand sessions, watched on three nodes and destroyed on a fourth, one in each millisecond.
#[tokio::test(start_paused = true)]
async fn a_thousand_sessions_on_three_nodes_end_within_the_interval() {
    const SESSIONS: usize = 1_000;
    let (store, every) = (RecordingStore::new(MemoryStore::new()), Duration::from_secs(1));
    let node = || {
        let config = SessionConfig::new().watch_every(every);
        Sessions::builder().store(store.clone()).config(config).schemas::<All>().build().unwrap()
    };
    let (nodes, fourth) = ([node(), node(), node()], node());
    let (mut keys, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..SESSIONS {
        let (cookie, key) = stored(&fourth).await;
        keys.push(key);
        for node in &nodes {
            waiting.push(tokio::spawn(end_of(watched(node, &cookie).await)));
        }
    }
    let mut destroyed = Vec::new();
    for key in &keys {
        tokio::time::sleep(Duration::from_millis(1)).await;
        fourth.destroy(key).await.unwrap();
        destroyed.push(Instant::now());
    }
    let mut delays = Vec::new();
    for (at, ended) in waiting.into_iter().enumerate() {
        delays.push(ended.await.unwrap().saturating_duration_since(destroyed[at / nodes.len()]));
    }
    delays.sort_unstable();
    let (late, last) = (delays[delays.len() * 99 / 100], delays[delays.len() - 1]);
    println!("99 % within {late:?}, all within {last:?}");
    assert!(late <= every * 3 / 2 && last <= every * 3, "{late:?}, {last:?}");
}

async fn stored(sessions: &Sessions) -> (String, SessionKey) {
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_coupon("A".into());
    let finished = visit.finish(200).await;
    let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    (cookie, visit.key().unwrap())
}

async fn watched(sessions: &Sessions, cookie: &str) -> Ended {
    let visit = sessions.open([cookie]);
    visit.load().await.unwrap();
    visit.ended()
}

async fn end_of(ended: Ended) -> Instant {
    assert_eq!(ended.await, EndReason::Over);
    Instant::now()
}
