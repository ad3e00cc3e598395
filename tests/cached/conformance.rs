//! A cache in front of a store keeps every rule that the store keeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Created, Loaded, StoreError, Wanted};
use session_runtime::testing::conformance;
use session_runtime::{CachedStore, MemoryStore, SessionKey, SqliteStore, Store, async_trait};

/// So long that nothing is right because it was forgotten.
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn keeps_every_rule(store: impl Store) {
    let store: Arc<dyn Store> = Arc::new(store);
    for now in [Timestamp::from_millis(0), SystemTime::now().into()] {
        let report = conformance::check(Arc::clone(&store), now).await;
        report.assert();
        assert_eq!(report.passed().len(), conformance::rules().count());
    }
}

/// B81: one process sees no difference to the store behind, however long the bound.
#[tokio::test]
async fn memory_behind_a_cache_keeps_every_rule() {
    keeps_every_rule(CachedStore::new(MemoryStore::new()).bound(HOUR)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_behind_a_cache_keeps_every_rule_on_several_threads() {
    keeps_every_rule(CachedStore::new(MemoryStore::new()).bound(HOUR)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_behind_a_cache_keeps_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    keeps_every_rule(CachedStore::new(store).bound(HOUR)).await;
}

/// Copies that are thrown out at once, since there is no room, change nothing.
#[tokio::test]
async fn a_cache_without_room_keeps_every_rule() {
    keeps_every_rule(CachedStore::new(MemoryStore::new()).bound(HOUR).capacity(600)).await;
}

/// Two nodes that take turns, with a bound of zero: as if there were no cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_a_bound_of_zero_keep_every_rule() {
    let shared = Arc::new(MemoryStore::new());
    let node = || CachedStore::new(Arc::clone(&shared)).bound(Duration::ZERO);
    keeps_every_rule(Turns { nodes: [node(), node()], next: AtomicUsize::new(0) }).await;
}

/// Every operation goes to the other node than the one before.
struct Turns {
    nodes: [CachedStore<Arc<MemoryStore>>; 2],
    next: AtomicUsize,
}

impl Turns {
    fn node(&self) -> &CachedStore<Arc<MemoryStore>> {
        &self.nodes[self.next.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
impl Store for Turns {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.node().create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.node().load(key, wanted, now).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        self.node().patch(key, patch, now).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.node().delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.node().sweep(limit, now).await
    }

    async fn scan(
        &self,
        from: Option<SessionKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Record)>, StoreError> {
        self.node().scan(from, limit, now).await
    }
}
