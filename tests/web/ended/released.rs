//! Nothing is left of a watch that was dropped, and nothing runs without one.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::{EndReason, MemoryStore, SessionConfig, Sessions, Store};
use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::{EVERY, HOUR, Node, awaited, checks, reason};
use crate::app::{All, Cart};
use crate::store::recording_store;

const MINUTE: Duration = Duration::from_secs(60);

/// C96
#[rocket::async_test]
async fn the_store_was_asked_while_nothing_was_watched() {
    let node = Node::alone(EVERY).await;
    let browser = node.visitor(None).await;
    node.0.store.take_calls();
    tokio::time::sleep(5 * EVERY).await;
    assert_eq!(node.0.store.total_calls(), 0);
    let (one, mut other) = (node.watch(&browser).await, node.watch(&browser).await);
    drop(one);
    checks(&node.0.store, 2).await;
    assert_eq!(reason(&mut other), None);
    drop(other);
    yield_now().await;
    node.0.store.take_calls();
    tokio::time::sleep(5 * EVERY).await;
    assert_eq!(node.0.store.total_calls(), 0);
}

/// Waits until the runtime has so many tasks.
async fn until_tasks_are(count: usize) {
    while Handle::current().metrics().num_alive_tasks() != count {
        yield_now().await;
    }
}

/// C96: the store is released too, so nothing holds the application.
#[tokio::test]
async fn ten_thousand_dropped_watches_left_a_task() {
    let store = Arc::new(MemoryStore::new());
    let sessions = Sessions::builder().store(Arc::clone(&store)).schemas::<All>().build().unwrap();
    let visit = sessions.open([]);
    let mut cart = visit.write::<Cart>().await.unwrap();
    cart.set_coupon("A".into());
    cart.save().await.unwrap();
    drop(cart);
    let tasks = Handle::current().metrics().num_alive_tasks();
    for _ in 0..3 {
        let watches: Vec<_> = (0..10_000).map(|_| visit.ended()).collect();
        assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks + 1);
        drop(watches);
        tokio::time::timeout(MINUTE, until_tasks_are(tasks)).await.expect("the task has ended");
    }
    for _ in 0..10_000 {
        drop(visit.ended());
    }
    tokio::time::timeout(MINUTE, until_tasks_are(tasks)).await.expect("the tasks have ended");
    drop((visit, sessions));
    assert_eq!(Arc::strong_count(&store), 1);
}

/// The task of the first watch ended with its runtime.
#[test]
fn a_watch_stayed_unchecked_because_the_runtime_of_an_earlier_one_had_ended() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let store = recording_store();
    let config = SessionConfig::new().watch_every(EVERY);
    let sessions = Sessions::builder().store(store.clone()).config(config).schemas::<All>().build().unwrap();
    let visit = sessions.open([]);
    let [earlier] = first.block_on(async {
        visit.write::<Cart>().await.unwrap().set_coupon("A".into());
        visit.finish(200).await;
        [visit.ended()]
    });
    drop(first);
    second.block_on(async {
        let later = visit.ended();
        store.delete(visit.key().unwrap()).await.unwrap();
        assert_eq!((awaited(later).await, awaited(earlier).await), (EndReason::Over, EndReason::Over));
    });
}

/// The reason stays with the future.
#[rocket::async_test]
async fn a_future_that_has_resolved_gives_its_reason_again() {
    let node = Node::alone(HOUR).await;
    let mut browser = node.visitor(None).await;
    let mut ended = node.watch(&browser).await;
    node.post(&mut browser, "/destroy").await;
    for _ in 0..3 {
        assert_eq!(reason(&mut ended), Some(EndReason::Over));
    }
}
