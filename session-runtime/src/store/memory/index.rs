//! Index of [`MemoryStore`](super::MemoryStore): the sessions by the texts of their indexed keys.
//!
//! A change is made while the shard of the record is locked, so a lookup that begins after a write sees it. Programs
//! that share a store may index different keys; the names are read under the lock of a shard too, so that a record is
//! indexed by its own write or by the program that adds the name.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crate::id::SessionKey;
use crate::record::patch::Patch;
use crate::record::{Text, Values};
use crate::store::{Found, StoreError, StoreErrorKind};

#[derive(Default)]
pub(super) struct Index {
    names: RwLock<Vec<Text>>,
    /// Indexed key, text and session, in this order.
    entries: Mutex<BTreeSet<(Text, Text, SessionKey)>>,
}

impl Index {
    /// Adds names; false if all of them are known.
    pub(super) fn add_names(&self, names: &[Text]) -> bool {
        let mut known = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<Text> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        known.extend_from_slice(&new);
        !new.is_empty()
    }

    pub(super) fn add(&self, key: SessionKey, values: &Values) {
        self.replace(key, Vec::new(), values);
    }

    pub(super) fn remove(&self, key: SessionKey, values: &Values) {
        self.replace(key, self.indexed(values), &Values::new());
    }

    /// Returns the indexed values before a patch if it changes any of them.
    pub(super) fn changed_by(&self, patch: &Patch, values: &Values) -> Option<Vec<(Text, Text)>> {
        let mut changed = patch.set.iter().map(|(name, _)| name).chain(&patch.remove);
        let is_changed = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            !names.is_empty() && changed.any(|name| names.contains(name))
        };
        is_changed.then(|| self.indexed(values))
    }

    /// Replaces the entries of these earlier values by those of the present ones.
    pub(super) fn replace(&self, key: SessionKey, before: Vec<(Text, Text)>, values: &Values) {
        let after = self.indexed(values);
        if before == after {
            return;
        }
        let mut entries = self.lock();
        for (name, text) in before {
            entries.remove(&(name, text, key));
        }
        entries.extend(after.into_iter().map(|(name, text)| (name, text, key)));
    }

    pub(super) fn find(
        &self,
        name: &str,
        text: &str,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Found, StoreError> {
        if !self.names.read().unwrap_or_else(PoisonError::into_inner).iter().any(|known| **known == *name) {
            return Err(StoreError::new(StoreErrorKind::Unsupported, "find").because("the key is not indexed"));
        }
        let at = |key| (Text::from(name), Text::from(text), key);
        let first = after.map_or(Bound::Included(at(FIRST)), |key| Bound::Excluded(at(key)));
        let entries = self.lock();
        let same = entries.range((first, Bound::Unbounded)).take_while(|entry| *entry.0 == *name && *entry.1 == *text);
        Ok(Found::in_order(same.take(limit).map(|(_, _, key)| *key).collect(), limit))
    }

    fn indexed(&self, values: &Values) -> Vec<(Text, Text)> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter_map(|name| Some((name.clone(), values.get_text(name)?.clone()))).collect()
    }

    /// Ignores poisoning: nothing panics under the lock, and a panic would leave every entry whole.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Text, Text, SessionKey)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first key in order.
const FIRST: SessionKey = SessionKey::from_bytes([0; 16]);
