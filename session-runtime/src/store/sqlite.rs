//! [`SqliteStore`]: records in an `SQLite` file, the embedded default. Acknowledged changes survive a restart and a
//! killed process.
//!
//! # Tables
//!
//! In the table `entry`, a session is one range of rows and a schema is one range within it. So a load is one range
//! scan, and a small change touches one page.
//!
//! ```text
//! entry
//! ├ session   the session's key, 16 bytes          ┐ primary key, in bytewise order; the stored
//! ├ name      0 for the head, else the stored key  ┘ key of an entry, with a `/`, is a blob
//! ├ content   the head as below; or the JSON text byte for byte; or, above 600 bytes, the id of the text in `large`,
//! │           so that no search has to read it
//! └ expires   milliseconds since 1970-01-01 UTC in the row of the head, indexed; else NULL
//!
//! large
//! ├ id
//! └ json
//!
//! head: 155 bytes, integers big-endian, times as in `expires`
//!   0  format number, 1     11  created        75  generation              115  previous secret's hash, 32 bytes
//!   1  flags                19  touched        83  raised at, if flag 4    147  accepted until, if flag 2
//!   2  kind of expiry       27  ends           91  revision
//!   3  its duration         35  secret hash    99  bytes of all names and texts
//!      or time              67  secret since  107  number of keys
//!
//! flags: 1 there is a previous secret, 2 it ends, 4 the generation was raised
//! expiry: 0 default, 1 after, 2 at, 3 browser close
//! ```
//!
//! In the header of the file, `application_id` is `sess` in ASCII and `user_version` is the format number. A file of
//! another program or of a newer format is refused and left unchanged. The file is in WAL mode: while it is open, two
//! more files exist beside it.
//!
//! # Index
//!
//! An indexed stored key has a partial index on the content of its rows, created at launch or by the first lookup. The
//! engine maintains it, whichever program writes, and it is no part of the format number: a program without the index
//! uses the same file. A long text is found by its id, so a lookup of one reads all long texts of that key.
//!
//! # Threads
//!
//! A load runs on the caller's thread while reads are fast, otherwise on a reader thread. Every write runs on the
//! single writer thread. This thread takes all waiting writes, runs them in one transaction, commits, and only then
//! answers. If one write of such a group fails, the group is rolled back, and each write is tried in a transaction of
//! its own. A write is skipped if its caller has gone before it begins. Dropping the store ends the threads and waits
//! for them.
//!
//! Deliberately absent: a pool of writers (`SQLite` has one at a time), and JSON functions (texts are never parsed).

mod chunks;
mod connection;
#[cfg(feature = "cli")]
mod doctor;
mod fault;
mod file;
mod format;
mod head;
mod index;
mod inline_reads;
mod name;
mod read;
mod readers;
mod threads;
mod worker;
mod write;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::format::Settings;
use self::readers::{Readers, Slots};
use self::worker::{Watched, Writer};
use super::admission::Admission;
use super::{
    Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, SWEEP_GRACE, Store, StoreError, StoreErrorKind,
    Wanted,
};
use crate::clock::Timestamp;
use crate::config::AdmissionConfig;
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, Text};

/// Maximum number of connections for each of the two ways to read, unless set in the builder.
const MOST_READERS: usize = 8;

/// Maximum number of sessions that a sweep removes in one transaction, so that writes of requests need not wait for all
/// of it.
const SWEEP_STEP: usize = 100;

/// Sessions in an `SQLite` file.
///
/// | promise | holds |
/// |---|---|
/// | logout is final, concurrent writes merge | yes |
/// | survives a restart or a crash of the process | yes: nothing is acknowledged before its commit |
/// | survives a crash of the machine | with [`Durability::Power`]; else the last changes may be undone, logouts too |
/// | several processes | yes, on one machine; the locks of network file systems are not reliable enough |
/// | clock that decides expiry | the application's |
///
/// A load runs on the caller's thread while the file is in memory: it takes a few microseconds, less than handing it to
/// another thread. If more than one load in 17 takes over a millisecond, as on a slow disk, reader threads take over;
/// after one second, one load is tried on the caller's thread again. A load that finds the file locked by another
/// process moves to a reader thread too. So a slow disk blocks the runtime for one read per second, and a disk that has
/// stopped blocks only the reads that began within one millisecond. All writes run on one thread.
///
/// Several stores, in one process or in many, may use the same file. Dropping the last one merges the write-ahead log
/// back into it.
///
/// A store has one connection for writes, one for each core for inline reads, at most eight, and one for each reader
/// thread. Each has a [page cache](SqliteStoreBuilder::page_cache) of its own, 2 MiB unless set. The file can be [mapped
/// into memory](SqliteStoreBuilder::memory_map) too; by default it is not.
///
/// A file does not shrink when sessions are removed. New sessions use the space again, so a file stays as large as its
/// sessions were at their peak.
///
/// A program links `SQLite` once. Cargo picks a rusqlite from 0.29 to 0.43 that fits the program's other crates: sqlx
/// 0.8 and 0.9, diesel 2, sea-orm 1 and 2, `rocket_db_pools`, `rocket_sync_db_pools`.
///
/// A file that is removed, renamed or replaced while it is open is detected by the next write, and by the sweep that
/// runs every minute. That write fails as unavailable, since it went into a file that is not at the path. One line in
/// the log describes the change. The store then opens the file that is now at the path, or creates a new one. Until
/// that succeeds, all operations fail as unavailable.
///
/// # Examples
///
/// ```
/// use session_runtime::{Sessions, SqliteStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("sessions.db");
/// let sessions = Sessions::builder().store(SqliteStore::open(path)?).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqliteStore {
    admission: Admission,
    // Dropped in this order: the last connection to close must be the writer's, which then empties the log.
    readers: Readers,
    writer: Writer,
    /// Absolute path, for the log.
    path: Box<str>,
    indexed: Mutex<Vec<Text>>,
    /// True if a lookup creates a missing index.
    creates: bool,
}

impl SqliteStore {
    /// Opens the file at `path`, and creates it if there is none.
    ///
    /// Blocks until the file is ready. Call it at the start of a program.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) if the file cannot be created or does not belong to this library;
    /// [`Unavailable`](super::StoreErrorKind::Unavailable) if another process keeps it locked.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder(path).open()
    }

    /// Returns the settings for the file at `path`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SqliteStore, store::Durability};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.db");
    /// let store = SqliteStore::builder(path).durability(Durability::Power).open()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        let settings = Settings::new(path.as_ref().to_path_buf());
        let readers = cores().div_ceil(2).min(MOST_READERS);
        SqliteStoreBuilder { settings, readers, admission: AdmissionConfig::default() }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

/// Failures that an acknowledged change survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A crash of the process (`synchronous = NORMAL`). The default.
    ///
    /// After a crash of the machine the file is intact, but the changes since the last checkpoint may be lost: a
    /// session that was logged out may be logged in again.
    #[default]
    Process,
    /// A crash of the machine and loss of power too (`synchronous = FULL`): every group of writes waits for the disk.
    Power,
}

/// Settings of a [`SqliteStore`], made by [`SqliteStore::builder`].
///
/// # Examples
///
/// ```
/// use session_runtime::SqliteStore;
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("sessions.db");
/// let store = SqliteStore::builder(path).readers(4).busy_timeout(Duration::from_millis(500)).open()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct SqliteStoreBuilder {
    settings: Settings,
    readers: usize,
    admission: AdmissionConfig,
}

impl SqliteStoreBuilder {
    /// Sets the failures that an acknowledged change survives. Default: [`Durability::Process`].
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Sets the time to wait for a lock of another process. Default: 1 second.
    pub const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.settings.busy_timeout = timeout;
        self
    }

    /// Sets the number of threads for reads that must not run on the caller's thread, see [`SqliteStore`]; at least one
    /// is used. Default: one for two cores, at most 8.
    pub const fn readers(mut self, threads: usize) -> Self {
        self.readers = threads;
        self
    }

    /// Sets the limits for a file that has more work than it can do in time, see [`overload`](super::overload).
    pub const fn admission(mut self, admission: AdmissionConfig) -> Self {
        self.admission = admission;
        self
    }

    /// Sets the size of the page cache of each connection, in bytes. Default: 2,097,152 (2 MiB).
    ///
    /// [`SqliteStore`] lists the connections. A cache takes its memory as pages are read. A larger one saves copies from
    /// the operating system, but no CPU time if visitors use a million sessions at random. It pays if the operating
    /// system has too little memory for the file, or if copies are slow, as on some virtual machines.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SqliteStore;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("sessions.db");
    /// let store = SqliteStore::builder(path).page_cache(16 * 1024 * 1024).open()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn page_cache(mut self, bytes: usize) -> Self {
        self.settings.page_cache = bytes;
        self
    }

    /// Sets the size of the part of the file that is mapped into memory instead of copied, in bytes from its start.
    /// Default: 0.
    ///
    /// All connections share the memory, which belongs to the operating system's own cache. A map makes reads of a large
    /// file slightly faster, and writes slower. `SQLite` limits it to 2 GiB unless it was built otherwise.
    ///
    /// With a map, the operating system ends the process (`SIGBUS`) if another program shortens the file or the disk
    /// cannot read a page. Without one, that is an error of one request, so the default is 0.
    pub const fn memory_map(mut self, bytes: usize) -> Self {
        self.settings.memory_map = bytes;
        self
    }

    /// Creates and changes no table, and no index: a missing one is an error.
    #[cfg(feature = "cli")]
    pub(super) const fn existing(mut self) -> Self {
        self.settings.creates = false;
        self
    }

    /// Opens the file, and creates it if there is none.
    ///
    /// # Errors
    ///
    /// The same as for [`SqliteStore::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SqliteStore, store::StoreErrorKind};
    ///
    /// let error = SqliteStore::builder("no-such-folder/sessions.db").open().unwrap_err();
    /// assert_eq!(error.kind(), StoreErrorKind::Setup);
    /// ```
    pub fn open(self) -> Result<SqliteStore, StoreError> {
        let settings = Arc::new(self.settings);
        let opened = settings.open()?;
        let (path, creates) = (absolute_path(&settings.path).into(), settings.creates);
        let slots = Arc::new(Slots::open(&settings, cores().min(MOST_READERS), self.readers.max(1))?);
        let readers = Readers::new(&settings, &slots)?;
        let writer = Writer::new(opened, Watched { settings, readers: slots })?;
        let (admission, indexed) = (Admission::new(self.admission), Mutex::default());
        Ok(SqliteStore { admission, readers, writer, path, indexed, creates })
    }
}

/// Returns the absolute path: a relative one would not show the folder in the log.
fn absolute_path(path: &Path) -> String {
    std::path::absolute(path).as_deref().unwrap_or(path).display().to_string()
}

#[async_trait]
impl Store for SqliteStore {
    fn describe(&self) -> String {
        format!("SQLite in {}", self.path)
    }

    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let admitted = self.admission.writes.enter("create").await?;
        admitted.end(self.writer.run("create", move |db| db.create(key, &record)).await)
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let admitted = self.admission.reads.enter("load").await?;
        admitted.end(self.readers.load(key, wanted, now).await)
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let admitted = self.admission.writes.enter("patch").await?;
        admitted.end(self.writer.run("patch", move |db| db.patch(key, &patch, now)).await)
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let admitted = self.admission.writes.enter("delete").await?;
        admitted.end(self.writer.run("delete", move |db| db.delete(key)).await)
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        let before = now.before(SWEEP_GRACE);
        let mut removed = 0;
        loop {
            let step = SWEEP_STEP.min(limit - removed);
            let admitted = self.admission.writes.enter("sweep").await?;
            let swept = admitted.end(self.writer.run("sweep", move |db| db.sweep(step, before)).await)?;
            removed += swept;
            if swept < step || removed == limit {
                return Ok(removed);
            }
        }
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let admitted = self.admission.reads.enter("scan").await?;
        admitted.end(self.readers.scan(from.map(Cursor::key).transpose()?, limit.max(1), now).await)
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let admitted = self.admission.reads.enter("heads").await?;
        admitted.end(self.readers.heads(keys, now).await)
    }

    /// Creates the missing indexes. In a file with a million sessions this takes seconds, in which no program can write.
    async fn prepare(&self) -> Result<(), StoreError> {
        for name in self.indexed().into_iter().filter(|_| self.creates) {
            self.create_index(name).await?;
        }
        Ok(())
    }

    fn supports(&self, _: Capability) -> bool {
        true
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        let mut indexed = self.indexed.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<Text> = names.iter().filter(|name| !indexed.contains(name)).cloned().collect();
        indexed.extend(new);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        let name = self.indexed().into_iter().find(|known| **known == *name).ok_or_else(not_indexed)?;
        let (text, from) = (Text::from(text), from.map(Cursor::key).transpose()?);
        let admitted = self.admission.reads.enter("find").await?;
        let find = || self.readers.find(name.clone(), text.clone(), from, limit.max(1));
        admitted.end(match find().await {
            // The file was replaced, or nothing has prepared the store.
            Ok(None) if self.creates => match self.create_index(name.clone()).await {
                Ok(()) => find().await.and_then(|found| found.ok_or_else(not_indexed)),
                Err(error) => Err(error),
            },
            found => found.and_then(|found| found.ok_or_else(not_indexed)),
        })
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let admitted = self.admission.writes.enter("delete_if").await?;
        admitted.end(self.writer.run("delete_if", move |db| db.delete_if(key, generation)).await)
    }
}

impl SqliteStore {
    fn indexed(&self) -> Vec<Text> {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn create_index(&self, name: Text) -> Result<(), StoreError> {
        self.writer.run("create index", move |db| db.create_index(&name)).await
    }
}

fn not_indexed() -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, "find").because("the key is not indexed")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
