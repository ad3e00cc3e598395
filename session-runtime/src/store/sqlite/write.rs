//! Write operations, each inside a transaction that the caller begins and ends. Rows that a change does not concern are
//! neither read nor written, whatever the size of the session.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::chunks::Stored;
use super::connection::{Db, FEW};
use super::fault::Fault;
use super::head::HeadRow;
use super::name::{self, Name};
use super::read::live;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::record::bytes::stored_size;
use crate::record::patch::{Patch, Patched, Refusal};
use crate::store::Created;

/// Stored keys that a patch names.
type Known<'p> = BTreeMap<&'p str, Stored>;

/// Matches no name.
const NO_NAME: Option<Name<'static>> = None;

/// Parameter: session. Columns: bytes of all names and texts, number of keys.
const COUNT: &str = "SELECT coalesce(sum(length(CAST(name AS BLOB)) + length(coalesce(CAST(json AS BLOB), CAST(content AS BLOB)))), 0), \
    count(*) FROM entry LEFT JOIN large ON typeof(content) = 'integer' AND id = content WHERE session = ?1 AND name <> 0";

/// True if the patch does nothing with this key except remove it.
fn only_removes(patch: &Patch, name: &str) -> bool {
    let is_set = patch.set.iter().any(|(set, _)| **set == *name);
    let is_expected = patch.expected().iter().any(|expected| *expected.name == *name);
    !is_set && !is_expected && patch.remove.iter().any(|removed| **removed == *name)
}

impl Db<'_> {
    pub(super) fn create(&mut self, key: SessionKey, record: &Record) -> Result<Created, Fault> {
        let Record { head, values } = record;
        let row = HeadRow { head: head.clone(), bytes: values.bytes(), keys: values.len() };
        if self.add.execute(params![&key.as_bytes()[..], row.encode(), head.idle_deadline.as_millis()])? == 0 {
            return Ok(Created::Taken);
        }
        for (name, text) in values.iter() {
            self.add_value.execute(params![&key.as_bytes()[..], Name(name), self.large.put(text)?])?;
        }
        Ok(Created::Done)
    }

    pub(super) fn patch(&mut self, key: SessionKey, patch: &Patch, now: Timestamp) -> Result<Patched, Fault> {
        let Some((before, mut known)) = self.known(key, patch, now)? else { return Ok(Patched::Gone) };
        match patch.refusal(&before.head, |name| known.get(name).map(|stored| &*stored.text)) {
            Some(Refusal::Renewed) => return Ok(Patched::Renewed),
            Some(Refusal::Conflict) => {
                let names = patch.expected().iter().map(|expected| &expected.name);
                let values = names.filter_map(|name| Some((name.clone(), known.remove(&**name)?.text))).collect();
                return Ok(Patched::Conflict(Record { head: before.head, values }));
            }
            None => {}
        }
        let mut after = before.clone();
        self.change_values(key, patch, &mut known, &mut after)?;
        patch.apply_head(&mut after.head);
        self.write_head(key, &before, &after)?;
        Ok(Patched::Done(after.head))
    }

    pub(super) fn delete(&mut self, key: SessionKey) -> Result<(), Fault> {
        self.remove_all(key.as_bytes())
    }

    /// Removes a record that has this generation, expired or not.
    pub(super) fn delete_if(&mut self, key: SessionKey, generation: u64) -> Result<bool, Fault> {
        let mut rows = self.few.query(params![&key.as_bytes()[..], NO_NAME, NO_NAME])?;
        let head = rows.next()?.map(|row| live(row, Timestamp::from_millis(i64::MIN))).transpose()?.flatten();
        drop(rows);
        let is_same = head.is_some_and(|row| row.head.generation == generation);
        if is_same {
            self.remove_all(key.as_bytes())?;
        }
        Ok(is_same)
    }

    fn remove_all(&mut self, key: &[u8]) -> Result<(), Fault> {
        self.remove_large.execute([key])?;
        self.remove.execute([key])?;
        Ok(())
    }

    /// Removes at most `limit` sessions that expired by `before`. Keys are not decoded, so a damaged one is removed
    /// too.
    pub(super) fn sweep(&mut self, limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let mut rows = self.expired.query(params![before.as_millis(), stored_size(limit)])?;
        let mut expired = Vec::new();
        while let Some(row) = rows.next()? {
            expired.push(row.get_ref(0)?.as_blob()?.to_vec());
        }
        drop(rows);
        for key in &expired {
            self.remove_all(key)?;
        }
        Ok(expired.len())
    }

    /// Returns the head and the stored keys that the patch names, if the session exists and has not expired.
    fn known<'p>(
        &mut self,
        key: SessionKey,
        patch: &'p Patch,
        now: Timestamp,
    ) -> Result<Option<(HeadRow, Known<'p>)>, Fault> {
        let expected = patch.expected().iter().map(|expected| &*expected.name);
        let changed = patch.set.iter().map(|(name, _)| name).chain(&patch.remove).map(AsRef::as_ref);
        let names: BTreeSet<&str> = expected.chain(changed).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let mut known = Known::new();
        let mut head = None;
        for at in (0..names.len().max(1)).step_by(FEW) {
            let name = |n: usize| names.get(at + n).copied().map(Name);
            let mut rows = self.few.query(params![&key.as_bytes()[..], name(0), name(1)])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            if head.is_none() {
                head = live(row, now)?;
            }
            while let Some(row) = rows.next()? {
                if let Ok(at) = names.binary_search(&name::read(row.get_ref(0)?)?) {
                    let stored = match self.large.find(row.get_ref(1)?) {
                        Err(Fault::Unreadable(_)) if only_removes(patch, names[at]) => Stored::damaged(row.get_ref(1)?),
                        found => found?,
                    };
                    known.insert(names[at], stored);
                }
            }
        }
        Ok(head.map(|head| (head, known)))
    }

    /// Sets and removes the keys, and updates the totals. Updates `known` too, since a patch may name a key twice.
    fn change_values<'p>(
        &mut self,
        key: SessionKey,
        patch: &'p Patch,
        known: &mut Known<'p>,
        row: &mut HeadRow,
    ) -> Result<(), Fault> {
        let key = &key.as_bytes()[..];
        for (name, text) in &patch.set {
            let after = self.large.put(text)?;
            let is_there = known.contains_key(&**name);
            let set = if is_there { &mut self.change_value } else { &mut self.add_value };
            set.execute(params![key, Name(name), after])?;
            row.gain(name, text);
            self.lose(name, known.insert(name, after), row)?;
        }
        let mut is_damaged = false;
        for name in &patch.remove {
            if let Some(before) = known.remove(&**name) {
                self.remove_value.execute(params![key, Name(name)])?;
                is_damaged |= before.is_damaged;
                self.lose(name, Some(before), row)?;
            }
        }
        if is_damaged { self.count(key, row) } else { Ok(()) }
    }

    /// Counts the totals again, since the share of a damaged value is unknown.
    fn count(&self, key: &[u8], row: &mut HeadRow) -> Result<(), Fault> {
        let total = |at: Result<i64, _>| at.map(|total| usize::try_from(total).unwrap_or(0));
        (row.bytes, row.keys) =
            self.connection.query_row(COUNT, [key], |found| Ok((total(found.get(0))?, total(found.get(1))?)))?;
        Ok(())
    }

    fn lose(&mut self, name: &str, before: Option<Stored>, row: &mut HeadRow) -> Result<(), Fault> {
        let Some(before) = before else { return Ok(()) };
        row.lose(name, &before.text);
        self.large.forget(&before)
    }

    /// Writes the head if it changed. A patch of values alone does not touch the index of deadlines.
    fn write_head(&mut self, key: SessionKey, before: &HeadRow, after: &HeadRow) -> Result<(), Fault> {
        let (key, expires) = (&key.as_bytes()[..], after.head.idle_deadline);
        if before.head.idle_deadline != expires {
            self.touch.execute(params![key, after.encode(), expires.as_millis()])?;
        } else if before != after {
            self.change.execute(params![key, after.encode()])?;
        }
        Ok(())
    }
}
