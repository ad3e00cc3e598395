//! Many requests of one session at once, on two nodes whose copies never grow old: nothing is right because it was
//! forgotten in time.

use std::sync::Arc;

use session_runtime::testing::RecordingStore;
use session_runtime::{CachedStore, Store};
use session_tests::fleet::Fleet;

use super::visitors::BOUND;

/// Two nodes, each with a cache in front of the same store.
fn fleet() -> (Fleet, RecordingStore) {
    let store = RecordingStore::default();
    let node = || Arc::new(CachedStore::new(store.clone()).bound(BOUND)) as Arc<dyn Store>;
    (Fleet::new([node(), node()], Arc::new(store.clone())), store)
}

/// C55: 2,000 increments from two nodes are 2,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_increments_are_exact() {
    let (fleet, store) = fleet();
    let found = fleet.increments().await;
    let (patches, loads) = (store.calls("patch"), store.calls("load"));
    println!("{found} increments: {patches} patches, {loads} loads");
    assert!(patches > 2_000, "some conflicted");
}

/// C55: sums, entries, lists and plain fields at once: each is merged by its rule, and no write is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mixed_writes_lose_nothing() {
    println!("{} mixed writes", fleet().0.mixed_writes().await);
}

/// C20: writers on two nodes, and a logout in the middle of them: the session stays ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_wins_against_writers_of_two_nodes() {
    println!("{} writes went by a session that was ended", fleet().0.logouts().await);
}

/// C12: logins on two nodes at once: one keeps the session, and the old id is dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_logins_one_keeps_the_session() {
    println!("{} logins got a session of their own", fleet().0.logins().await);
}
