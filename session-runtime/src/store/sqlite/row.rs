//! A head as a row: the one place that knows the columns and what they may hold.

use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement, params};

use super::fault::Fault;
use crate::clock::Timestamp;
use crate::id::{SecretHash, SessionKey};
use crate::record::{Head, PreviousSecret};

/// A head, and the totals of the whole record that stand beside it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HeadRow {
    pub(super) head: Head,
    pub(super) bytes: usize,
    pub(super) keys: usize,
}

/// The key's column is the first one.
const EXPIRES: usize = 3;

impl HeadRow {
    /// The row as a head, unless it has expired.
    pub(super) fn live(row: &Row<'_>, now: Timestamp) -> Result<Option<Self>, Fault> {
        if now >= moment(row, EXPIRES)? {
            return Ok(None);
        }
        Self::read(row).map(Some)
    }

    pub(super) fn read(row: &Row<'_>) -> Result<Self, Fault> {
        let head = Head {
            created: moment(row, 1)?,
            touched: moment(row, 2)?,
            expires: moment(row, EXPIRES)?,
            ends: moment(row, 4)?,
            expiry: row.get_ref(5)?.as_str()?.parse().map_err(|_| Fault::Unreadable("expiry"))?,
            secret: hash(row.get_ref(6)?)?,
            secret_since: moment(row, 7)?,
            previous: previous(row)?,
            generation: row.get_ref(10)?.as_i64()?.cast_unsigned(),
            generation_since: optional(row, 11)?,
            revision: row.get_ref(12)?.as_i64()?.cast_unsigned(),
        };
        Ok(Self { head, bytes: total(row, 13)?, keys: total(row, 14)? })
    }

    /// Counts a key that is no longer there, or not with this text. A damaged total stays a number.
    pub(super) fn lose(&mut self, name: &str, text: Option<usize>) {
        if let Some(text) = text {
            self.bytes = self.bytes.saturating_sub(name.len() + text);
            self.keys = self.keys.saturating_sub(1);
        }
    }

    /// Counts a key that is there now.
    pub(super) fn gain(&mut self, name: &str, text: usize) {
        self.bytes = self.bytes.saturating_add(name.len() + text);
        self.keys = self.keys.saturating_add(1);
    }

    /// A new row; false if there is one with this key.
    pub(super) fn insert(&self, key: SessionKey, add: &mut Statement<'_>) -> Result<bool, Fault> {
        let Self { head, bytes, keys } = self;
        let added = add.execute(params![
            &key.as_bytes()[..],
            head.created.as_millis(),
            head.touched.as_millis(),
            head.expires.as_millis(),
            head.ends.as_millis(),
            head.expiry.to_string(),
            &head.secret.as_bytes()[..],
            head.secret_since.as_millis(),
            previous_hash(head),
            previous_until(head),
            head.generation.cast_signed(),
            head.generation_since.map(Timestamp::as_millis),
            head.revision.cast_signed(),
            stored(*bytes),
            stored(*keys),
        ])?;
        Ok(added > 0)
    }

    /// Writes all that ever changes.
    pub(super) fn update(&self, key: SessionKey, update: &mut Statement<'_>) -> Result<(), Fault> {
        let Self { head, bytes, keys } = self;
        update.execute(params![
            &key.as_bytes()[..],
            head.touched.as_millis(),
            head.expires.as_millis(),
            head.expiry.to_string(),
            &head.secret.as_bytes()[..],
            head.secret_since.as_millis(),
            previous_hash(head),
            previous_until(head),
            head.generation.cast_signed(),
            head.generation_since.map(Timestamp::as_millis),
            head.revision.cast_signed(),
            stored(*bytes),
            stored(*keys),
        ])?;
        Ok(())
    }

    /// Writes what a change of values moves; deadline, index and secret are not touched.
    pub(super) fn update_counts(&self, key: SessionKey, count: &mut Statement<'_>) -> Result<(), Fault> {
        let revision = self.head.revision.cast_signed();
        count.execute(params![&key.as_bytes()[..], revision, stored(self.bytes), stored(self.keys)])?;
        Ok(())
    }
}

pub(super) fn key(row: &Row<'_>) -> Result<SessionKey, Fault> {
    let bytes = row.get_ref(0)?.as_blob()?.try_into().map_err(|_| Fault::Unreadable("session key"))?;
    Ok(SessionKey::from_bytes(bytes))
}

fn moment(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_millis(row.get_ref(column)?.as_i64()?))
}

fn optional(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(row.get_ref(column)?.as_i64_or_null()?.map(Timestamp::from_millis))
}

fn hash(value: ValueRef<'_>) -> Result<SecretHash, Fault> {
    let bytes = value.as_blob()?.try_into().map_err(|_| Fault::Unreadable("secret"))?;
    Ok(SecretHash::from_bytes(bytes))
}

fn previous(row: &Row<'_>) -> Result<Option<PreviousSecret>, Fault> {
    match row.get_ref(8)? {
        ValueRef::Null => Ok(None),
        value => Ok(Some(PreviousSecret { hash: hash(value)?, until: optional(row, 9)? })),
    }
}

fn previous_hash(head: &Head) -> Option<&[u8]> {
    head.previous.as_ref().map(|previous| &previous.hash.as_bytes()[..])
}

fn previous_until(head: &Head) -> Option<i64> {
    head.previous.as_ref()?.until.map(Timestamp::as_millis)
}

fn total(row: &Row<'_>, column: usize) -> Result<usize, Fault> {
    usize::try_from(row.get_ref(column)?.as_i64()?).map_err(|_| Fault::Unreadable("total"))
}

/// Sizes of what is in memory fit; the bound is `SQLite`'s.
pub(super) fn stored(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
