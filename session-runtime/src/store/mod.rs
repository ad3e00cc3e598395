//! The store contract, and the stores of this crate.
//!
//! | operation | requirement |
//! |---|---|
//! | [`create`](Store::create) | returns `Taken` if the key exists, and leaves that record unchanged |
//! | [`load`](Store::load) | returns no absent or expired record; lists [unreadable](Loaded::unreadable) keys |
//! | [`patch`](Store::patch) | is atomic; refuses with `Gone`, `Renewed` or `Conflict`, in this order; never creates |
//! | [`delete`](Store::delete) | is idempotent and final |
//! | [`sweep`](Store::sweep) | removes only records that expired at least a minute ago |
//! | [`scan`](Store::scan) | lists all sessions page by page, or fails with `Unsupported` |
//! | [`heads`](Store::heads) | returns the current heads of several records at once |
//! | [`find`](Store::find) | lists the sessions that hold a value page by page, or fails with `Unsupported` |
//! | [`delete_if`](Store::delete_if) | deletes a record unless another login happened, or fails with `Unsupported` |
//!
//! There is no upsert: a save whose record is gone must not create it again, or the save would undo a logout. Stores
//! keep JSON texts byte for byte and never decode them. Deadlines are part of the record and are compared with the
//! `now` passed in. An engine that waits for a lock compares them once it holds the lock. The conformance kit
//! (`session_runtime::testing`, feature `conformance`) tests every rule against any store.
//!
//! With a store on a server, a request that reads costs one round trip and one that writes two, whatever the size of
//! the session. A conflict or an explicit save costs more. A `lazy` schema is fetched only when a guard needs it. Lost
//! connections are reopened in the background.
//!
//! # Implementing a store
//!
//! A store that holds a record under a lock or in a transaction implements `patch` with three calls:
//! [`Patch::refusal`], [`Patch::apply`] on the values and [`Patch::apply_head`] on the head. For `create`, `load` and
//! `delete`, the table above is enough. `tests/stores/contract/third_party.rs` in this library's repository is a
//! complete store in one short file, which keeps JSON files in a folder. The documentation of the kit shows how to run
//! the kit.
//!
//! The feature `cache` adds `CachedStore`, an in-process cache in front of any store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::pace::give_way;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, Text};

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
mod admission;
#[cfg(feature = "cache")]
mod cached;
#[cfg(feature = "cookie")]
pub(crate) mod cookie;
#[cfg(not(feature = "cookie"))]
#[path = "cookie/absent.rs"]
pub(crate) mod cookie;
mod error;
mod found;
mod loaded_head;
mod memory;
mod open;
#[cfg(feature = "cli")]
mod operable;
mod page;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod tls;

#[doc = include_str!("overload.md")]
pub mod overload {}

pub use crate::record::Wanted;
#[cfg(feature = "cache")]
pub use cached::CachedStore;
pub use error::{StoreError, StoreErrorKind};
pub use found::{Capability, Found};
pub use loaded_head::LoadedHead;
pub use memory::MemoryStore;
pub(crate) use open::ChosenStore;
#[cfg(feature = "cli")]
pub(crate) use open::open_existing;
#[cfg(feature = "cli")]
pub(crate) use operable::{Finding, Limits, Operable, Verdict};
pub use page::{Cursor, Damage, Page};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresStoreBuilder};
#[cfg(feature = "redis-1")]
pub use redis::RedisConnection;
#[cfg(feature = "redis")]
pub use redis::{RedisStore, RedisStoreBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, SqliteStore, SqliteStoreBuilder};

/// Minimum time between the expiry of a record and its removal by a sweep. It covers clocks of nodes that differ by
/// less.
pub const SWEEP_GRACE: Duration = Duration::from_secs(60);

/// Storage for records, shared by all requests.
///
/// Object-safe. An implementation needs the attribute `#[session_runtime::async_trait]`. The documentation of the
/// module lists the requirements of each operation, and the conformance kit tests them.
///
/// # Examples
///
/// ```
/// use session_runtime::store::{MemoryStore, Store};
///
/// let store: Box<dyn Store> = Box::new(MemoryStore::new());
/// ```
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Stores a new record unless its key is taken.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable; the outcome is then unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Record;
    /// use session_runtime::store::{Created, Store, StoreError};
    /// use session_runtime::SessionKey;
    ///
    /// async fn is_free(store: &dyn Store, key: SessionKey, record: Record) -> Result<bool, StoreError> {
    ///     Ok(store.create(key, record).await? == Created::Done)
    /// }
    /// ```
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError>;

    /// Reads the wanted part of a record that exists and has not expired. A store may return more than the wanted part.
    ///
    /// A wanted key that is stored but lost or damaged must be listed in [`Loaded::unreadable`]. If it were left out,
    /// its schema would read as defaults and be overwritten.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable or the head of the record is unreadable.
    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError>;

    /// Applies a patch completely or not at all.
    ///
    /// A patch that sets or expects an [unreadable](Loaded::unreadable) key may fail with
    /// [`Corrupt`](StoreErrorKind::Corrupt). A patch that only removes such a key succeeds, and the key is absent
    /// afterwards.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable; the outcome is then unknown.
    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError>;

    /// Deletes a record permanently. Deleting an absent record succeeds.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable; the outcome is then unknown.
    async fn delete(&self, key: SessionKey) -> Result<(), StoreError>;

    /// Removes at most `limit` records that expired at least [`SWEEP_GRACE`] ago, and returns their number.
    ///
    /// Called in steps with pauses between them: `limit` is chosen so that a call takes a few milliseconds, and a call
    /// that removes fewer records ends the sweep. A call that runs for longer without waiting must yield to other tasks.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable.
    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError>;

    /// Receives the keys of the `lazy` schemas, which are fetched only on use. Called once, before the first operation.
    /// A store that transfers whole sessions stores these schemas separately.
    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        let _ = schemas;
    }

    /// True if `load` may return a cached copy unless the load is [`fresh`](Wanted::fresh). A request that is about to
    /// write then loads the record again, as `fresh`. A store that wraps another one must forward this call.
    fn is_cache(&self) -> bool {
        false
    }

    /// Connects and creates missing parts, such as a table. Called at launch, so that a store that cannot work stops
    /// the launch. Without this call, a store does the same at its first operation.
    ///
    /// # Errors
    ///
    /// [`Setup`](StoreErrorKind::Setup) for a failure that only an operator can fix,
    /// [`Unavailable`](StoreErrorKind::Unavailable) for one that may be temporary.
    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Describes the store for the log: its kind and its location, such as host and port or a path. The text must not
    /// contain a user name or a password. Default: the name of the type. A store that wraps another one includes the
    /// description of the inner store.
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// Returns a page of at most `limit` sessions; 0 counts as 1. The first page is requested without a cursor, each
    /// later page with the [`next`](Page::next) cursor of the page before. Expired sessions are left out. The example
    /// of [`Page`] reads all pages.
    ///
    /// A session that is stored from the start of the scan to its end is on at least one page, regardless of concurrent
    /// changes. It may be on two pages if the store documents that. The cost of a page depends on the sessions it
    /// returns, not on the number of stored sessions.
    ///
    /// A session that cannot be read is listed as [`unreadable`](Page::unreadable) and does not end the scan.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) if the store does not implement `scan`, or if another store made
    /// the cursor.
    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let _ = (from, limit, now);
        Err(StoreError::new(StoreErrorKind::Unsupported, "scan"))
    }

    /// Reads the heads of several records, in the order of the keys. It is called every
    /// [`watch_every`](crate::SessionConfig::watch_every) while sessions are [watched](crate::Ended), with at most 500
    /// keys. A key may occur twice.
    ///
    /// No deadline moves. A cache forwards the call to its store, as every store that wraps another one must. Default: one
    /// load after the other.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable. A head that cannot be read is [`Unreadable`](LoadedHead::Unreadable).
    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let head_only = Wanted::schemas(&[]).fresh();
        let mut heads = Vec::with_capacity(keys.len());
        for key in keys {
            heads.push(LoadedHead::of_load(self.load(*key, &head_only, now).await)?);
            give_way().await;
        }
        Ok(heads)
    }

    /// True if the store implements an optional part of the contract. A program with an `index` does not launch on a
    /// store without [`Capability::Index`]. Default: false. A store that wraps another one must forward this call.
    fn supports(&self, capability: Capability) -> bool {
        let _ = capability;
        false
    }

    /// Receives the stored keys whose values [`find`](Self::find) looks up. Called before the first operation, once for
    /// each `Sessions` that shares the store: the store indexes the keys of all these calls. Default: does nothing.
    fn set_indexed_keys(&self, names: &[Text]) {
        let _ = names;
    }

    /// Returns a page of at most `limit` sessions that hold exactly this text under an indexed key; 0 counts as 1. The
    /// first page is requested without a cursor, each later page with the [`next`](Found::next) cursor of the page before.
    ///
    /// A session that holds the text from the start of the lookup to its end is on at least one page, until
    /// [`SWEEP_GRACE`] after its deadline. A page may also name sessions that have expired or hold the text no longer:
    /// the caller loads each of them. The cost of a page depends on the sessions it returns, not on the number of stored
    /// sessions.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) if the store does not implement `find`, if the key is not one of
    /// [`set_indexed_keys`](Self::set_indexed_keys), or if another store made the cursor.
    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        let _ = (name, text, from, limit);
        Err(StoreError::new(StoreErrorKind::Unsupported, "find"))
    }

    /// Receives sessions of a page of [`find`](Self::find) that a [`load`](Self::load) did not return. A store whose index
    /// may name sessions that do not exist removes those that it can prove to be gone. Default: does nothing.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable. The caller ignores that.
    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        let _ = (name, text, gone);
        Ok(())
    }

    /// Deletes a record permanently if it has this generation, in one atomic step, whether or not it has expired. False
    /// if the record does not exist or has another generation; nothing is changed then.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) if the store does not implement `find`. Fails if the store is
    /// unavailable; the outcome is then unknown.
    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let _ = (key, generation);
        Err(StoreError::new(StoreErrorKind::Unsupported, "delete_if"))
    }
}

/// Implements [`Store`] for a shared store, so that a program can keep a handle of its own.
#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        (**self).create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        (**self).load(key, wanted, now).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        (**self).patch(key, patch, now).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        (**self).delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        (**self).sweep(limit, now).await
    }

    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        (**self).set_lazy_schemas(schemas);
    }

    fn is_cache(&self) -> bool {
        (**self).is_cache()
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        (**self).prepare().await
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        (**self).scan(from, limit, now).await
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        (**self).heads(keys, now).await
    }

    fn supports(&self, capability: Capability) -> bool {
        (**self).supports(capability)
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        (**self).set_indexed_keys(names);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        (**self).find(name, text, from, limit).await
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        (**self).delete_if(key, generation).await
    }

    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        (**self).forget(name, text, gone).await
    }
}

/// Result of [`Store::create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Created {
    /// The record is stored.
    Done,
    /// A record with this key already exists, expired or not; it was left unchanged.
    Taken,
}

/// Result of a [`Store::load`] that found a record; a store creates it with [`Loaded::new`].
///
/// # Examples
///
/// ```
/// use session_runtime::store::Loaded;
///
/// fn is_partial(loaded: &Loaded) -> bool {
///     loaded.keys > loaded.record.values.len()
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// The head, and at least the wanted keys.
    pub record: Record,
    /// Size of all keys and texts of the whole record, in bytes.
    pub bytes: usize,
    /// Number of keys of the whole record.
    pub keys: usize,
    /// Wanted keys that are stored but lost or damaged; they are not in [`record`](Self::record). If the store has lost
    /// the keys of a schema themselves, the bare key of the schema stands for all of them. Usually empty.
    pub unreadable: Vec<Text>,
}

impl Loaded {
    /// Creates the result for a record of which every wanted key could be read, with the totals of the whole record.
    #[must_use]
    pub const fn new(record: Record, bytes: usize, keys: usize) -> Self {
        Self { record, bytes, keys, unreadable: Vec::new() }
    }
}

/// Shows counts only, since keys may contain text chosen by a visitor.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Loaded");
        fields.field("record", &self.record).field("bytes", &self.bytes).field("keys", &self.keys);
        fields.field("unreadable", &self.unreadable.len()).finish()
    }
}
