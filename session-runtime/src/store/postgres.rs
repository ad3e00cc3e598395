//! Records in `PostgreSQL`: several machines share them, and they are as durable as the database is set up to be.
//!
//! # Layout, version 1
//!
//! In a schema of the application's choice. A patch touches the rows that it changes, whatever the session's size.
//!
//! ```text
//! session_record                        one row a session
//! ├ key                bytea, 16 bytes, the primary key
//! ├ expires            bigint, indexed   ┐
//! ├ created, touched, ends               │ milliseconds since 1970-01-01 UTC
//! ├ secret_since, previous_until         │
//! ├ generation_since                     ┘
//! ├ expiry_kind        0 default, 1 after, 2 at, 3 browser close
//! ├ expiry             its duration or moment, in milliseconds
//! ├ secret, previous   hashes, 32 bytes; `previous` is NULL unless there is one
//! ├ generation, revision
//! └ bytes, keys        totals of the names and texts
//!
//! session_value                         one row a stored key
//! ├ session            the record's key           ┐
//! ├ schema             the name up to its dot     │ the primary key, bytewise
//! ├ field              the rest, dot included     ┘
//! └ content            the JSON text, byte for byte: `convert_from(content, 'UTF8')` shows it
//!
//! session_layout       version, in one row
//! session_patch(…)     applies a patch in one call
//! session_delete(…)    removes a record
//! session_forget()     a trigger: a record that goes takes its values along
//! ```
//!
//! Bytes, not text: a database may have any encoding and collation. Unsigned numbers are stored as the `bigint` with the
//! same bits.
//!
//! # A patch
//!
//! A patch that sets up to four keys, and nothing else, says which revision it was made from. One prepared statement then
//! updates the record if it has that revision still, and sets the keys if it did: nothing is compared, and no value is
//! read. If that finds no such record, or for any other patch, the function is called.
//!
//! `session_patch` locks the record, then looks, then writes. Each statement of such a function has a snapshot of its own,
//! so what is compared is read after the lock is held; one statement that did all of it would compare with what was there
//! before it waited. A base of more than 64 bytes is sent as its SHA-256.
//!
//! Why one statement does for an unchanged record, though it sees values as they were before it waited for the lock: see
//! `sql.rs`.
//!
//! Deliberately absent: session state on a connection that a pooler or the application shares out, foreign keys (each new
//! value would pay for a look-up), and `jsonb` (it would not keep a text as it is).

mod access;
mod builder;
mod changes;
mod connection;
mod fault;
mod head;
mod load_estimate;
mod operations;
mod pool;
mod pooler;
mod redacted;
mod sql;
mod unchanged;

use std::fmt;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use tokio::sync::OnceCell;

pub use self::builder::PostgresStoreBuilder;

use self::access::{Access, SharedPool};
use self::fault::Fault;
use self::sql::Statements;
use super::{Created, Cursor, Loaded, Page, Store, StoreError, Wanted};
use crate::clock::Timestamp;
use crate::config::ServerConfig;
use crate::id::SessionKey;
use crate::record::Record;
use crate::record::patch::{Patch, Patched};

const NO_NAME: &str = "the name of the schema must have 1 to 63 bytes, or the server would cut it";

/// The layout that this library makes and knows.
const LAYOUT: i32 = 1;

/// Sessions in `PostgreSQL` 13 or newer.
///
/// | promise | holds |
/// |---|---|
/// | logout is final, concurrent writes merge | yes: a patch compares after it has locked the record |
/// | survives a restart, or a crash of the process | yes: nothing is acknowledged before its commit |
/// | survives a crash of the machine | as `fsync` and `synchronous_commit` of the database say; by default yes |
/// | survives the loss of the machine | as the replication is set up: after a failover to an asynchronous standby the last moments may be undone, a logout included |
/// | several processes and machines | yes |
/// | clock that judges deadlines | the application's |
///
/// A load is one round trip and moves the wanted schemas alone; so is a patch, or two where somebody else has written
/// since the load, and a `create` or a `delete`. A write whose answer is lost is not sent again: its outcome is unknown. One
/// that the database has rolled back since others were at work (serialization failure, deadlock) is.
///
/// # Connections
///
/// By URL, the store has [a few of its own](PostgresStoreBuilder::connections), opened when first needed and opened again
/// when they end. Each carries many requests at once, and the next is used where requests would wait behind others. A patch
/// or `delete` waits at most 1 s for a lock that somebody else holds. A server that answers nothing for half a second while
/// callers give up gets a new connection. TCP looks after an idle one each minute, unless the URL has `keepalives`.
/// These connections are told (`SET`) how long to wait for a lock, to plan each statement once, to use indexes and to compile
/// nothing, whatever the database or the user has set.
///
/// Or a `deadpool_postgres::Pool` of the application's: a connection is taken for one operation and given back. Give it
/// timeouts; where a caller gives up during an operation, that connection is closed. Nothing is set on its connections, and
/// the application need not set anything for the store's sake: planner settings that are good for sessions are bad for other
/// queries. Connections of the store's own, by URL, do more operations in a second. Before each operation the store looks
/// whether the connection was left inside a transaction, in the same round trip. Such a connection is closed, with a line in
/// the log, and another one is taken, so that nothing is acknowledged that is rolled back later.
///
/// `PgBouncer` and other poolers in transaction mode are noticed by themselves (the process number in the greeting is not
/// the one that answers); statements are then sent unnamed and nothing is kept on the connection.
///
/// # Encryption
///
/// `sslmode` in the URL is `disable`, `prefer` (the default: encrypted if the server can) or `require`. Whenever a
/// connection is encrypted, certificate and host name are checked, so `verify-ca` and `verify-full` mean `require`. Overlay a
/// network say `require`: with `prefer` whoever sits between can have it unencrypted.
///
/// # Tables
///
/// They are made at the launch, unless they are there. A user who may not do that gets them from
/// [`sql`](Self::sql) and needs `USAGE` on the schema, `SELECT` on `session_layout`, and `SELECT`, `INSERT`, `UPDATE` and
/// `DELETE` on `session_record` and `session_value`. Tables of a newer layout are refused and left as they were.
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
    statements: Statements,
    /// Whether the server takes the schema's name as it is.
    is_named: bool,
    /// Set once the tables are known to be there.
    ready: OnceCell<()>,
}

impl PostgresStore {
    /// A store by its URL. Connects at the launch, or with the first operation.
    ///
    /// # Errors
    ///
    /// As [`PostgresStoreBuilder::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// let store = session_runtime::PostgresStore::open("postgres://localhost/shop")?;
    /// # Ok::<(), session_runtime::store::StoreError>(())
    /// ```
    pub fn open(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::builder(url).open()
    }

    /// Settings for the database that the URL names.
    ///
    /// # Examples
    ///
    /// ```
    /// let store = session_runtime::PostgresStore::builder("postgres://localhost/shop").schema("web").open()?;
    /// # Ok::<(), session_runtime::store::StoreError>(())
    /// ```
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url.into(), ServerConfig::default())
    }

    /// The store of a URL in the configuration.
    pub(super) fn configured(url: &str, server: &ServerConfig) -> Result<Self, StoreError> {
        PostgresStoreBuilder::new(url.to_owned(), server.clone()).open()
    }

    /// A store on the application's own pool, in the schema of this name. A name of more than 63 bytes, which the server
    /// would cut, is refused at the launch and by each operation.
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
    #[must_use]
    pub fn from_pool(pool: Pool, schema: &str) -> Self {
        Self::new(Access::Pool(SharedPool::new(pool)), Some(schema))
    }

    /// What creates the tables in this schema, for an operator to run where the application may not. Runs as a whole or
    /// not at all; does nothing if they are there. With a name of more than 63 bytes it fails.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(session_runtime::PostgresStore::sql("web").contains("CREATE TABLE \"web\".session_record"));
    /// ```
    #[must_use]
    pub fn sql(schema: &str) -> String {
        sql::layout(schema)
    }

    fn new(access: Access, schema: Option<&str>) -> Self {
        let schema = schema.unwrap_or("public");
        let statements = Statements::new(schema, access.lock_timeout());
        Self { access, statements, is_named: sql::is_name(schema), ready: OnceCell::new() }
    }

    /// Sees to the tables once.
    async fn ready(&self) -> Result<(), Fault> {
        if self.ready.get().is_none() && !self.is_named {
            return Err(Fault::Setting(NO_NAME));
        }
        self.ready.get_or_try_init(|| self.set_up()).await.copied()
    }

    async fn set_up(&self) -> Result<(), Fault> {
        match self.version().await {
            Err(fault) if fault.is_missing() => {}
            known => return known,
        }
        self.access.simple(&self.statements.layout).await?;
        self.version().await
    }

    /// Whether the tables are there and known.
    async fn version(&self) -> Result<(), Fault> {
        let version = self.access.simple(&self.statements.version).await?;
        match version.and_then(|version| version.parse().ok()) {
            Some(LAYOUT) => Ok(()),
            Some(newer) if newer > LAYOUT => Err(Fault::Newer(newer)),
            _ => Err(Fault::Unreadable("layout")),
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
        self.created(key, &record).await.map_err(|fault| fault.to_error("create"))
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.loaded(key, wanted, now).await.map_err(|fault| fault.to_error("load"))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        self.patched(key, &patch, now).await.map_err(|fault| fault.to_error("patch"))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.deleted(key).await.map_err(|fault| fault.to_error("delete"))
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.swept(limit, now).await.map_err(|fault| fault.to_error("sweep"))
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.ready().await.map_err(|fault| fault.to_error("prepare"))
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let from = from.map(Cursor::key).transpose()?;
        self.scanned(from, limit.max(1), now).await.map_err(|fault| fault.to_error("scan"))
    }
}
