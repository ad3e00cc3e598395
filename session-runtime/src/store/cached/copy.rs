//! A copy of a record, or of a part of it: what it can answer, and what a write makes of it.
//!
//! Takes what the store answered; gives what the store would have answered. Every patch that changes a value raises the
//! revision, so two loads of one revision fit together, and a patch that raised it by one is all that happened. Keys are
//! random and used once; should one be used again, the moment of creation tells the two records apart.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::record::patch::Patch;
use crate::record::{Head, Record, Values};
use crate::store::{Loaded, Wanted};

/// What a copy takes beside its texts, in bytes: itself, its place in the map, its head.
const COPY_BYTES: usize = 512;
/// What a stored key takes beside its texts, in bytes: two pointers with their lengths and counters.
const KEY_BYTES: usize = 64;

pub(super) struct RecordCopy {
    head: Head,
    values: Values,
    /// Whose values are all there.
    has: Wanted,
    /// Of the whole record.
    bytes: usize,
    keys: usize,
    /// The store was asked for each part at this moment or later.
    at: Instant,
    /// When the answer was there.
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

    /// What the store would have answered when the copy was made, if that is good enough.
    pub(super) fn answer(&self, wanted: &Wanted, now: Timestamp, bound: Duration) -> Option<Loaded> {
        let good =
            self.is_young(bound) && now < self.head.expires && wanted.allows_copy(&self.head) && self.covers(wanted);
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

    /// Whether this one was made while the load of the other one was under way, and shows more.
    pub(super) fn overtook(&self, other: &Self) -> bool {
        self.made > other.at && self.version() > other.version()
    }

    fn version(&self) -> (u64, u64) {
        (self.head.generation, self.head.revision)
    }

    /// With what an older one has beside, if both are of one revision of one record.
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

    /// After a patch of this process that the store has applied; `None` if more than that happened to the record, or the
    /// patch is about values that are not there.
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
