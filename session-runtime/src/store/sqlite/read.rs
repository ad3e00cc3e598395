//! Read operations. One statement is one snapshot, so a record is never read partly before and partly after a change.

use std::fmt::Write as _;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Rows, params};

use super::fault::Fault;
use super::head::HeadRow;
use super::{chunks, name};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::bytes::stored_size;
use crate::record::{Record, Text, Values, key};
use crate::store::{Cursor, Loaded, LoadedHead, Page, Wanted};

/// A connection that reads. It caches the statements that it has used, and may move between threads.
pub(super) struct Reader {
    pub(super) connection: Connection,
    loads: Loads,
}

/// Sets of schemas, and the statement that loads each set.
struct Loads(Vec<(Box<[&'static str]>, String)>);

/// Maximum number of sets that are kept. An application uses few.
const KEPT: usize = 64;

/// Parameter: session. Columns: name, content, and the deadline in the row of the head, which comes first.
const ALL: &str = "SELECT name, content, expires FROM entry WHERE session = ?1 ORDER BY name";

/// Parameter: session. Columns: name, head, deadline.
const HEAD: &str = "SELECT name, content, expires FROM entry WHERE session = ?1 AND name = 0";

/// Parameters: key before the page, limit. Columns: key, head, deadline. Rows whose key is not valid belong to no
/// session.
const SCAN: &str = "SELECT session, content, expires FROM entry WHERE session > ?1 AND name = 0 AND length(session) = 16 \
    ORDER BY session LIMIT ?2";

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        // Besides the loads: all values, a head, a scan, long texts, and a few lookups.
        connection.set_prepared_statement_cache_capacity(KEPT + 8);
        Self { connection, loads: Loads(Vec::new()) }
    }

    pub(super) fn load(&mut self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, Fault> {
        let Self { connection, loads } = self;
        let mut load = connection.prepare_cached(wanted.keys().map_or(ALL, |schemas| loads.sql(schemas)))?;
        let mut rows = load.query([&key.as_bytes()[..]])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let Some(HeadRow { head, bytes, keys }) = live(row, now)? else { return Ok(None) };
        let mut unreadable = Vec::new();
        let values = values(connection, rows, wanted, keys, &mut unreadable)?;
        Ok(Some(Loaded { record: Record { head, values }, bytes, keys, unreadable }))
    }

    pub(super) fn head(&self, key: SessionKey, now: Timestamp) -> Result<LoadedHead, Fault> {
        let mut load = self.connection.prepare_cached(HEAD)?;
        let mut rows = load.query([&key.as_bytes()[..]])?;
        let Some(row) = rows.next()? else { return Ok(LoadedHead::Absent) };
        match live(row, now) {
            Ok(found) => Ok(found.map_or(LoadedHead::Absent, |row| LoadedHead::Alive(row.head))),
            Err(fault) => fault.damage().map(|_| LoadedHead::Unreadable),
        }
    }

    /// Reads a page of `limit` sessions, counting the expired ones that it leaves out.
    pub(super) fn scan(&self, from: Option<SessionKey>, limit: usize, now: Timestamp) -> Result<Page, Fault> {
        // Every key sorts after the empty blob.
        let from = from.as_ref().map_or(&[][..], |key| key.as_bytes());
        let mut scan = self.connection.prepare_cached(SCAN)?;
        let mut heads = scan.query(params![from, stored_size(limit)])?;
        let (mut page, mut seen, mut last) = (Page::default(), 0, None);
        while let Some(row) = heads.next()? {
            let key = row.get_ref(0)?.as_blob()?.try_into().map_err(|_| Fault::Unreadable("session key"))?;
            let key = SessionKey::from_bytes(key);
            (seen, last) = (seen + 1, Some(key));
            match self.record(row, key, now) {
                Ok(record) => page.sessions.extend(record.map(|record| (key, record))),
                Err(fault) => page.unreadable.push((key, fault.damage()?)),
            }
        }
        page.next = last.filter(|_| seen == limit).map(Cursor::from);
        Ok(page)
    }

    /// Reads the record of a head found by a scan, unless it has expired.
    fn record(&self, row: &Row<'_>, key: SessionKey, now: Timestamp) -> Result<Option<Record>, Fault> {
        let Some(HeadRow { head, keys, .. }) = live(row, now).map_err(Fault::of_head)? else { return Ok(None) };
        let mut all = self.connection.prepare_cached(ALL)?;
        let mut rows = all.query([&key.as_bytes()[..]])?;
        // Skips the head, which has been read already.
        rows.next()?;
        let mut unreadable = Vec::new();
        let values = values(&self.connection, rows, &Wanted::all(), keys, &mut unreadable)?;
        let record = Record { head, values };
        if unreadable.is_empty() { Ok(Some(record)) } else { Err(Fault::Unreadable("text")) }
    }
}

impl Loads {
    fn sql(&mut self, schemas: &[&'static str]) -> &str {
        let kept = self.0.iter().position(|(kept, _)| **kept == *schemas);
        let at = kept.unwrap_or(self.0.len().min(KEPT - 1));
        if kept.is_none() {
            self.0.truncate(at);
            self.0.push((schemas.into(), select(schemas)));
        }
        &self.0[at].1
    }
}

/// Builds one statement, so that a load has one snapshot and costs one execution. It selects the head and the fields of
/// all schemas, which are stored side by side, and the entries of the wanted schemas. The reader skips fields that are
/// not wanted. The reserved section has no entries.
fn select(schemas: &[&str]) -> String {
    let mut sql = "SELECT name, content, expires FROM entry WHERE session = ?1 AND name < x''".to_owned();
    for schema in schemas.iter().filter(|schema| **schema != key::RESERVED) {
        let blob = |end| format!("CAST('{}{end}' AS BLOB)", schema.replace('\'', "''"));
        // `/` is the byte after `.`. Writing into a `String` cannot fail.
        let _ = write!(
            sql,
            " UNION ALL SELECT name, content, NULL FROM entry WHERE session = ?1 AND name >= {} AND name < {}",
            blob(key::BEFORE_FIELD),
            blob('/')
        );
    }
    sql
}

/// Decodes the head from a row whose second column is the content and third the deadline, unless it has expired.
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

/// Maximum number of values for which space is reserved. Of a large record, few may be wanted.
const RESERVED: usize = 32;

/// Reads the values of a record with this number of keys. Adds to `unreadable` the names of those whose content is not a
/// text or is missing.
fn values(
    connection: &Connection,
    mut rows: Rows<'_>,
    wanted: &Wanted,
    keys: usize,
    unreadable: &mut Vec<Text>,
) -> Result<Values, Fault> {
    let mut values = Vec::with_capacity(keys.min(RESERVED));
    while let Some(row) = rows.next()? {
        let column = row.get_ref(0)?;
        let name = name::read(column)?;
        // The statement selects entries of wanted schemas only.
        let is_entry = name::is_entry(column);
        if !is_entry && !wanted.wants(name) {
            continue;
        }
        match text(connection, row.get_ref(1)?, wanted) {
            Ok(text) => values.push((if is_entry { name.into() } else { wanted.text(name) }, text)),
            Err(Fault::Unreadable(_)) => unreadable.push(name.into()),
            Err(fault) => return Err(fault),
        }
    }
    Ok(values.into_iter().collect())
}

/// Reads the text of a row from its content.
fn text(connection: &Connection, content: ValueRef<'_>, wanted: &Wanted) -> Result<Text, Fault> {
    match content {
        ValueRef::Integer(id) => chunks::read(&mut *connection.prepare_cached(chunks::READ)?, id),
        content => Ok(wanted.text(content.as_str()?)),
    }
}
