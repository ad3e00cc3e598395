//! Storage of the copies, and the rule that decides whether a copy may be added.
//!
//! Every key belongs to a stripe that counts the writes that have ended. A load reads the count before it calls the
//! store. It then adds its copy under the stripe's lock, and only if the count is unchanged. A write increments the
//! count under the same lock, and removes or updates the copy. So no load, however slow, restores data that a write has
//! replaced. Keys that share a stripe occasionally cost each other a copy, with no other effect. A hit takes no lock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use super::copy::RecordCopy;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::Patch;
use crate::record::{Head, Record};
use crate::store::{Loaded, Wanted};

const STRIPES: usize = 1024;
/// Maximum time to live in the cache below, which does not accept every duration. With a longer bound, copies are
/// dropped after this time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) struct Stripes {
    bound: Duration,
    copies: Cache<SessionKey, Arc<RecordCopy>>,
    writes: Box<[Mutex<u64>]>,
}

/// Start of a store call: the time, and the stripe's count of writes.
#[derive(Clone, Copy)]
pub(super) struct Began {
    pub(super) at: Instant,
    writes: u64,
}

impl Stripes {
    pub(super) fn new(bound: Duration, capacity: u64) -> Self {
        let copies = Cache::builder()
            .weigher(|_, copy: &Arc<RecordCopy>| copy.weight())
            .max_capacity(capacity)
            // Frees the memory of copies that are too old to be served.
            .time_to_live(bound.min(LONGEST))
            .build();
        Self { bound, copies, writes: (0..STRIPES).map(|_| Mutex::new(0)).collect() }
    }

    pub(super) fn hit(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Option<Loaded> {
        self.copies.get(&key)?.answer(wanted, now, self.bound)
    }

    pub(super) fn has(&self, key: SessionKey) -> bool {
        self.copies.contains_key(&key)
    }

    pub(super) fn begin(&self, key: SessionKey) -> Began {
        Began { at: Instant::now(), writes: *self.stripe(key) }
    }

    /// Adds a copy, unless a write has ended since its load began.
    pub(super) fn put(&self, key: SessionKey, began: Began, copy: RecordCopy) {
        let writes = self.stripe(key);
        if *writes != began.writes {
            self.copies.invalidate(&key);
            return;
        }
        match self.copies.get(&key) {
            Some(other) if other.overtook(&copy) => {}
            Some(other) => self.copies.insert(key, Arc::new(copy.with(&other, self.bound))),
            None => self.copies.insert(key, Arc::new(copy)),
        }
    }

    pub(super) fn forget(&self, key: SessionKey) {
        let mut writes = self.stripe(key);
        *writes = writes.wrapping_add(1);
        self.copies.invalidate(&key);
    }

    pub(super) fn clear(&self) {
        for stripe in &self.writes {
            let mut writes = lock(stripe);
            *writes = writes.wrapping_add(1);
        }
        self.copies.invalidate_all();
    }

    pub(super) fn write(&self, key: SessionKey) -> Write<'_> {
        Write { stripes: self, key, began: self.begin(key), open: true }
    }

    /// Ends a write with a known outcome. `next` returns the copy that is valid from then on, if any.
    fn end(&self, key: SessionKey, began: Began, next: impl FnOnce(Option<&RecordCopy>) -> Option<RecordCopy>) {
        let mut writes = self.stripe(key);
        let alone = *writes == began.writes;
        *writes = writes.wrapping_add(1);
        let copy = self.copies.get(&key);
        match next(copy.as_deref()).filter(|_| alone) {
            Some(copy) => self.copies.insert(key, Arc::new(copy)),
            None => self.copies.invalidate(&key),
        }
    }

    fn stripe(&self, key: SessionKey) -> MutexGuard<'_, u64> {
        // Keys are random, so any two bytes spread them evenly.
        let [first, second, ..] = *key.as_bytes();
        lock(&self.writes[usize::from(u16::from_be_bytes([first, second])) % STRIPES])
    }
}

/// Ignores poisoning: nothing panics under the lock in a way that leaves the count wrong.
fn lock(stripe: &Mutex<u64>) -> MutexGuard<'_, u64> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A write in progress. If it is dropped without a result, the copy is dropped too: the write was refused, failed, was
/// cancelled, or deleted the record.
pub(super) struct Write<'s> {
    stripes: &'s Stripes,
    key: SessionKey,
    began: Began,
    open: bool,
}

impl Write<'_> {
    pub(super) fn created(mut self, record: Record) {
        self.open = false;
        self.stripes.end(self.key, self.began, |_| Some(RecordCopy::of_record(record, self.began.at)));
    }

    pub(super) fn patched(mut self, patch: &Patch, head: &Head) {
        self.open = false;
        self.stripes.end(self.key, self.began, |copy| copy?.patched(patch, head, self.began.at));
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if self.open {
            self.stripes.forget(self.key);
        }
    }
}
