//! A copy of a record or of a part of it. It serves loads and is updated by writes of this process.
//!
//! Every patch that changes a value raises the revision. So two loads of the same revision fit together, and a patch
//! that raised the revision by one is the only change. Keys are random and used once; if a key is used again, the
//! creation time distinguishes the two records.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::record::patch::Patch;
use crate::record::{Head, Record, Values};
use crate::store::{Loaded, Wanted};

/// Overhead of a copy in bytes: the copy itself, its slot in the map, its head.
const COPY_BYTES: usize = 512;
/// Overhead of a stored key in bytes: two pointers with their lengths and counters.
const KEY_BYTES: usize = 64;

pub(super) struct RecordCopy {
    head: Head,
    values: Values,
    /// Schemas whose values are complete in this copy.
    has: Wanted,
    /// Bytes and keys of the whole record.
    bytes: usize,
    keys: usize,
    /// Start of the oldest store call that contributed to this copy; its age counts from here.
    at: Instant,
    /// Arrival of the store's answer.
    made: Instant,
}

impl RecordCopy {
    pub(super) fn of_load(loaded: Loaded, wanted: &Wanted, at: Instant) -> Self {
        let Loaded { record: Record { head, values }, bytes, keys, .. } = loaded;
        let has = wanted.keys().map_or(Wanted::all(), Wanted::schemas);
        Self { head, values, has, bytes, keys, at, made: Instant::now() }
    }

    pub(super) fn of_record(record: Record, at: Instant) -> Self {
        let (bytes, keys) = (record.values.bytes(), record.values.len());
        Self { head: record.head, values: record.values, has: Wanted::all(), bytes, keys, at, made: Instant::now() }
    }

    /// Returns the copy as the result of a load, if it is recent enough, has not expired and covers the wanted schemas.
    pub(super) fn answer(&self, wanted: &Wanted, now: Timestamp, bound: Duration) -> Option<Loaded> {
        let good = self.is_young(bound)
            && now < self.head.idle_deadline
            && wanted.allows_copy(&self.head)
            && self.covers(wanted);
        good.then(|| Loaded {
            record: Record { head: self.head.clone(), values: self.values.clone() },
            bytes: self.bytes,
            keys: self.keys,
            unreadable: Vec::new(),
        })
    }

    fn is_young(&self, bound: Duration) -> bool {
        self.at.elapsed() < bound
    }

    fn covers(&self, wanted: &Wanted) -> bool {
        let Some(has) = self.has.keys() else { return true };
        wanted.keys().is_some_and(|wanted| wanted.iter().all(|schema| has.contains(schema)))
    }

    /// True if this copy was made while the load of the other one was in progress, and is newer.
    pub(super) fn overtook(&self, other: &Self) -> bool {
        self.made > other.at && self.version() > other.version()
    }

    fn version(&self) -> (u64, u64) {
        (self.head.generation, self.head.revision)
    }

    /// Adds the schemas that only `other` holds, if both copies are of the same revision of the same record.
    pub(super) fn with(mut self, other: &Self, bound: Duration) -> Self {
        let fits = self.head.created == other.head.created && self.version() == other.version();
        if !fits || !other.is_young(bound) || self.covers(&other.has) {
            return self;
        }
        for (name, text) in other.values.iter().filter(|(name, _)| !self.has.wants(name)) {
            self.values.set(name.clone(), text.clone());
        }
        self.has = match (self.has.keys(), other.has.keys()) {
            (Some(ours), Some(theirs)) => Wanted::schemas(&[ours, theirs].concat()),
            _ => Wanted::all(),
        };
        self.at = self.at.min(other.at);
        self
    }

    /// Returns the copy after a patch of this process that the store has applied. `None` if the record has changed in
    /// another way too, or if the patch concerns values that are not in the copy.
    pub(super) fn patched(&self, patch: &Patch, head: &Head, at: Instant) -> Option<Self> {
        let revision = self.head.revision.wrapping_add(u64::from(patch.changes_values()));
        let alone =
            self.head.created == head.created && self.head.generation <= head.generation && revision == head.revision;
        let names = patch.set.iter().map(|(name, _)| name).chain(&patch.remove);
        if !alone || !names.into_iter().all(|name| self.has.wants(name)) {
            return None;
        }
        let mut values = self.values.clone();
        let keys = values.len();
        let (came, went) = patch.apply(&mut values);
        let bytes = self.bytes.checked_add(came)?.checked_sub(went)?;
        let keys = self.keys.checked_add(values.len())?.checked_sub(keys)?;
        Some(Self { head: head.clone(), values, has: self.has.clone(), bytes, keys, at, made: Instant::now() })
    }

    pub(super) fn weight(&self) -> u32 {
        let bytes = COPY_BYTES + self.values.bytes() + self.values.len() * KEY_BYTES;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}
