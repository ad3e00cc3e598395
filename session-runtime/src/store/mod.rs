//! Where records live: the contract of a store, and the stores that come with this crate.
//!
//! | operation | must |
//! |---|---|
//! | [`create`](Store::create) | answer *taken* if the key exists, and leave that record alone |
//! | [`load`](Store::load) | give nothing for an absent or expired record; name what is [unreadable](Loaded::unreadable) |
//! | [`patch`](Store::patch) | apply atomically, or say *gone*, *renewed* or *conflict*, in this order; never create |
//! | [`delete`](Store::delete) | be idempotent and final |
//! | [`sweep`](Store::sweep) | remove only what expired a minute ago or earlier |
//! | [`scan`](Store::scan) | list every session page by page, or answer *unsupported* |
//!
//! There is no upsert: a save that finds its record gone must not bring it back (that is how a logout is undone). Stores
//! keep JSON texts byte for byte and never decode them. Deadlines stand in the record and are judged against the moment
//! passed in. An engine that waits for a lock compares after it has it. The conformance kit
//! (`session_runtime::testing`, feature `conformance`) runs every rule against any store.
//!
//! # How to write one
//!
//! A store that holds a record under a lock or in a transaction needs no rule of its own: [`Patch::refusal`],
//! [`Patch::apply`] on the values and [`Patch::apply_head`] on the head are the contract of `patch`; `create`, `load` and
//! `delete` are what they say. [`Patch::unchanged`] is a hint and may be ignored. `tests/store/third_party.rs` in this
//! library's repository is a whole store in one short file: JSON files in a folder. The kit's own documentation shows how
//! to run it.
//!
//! The feature `cache` puts a cache of the process in front of any store: `CachedStore`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, Text};

#[cfg(feature = "cache")]
mod cached;
#[cfg(feature = "cookie")]
pub(crate) mod cookie;
mod error;
mod memory;
mod open;
mod page;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod tls;

pub use crate::record::Wanted;
#[cfg(feature = "cache")]
pub use cached::CachedStore;
pub use error::{StoreError, StoreErrorKind};
pub use memory::MemoryStore;
pub(crate) use open::{behind_cache, open};
pub use page::{Cursor, Damage, Page};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresStoreBuilder};
#[cfg(feature = "redis")]
pub use redis::{RedisConnection, RedisStore, RedisStoreBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, SqliteStore, SqliteStoreBuilder};

/// What expired less than this ago is not swept yet: the clocks of nodes may differ by less.
///
/// # Examples
///
/// ```
/// assert_eq!(session_runtime::store::SWEEP_GRACE.as_secs(), 60);
/// ```
pub const SWEEP_GRACE: Duration = Duration::from_secs(60);

/// A place for records, shared by all requests.
///
/// Object-safe; write `#[session_runtime::async_trait]` above an implementation. The module says what each operation must
/// do, the conformance kit whether it does.
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
    /// Stores a new record, or answers that the key is taken.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the outcome is then unknown.
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

    /// Reads what is wanted of a record that exists and has not expired. More than what is wanted is fine.
    ///
    /// A wanted key that is stored but lost or damaged is not left out silently: it stands in
    /// [`Loaded::unreadable`], or its schema would read as defaults and be written over.
    ///
    /// # Errors
    ///
    /// When the store is unavailable, or the head of the record is unreadable.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, SessionKey, Store, clock::Timestamp, store::Wanted};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::store::StoreError> {
    /// let (store, key, now) = (MemoryStore::new(), SessionKey::from_bytes([7; 16]), Timestamp::from_millis(0));
    /// assert!(store.load(key, &Wanted::schemas(&["cart"]), now).await?.is_none());
    /// # let _ = (key, now, Wanted::all());
    /// # Ok(()) }
    /// ```
    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError>;

    /// Applies a patch as a whole, or not at all.
    ///
    /// A patch that sets or expects an [unreadable](Loaded::unreadable) key may fail with
    /// [`Corrupt`](StoreErrorKind::Corrupt). A patch that does nothing with it but remove it succeeds, and the key is
    /// absent after that.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the outcome is then unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, SessionKey, Store, clock::Timestamp, store::Wanted};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::store::StoreError> {
    /// let (store, key, now) = (MemoryStore::new(), SessionKey::from_bytes([7; 16]), Timestamp::from_millis(0));
    /// let patch = session_runtime::patch::Patch::on_generation(0);
    /// let patched = store.patch(key, patch, now).await?;
    /// assert!(matches!(patched, session_runtime::patch::Patched::Gone));
    /// # let _ = (key, now, Wanted::all());
    /// # Ok(()) }
    /// ```
    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError>;

    /// Removes a record for good. One that is absent is fine.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the outcome is then unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, SessionKey, Store, clock::Timestamp, store::Wanted};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::store::StoreError> {
    /// let (store, key, now) = (MemoryStore::new(), SessionKey::from_bytes([7; 16]), Timestamp::from_millis(0));
    /// store.delete(key).await?;
    /// store.delete(key).await?;
    /// # let _ = (key, now, Wanted::all());
    /// # Ok(()) }
    /// ```
    async fn delete(&self, key: SessionKey) -> Result<(), StoreError>;

    /// Removes at most `limit` records that expired [`SWEEP_GRACE`] ago or earlier, and says how many.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, SessionKey, Store, clock::Timestamp, store::Wanted};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::store::StoreError> {
    /// let (store, key, now) = (MemoryStore::new(), SessionKey::from_bytes([7; 16]), Timestamp::from_millis(0));
    /// assert_eq!(store.sweep(1_000, now).await?, 0);
    /// # let _ = (key, now, Wanted::all());
    /// # Ok(()) }
    /// ```
    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError>;

    /// Told once, before the first operation: the schemas that are fetched only when asked for (`lazy`). A store that moves
    /// whole sessions keeps these apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, Store};
    ///
    /// MemoryStore::new().set_lazy_schemas(&["history"]);
    /// ```
    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        let _ = schemas;
    }

    /// Whether a load may be answered by a copy, unless it is wanted [`fresh`](Wanted::fresh). Then whoever is about to
    /// write loads once more. A store that wraps another one passes this on.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, Store};
    ///
    /// assert!(!MemoryStore::new().is_cache());
    /// ```
    fn is_cache(&self) -> bool {
        false
    }

    /// Connects and sets up what is missing, such as a table. Called at the launch, so that what cannot work stops it; a
    /// store does the same at its first operation otherwise.
    ///
    /// # Errors
    ///
    /// [`Setup`](StoreErrorKind::Setup) for what only an operator can mend, [`Unavailable`](StoreErrorKind::Unavailable)
    /// for what may pass.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Store};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::store::StoreError> {
    /// MemoryStore::new().prepare().await
    /// # }
    /// ```
    async fn prepare(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Names the store for a line in the log: its kind and its place, such as host and port or a path. Never a user or a
    /// password. Default: the name of the type. A store that wraps another one names that too.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, Store};
    ///
    /// assert_eq!(MemoryStore::new().describe(), "memory");
    /// ```
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// A page of at most `limit` sessions; 0 counts as 1. The first page begins without a cursor, each other one at the
    /// [`next`](Page::next) of the page before. Expired sessions are left out.
    ///
    /// A session that is stored from the beginning of the walk to its end is on at least one page, whatever others do
    /// meanwhile. It may be on two where the store says so. A page costs what it returns, however many sessions there are.
    ///
    /// A session that cannot be read is listed as [`unreadable`](Page::unreadable) and does not end the walk.
    ///
    /// # Errors
    ///
    /// *Unsupported* unless the store says otherwise, and for a cursor of another store.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Store, clock::Timestamp};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::store::StoreError> {
    /// let (store, now) = (MemoryStore::new(), Timestamp::from_millis(0));
    /// let page = store.scan(None, 100, now).await?;
    /// assert!(page.sessions.is_empty() && page.next.is_none());
    /// # Ok(()) }
    /// ```
    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let _ = (from, limit, now);
        Err(StoreError::new(StoreErrorKind::Unsupported, "scan"))
    }
}

/// A shared store is a store, so that a program can keep a handle of its own.
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
}

/// The answer of [`Store::create`].
///
/// # Examples
///
/// ```
/// use session_runtime::store::Created;
///
/// assert_ne!(Created::Done, Created::Taken);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The record is stored.
    Done,
    /// There is a record under this key already, expired or not; it was left alone.
    Taken,
}

/// What [`Store::load`] found.
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
pub struct Loaded {
    /// The head, and at least the keys that were wanted.
    pub record: Record,
    /// Bytes of all keys and texts of the whole record.
    pub bytes: usize,
    /// Number of keys of the whole record.
    pub keys: usize,
    /// Wanted keys that are stored but lost or damaged; they are not in [`record`](Self::record). The bare key of a schema
    /// stands for all of its keys where the store no longer knows them. Usually empty.
    pub unreadable: Vec<Text>,
}

/// Says how much and no more: keys may hold what a visitor chose.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Loaded");
        fields.field("record", &self.record).field("bytes", &self.bytes).field("keys", &self.keys);
        fields.field("unreadable", &self.unreadable.len()).finish()
    }
}
