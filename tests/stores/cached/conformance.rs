//! A cache in front of a store keeps every rule that the store keeps.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::{CachedStore, MemoryStore, SqliteStore};
use session_tests::conformance::keeps_every_rule_at_any_time;
use session_tests::stores::AlternatingStore;

/// A bound beyond the test's duration, so that no copy is dropped for its age.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// B81: one process sees no difference to the store behind, however long the bound.
#[tokio::test]
async fn memory_behind_a_cache_keeps_every_rule() {
    keeps_every_rule_at_any_time(CachedStore::new(MemoryStore::new()).bound(HOUR)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_behind_a_cache_keeps_every_rule_on_several_threads() {
    keeps_every_rule_at_any_time(CachedStore::new(MemoryStore::new()).bound(HOUR)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_behind_a_cache_keeps_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    keeps_every_rule_at_any_time(CachedStore::new(store).bound(HOUR)).await;
}

/// Copies that are thrown out at once, since there is no room, change nothing.
#[tokio::test]
async fn a_cache_without_room_keeps_every_rule() {
    keeps_every_rule_at_any_time(CachedStore::new(MemoryStore::new()).bound(HOUR).capacity(600)).await;
}

/// Two nodes that take turns, with a bound of zero: as if there were no cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_a_bound_of_zero_keep_every_rule() {
    let shared = Arc::new(MemoryStore::new());
    let node = || CachedStore::new(Arc::clone(&shared)).bound(Duration::ZERO);
    keeps_every_rule_at_any_time(AlternatingStore::new([node(), node()])).await;
}
