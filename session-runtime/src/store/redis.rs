//! Records in Redis or Valkey: one server or a cluster, shared by any number of processes.
//!
//! # Layout
//!
//! ```text
//! session:{key}            a hash: one field for each stored key, and the head under a NUL
//! session:{key}:history    the same for a schema that is kept apart (`lazy`), with a mark under the NUL
//!
//! head: 164 bytes and more, integers big-endian, moments shifted so that they are ordered bytewise
//!   0  layout, 1        25  touched               74  hash of the secret before   140  revision
//!   1  created          33  kind of expiry       106  accepted until, if flag 2   148  bytes of all names and texts
//!   9  ends             34  its choice           114  (after the flag at 82)      156  number of keys
//!  17  expires          42  secret, since, flag  123  generation, flag, raised    164  schemas kept apart, a NUL behind each
//! ```
//!
//! The key stands in braces, so that a cluster has all hashes of a session in one slot. The head is one field, because
//! scripts cut and compare its bytes: a number in Lua is a float, a counter of the engine is signed, and text is ordered
//! by the server's locale.
//!
//! Where a schema lives is decided when its first key is stored and stands in the head from then on. So programs that do
//! not agree about what is `lazy` read and write each other's sessions, and a hash that the engine evicted is missed.
//!
//! # Commands
//!
//! A load is one `HGETALL`, or one script if a `lazy` schema is wanted. Each write is one script, which does all or
//! nothing: it checks before it writes, and a server that is out of memory refuses it as a whole. Every hash gets the
//! engine's deadline in the step that creates it.
//!
//! A write that only sets a few keys goes by a short script, which takes nothing but the revision that was loaded. If that
//! has changed, the script that compares each key follows. A schema in a hash of its own is always written by the latter.
//!
//! Deliberately absent: `WATCH` and `MULTI` (they need a connection of their own), blocking commands, reads from replicas
//! (they may show a session that has been logged out), and arithmetic on stored values.

mod builder;
mod call;
mod eviction;
mod fault;
mod head;
mod link;
mod name;
mod pipe;
mod read;
mod reply;
mod resp;
mod scan;
mod script;
mod single;
mod sweep;
mod target;
mod together;
mod unchanged;
mod walk;
mod wire;
mod write;

use std::fmt;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;

use self::fault::Fault;
use self::name::Namespace;
use self::read::Main;
use self::scan::Walk;
use self::walk::Place;
use self::wire::{At, Wire};
use super::{Created, Cursor, Loaded, Page, SWEEP_GRACE, Store, StoreError, Wanted};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::record::patch::{Patch, Patched};

pub use self::builder::{RedisConnection, RedisStoreBuilder};

/// How often a part of a session is looked for that a cluster may be moving, and the pause before the first time.
const MOST_LOOKS: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Sessions in Redis 7 or Valkey.
///
/// | promise | holds |
/// |---|---|
/// | logout is final, concurrent writes merge | yes: each write is one atomic script, and none is ever sent twice |
/// | survives a restart, or a crash of the server | as `appendonly` and `appendfsync` are set: by default Redis forgets what it has not saved |
/// | survives a failover | replication is asynchronous: it can undo the last acknowledged writes, a logout included |
/// | memory | set `maxmemory-policy noeviction`. Any other policy evicts sessions in use once `maxmemory` is reached, acknowledged ones too; the launch warns of it. Full: writes fail, nothing is half-written |
/// | several processes | yes, also with programs that do not agree about what is `lazy` |
/// | clock that judges deadlines | the application's; the server's own removes what expired six minutes ago, and must not be further ahead |
///
/// A write whose answer was lost has an unknown outcome and fails as unavailable. Connections are made again in the
/// background. Each of [`ServerConfig::connections`](crate::config::ServerConfig) carries many requests at once. Needs a
/// tokio runtime with time and I/O.
///
/// The user needs `EVALSHA`, `EVAL`, `HGETALL`, `HGET`, `HMGET`, `HSET`, `HDEL`, `HKEYS`, `HEXISTS`, `EXISTS`, `DEL`,
/// `UNLINK`, `PEXPIREAT`, `PEXPIRETIME`, `SCAN`, and `CLUSTER` on a cluster, for all keys of the namespace. With `INFO`, a
/// scan notices that a server was restarted or replaced during the walk, and misses no session for that; the launch warns
/// of eviction.
///
/// A scan may list a session twice: while the server makes its table smaller, and after a failover. Sessions of a slot
/// that a cluster moves during the walk may be left out of it.
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
    wire: Wire,
    namespace: Namespace,
    /// For the log.
    place: Box<str>,
    lazy: OnceLock<Box<[&'static str]>>,
    /// Where the next sweep begins.
    sweep_from: Mutex<Place>,
}

impl RedisStore {
    /// The servers that a URL names, with default settings. Connects at the launch, or when it is first used.
    ///
    /// `redis://user:password@host:6379/0`, `rediss://…` with TLS, `redis+unix:///path?db=0&user=…&pass=…` for a socket in
    /// the file system (Unix only), and `redis-cluster://…` or `rediss-cluster://…` with one or more hosts of a cluster,
    /// separated by commas. `protocol=resp2` behind the `?` is for servers and proxies without RESP3. In a password write
    /// special characters as `%2B` and the like.
    ///
    /// # Errors
    ///
    /// [`Setup`](super::StoreErrorKind::Setup) if it is no such URL.
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

    /// The servers that a URL names, with settings of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::RedisStore;
    ///
    /// let store = RedisStore::builder("redis://localhost").namespace("shop").open()?;
    /// # Ok::<(), session_runtime::store::StoreError>(())
    /// ```
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(url.into())
    }

    fn new(wire: Wire, namespace: Namespace, place: String) -> Self {
        let place = place.into();
        Self { wire, namespace, place, lazy: OnceLock::new(), sweep_from: Mutex::default() }
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

    async fn change(&self, key: SessionKey, patch: &Patch, now: Timestamp) -> Result<Patched, Fault> {
        if let Some(head) = self.patched_unchanged(key, patch, now).await? {
            return Ok(Patched::Done(head));
        }
        // Rare, as all that is boxed here: not in the room that every load and save has for it.
        Box::pin(self.change_compared(key, patch, now)).await
    }

    async fn change_compared(&self, key: SessionKey, patch: &Patch, now: Timestamp) -> Result<Patched, Fault> {
        let main = self.namespace.main(key);
        let call = write::patch(main, patch, now, self.lazy())?;
        let mut tries = 0;
        loop {
            let changed = read::patched(self.wire.run(&script::PATCH, main, &call).await?.node()?, patch);
            // Nothing was written, so that it may be sent again.
            if !changed.as_ref().is_err_and(Fault::is_missing) || !self.waits_for_parts(&mut tries).await {
                return changed;
            }
        }
    }

    /// The hashes of a slot that a cluster moves arrive one after the other. Whether it is worth to look again.
    async fn waits_for_parts(&self, tries: &mut u32) -> bool {
        let waits = *tries < MOST_LOOKS && self.wire.is_cluster().await.unwrap_or(false);
        if waits {
            tokio::time::sleep(LOOK_PAUSE * (1 << *tries)).await;
            *tries += 1;
        }
        waits
    }

    async fn read_once(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
        let main = self.namespace.main(key);
        let apart = self.lazy().iter().any(|schema| wanted.wants(schema));
        if !apart {
            let reply = self.wire.send(&write::load_main(main), At::Name(main)).await?;
            let Some(found) = Main::read(reply.node()?, wanted, now)? else { return Ok(None) };
            // Another program may keep apart what this one does not.
            if !found.lacks(wanted) {
                return Ok(Some(found.loaded()));
            }
        }
        let call = write::load_all(main, wanted.keys());
        let reply = Box::pin(self.wire.run(&script::LOAD, main, &call)).await?;
        read::all_hashes(reply.node()?, wanted, now)
    }

    async fn remove(&self, key: SessionKey, expired_before: Option<Timestamp>) -> Result<bool, Fault> {
        let main = self.namespace.main(key);
        let call = write::delete(main, expired_before, self.lazy());
        let reply = self.wire.run(&script::DELETE, main, &call).await?;
        Ok(reply.node()?.number()? > 0)
    }

    /// Connects, and tries the script that changes nothing.
    async fn try_out(&self) -> Result<(), Fault> {
        self.wire.connect().await?;
        let main = self.namespace.main(write::NOBODY);
        match self.wire.run(&script::LOAD, main, &write::load_all(main, None)).await {
            Err(fault) if fault.is_refusal() => Err(Fault::setup("the server does not take scripts of Redis 7")),
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
        format!("Redis {}", self.place)
    }

    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let main = self.namespace.main(key);
        let create = async {
            let call = write::create(main, &record, self.lazy())?;
            read::created(&self.wire.run(&script::CREATE, main, &call).await?.node()?)
        };
        create.await.map_err(|fault| fault.during("create"))
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.read(key, wanted, now).await.map_err(|fault| fault.during("load"))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        self.change(key, &patch, now).await.map_err(|fault| fault.during("patch"))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.remove(key, None).await.map(drop).map_err(|fault| fault.during("delete"))
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.clean(limit, now.before(SWEEP_GRACE)).await.map_err(|fault| fault.during("sweep"))
    }

    /// Counts once: what is told later is left out.
    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        let _ = self.lazy.set(schemas.iter().copied().filter(|schema| !schema.is_empty()).collect());
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.try_out().await.map_err(|fault| fault.during("prepare"))?;
        eviction::warn(&self.wire).await;
        Ok(())
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let from = from.map_or(Some(Walk::default()), Walk::parse).ok_or_else(Cursor::foreign)?;
        self.page(from, limit.max(1), now).await.map_err(|fault| fault.during("scan"))
    }
}
