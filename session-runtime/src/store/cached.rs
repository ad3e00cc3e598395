//! A cache of this process in front of any store.
//!
//! Takes the calls of a store; answers a load from a copy where that is good enough, and passes on everything else. What is
//! promised, and what not, is said at [`CachedStore`].
//!
//! How old a copy is says a monotonic clock of the process: the moment that a request passes in may be long past when it
//! asks, and the system's clock may jump. The age counts from before the store was asked.
//!
//! A copy is put in place only if nothing was written since its load began, so a slow load brings nothing back. A write
//! that is acknowledged changes the copy in place if the revision shows that nothing else came between, and drops it
//! otherwise; so does a write whose outcome is unknown, one that was given up included. Parts of one revision that were
//! loaded apart stand in one copy, as old as the oldest of them.
//!
//! Deliberately absent: copies of what is *not* there, so that a new session is seen at once; loads that wait for each
//! other; messages between nodes; scans and sweeps, which go to the store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use self::copy::RecordCopy;
use self::stripes::Stripes;
use super::{Created, Cursor, Loaded, Page, Store, StoreError, Wanted};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::record::patch::{Patch, Patched};

mod copy;
mod stripes;

const BOUND: Duration = Duration::from_secs(1);
const CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

/// A cache of this process in front of a store.
///
/// | promise | holds |
/// |---|---|
/// | a write that is acknowledged is in the store | yes: it goes there first, with its conditions; the cache holds copies only |
/// | a hit costs no call of the store | yes |
/// | this process sees its own writes, logins and logouts | at once |
/// | and those of other processes | after the [bound](Self::bound) at the latest: an old id, too, is served that long |
/// | no write is lost to an old copy | yes: what is to be written is read from the store itself |
/// | a key or a secret that is not known here | is asked of the store, each time |
/// | logout is final, concurrent writes merge, survives a restart | as the store behind it |
/// | clock that judges deadlines | the application's, for hits too |
///
/// | work | calls of the store |
/// |---|---|
/// | a request that reads (`&S`) | none, or one when there is no copy or an old one |
/// | a request that writes (`Session<S>`), a job's `update` | as without the cache: a load and a patch |
///
/// A store that is down is noticed by those who read when the bound is over, and at once by those who write. Time in which
/// the whole machine sleeps does not count.
///
/// # Security
///
/// After a logout or a login on another node, this one may serve the old id for as long as the bound. It reads what was
/// stored then and can write nothing. A node sees its own at once.
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
    /// A cache in front of this store.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{CachedStore, MemoryStore};
    ///
    /// let store = CachedStore::new(MemoryStore::new());
    /// ```
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, bound: BOUND, capacity: CAPACITY_BYTES, stripes: Stripes::new(BOUND, CAPACITY_BYTES) }
    }

    /// How old a copy may be that is served. Default: 1 second. With zero every load asks the store.
    ///
    /// # Security
    ///
    /// For this long other nodes' logouts and logins are not seen here.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{CachedStore, MemoryStore};
    /// use std::time::Duration;
    ///
    /// let store = CachedStore::new(MemoryStore::new()).bound(Duration::from_millis(200));
    /// ```
    #[must_use]
    pub fn bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self.stripes = Stripes::new(self.bound, self.capacity);
        self
    }

    /// How much memory the copies may take. Bytes, of keys, texts and what keeps them together. Default: 67,108,864
    /// (64 MiB). When it is full, sessions that are seldom used make room.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{CachedStore, MemoryStore};
    ///
    /// let store = CachedStore::new(MemoryStore::new()).capacity(8 * 1024 * 1024);
    /// ```
    #[must_use]
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self.stripes = Stripes::new(self.bound, self.capacity);
        self
    }

    /// Forgets all copies.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{CachedStore, MemoryStore};
    ///
    /// CachedStore::new(MemoryStore::new()).clear();
    /// ```
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
            // A copy would have to keep what is unreadable too. Such records are rare, and asked for each time.
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

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        self.store.scan(from, limit, now).await
    }
}
