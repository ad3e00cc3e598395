//! [`CachedStore`]: an in-process cache in front of any store.
//!
//! A load is served from a copy if the copy is good enough; every other call goes to the store. The guarantees and
//! their limits are documented at [`CachedStore`].
//!
//! The age of a copy is measured with the process's monotonic clock: the `now` that a request passes in may be long
//! past at the time of the load, and the system clock may jump. The age counts from before the store was called.
//!
//! A copy is added only if no write has ended since its load began, so a slow load cannot restore old data. An
//! acknowledged write updates the copy in place if the revision shows that nothing else changed in between; otherwise
//! it drops the copy. A write whose outcome is unknown also drops the copy, including a cancelled one. Parts of one
//! revision that were loaded separately are merged into one copy, which is as old as its oldest part.
//!
//! Deliberately absent: copies of absent records, so that a new session is visible at once; loads that wait for each
//! other; messages between nodes; scans, lookups and sweeps, which go to the store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use self::copy::RecordCopy;
use self::stripes::Stripes;
use super::{Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, Store, StoreError, Wanted};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, Text};

mod copy;
mod stripes;

const BOUND: Duration = Duration::from_secs(1);
const CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

/// An in-process cache in front of a store.
///
/// | promise | holds |
/// |---|---|
/// | an acknowledged write is in the store | yes: it goes there first, with its preconditions; the cache holds copies |
/// | a hit makes no call to the store | yes |
/// | this process sees its own writes, logins and logouts | at once |
/// | this process sees those of other processes | within the [bound](Self::bound); an old id works until then |
/// | an old copy causes no lost write | yes: the data to be changed is read from the store itself |
/// | a key or a secret that is not in the cache | is looked up in the store, each time |
/// | logout is final, concurrent writes merge, survives a restart | as in the store behind the cache |
/// | clock that decides expiry | the application's, for hits too |
/// | lookups by an indexed field | go to the store, and so do the loads of the sessions found |
///
/// | work | calls to the store |
/// |---|---|
/// | a request that reads (`&S`) | none; one if there is no copy or the copy is too old |
/// | a request that writes (`Session<S>`), `update` in a job | as without the cache: a load and a patch |
///
/// If the store is down, writes fail at once, and reads fail when the bound has passed. Time during which the whole
/// machine sleeps does not count towards the age of a copy.
///
/// # Security
///
/// After a logout or a login on another node, this node may accept the old id until the bound has passed. A request
/// with the old id reads the data from before that change, and cannot write. A node sees its own logouts and logins at
/// once.
///
/// # Examples
///
/// ```
/// use session_runtime::{CachedStore, MemoryStore, Sessions};
/// use std::time::Duration;
///
/// let store = CachedStore::new(MemoryStore::new()).bound(Duration::from_millis(500)).capacity(16 * 1024 * 1024);
/// let sessions = Sessions::builder().store(store).build()?;
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
pub struct CachedStore<S> {
    store: S,
    bound: Duration,
    capacity: u64,
    stripes: Stripes,
}

impl<S: Store> CachedStore<S> {
    /// Creates a cache in front of this store.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, bound: BOUND, capacity: CAPACITY_BYTES, stripes: Stripes::new(BOUND, CAPACITY_BYTES) }
    }

    /// Sets the maximum age of a copy that is served. Default: 1 second. With zero, every load goes to the store.
    ///
    /// # Security
    ///
    /// For this long, logouts and logins on other nodes may go unnoticed here.
    #[must_use]
    pub fn bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self.stripes = Stripes::new(self.bound, self.capacity);
        self
    }

    /// Sets the memory limit of the copies in bytes, including keys, texts and overhead. Default: 67,108,864 (64 MiB).
    /// A full cache evicts sessions that are rarely used.
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self.stripes = Stripes::new(self.bound, self.capacity);
        self
    }

    /// Drops all copies.
    pub fn clear(&self) {
        self.stripes.clear();
    }
}

impl<S> fmt::Debug for CachedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("CachedStore");
        fields.field("bound", &self.bound).field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[async_trait]
impl<S: Store> Store for CachedStore<S> {
    fn describe(&self) -> String {
        format!("{}, behind a cache of {:?}", self.store.describe(), self.bound)
    }

    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let write = self.stripes.write(key);
        let created = self.store.create(key, record.clone()).await?;
        match created {
            Created::Done => write.created(record),
            Created::Taken => drop(write),
        }
        Ok(created)
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        if let Some(hit) = self.stripes.hit(key, wanted, now) {
            return Ok(Some(hit));
        }
        let began = self.stripes.begin(key);
        let loaded = self.store.load(key, wanted, now).await?;
        match &loaded {
            // A copy would have to hold the unreadable keys too. Such records are rare, so each load reads them from
            // the store.
            Some(loaded) if !loaded.unreadable.is_empty() => self.stripes.forget(key),
            Some(loaded) => self.stripes.put(key, began, RecordCopy::of_load(loaded.clone(), wanted, began.at)),
            None => self.stripes.forget(key),
        }
        Ok(loaded)
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let write = self.stripes.write(key);
        let ours = self.stripes.has(key).then(|| patch.clone());
        let patched = self.store.patch(key, patch, now).await?;
        if let (Patched::Done(head), Some(ours)) = (&patched, ours) {
            write.patched(&ours, head);
        }
        Ok(patched)
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let _forgotten_in_any_case = self.stripes.write(key);
        self.store.delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.store.sweep(limit, now).await
    }

    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        self.store.set_lazy_schemas(schemas);
    }

    fn is_cache(&self) -> bool {
        true
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.store.prepare().await
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        self.store.heads(keys, now).await
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        self.store.scan(from, limit, now).await
    }

    fn supports(&self, capability: Capability) -> bool {
        self.store.supports(capability)
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.store.set_indexed_keys(names);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        self.store.find(name, text, from, limit).await
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let _forgotten_in_any_case = self.stripes.write(key);
        self.store.delete_if(key, generation).await
    }

    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        self.store.forget(name, text, gone).await
    }
}
