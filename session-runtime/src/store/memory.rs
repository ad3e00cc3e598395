//! [`MemoryStore`]: records in the memory of this process. The fastest store; all records are lost when the process
//! ends.
//!
//! | promise | holds |
//! |---|---|
//! | logout is final, concurrent writes merge | yes |
//! | survives a restart | no |
//! | several processes | no: each has its own sessions |
//! | clock that decides expiry | the application's |
//!
//! The map is split into shards, each with a lock that is held for one operation. A sweep locks one shard at a time, so
//! it blocks requests only for the time that it takes to look at one shard. The shards are in key order, so a page of a
//! scan visits only the shards that it takes sessions from. Both yield to other tasks of the thread after some hundred
//! records, expired or not. The index of a lookup is changed while the shard of the record is locked.
//!
//! A record is one block of memory with its short keys and texts, see [`RecordBlock`]. A load shares the block. A patch
//! replaces a block that is shared, or whose keys change.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::index::Index;
use super::{Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, SWEEP_GRACE, Store, StoreError, Wanted};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::pace::give_way;
use crate::record::patch::{Patch, Patched, Refusal};
use crate::record::{Record, RecordBlock, Text, Values};

mod index;

/// Number of shards: one for each value of the first [`SHARD_BITS`] bits of a key. A million sessions are 244 per
/// shard.
const SHARDS: usize = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 12;

/// Number of records that a sweep or a page of a scan looks at before it yields.
const LOOKS: usize = 256;

/// Sessions in memory, for tests, for development, and for programs whose sessions may end with the process.
///
/// In tests, `Sessions::fairing::<Cart>().store(MemoryStore::new())` gives the Rocket instance of each local client a
/// store of its own.
///
/// # Examples
///
/// ```
/// use session_runtime::{MemoryStore, Sessions};
///
/// let sessions = Sessions::builder().store(MemoryStore::new()).build()?;
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    /// Locked after a shard, never before one.
    index: Index,
    /// Shard at which the next sweep begins.
    sweep_from: AtomicUsize,
}

type Shard = HashMap<SessionKey, RecordBlock, BuildHasherDefault<KeyHasher>>;

/// Hasher that returns a part of the key. That is enough, since keys are random and only this library generates them.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        // The last bytes, since the first ones select the shard.
        self.0 = bytes.last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, index: Index::default(), sweep_from: AtomicUsize::new(0) }
    }

    /// Number of records, including expired ones that have not been swept yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// True if there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes at most `limit` expired sessions from one shard. Returns their number, and that of the records looked at.
    fn sweep_shard(&self, at: usize, limit: usize, before: Timestamp) -> (usize, usize) {
        let mut shard = lock(&self.shards[at]);
        let looked_at = shard.len();
        let swept = expired(&mut shard, limit, before);
        for (key, values) in &swept {
            self.index.remove(*key, values);
        }
        drop(shard);
        (swept.len(), looked_at)
    }

    /// Adds the live sessions among the first `limit` of one shard after `from`. Returns the keys of these, expired ones
    /// included.
    fn scan_shard(
        &self,
        at: usize,
        from: Option<SessionKey>,
        limit: usize,
        now: Timestamp,
        sessions: &mut Vec<(SessionKey, Record)>,
    ) -> Vec<SessionKey> {
        let shard = lock(&self.shards[at]);
        let keys = first_keys(&shard, from, limit);
        sessions.extend(keys.iter().filter_map(|key| Some((*key, Record::of_block(live(&shard, *key, now)?)))));
        keys
    }

    fn head(&self, key: SessionKey, now: Timestamp) -> LoadedHead {
        let shard = self.shard(key);
        live(&shard, key, now).map_or(LoadedHead::Absent, |block| LoadedHead::Alive(block.head().clone()))
    }

    fn remove(&self, shard: &mut Shard, key: SessionKey) -> Option<Values> {
        let removed = Values::of_block(shard.remove(&key)?);
        self.index.remove(key, &removed);
        Some(removed)
    }

    /// Locks the shard of a key. Keys are random, so their first bits spread them evenly.
    fn shard(&self, key: SessionKey) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(key) % SHARDS])
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// Ignores poisoning: nothing panics under the lock, and a panic would still leave every record whole.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let mut shard = self.shard(key);
        if shard.contains_key(&key) {
            return Ok(Created::Taken);
        }
        let bytes = record.values.bytes();
        self.index.add(key, &record.values);
        shard.insert(key, record.into_block(bytes));
        Ok(Created::Done)
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let shard = self.shard(key);
        let Some(block) = live(&shard, key, now) else { return Ok(None) };
        let (bytes, Record { head, values }) = (block.bytes(), Record::of_block(block));
        let keys = values.len();
        let record = Record { head, values: values.pick(wanted) };
        Ok(Some(Loaded { record, bytes, keys, unreadable: Vec::new() }))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let mut shard = self.shard(key);
        let Some(block) = shard.get_mut(&key).filter(|block| is_live(block, now)) else {
            return Ok(Patched::Gone);
        };
        if let Some(refused) = refused(block, &patch) {
            return Ok(refused);
        }
        let indexed = self.index.changed_by(&patch, &Values::of_block(block.clone()));
        if indexed.is_none() && block.patch_in_place(&patch) {
            return Ok(Patched::Done(block.head().clone()));
        }
        let mut record = Record::of_block(block);
        let (came, went) = patch.apply(&mut record.values);
        if let Some(before) = indexed {
            self.index.replace(key, before, &record.values);
        }
        patch.apply_head(&mut record.head);
        let head = record.head.clone();
        *block = record.into_block(block.bytes() + came - went);
        Ok(Patched::Done(head))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let mut shard = self.shard(key);
        let removed = self.remove(&mut shard, key);
        drop(shard);
        drop(removed);
        Ok(())
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        let before = now.before(SWEEP_GRACE);
        let (mut removed, mut looks) = (0, 0);
        for _ in 0..SHARDS {
            let at = self.sweep_from.load(Ordering::Relaxed) % SHARDS;
            let (swept, looked_at) = self.sweep_shard(at, limit - removed, before);
            (removed, looks) = (removed + swept, looks + looked_at);
            if removed == limit {
                return Ok(removed);
            }
            self.sweep_from.store(at + 1, Ordering::Relaxed);
            if looks >= LOOKS {
                looks = 0;
                give_way().await;
            }
        }
        Ok(removed)
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let (from, limit) = (from.map(Cursor::key).transpose()?, limit.max(1));
        let (mut sessions, mut seen, mut looks) = (Vec::new(), 0, 0);
        for at in from.map_or(0, shard_of)..SHARDS {
            let keys = self.scan_shard(at, from, limit - seen, now, &mut sessions);
            (seen, looks) = (seen + keys.len(), looks + keys.len());
            if seen == limit {
                return Ok(Page::new(sessions, keys.last().copied().map(Cursor::from)));
            }
            if looks >= LOOKS {
                looks = 0;
                give_way().await;
            }
        }
        Ok(Page::new(sessions, None))
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let mut heads = Vec::with_capacity(keys.len());
        for keys in keys.chunks(LOOKS) {
            heads.extend(keys.iter().map(|key| self.head(*key, now)));
            give_way().await;
        }
        Ok(heads)
    }

    fn supports(&self, _: Capability) -> bool {
        true
    }

    /// Indexes the stored sessions too.
    fn set_indexed_keys(&self, names: &[Text]) {
        if self.index.add_names(names) {
            for shard in &self.shards {
                let shard = lock(shard);
                for (key, block) in &*shard {
                    self.index.add(*key, &Values::of_block(block.clone()));
                }
            }
        }
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        self.index.find(name, text, from.map(Cursor::key).transpose()?, limit.max(1))
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let mut shard = self.shard(key);
        let is_same = shard.get(&key).is_some_and(|block| block.head().generation == generation);
        let removed = if is_same { self.remove(&mut shard, key) } else { None };
        drop(shard);
        Ok(removed.is_some())
    }
}

fn shard_of(key: SessionKey) -> usize {
    let [first, second, ..] = *key.as_bytes();
    usize::from(u16::from_be_bytes([first, second]) >> (u16::BITS - SHARD_BITS))
}

/// Returns the record of a key unless it has expired.
fn live(shard: &Shard, key: SessionKey, now: Timestamp) -> Option<&RecordBlock> {
    shard.get(&key).filter(|block| is_live(block, now))
}

fn is_live(block: &RecordBlock, now: Timestamp) -> bool {
    now < block.head().idle_deadline
}

/// Returns the first `limit` keys of the shard after `from`, in order, including expired ones.
fn first_keys(shard: &Shard, from: Option<SessionKey>, limit: usize) -> Vec<SessionKey> {
    let mut keys: Vec<SessionKey> = shard.keys().copied().filter(|key| from < Some(*key)).collect();
    if keys.len() > limit {
        keys.select_nth_unstable(limit);
        keys.truncate(limit);
    }
    keys.sort_unstable();
    keys
}

/// Removes at most `limit` expired sessions from the shard. The caller drops them after it has released the lock.
fn expired(shard: &mut Shard, limit: usize, before: Timestamp) -> Vec<(SessionKey, Values)> {
    let is_expired = |_: &SessionKey, block: &mut RecordBlock| block.head().idle_deadline <= before;
    let removed = shard.extract_if(is_expired).take(limit);
    let expired = removed.map(|(key, block)| (key, Values::of_block(block))).collect();
    if shard.len() < shard.capacity() / 8 {
        // Releases memory after a peak in the number of sessions.
        shard.shrink_to_fit();
    }
    expired
}

fn refused(block: &RecordBlock, patch: &Patch) -> Option<Patched> {
    let record = Record::of_block(block);
    let refusal = patch.refusal(&record.head, |name| record.values.get(name))?;
    Some(match refusal {
        Refusal::Renewed => Patched::Renewed,
        Refusal::Conflict => Patched::Conflict(expected(&record, patch)),
    })
}

fn expected(record: &Record, patch: &Patch) -> Record {
    let names = patch.expected().iter().map(|expected| &expected.name);
    let values = names.filter_map(|name| Some((name.clone(), record.values.get_text(name)?.clone()))).collect();
    Record { head: record.head.clone(), values }
}
