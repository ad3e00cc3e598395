//! Records in Redis or Valkey: one server or a cluster, shared by any number of processes.
//!
//! # Stored form
//!
//! ```text
//! session:{key}            a hash: one field per stored key, and the head under a NUL
//! session:{key}:history    the same for a schema in a hash of its own, with a marker under the NUL
//! session:{digest}::index  a sorted set: the sessions that hold an indexed value, see `index.rs`
//!
//! head: at least 164 bytes, integers big-endian, timestamps shifted so that they sort bytewise, names NUL-terminated
//!   0  format, 1        25  touched               74  hash of previous secret     140  revision
//!   1  created          33  kind of expiry       106  accepted until, if flag 2   148  bytes of all names and texts
//!   9  ends             34  its value            114  (after the flag at 82)      156  number of keys
//!  17  expires          42  secret, since, flag  123  generation, flag, raised    164  schemas in own hashes
//! ```
//!
//! The key is in braces, so that a cluster keeps all hashes of a session in one slot. The head is one field because
//! scripts slice and compare its bytes: a number in Lua is a float, a counter of the engine is signed, and text sorts
//! by the server's locale.
//!
//! A schema is in a hash of its own if it is `lazy`, or large when its first key is stored. The largest schema is moved
//! out of a main hash that has more than 512 keys, with the next write, so that loads of other schemas do not read it.
//! The head records each of these hashes. So programs that disagree about which schemas are `lazy` can read and write
//! each other's sessions, and the eviction of a hash is detected.
//!
//! # Commands
//!
//! A load is one `HGETALL`, or one script if a `lazy` schema is wanted. A large schema that is wanted is read with
//! commands after the main hash, since a script copies it once more. Each write is one script that does all or
//! nothing: it checks before it writes, and a server that is out of memory refuses it as a whole. Every hash gets its
//! expiry time in the engine in the step that creates it.
//!
//! A write that only sets a few keys uses a short script, which accepts only the loaded revision. If the revision has
//! changed, the script that compares each key follows. The latter always writes a schema in a hash of its own.
//!
//! # Connections
//!
//! The store has several connections of the client library: to one server, or cluster clients, each of which connects
//! to the nodes. Each carries many commands at once, and is reopened in the background when it ends; a connection to
//! one server even while it is idle. A request takes an open connection, each time the next one. If none is open, it
//! waits for the one that opens first, within its deadline. It fails at once, with the cause, while each of them pauses
//! after a failed attempt.
//!
//! Nothing is sent twice, neither here nor by the library: a command in flight when a connection ended has an unknown
//! outcome. A connection with an overdue response is replaced; requests in flight on it may still get theirs.
//!
//! Deliberately absent: `WATCH` and `MULTI` (they need a connection of their own), blocking commands, reads from
//! replicas (they may return a session that has been logged out), and arithmetic on stored values.

mod address;
mod builder;
mod cluster;
mod connection;
#[cfg(feature = "cli")]
mod doctor;
mod eviction;
#[cfg(feature = "redis-1")]
mod existing;
mod fault;
mod head;
mod index;
mod name;
mod read;
mod reply;
mod scan;
mod scan_step;
mod script;
mod server;
mod servers;
mod slots;
mod sweep;
mod unchanged;
mod write;

use std::fmt;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use ::redis::Value;
use async_trait::async_trait;
use futures_util::future::join_all;

use self::fault::Fault;
use self::index::Index;
use self::name::{Name, Namespace};
use self::read::Main;
use self::scan::ScanPosition;
use self::scan_step::SweepPosition;
use self::servers::{Route, Servers};
use self::write::Doomed;
use super::admission::Admission;
use super::{Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, SWEEP_GRACE, Store, StoreError, Wanted};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched};
use crate::record::{Head, Record, Text};

pub use self::builder::RedisStoreBuilder;
#[cfg(feature = "redis-1")]
pub use self::existing::RedisConnection;

/// Number of sessions that a scan, a sweep or a check of watched sessions requests at once.
const AT_ONCE: usize = 64;

/// Maximum number of retries while a cluster may be moving a part of the session.
const PART_RETRIES: u32 = 5;
/// Pause before the first of these retries. It doubles each time.
const FIRST_PART_PAUSE: Duration = Duration::from_millis(20);

/// Sessions in Redis 7 or Valkey.
///
/// | promise | holds |
/// |---|---|
/// | logout is final, concurrent writes merge | yes: each write is one atomic script, and none is sent twice |
/// | survives a restart, or a crash of the server | as `appendonly` and `appendfsync` are set: by default Redis loses unsaved writes |
/// | survives a failover | replication is asynchronous: a failover can undo the last acknowledged writes, a logout included |
/// | memory | set `maxmemory-policy noeviction`. Any other policy evicts sessions in use once `maxmemory` is reached, acknowledged ones too; the launch logs a warning. When memory is full, writes fail as a whole |
/// | lookups by an indexed field | complete as far as the server keeps what it acknowledged: not with eviction, and not across a failover that loses writes. Sessions that were stored without the index are found after their next login |
/// | several processes | yes, also with programs that disagree about which schemas are `lazy` |
/// | clock for deadlines | the application's. The server removes sessions that expired six minutes ago by its own clock, which must not be further ahead |
///
/// A write whose response was lost has an unknown outcome and fails as unavailable. A read is sent once more. The server may
/// end idle connections (`timeout`): before a write, one that has been idle for 0.8 seconds is asked with a `PING`, to
/// which any answer will do. That does not hold on a cluster, nor over a connection of the application. Connections are
/// reopened in the background. Each of [`ServerConfig::connections`](crate::config::ServerConfig) carries many requests at once.
/// Requires a tokio runtime with time and I/O.
///
/// The user needs `EVALSHA`, `EVAL`, `HGETALL`, `HGET`, `HMGET`, `HSET`, `HDEL`, `HKEYS`, `HLEN`, `HEXISTS`, `EXISTS`,
/// `DEL`, `UNLINK`, `PEXPIREAT`, `PEXPIRETIME`, `SCAN`, and `CLUSTER` on a cluster, for all keys of the namespace; with an
/// index also `TIME`, `ZADD`, `ZREM`, `ZRANDMEMBER`, `ZRANGEBYLEX` and `ZREMRANGEBYLEX`.
/// `INFO` is optional. With it, a scan detects that a server was restarted or replaced meanwhile and misses no session
/// for that reason, and the launch warns of eviction.
///
/// A scan may return a session twice: while the server shrinks its table, and after a failover. It may miss sessions of
/// a slot that a cluster moves meanwhile.
///
/// # Examples
///
/// ```
/// use session_runtime::{RedisStore, Sessions};
///
/// // Nothing is connected yet.
/// let sessions = Sessions::builder().store(RedisStore::open("redis://localhost")?).build()?;
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
pub struct RedisStore {
    servers: Servers,
    admission: Admission,
    namespace: Namespace,
    /// Address, for the log.
    address: Box<str>,
    lazy: OnceLock<Box<[&'static str]>>,
    index: Index,
    /// Start of the next sweep.
    sweep_from: Mutex<SweepPosition>,
}

impl RedisStore {
    /// Opens a store on the servers that a URL names, with default settings. It connects at launch or on first use.
    ///
    /// `redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis+unix:///path?db=0&user=…&pass=…` for a socket
    /// in the file system (Unix only), and `redis-cluster://…` or `rediss-cluster://…` with one or more hosts of a
    /// cluster, separated by commas. `protocol=resp2` after the `?` is for servers and proxies without RESP3.
    /// Percent-encode special characters in a password, such as `%2B`.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) if the URL has none of these forms.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::RedisStore;
    ///
    /// let store = RedisStore::open("redis-cluster://10.0.0.1:7000,10.0.0.2:7000")?;
    /// assert!(RedisStore::open("http://localhost").is_err());
    /// # Ok::<(), session_runtime::store::StoreError>(())
    /// ```
    pub fn open(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::builder(url).open()
    }

    /// Settings for a store on the servers that a URL names.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into())
    }

    fn new(servers: Servers, admission: Admission, namespace: Namespace, address: String) -> Self {
        let address = address.into();
        let (lazy, index) = (OnceLock::new(), Index::default());
        Self { servers, admission, namespace, address, lazy, index, sweep_from: Mutex::default() }
    }

    fn lazy(&self) -> &[&'static str] {
        self.lazy.get().map_or(&[], |lazy| lazy)
    }

    async fn read(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
        let mut tries = 0;
        loop {
            match self.read_once(key, wanted, now).await {
                Ok(Some(found)) if !found.unreadable.is_empty() => {
                    if !Box::pin(self.waits_for_parts(&mut tries)).await {
                        return Ok(Some(found));
                    }
                }
                found => return found,
            }
        }
    }

    async fn store_new(&self, key: SessionKey, record: &Record) -> Result<Created, Fault> {
        let main = self.namespace.main(key);
        let latest = match self.index.of_values(&record.values) {
            indexed if indexed.is_empty() => None,
            indexed => Box::pin(self.enter(key, &indexed, record.head.absolute_deadline)).await?,
        };
        let command = write::create(main, record, self.lazy(), latest)?;
        read::created(&self.servers.run(&script::CREATE, main, &command).await?)
    }

    async fn change(&self, key: SessionKey, patch: &Patch, now: Timestamp) -> Result<Patched, Fault> {
        let indexed = self.index.set_by(patch);
        if !indexed.is_empty() && !Box::pin(self.enter_existing(key, patch, &indexed)).await? {
            return Ok(Patched::Gone);
        }
        if let Some(head) = self.patched_unchanged(key, patch, now).await? {
            return Ok(Patched::Done(head));
        }
        // Boxed: inlining this rare path would grow the future of every load and save.
        Box::pin(self.change_compared(key, patch, now)).await
    }

    async fn change_compared(&self, key: SessionKey, patch: &Patch, now: Timestamp) -> Result<Patched, Fault> {
        let main = self.namespace.main(key);
        let command = write::patch(main, patch, now, self.lazy())?;
        let mut tries = 0;
        loop {
            let changed = read::patched(&self.servers.run(&script::PATCH, main, &command).await?, patch);
            // Nothing was written, so the command may be sent again.
            if !changed.as_ref().is_err_and(Fault::is_missing) || !self.waits_for_parts(&mut tries).await {
                return changed;
            }
        }
    }

    /// Pauses while a cluster moves a slot, whose hashes arrive one after the other. Returns whether to try again.
    async fn waits_for_parts(&self, tries: &mut u32) -> bool {
        let waits = *tries < PART_RETRIES && self.servers.is_cluster();
        if waits {
            tokio::time::sleep(FIRST_PART_PAUSE * (1 << *tries)).await;
            *tries += 1;
        }
        waits
    }

    async fn read_once(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
        let main = self.namespace.main(key);
        if !self.lazy().iter().any(|schema| wanted.wants(schema)) {
            let answer = self.servers.read(&write::load_main(main), Route::Name(main)).await?;
            let Some(found) = Main::read(&answer, wanted, now)? else { return Ok(None) };
            // Another program may have put a schema that is not lazy here into a hash of its own.
            if !found.needs_other_hashes(wanted) {
                return Ok(Some(found.loaded()));
            }
            if let Some(found) = Box::pin(self.read_others(main, found, wanted)).await? {
                return Ok(Some(found));
            }
        }
        let command = write::load_all(main, wanted.keys());
        let answer = Box::pin(self.servers.run(&script::LOAD, main, &command)).await?;
        read::all_hashes(&answer, wanted, now)
    }

    /// Reads the wanted schemas in hashes of their own, and adds them to the main hash. `None` if the record has changed
    /// in between, or if a hash is missing: the script then reads all in one step.
    async fn read_others(&self, main: Name<'_>, mut found: Main<'_>, wanted: &Wanted) -> Result<Option<Loaded>, Fault> {
        for schema in found.other_hashes(wanted) {
            let hash = self.servers.read(&write::load_other(main, schema), Route::Name(main)).await?;
            if !found.add(&hash, wanted)? {
                return Ok(None);
            }
        }
        let head = self.servers.read(&write::load_head(main), Route::Name(main)).await?;
        Ok(found.is_unchanged(&head).then(|| found.loaded()))
    }

    /// Reads heads, many at once: a connection sends the commands for its server one behind the other.
    async fn loaded_heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, Fault> {
        let mut heads = Vec::with_capacity(keys.len());
        for keys in keys.chunks(AT_ONCE) {
            let found = join_all(keys.iter().map(|key| self.loaded_head(*key, now))).await;
            heads.extend(found.into_iter().collect::<Result<Vec<_>, Fault>>()?);
        }
        Ok(heads)
    }

    async fn loaded_head(&self, key: SessionKey, now: Timestamp) -> Result<LoadedHead, Fault> {
        match self.read_head(key, now).await {
            Ok(Some(head)) if now < head.idle_deadline => Ok(LoadedHead::Alive(head)),
            Ok(_) => Ok(LoadedHead::Absent),
            Err(fault) => fault.damage().map(|_| LoadedHead::Unreadable),
        }
    }

    async fn read_head(&self, key: SessionKey, now: Timestamp) -> Result<Option<Head>, Fault> {
        let main = self.namespace.main(key);
        if let Some(head) = read::head(&self.servers.read(&write::load_head(main), Route::Name(main)).await?)? {
            return Ok(Some(head));
        }
        // A session that has lost its head is unreadable, and not absent.
        let loaded = self.read_once(key, &Wanted::schemas(&[]), now).await?;
        Ok(loaded.map(|loaded| loaded.record.head))
    }

    async fn remove(&self, key: SessionKey, doomed: Doomed) -> Result<bool, Fault> {
        let (main, indexed) = (self.namespace.main(key), self.index.names());
        let command = write::delete(main, doomed, self.lazy(), &indexed);
        let answer = self.servers.run(&script::DELETE, main, &command).await?;
        let Value::Array(answers) = &answer else { return Ok(reply::number(&answer)? > 0) };
        let (removed, texts) = answers.split_first().ok_or_else(Fault::unexpected)?;
        let is_removed = reply::number(removed)? > 0;
        if is_removed {
            Box::pin(self.leave(key, &indexed, texts)).await;
        }
        Ok(is_removed)
    }

    /// Connects, and runs a script that changes nothing.
    async fn try_out(&self) -> Result<(), Fault> {
        self.servers.connect().await?;
        let main = self.namespace.main(write::UNUSED_KEY);
        match self.servers.run(&script::LOAD, main, &write::load_all(main, None)).await {
            Err(fault) if fault.is_refusal() => Err(Fault::setup("the server cannot run scripts of Redis 7")),
            answered => answered.map(drop),
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedisStore {
    fn describe(&self) -> String {
        format!("Redis {}", self.address)
    }

    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let admitted = self.admission.writes.enter("create").await?;
        admitted.end(self.store_new(key, &record).await).map_err(|fault| fault.during("create"))
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let admitted = self.admission.reads.enter("load").await?;
        admitted.end(self.read(key, wanted, now).await).map_err(|fault| fault.during("load"))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let admitted = self.admission.writes.enter("patch").await?;
        admitted.end(self.change(key, &patch, now).await).map_err(|fault| fault.during("patch"))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let admitted = self.admission.writes.enter("delete").await?;
        admitted.end(self.remove(key, Doomed::Always).await).map(drop).map_err(|fault| fault.during("delete"))
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        let admitted = self.admission.writes.enter("sweep").await?;
        admitted.end(self.clean(limit, now.before(SWEEP_GRACE)).await).map_err(|fault| fault.during("sweep"))
    }

    /// Accepts the first call only; later ones are ignored.
    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        let _ = self.lazy.set(schemas.iter().copied().filter(|schema| !schema.is_empty()).collect());
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.try_out().await.map_err(|fault| fault.during("prepare"))?;
        eviction::warn(&self.servers).await;
        Ok(())
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let from = from.map_or(Some(ScanPosition::default()), ScanPosition::parse).ok_or_else(Cursor::foreign)?;
        let admitted = self.admission.reads.enter("scan").await?;
        admitted.end(self.page(from, limit.max(1), now).await).map_err(|fault| fault.during("scan"))
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let admitted = self.admission.reads.enter("heads").await?;
        admitted.end(self.loaded_heads(keys, now).await).map_err(|fault| fault.during("heads"))
    }

    fn supports(&self, _: Capability) -> bool {
        true
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.index.add_names(names);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        self.index.check(name).map_err(|fault| fault.during("find"))?;
        let from = from.map(Cursor::key).transpose()?;
        let admitted = self.admission.reads.enter("find").await?;
        admitted.end(self.entries(name, text, from, limit.max(1)).await).map_err(|fault| fault.during("find"))
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let admitted = self.admission.writes.enter("delete_if").await?;
        let removed = self.remove(key, Doomed::OfGeneration(generation)).await;
        admitted.end(removed).map_err(|fault| fault.during("delete_if"))
    }

    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        let admitted = self.admission.writes.enter("forget").await?;
        admitted.end(self.forget_gone(name, text, gone).await).map_err(|fault| fault.during("forget"))
    }
}
