//! Conversion between a head and its columns. A column of another type, or with a value that this library does not
//! write, is unreadable.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::fault::Fault;
use super::redacted::Redacted;
use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::bytes::stored_size;
use crate::record::expiry::StoredExpiry;
use crate::record::{Head, PreviousSecret, Record, Text, Values};
use crate::store::{Loaded, LoadedHead, Wanted};

/// Number of columns of a head.
pub(super) const COLUMNS: usize = 15;

/// Columns of a head, ready to be bound.
pub(super) struct HeadColumns<'h> {
    pub(super) times_and_expiry: [Redacted<i64>; 6],
    pub(super) secret: Redacted<&'h [u8]>,
    pub(super) secret_since: Redacted<i64>,
    pub(super) previous: Redacted<Option<&'h [u8]>>,
    pub(super) previous_until: Redacted<Option<i64>>,
    pub(super) generation: Redacted<i64>,
    pub(super) generation_since: Redacted<Option<i64>>,
    pub(super) revision_and_totals: [Redacted<i64>; 3],
}

impl<'h> HeadColumns<'h> {
    pub(super) fn of(record: &'h Record) -> Self {
        let Record { head, values } = record;
        let (kind, number) = head.expiry.to_parts();
        let moment = |moment: Timestamp| moment.as_millis();
        let [expires, created, touched, ends] =
            [head.idle_deadline, head.created, head.touched, head.absolute_deadline].map(moment);
        let previous = head.previous.as_ref();
        Self {
            times_and_expiry: [expires, created, touched, ends, kind.into(), number].map(Redacted),
            secret: Redacted(head.secret.as_bytes()),
            secret_since: Redacted(moment(head.secret_since)),
            previous: Redacted(previous.map(|previous| &previous.hash.as_bytes()[..])),
            previous_until: Redacted(previous.and_then(|previous| previous.until).map(moment)),
            generation: Redacted(head.generation.cast_signed()),
            generation_since: Redacted(head.generation_since.map(moment)),
            revision_and_totals: [head.revision.cast_signed(), stored_size(values.bytes()), stored_size(values.len())]
                .map(Redacted),
        }
    }
}

/// Reads a column.
pub(super) fn column<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, Fault> {
    row.try_get(at).map_err(|_| Fault::Unreadable("column"))
}

/// Reads the head from the first columns.
pub(super) fn head(row: &Row) -> Result<Head, Fault> {
    let moment = |at| column(row, at).map(Timestamp::from_millis);
    let maybe = |at| column::<Option<i64>>(row, at).map(|moment| moment.map(Timestamp::from_millis));
    let number = |at| column(row, at).map(i64::cast_unsigned);
    let until = maybe(9)?;
    let previous = column::<Option<&[u8]>>(row, 8)?.map(hash).transpose()?;
    Ok(Head {
        idle_deadline: moment(0)?,
        created: moment(1)?,
        touched: moment(2)?,
        absolute_deadline: moment(3)?,
        expiry: expiry(column(row, 4)?, column(row, 5)?)?,
        secret: hash(column(row, 6)?)?,
        secret_since: moment(7)?,
        previous: previous.map(|hash| PreviousSecret { hash, until }),
        generation: number(10)?,
        generation_since: maybe(11)?,
        revision: number(12)?,
    })
}

/// Reads the head of a record that was found. An unreadable one is no failure.
pub(super) fn loaded_head(row: &Row) -> Result<LoadedHead, Fault> {
    match head(row) {
        Ok(head) => Ok(LoadedHead::Alive(head)),
        Err(fault) => fault.damage().map(|_| LoadedHead::Unreadable),
    }
}

/// Reads the row of a load.
pub(super) fn loaded(row: &Row, wanted: &Wanted) -> Result<Loaded, Fault> {
    let (bytes, keys) = totals(row)?;
    let mut unreadable = Vec::new();
    let record = Record { head: head(row)?, values: values(row, wanted, &mut unreadable)? };
    Ok(Loaded { record, bytes, keys, unreadable })
}

fn totals(row: &Row) -> Result<(usize, usize), Fault> {
    let total = |at| usize::try_from(column::<i64>(row, at)?).map_err(|_| Fault::Unreadable("total"));
    Ok((total(13)?, total(14)?))
}

/// Reads a head and its values; fails if a value is unreadable.
pub(super) fn record(row: &Row, wanted: &Wanted) -> Result<Record, Fault> {
    let mut unreadable = Vec::new();
    let record = Record { head: head(row)?, values: values(row, wanted, &mut unreadable)? };
    if unreadable.is_empty() { Ok(record) } else { Err(Fault::Unreadable("text")) }
}

/// Reads a head and all its values; `None` if the record has expired. The deadline is always readable, since its column
/// holds only numbers.
pub(super) fn live_record(row: &Row, now: Timestamp) -> Result<Option<Record>, Fault> {
    if now >= Timestamp::from_millis(column(row, 0)?) {
        return Ok(None);
    }
    let head = totals(row).and_then(|_| head(row)).map_err(Fault::of_head)?;
    let mut unreadable = Vec::new();
    let record = Record { head, values: values(row, &Wanted::all(), &mut unreadable)? };
    if unreadable.is_empty() { Ok(Some(record)) } else { Err(Fault::Unreadable("text")) }
}

/// Reads the values, and collects the names of those whose content is not UTF-8.
fn values(row: &Row, wanted: &Wanted, unreadable: &mut Vec<Text>) -> Result<Values, Fault> {
    let Some(values) = column::<Option<Vec<&[u8]>>>(row, COLUMNS)? else { return Ok(Values::new()) };
    let mut pairs = Vec::with_capacity(values.len());
    for (name, content) in values.into_iter().map(pair).collect::<Result<Vec<_>, Fault>>()? {
        match std::str::from_utf8(content) {
            Ok(content) => pairs.push((name, content)),
            Err(_) => unreadable.push(name.into()),
        }
    }
    pairs.sort_unstable();
    Ok(pairs.into_iter().map(|(name, content)| (wanted.text(name), wanted.text(content))).collect())
}

/// Splits a name from its content at the byte 255, which does not occur in UTF-8.
fn pair(value: &[u8]) -> Result<(&str, &[u8]), Fault> {
    let mut parts = value.splitn(2, |byte| *byte == 0xff);
    let (name, content) = parts.next().zip(parts.next()).ok_or(Fault::Unreadable("text"))?;
    Ok((std::str::from_utf8(name).map_err(|_| Fault::Unreadable("text"))?, content))
}

fn hash(bytes: &[u8]) -> Result<SecretHash, Fault> {
    bytes.try_into().map(SecretHash::from_bytes).map_err(|_| Fault::Unreadable("secret's hash"))
}

fn expiry(kind: i64, number: i64) -> Result<StoredExpiry, Fault> {
    let kind = u8::try_from(kind).ok();
    kind.and_then(|kind| StoredExpiry::from_parts(kind, number)).ok_or(Fault::Unreadable("expiry"))
}
