//! What readers do. One snapshot holds for a whole job: `SQLite` keeps it as long as one statement has not finished, so the
//! statement that found the head stays open while the values are read, which saves a transaction around them.

use std::sync::Arc;

use rusqlite::{Rows, Statement, params};

use super::db::Db;
use super::fault::Fault;
use super::row::{self, HeadRow, stored};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::{Record, Text, Values, belongs};
use crate::store::{Loaded, Wanted};

type Found = Vec<(Text, Text)>;

impl Db<'_> {
    pub(super) fn load(&mut self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
        let mut heads = self.head.query([&key.as_bytes()[..]])?;
        let Some(row) = heads.next()? else { return Ok(None) };
        let Some(HeadRow { head, bytes, keys }) = HeadRow::live(row, now)? else { return Ok(None) };
        let values = match wanted.keys() {
            None => all_values(&mut self.values, key)?,
            Some(schemas) => values_of(&mut self.schema, key, schemas)?,
        };
        Ok(Some(Loaded { record: Record { head, values }, bytes, keys }))
    }

    pub(super) fn scan(
        &mut self,
        from: Option<SessionKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Record)>, Fault> {
        // Every key comes after the empty blob.
        let from = from.as_ref().map_or(&[][..], |key| key.as_bytes());
        let mut heads = self.scan.query(params![from, now.as_millis(), stored(limit)])?;
        let mut records = Vec::new();
        while let Some(row) = heads.next()? {
            let key = row::key(row)?;
            let HeadRow { head, .. } = HeadRow::read(row)?;
            records.push((key, Record { head, values: all_values(&mut self.values, key)? }));
        }
        Ok(records)
    }

    /// The head of a session that exists and has not expired.
    pub(super) fn live_head(&mut self, key: SessionKey, now: Timestamp) -> Result<Option<HeadRow>, Fault> {
        let mut heads = self.head.query([&key.as_bytes()[..]])?;
        heads.next()?.map_or(Ok(None), |row| HeadRow::live(row, now))
    }

    /// The text under one stored key.
    pub(super) fn text(&mut self, key: SessionKey, name: &str) -> Result<Option<Text>, Fault> {
        let mut rows = self.text.query(params![&key.as_bytes()[..], name])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Arc::from(row.get_ref(0)?.as_str()?)))
    }
}

fn all_values(statement: &mut Statement<'_>, key: SessionKey) -> Result<Values, Fault> {
    let mut found = Found::new();
    collect(statement.query([&key.as_bytes()[..]])?, |_| true, &mut found)?;
    Ok(found.into_iter().collect())
}

fn values_of(statement: &mut Statement<'_>, key: SessionKey, schemas: &[&str]) -> Result<Values, Fault> {
    let mut found = Found::new();
    for schema in schemas {
        let rows = statement.query(params![&key.as_bytes()[..], schema])?;
        collect(rows, |name| belongs(name, schema), &mut found)?;
    }
    // Usually in order already, and then this is one walk; `Values` takes ordered keys without moving any.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found.into_iter().collect())
}

fn collect(mut rows: Rows<'_>, is_wanted: impl Fn(&str) -> bool, into: &mut Found) -> Result<(), Fault> {
    while let Some(row) = rows.next()? {
        let name = row.get_ref(0)?.as_str()?;
        if is_wanted(name) {
            into.push((name.into(), row.get_ref(1)?.as_str()?.into()));
        }
    }
    Ok(())
}
