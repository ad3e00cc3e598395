//! Index of [`MemoryStore`](super::MemoryStore): the sessions by the texts of their indexed keys.
//!
//! A change is made while the shard of the record is locked, so a lookup that begins after a write sees it. Programs
//! that share a store may index different keys; the names are read under the lock of a shard too, so that a record is
//! indexed by its own write or by the program that adds the name.
//!
//! The values are in hash tables, so a lookup reads one place for a value, however many there are. Most values are held
//! by few sessions, whose keys stand side by side.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use crate::id::SessionKey;
use crate::record::patch::Patch;
use crate::record::{Text, Values};
use crate::store::{Found, StoreError, StoreErrorKind};

/// Number of tables. A table that grows blocks the writes of its values: with a million values, for 4,000 of them.
const TABLES: usize = 256;
/// Number of keys from which a set holds them: each change of a vector moves the keys behind it.
const MANY: usize = 64;

pub(super) struct Index {
    names: RwLock<Vec<Text>>,
    /// Selects the table of a value. The texts are chosen by visitors, so the hash is a secret one.
    selector: RandomState,
    tables: Box<[Mutex<Table>]>,
}

/// Number of an indexed key, and a text.
type Value = (usize, Text);

type Table = HashMap<Value, Holders>;

/// The sessions that hold a value, in the order of their keys.
enum Holders {
    Few(Vec<SessionKey>),
    Many(BTreeSet<SessionKey>),
}

impl Default for Index {
    fn default() -> Self {
        let tables = (0..TABLES).map(|_| Mutex::default()).collect();
        Self { names: RwLock::default(), selector: RandomState::new(), tables }
    }
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
    pub(super) fn changed_by(&self, patch: &Patch, values: &Values) -> Option<Vec<Value>> {
        let mut changed = patch.set.iter().map(|(name, _)| name).chain(&patch.remove);
        let is_changed = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            !names.is_empty() && changed.any(|name| names.contains(name))
        };
        is_changed.then(|| self.indexed(values))
    }

    /// Replaces the entries of these earlier values by those of the present ones.
    pub(super) fn replace(&self, key: SessionKey, before: Vec<Value>, values: &Values) {
        let after = self.indexed(values);
        if before == after {
            return;
        }
        for value in before {
            self.leave(key, value);
        }
        for value in after {
            self.enter(key, value);
        }
    }

    pub(super) fn find(
        &self,
        name: &str,
        text: &str,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let number = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            names.iter().position(|known| **known == *name)
        };
        let not_indexed = || StoreError::new(StoreErrorKind::Unsupported, "find").because("the key is not indexed");
        let value = (number.ok_or_else(not_indexed)?, Text::from(text));
        let keys = self.table(&value).get(&value).map_or_else(Vec::new, |holders| holders.page(after, limit));
        Ok(Found::in_order(keys, limit))
    }

    fn enter(&self, key: SessionKey, value: Value) {
        self.table(&value).entry(value).or_insert_with(|| Holders::Few(Vec::new())).add(key);
    }

    fn leave(&self, key: SessionKey, value: Value) {
        let mut table = self.table(&value);
        if let Entry::Occupied(mut entry) = table.entry(value) {
            entry.get_mut().remove(key);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        if table.len() < table.capacity() / 8 {
            // Releases memory after a peak in the number of values.
            table.shrink_to_fit();
        }
    }

    fn indexed(&self, values: &Values) -> Vec<Value> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let text_of = |(number, name): (usize, &Text)| Some((number, values.get_text(name)?.clone()));
        names.iter().enumerate().filter_map(text_of).collect()
    }

    /// Locks the table of a value. Ignores poisoning: nothing panics under the lock, and a panic would leave every entry
    /// whole.
    fn table(&self, value: &Value) -> MutexGuard<'_, Table> {
        let hash = usize::try_from(self.selector.hash_one(value) % TABLES as u64).unwrap_or_default();
        self.tables[hash].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holders {
    fn add(&mut self, key: SessionKey) {
        match self {
            Self::Few(keys) => match keys.binary_search(&key) {
                Ok(_) => {}
                Err(_) if keys.len() == MANY => {
                    let all = keys.drain(..).chain([key]);
                    *self = Self::Many(all.collect());
                }
                Err(at) => keys.insert(at, key),
            },
            Self::Many(keys) => drop(keys.insert(key)),
        }
    }

    fn remove(&mut self, key: SessionKey) {
        match self {
            Self::Few(keys) => {
                if let Ok(at) = keys.binary_search(&key) {
                    keys.remove(at);
                }
            }
            Self::Many(keys) => drop(keys.remove(&key)),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Few(keys) => keys.is_empty(),
            Self::Many(keys) => keys.is_empty(),
        }
    }

    /// Returns the first `limit` keys after this one.
    fn page(&self, after: Option<SessionKey>, limit: usize) -> Vec<SessionKey> {
        match self {
            Self::Few(keys) => {
                let from = after.map_or(0, |after| keys.partition_point(|key| *key <= after));
                keys[from..].iter().take(limit).copied().collect()
            }
            Self::Many(keys) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                keys.range((from, Bound::Unbounded)).take(limit).copied().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> SessionKey {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        SessionKey::from_bytes(bytes)
    }

    fn holding(text: &str) -> Values {
        [(Text::from("auth.user"), Text::from(text))].into_iter().collect()
    }

    fn index() -> Index {
        let index = Index::default();
        assert!(index.add_names(&["auth.user".into()]));
        index
    }

    fn all_pages(index: &Index, limit: usize) -> Vec<SessionKey> {
        let (mut keys, mut from) = (Vec::new(), None);
        loop {
            let page = index.find("auth.user", "1", from, limit).ok().unwrap_or_default();
            keys.extend(page.keys);
            let Some(next) = page.next else { return keys };
            from = next.key().ok();
        }
    }

    /// Below, at and above the number from which a set holds the keys, and down again.
    #[test]
    fn pages_are_in_the_order_of_the_keys_whatever_their_number() {
        let index = index();
        let mut held = BTreeSet::new();
        let check = |held: &BTreeSet<SessionKey>| {
            for limit in [1, 7, 500] {
                assert!(all_pages(&index, limit).iter().eq(held), "{} keys, {limit} a page", held.len());
            }
        };
        for number in 0..MANY + 3 {
            index.add(key(number), &holding("1"));
            index.add(key(number), &holding("1"));
            held.insert(key(number));
            check(&held);
        }
        for number in 0..MANY + 3 {
            index.remove(key(number), &holding("1"));
            held.remove(&key(number));
            check(&held);
        }
    }

    #[test]
    fn values_without_sessions_leave_little_memory() {
        let index = index();
        for number in 0..10_000 {
            index.add(key(number), &holding(&number.to_string()));
        }
        let room = || index.tables.iter().map(|table| table.lock().map_or(0, |table| table.capacity())).sum::<usize>();
        assert!(room() >= 10_000);
        for number in 0..10_000 {
            index.remove(key(number), &holding(&number.to_string()));
        }
        // The room of a table that has not grown.
        assert!(room() <= TABLES * 7, "{}", room());
    }
}
