//! What the writer does, each inside a transaction that somebody else begins and ends. Rows that a change does not
//! concern are neither read nor written, whatever the session's size.

use std::collections::BTreeMap;

use rusqlite::{Rows, params};

use super::db::Db;
use super::fault::Fault;
use super::head::HeadRow;
use super::stored;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::patch::{Patch, Patched, Refusal};
use crate::record::{Record, Text};
use crate::store::Created;

/// The texts that the patch expects something of, as they stand now.
type Known<'p> = BTreeMap<&'p str, Option<Text>>;

impl Db<'_> {
    pub(super) fn create(&mut self, key: SessionKey, record: &Record) -> Result<Created, Fault> {
        let Record { head, values } = record;
        let row = HeadRow { head: head.clone(), bytes: values.bytes(), keys: values.len() };
        if self.add.execute(params![&key.as_bytes()[..], row.encode(), head.expires.as_millis()])? == 0 {
            return Ok(Created::Taken);
        }
        for (name, text) in values.iter() {
            self.set.execute(params![&key.as_bytes()[..], &**name, &**text])?;
        }
        Ok(Created::Done)
    }

    pub(super) fn patch(&mut self, key: SessionKey, patch: &Patch, now: Timestamp) -> Result<Patched, Fault> {
        let Some(before) = self.live_head(key, now)? else { return Ok(Patched::Gone) };
        let mut known = self.known(key, patch)?;
        match patch.refusal(&before.head, |name| known.get(name)?.as_deref()) {
            Some(Refusal::Renewed) => return Ok(Patched::Renewed),
            Some(Refusal::Conflict) => {
                let values = known.into_iter().filter_map(|(name, text)| Some((name.into(), text?))).collect();
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
        self.remove.execute([&key.as_bytes()[..]])?;
        Ok(())
    }

    /// Removes at most `limit` sessions that expired by `before`. The keys are not read as keys: a damaged one goes too.
    pub(super) fn sweep(&mut self, limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let mut rows = self.expired.query(params![before.as_millis(), stored(limit)])?;
        let mut expired = Vec::new();
        while let Some(row) = rows.next()? {
            expired.push(row.get_ref(0)?.as_blob()?.to_vec());
        }
        drop(rows);
        for key in &expired {
            self.remove.execute([key])?;
        }
        Ok(expired.len())
    }

    fn known<'p>(&mut self, key: SessionKey, patch: &'p Patch) -> Result<Known<'p>, Fault> {
        let expected = patch.expected().iter().map(|expected| &*expected.name);
        expected.map(|name| Ok((name, self.text(key, name)?))).collect()
    }

    /// Sets and removes the keys, and counts what that does to the totals.
    fn change_values(
        &mut self,
        key: SessionKey,
        patch: &Patch,
        known: &mut Known<'_>,
        row: &mut HeadRow,
    ) -> Result<(), Fault> {
        for (name, text) in &patch.set {
            // Taken out, because what was read is no longer what stands there: a patch may set a key twice.
            let before = match known.remove(&**name) {
                Some(text) => text.map(|text| text.len()),
                None => self.size(key, name)?,
            };
            self.set.execute(params![&key.as_bytes()[..], &**name, &**text])?;
            row.lose(name, before);
            row.gain(name, text.len());
        }
        for name in &patch.remove {
            let before = self.unset(key, name)?;
            row.lose(name, before);
        }
        Ok(())
    }

    fn size(&mut self, key: SessionKey, name: &str) -> Result<Option<usize>, Fault> {
        let mut rows = self.size.query(params![&key.as_bytes()[..], name])?;
        size(&mut rows)
    }

    fn unset(&mut self, key: SessionKey, name: &str) -> Result<Option<usize>, Fault> {
        let mut rows = self.unset.query(params![&key.as_bytes()[..], name])?;
        let removed = size(&mut rows)?;
        // A statement that writes is run to its end.
        while rows.next()?.is_some() {}
        Ok(removed)
    }

    /// Writes the head as far as it changed: a patch of values alone leaves the index of deadlines in peace.
    fn write_head(&mut self, key: SessionKey, before: &HeadRow, after: &HeadRow) -> Result<(), Fault> {
        let (key, expires) = (&key.as_bytes()[..], after.head.expires);
        if before.head.expires != expires {
            self.touch.execute(params![key, after.encode(), expires.as_millis()])?;
        } else if before != after {
            self.change.execute(params![key, after.encode()])?;
        }
        Ok(())
    }
}

fn size(rows: &mut Rows<'_>) -> Result<Option<usize>, Fault> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let size = row.get_ref(0)?.as_i64()?;
    usize::try_from(size).map(Some).map_err(|_| Fault::Unreadable("size"))
}
