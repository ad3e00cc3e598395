//! Opens a file: checks its application id and its format number, and creates the tables in an empty file.
//!
//! Safe when several processes start at once: one transaction creates the tables, and checks again after it has the
//! lock. Nothing is written to a file unless it is empty or belongs to this library.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};

use super::Durability;
use super::fault::{Cause, is_busy};
use super::file::{self, OpenFile};
use super::worker::Opened;
use crate::record::bytes::stored_size;
use crate::store::{StoreError, StoreErrorKind};

const APPLICATION_ID: i32 = i32::from_be_bytes(*b"sess");
/// Format number of the file. Format 1 was never released.
const FORMAT: i32 = 2;
/// Size in bytes above which the log is truncated when it is next written from its beginning. A log grows this large,
/// for example, while a reader keeps its snapshot for long. The limit is slightly above the 1,000 pages after which the
/// log is checkpointed, so that it is not truncated in normal use.
const LOG_BYTES: i64 = 5 << 20;
/// Default size of the page cache of each connection, in bytes. With a million sessions, a read took 13.5 µs of CPU time.
/// With 16 MiB it took 15.2 µs, and with 64 MiB 17.8 µs.
const PAGE_CACHE_BYTES: usize = 2 << 20;
/// Default size of the part of the file that each connection maps into memory, in bytes. With a million sessions and 1
/// GiB, a read took 13.2 µs of CPU time instead of 13.5, and an add 95 µs instead of 62.
const MEMORY_MAP_BYTES: usize = 0;
/// Path that `SQLite` treats as a database without a file.
const MEMORY: &str = ":memory:";
const RETRY_PAUSE: Duration = Duration::from_millis(5);

const TABLES: &str = "
    CREATE TABLE entry (
        session BLOB NOT NULL,
        name ANY NOT NULL,
        content ANY NOT NULL,
        expires INTEGER,
        PRIMARY KEY (session, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
    CREATE TABLE large (
        id INTEGER PRIMARY KEY,
        json TEXT NOT NULL
    ) STRICT;";

/// Settings shared by all connections of a store.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) path: PathBuf,
    pub(super) durability: Durability,
    pub(super) busy_timeout: Duration,
    /// Size of the pages that each connection keeps, in bytes.
    pub(super) page_cache: usize,
    /// Size of the part of the file that each connection maps into memory, in bytes.
    pub(super) memory_map: usize,
    /// True to create the file and its tables if they are missing.
    pub(super) creates: bool,
}

/// Content of a file that this store may use.
enum Content {
    /// An empty file.
    Empty,
    /// The tables of this library, in the current format.
    Tables,
}

impl Settings {
    /// Returns the defaults. Makes the path absolute, so that it no longer depends on the working directory.
    pub(super) fn new(path: PathBuf) -> Self {
        let is_named = !path.as_os_str().is_empty() && path.as_os_str() != MEMORY;
        Self {
            path: std::path::absolute(&path).ok().filter(|_| is_named).unwrap_or(path),
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(1),
            page_cache: PAGE_CACHE_BYTES,
            memory_map: MEMORY_MAP_BYTES,
            creates: true,
        }
    }

    /// Opens the writer's connection, creates the tables if they are missing, and records the file.
    pub(super) fn open(&self) -> Result<Opened, StoreError> {
        self.create_file()?;
        let before = file::identity(&self.path);
        let connection = self.prepare()?;
        // The first read creates the log and its index. It reads a table that stays small.
        self.patiently(|| Ok(connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?))?;
        match OpenFile::at(&self.path) {
            Ok(file) if file.is(before) => Ok(Opened { connection, file }),
            _ => Err(self.setup("was replaced while it was opened")),
        }
    }

    fn prepare(&self) -> Result<Connection, StoreError> {
        let mut connection = self.connect()?;
        // `FULL` until there is a log, whatever the durability: with `NORMAL`, the header of a journal may reach the
        // disk before its content, and after a power cut such a journal would be rolled back into the file.
        connection.pragma_update(None, "synchronous", "FULL").map_err(|error| self.refused(&error))?;
        self.patiently(|| self.claim(&mut connection))?;
        if self.creates {
            self.patiently(|| self.use_log(&connection))?;
        }
        self.synchronize(&connection).map_err(|error| self.refused(&error))?;
        Ok(connection)
    }

    /// Opens a read-only connection that fails instead of waiting for a lock.
    pub(super) fn connect_inline(&self) -> Result<Connection, StoreError> {
        let connection = self.connect_reader()?;
        connection.busy_timeout(Duration::ZERO).map_err(|error| self.refused(&error))?;
        Ok(connection)
    }

    /// Opens a read-only connection.
    pub(super) fn connect_reader(&self) -> Result<Connection, StoreError> {
        let connection = self.connect()?;
        connection.pragma_update(None, "query_only", true).map_err(|error| self.refused(&error))?;
        Ok(connection)
    }

    /// Creates the file if it is missing. Sessions are private: on Unix only the owner may access the file, and
    /// `SQLite` gives the log the same mode.
    fn create_file(&self) -> Result<(), StoreError> {
        if self.path.is_dir() {
            return Err(self.setup("is a folder; name a file in it"));
        }
        let path = self.path.to_string_lossy();
        if path.is_empty() || path == MEMORY {
            return Err(self.setup("is not a file; `memory:` is the store without one"));
        }
        if !self.creates {
            let exists = self.path.try_exists().is_ok_and(|exists| exists);
            return if exists { Ok(()) } else { Err(self.setup("does not exist, or may not be read")) };
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(self.setup(&format!("cannot be created ({error}); does its folder exist, and is it writable?")))
            }
            _ => Ok(()),
        }
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(|error| self.refused(&error))?;
        // Checked first: on a read-only file in WAL mode, all other steps fail with errors that do not mention it.
        if connection.is_readonly(MAIN_DB).map_err(|error| self.refused(&error))? {
            return Err(self.setup("is read-only; let this program write to it"));
        }
        self.tune(&connection).map_err(|error| self.refused(&error))?;
        Ok(connection)
    }

    fn tune(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.busy_timeout(self.busy_timeout)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        // A negative number is a size in KiB. A positive one would be a number of pages.
        connection.pragma_update(None, "cache_size", -(stored_size(self.page_cache) / 1024))?;
        connection.pragma_update(None, "mmap_size", stored_size(self.memory_map))?;
        self.synchronize(connection)
    }

    fn synchronize(&self, connection: &Connection) -> rusqlite::Result<()> {
        match self.durability {
            Durability::Process => connection.pragma_update(None, "synchronous", "NORMAL"),
            Durability::Power => {
                // Without this, Apple's systems only pass the data to the disk's own cache.
                connection.pragma_update(None, "fullfsync", true)?;
                connection.pragma_update(None, "synchronous", "FULL")
            }
        }
    }

    /// Creates the tables in an empty file; leaves a file of this library unchanged.
    fn claim(&self, connection: &mut Connection) -> Result<(), Refused> {
        // One transaction for all queries, since another process may create the tables between two of them.
        let snapshot = connection.transaction()?;
        let content = self.content(&snapshot)?;
        snapshot.finish()?;
        match content {
            Content::Tables => return Ok(()),
            Content::Empty if !self.creates => {
                return Err(self.setup("is empty: no program has stored sessions").into());
            }
            Content::Empty => {}
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have created the tables while this one waited for the lock.
        if matches!(self.content(&transaction)?, Content::Empty) {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        Ok(transaction.commit()?)
    }

    fn content(&self, connection: &Connection) -> Result<Content, Refused> {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (application, format) = (number("application_id")?, number("user_version")?);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        match (application, format) {
            (APPLICATION_ID, FORMAT) => Ok(Content::Tables),
            (0, 0) if tables == 0 => Ok(Content::Empty),
            (APPLICATION_ID, _) => {
                let remedy = match format {
                    ..FORMAT => "it was never released: name another file",
                    _ => "use the program's newer release",
                };
                let problem = format!("has format {format}; this program supports {FORMAT}; {remedy}");
                Err(self.setup(&problem).into())
            }
            _ => Err(self.setup("is a database of another program; name another file").into()),
        }
    }

    fn use_log(&self, connection: &Connection) -> Result<(), Refused> {
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode == "wal" {
            return Ok(());
        }
        Err(self.setup("cannot have a write-ahead log; use a local file system").into())
    }

    /// Retries a step of opening while the file is locked, because some steps do not wait for a lock themselves.
    fn patiently(&self, mut step: impl FnMut() -> Result<(), Refused>) -> Result<(), StoreError> {
        let begun = Instant::now();
        loop {
            match step() {
                Ok(()) => return Ok(()),
                Err(Refused::Because(error)) => return Err(error),
                Err(Refused::Engine(error)) if !is_busy(&error) || begun.elapsed() >= self.busy_timeout => {
                    return Err(self.refused(&error));
                }
                Err(Refused::Engine(_)) => std::thread::sleep(RETRY_PAUSE),
            }
        }
    }

    fn refused(&self, error: &rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                let message = format!("`{}`: {}", self.path.display(), Cause::of(error));
                StoreError::new(StoreErrorKind::Unavailable, "open").because(message)
            }
            Some(ErrorCode::NotADatabase) => self.setup("is not an SQLite database; name another file"),
            Some(ErrorCode::DatabaseCorrupt) => {
                self.setup("is damaged, perhaps truncated; restore a copy of it, or move it away to start empty")
            }
            Some(ErrorCode::DiskFull) => self.setup("cannot be set up, since its disk is full; make room"),
            _ => self.setup(&format!(
                "cannot be opened ({}); are file and folder writable, and has the disk room?",
                Cause::of(error)
            )),
        }
    }

    fn setup(&self, problem: &str) -> StoreError {
        let message = format!("`{}` {problem}", self.path.display());
        StoreError::new(StoreErrorKind::Setup, "open").because(message)
    }
}

/// Reason why a step of opening failed: a final error, or an error of `SQLite` that may be temporary.
enum Refused {
    Because(StoreError),
    Engine(rusqlite::Error),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Because(error)
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}
