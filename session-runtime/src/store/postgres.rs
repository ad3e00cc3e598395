//! Records in `PostgreSQL`, shared by several machines. They are as durable as the database is configured to be.
//!
//! # Tables, format 1
//!
//! The tables are in a schema of the application's choice. A patch touches only the rows that it changes, whatever the
//! size of the session.
//!
//! ```text
//! session_record                        one row per session
//! ├ key                bytea, 16 bytes, the primary key
//! ├ expires            bigint, indexed   ┐
//! ├ created, touched, ends               │ milliseconds since 1970-01-01 UTC
//! ├ secret_since, previous_until         │
//! ├ generation_since                     ┘
//! ├ expiry_kind        0 default, 1 after, 2 at, 3 browser close
//! ├ expiry             its duration or instant, in milliseconds
//! ├ secret, previous   hashes, 32 bytes; `previous` is NULL unless there is one
//! ├ generation, revision
//! └ bytes, keys        totals of the names and texts
//!
//! session_value                         one row per stored key
//! ├ session            the record's key           ┐
//! ├ schema             the name up to its dot     │ the primary key, bytewise
//! ├ field              the rest, dot included     ┘
//! └ content            the JSON text, byte for byte: `convert_from(content, 'UTF8')` shows it
//!
//! session_layout       the format version, in one row
//! session_patch(…)     applies a patch in one call
//! session_delete(…)    removes a record
//! session_forget()     a trigger: deletes the values of a deleted record
//! ```
//!
//! Columns are bytes, not text: a database may have any encoding and collation. Unsigned numbers are stored as the
//! `bigint` with the same bits.
//!
//! A program with an index adds a table and, for each indexed key, triggers on `session_value`:
//!
//! ```text
//! session_index                         one row per session that holds a value of an indexed key
//! ├ name               the stored key             ┐
//! ├ value              SHA-256 of the JSON text   │ the primary key
//! └ session            the record's key           ┘
//!
//! session_index_key(…)      indexes a stored key: creates its triggers, enters the stored values
//! session_index_follow()    the triggers' function: follows each change, whichever program makes it
//! session_delete_if(…)      removes a record of one generation
//! ```
//!
//! Every write locks the row of its record first, then its values, then their rows in the index. A row of the index
//! belongs to one session, so the index adds no deadlock.
//!
//! # A patch
//!
//! A patch that only sets up to four keys names the revision that it was made from. One prepared statement updates the
//! record if it still has that revision, and sets the keys if the update matched. It compares no value and reads none.
//! If it matches no record, and for every other patch, the function is called.
//!
//! `session_patch` locks the record, then reads, then writes. Each statement in such a function has its own snapshot,
//! so the values that it compares are read after the lock is held. A single statement would compare the values as they
//! were before it waited. A base of more than 64 bytes is sent as its SHA-256.
//!
//! `statement.rs` explains why one statement suffices for an unchanged record, although it sees the values as they were
//! before it waited for the lock.
//!
//! Deliberately absent: session state on a connection that a pooler or the application shares, foreign keys (each new
//! value would cost a lookup), and `jsonb` (it does not preserve a text).

mod access;
#[cfg(feature = "deadpool-postgres-0-14")]
mod application_pool;
mod builder;
mod changes;
mod connection;
mod connection_pool;
#[cfg(feature = "cli")]
mod doctor;
mod fault;
mod head;
mod index;
mod load_estimate;
mod operations;
mod pooler;
mod redacted;
mod sql;
mod statement;
mod unchanged;

use std::fmt;

use async_trait::async_trait;
use tokio::sync::OnceCell;

pub use self::builder::PostgresStoreBuilder;

use self::access::Access;
#[cfg(feature = "deadpool-postgres-0-14")]
use self::application_pool::ApplicationPool;
use self::fault::Fault;
use self::index::Index;
use self::sql::Statements;
use super::admission::Admission;
use super::{Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, Store, StoreError, Wanted};
use crate::clock::Timestamp;
use crate::config::{AdmissionConfig, ServerConfig, SessionConfig};
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, Text};

const NO_NAME: &str = "the name of the schema must have 1 to 63 bytes, or the server would cut it";

const NO_TABLES: &str = "there are no tables of sessions in this schema of the database";

/// Format version of the tables that this library creates and reads.
const FORMAT: i32 = 1;

/// Sessions in `PostgreSQL` 13 or newer.
///
/// | promise | holds |
/// |---|---|
/// | logout is final, concurrent writes merge | yes: a patch compares after it has locked the record |
/// | survives a restart, or a crash of the process | yes: nothing is acknowledged before its commit |
/// | survives a crash of the machine | as `fsync` and `synchronous_commit` of the database are set; by default yes |
/// | survives the loss of the machine | as the replication is set up: a failover to an asynchronous standby may undo the last writes, a logout included |
/// | several processes and machines | yes |
/// | clock for deadlines | the application's |
///
/// A load is one round trip and transfers only the wanted schemas. A `create`, a `delete` and a patch are one round
/// trip each; a patch takes two if another request has written since the load. A write whose response is lost is not
/// sent again: its outcome is unknown. A write that the database rolled back because of concurrent transactions
/// (serialization failure, deadlock) is sent again.
///
/// The server may end idle connections (`idle_session_timeout`). Before a write, a connection of the store's own that has
/// been idle for half that time is asked for an answer, which is one more round trip. A pool of the application should
/// check its connections itself, or close them before the server does.
///
/// # Connections
///
/// A store opened by URL has [its own connections](PostgresStoreBuilder::connections), opened when first needed and
/// reopened when they end. Each carries many requests at once; a request that would wait behind others uses the next
/// one. A patch or `delete` waits at most 1 s for a lock that another transaction holds. A connection without any
/// response for half a second while callers give up is replaced. TCP probes an idle connection every minute, unless the
/// URL has `keepalives`. The store sets the lock timeout on these connections (`SET`) and makes the server plan each
/// statement once, use indexes and compile nothing, whatever the database or the user has set.
///
/// A store over a `deadpool_postgres::Pool` of the application (feature `deadpool-postgres-0-14`) takes a connection
/// for each operation and returns it. Give the pool timeouts. If a caller gives up during an operation, that connection
/// is closed. The store sets nothing on these connections, and the application need not set anything for the store:
/// planner settings that are good for sessions are bad for other queries. The store's own connections, by URL, do more
/// operations per second. Before each operation, in the same round trip, the store checks whether the connection was
/// left inside a transaction. Such a connection is closed and logged, and another one is taken, so that no acknowledged
/// write is rolled back later.
///
/// `PgBouncer` and other poolers in transaction mode are detected: the process number in the greeting is not that of
/// the process that responds. Statements are then sent unnamed, and nothing is kept on the connection.
///
/// # Encryption
///
/// `sslmode` in the URL is `disable`, `prefer` (the default: encrypted if the server supports it) or `require`. An
/// encrypted connection always checks the certificate and the host name, so `verify-ca` and `verify-full` mean
/// `require`. Use `require` over a network: with `prefer`, an attacker on the path can force an unencrypted connection.
///
/// # Tables
///
/// The store creates its tables at launch unless they exist. If its user may not do that, an operator creates them from
/// [`sql`](Self::sql). The user then needs `USAGE` on the schema, `SELECT` on `session_layout`, and `SELECT`, `INSERT`,
/// `UPDATE` and `DELETE` on `session_record` and `session_value`. Tables of a newer format are refused and left
/// unchanged.
///
/// A program with an index adds the table `session_index` at launch, and triggers for each indexed key. The values that
/// are stored already are entered at the first launch with the index. For a million sessions this takes seconds, in which
/// writes wait and may fail as unavailable. If the user may not create tables, [`sql`](Self::sql)
/// creates the table and the functions; the user then needs `SELECT` on `session_index` too. Programs that do not know
/// the index may use the same tables, and their sessions are found.
///
/// # Examples
///
/// ```
/// use session_runtime::{PostgresStore, Sessions};
///
/// let store = PostgresStore::open("postgres://app@db.example/shop?sslmode=require")?;
/// let sessions = Sessions::builder().store(store).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PostgresStore {
    access: Access,
    admission: Admission,
    statements: Statements,
    /// True if the server accepts the schema's name unchanged.
    is_named: bool,
    /// Set once the tables are known to exist.
    ready: OnceCell<()>,
    index: Index,
    /// True to create missing tables and indexes.
    creates: bool,
}

impl PostgresStore {
    /// Opens a store by its URL. It connects at launch or with the first operation.
    ///
    /// # Errors
    ///
    /// The errors of [`PostgresStoreBuilder::open`].
    pub fn open(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::builder(url).open()
    }

    /// Settings for the database that the URL names.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url.into(), ServerConfig::default())
    }

    /// Opens the store of a URL in the configuration.
    pub(super) fn configured(url: &str, config: &SessionConfig) -> Result<Self, StoreError> {
        PostgresStoreBuilder::new(url.to_owned(), config.server.clone()).admission(config.admission).open()
    }

    /// Returns a store on the application's own pool, in the schema of this name. A name of more than 63 bytes, which
    /// the server would truncate, is refused at launch and by each operation.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use deadpool_postgres::{Pool, Runtime};
    /// use session_runtime::PostgresStore;
    ///
    /// fn store(pool: &Pool) -> PostgresStore {
    ///     PostgresStore::from_pool(pool.clone(), "public")
    /// }
    /// ```
    #[cfg(feature = "deadpool-postgres-0-14")]
    #[must_use]
    pub fn from_pool(pool: deadpool_postgres::Pool, schema: &str) -> Self {
        Self::new(Access::Application(ApplicationPool::new(pool)), AdmissionConfig::default(), Some(schema))
    }

    /// Sets the limits for a database that has more work than it can do in time, see [`overload`](super::overload). Changes
    /// use at most three quarters of four or more connections of a pool.
    #[cfg(feature = "deadpool-postgres-0-14")]
    #[must_use]
    pub fn admission(mut self, admission: AdmissionConfig) -> Self {
        self.admission = self.access.admission(admission);
        self
    }

    /// SQL that creates the tables in this schema, for an operator to run where the application may not. It runs as a
    /// whole or not at all, does nothing if the tables exist, and fails for a name of more than 63 bytes.
    #[must_use]
    pub fn sql(schema: &str) -> String {
        let tables = sql::tables(schema);
        if sql::is_name(schema) { tables + &sql::index(schema) } else { tables }
    }

    fn new(access: Access, admission: AdmissionConfig, schema: Option<&str>) -> Self {
        let schema = schema.unwrap_or("public");
        let statements = Statements::new(schema, access.lock_timeout());
        let admission = access.admission(admission);
        Self {
            access,
            admission,
            statements,
            is_named: sql::is_name(schema),
            ready: OnceCell::new(),
            index: Index::default(),
            creates: true,
        }
    }

    /// Creates and changes no table, and no index: a missing one is an error.
    #[cfg(feature = "cli")]
    pub(super) const fn existing(mut self) -> Self {
        self.creates = false;
        self
    }

    /// Creates or checks the tables, once.
    async fn ready(&self) -> Result<(), Fault> {
        if self.ready.get().is_none() && !self.is_named {
            return Err(Fault::Setting(NO_NAME));
        }
        self.ready.get_or_try_init(|| self.set_up()).await.copied()
    }

    async fn set_up(&self) -> Result<(), Fault> {
        match self.check_format().await {
            Err(fault) if fault.is_missing() && self.creates => {}
            Err(fault) if fault.is_missing() => return Err(Fault::Setting(NO_TABLES)),
            known => return known,
        }
        self.access.simple(&self.statements.tables).await?;
        self.check_format().await
    }

    /// Checks that the tables exist and have a known format.
    async fn check_format(&self) -> Result<(), Fault> {
        let format = self.access.simple(&self.statements.format).await?;
        match format.and_then(|format| format.parse().ok()) {
            Some(FORMAT) => Ok(()),
            Some(newer) if newer > FORMAT => Err(Fault::Newer(newer)),
            _ => Err(Fault::Unreadable("format number")),
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn describe(&self) -> String {
        format!("PostgreSQL {}", self.access.describe())
    }

    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let admitted = self.admission.writes.enter("create").await?;
        admitted.end(self.created(key, &record).await).map_err(|fault| fault.to_error("create"))
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let admitted = self.admission.reads.enter("load").await?;
        admitted.end(self.loaded(key, wanted, now).await).map_err(|fault| fault.to_error("load"))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let admitted = self.admission.writes.enter("patch").await?;
        admitted.end(self.patched(key, &patch, now).await).map_err(|fault| fault.to_error("patch"))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let admitted = self.admission.writes.enter("delete").await?;
        admitted.end(self.deleted(key).await).map_err(|fault| fault.to_error("delete"))
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        let admitted = self.admission.writes.enter("sweep").await?;
        admitted.end(self.swept(limit, now).await).map_err(|fault| fault.to_error("sweep"))
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let prepare = async {
            self.ready().await?;
            self.index_all().await
        };
        prepare.await.map_err(|fault| fault.to_error("prepare"))
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let from = from.map(Cursor::key).transpose()?;
        let admitted = self.admission.reads.enter("scan").await?;
        admitted.end(self.scanned(from, limit.max(1), now).await).map_err(|fault| fault.to_error("scan"))
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let admitted = self.admission.reads.enter("heads").await?;
        admitted.end(self.loaded_heads(keys, now).await).map_err(|fault| fault.to_error("heads"))
    }

    fn supports(&self, _: Capability) -> bool {
        true
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.index.add(names);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        self.index.check(name)?;
        let from = from.map(Cursor::key).transpose()?;
        let admitted = self.admission.reads.enter("find").await?;
        admitted.end(self.found(name, text, from, limit.max(1)).await).map_err(|fault| fault.to_error("find"))
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let admitted = self.admission.writes.enter("delete_if").await?;
        admitted.end(self.deleted_if(key, generation).await).map_err(|fault| fault.to_error("delete_if"))
    }
}
