//! What readers do. One statement is one snapshot, so a record is never read half before and half after a change.

use rusqlite::{Row, Rows, params};

use super::db::Db;
use super::fault::Fault;
use super::head::HeadRow;
use super::large::Large;
use super::name;
use super::stored;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::{Record, Values};
use crate::store::{Loaded, Wanted};

impl Db<'_> {
    pub(super) fn load(&mut self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
        let key = &key.as_bytes()[..];
        let mut rows = match wanted.keys() {
            None => self.all.query([key])?,
            Some(schemas) => {
                let at = self.some(schemas)?;
                self.some[at].1.query([key])?
            }
        };
        let Some(row) = rows.next()? else { return Ok(None) };
        let Some(HeadRow { head, bytes, keys }) = live(row, now)? else { return Ok(None) };
        let values = values(rows, &mut self.large, wanted)?;
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
            let key: [u8; 16] = row.get_ref(0)?.as_blob()?.try_into().map_err(|_| Fault::Unreadable("session key"))?;
            let HeadRow { head, .. } = HeadRow::decode(row.get_ref(1)?.as_blob()?, moment(row, 2)?)?;
            let mut rows = self.all.query([&key[..]])?;
            // The head, which is there already.
            rows.next()?;
            let record = Record { head, values: values(rows, &mut self.large, &Wanted::all())? };
            records.push((SessionKey::from_bytes(key), record));
        }
        Ok(records)
    }
}

/// The head that a statement found first, unless it has expired.
pub(super) fn live(row: &Row<'_>, now: Timestamp) -> Result<Option<HeadRow>, Fault> {
    let expires = moment(row, 2)?;
    if now >= expires {
        return Ok(None);
    }
    HeadRow::decode(row.get_ref(1)?.as_blob()?, expires).map(Some)
}

fn moment(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_millis(row.get_ref(column)?.as_i64()?))
}

fn values(mut rows: Rows<'_>, large: &mut Large<'_>, wanted: &Wanted) -> Result<Values, Fault> {
    let mut values = Values::new();
    while let Some(row) = rows.next()? {
        let name = name::read(row.get_ref(0)?)?;
        if wanted.wants(name) {
            values.set(name.into(), large.find(row.get_ref(1)?)?.text);
        }
    }
    Ok(values)
}
