//! A patch as the arrays that the function `session_patch` takes. A stored key is passed in two parts: its schema, and
//! the rest including the dot at its start.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use sha2::{Digest, Sha256};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::record::Values;
use crate::record::patch::{Deadline, Expected, NewSecret, Patch, Precondition};

const CHANGES: i16 = 1;
const EXPECTED: i16 = 2;
const HASHED: i16 = 4;
const OR_OURS: i16 = 8;

/// Longest base, in bytes, that is sent as text. A longer one is sent as its hash.
const LONGEST_BASE: usize = 64;

/// Stored keys with their contents, flags and bases, column by column.
#[derive(Default)]
pub(super) struct Columns<'p> {
    pub(super) schemas: Vec<&'p [u8]>,
    pub(super) fields: Vec<&'p [u8]>,
    pub(super) contents: Vec<Option<&'p [u8]>>,
    pub(super) flags: Vec<i16>,
    pub(super) bases: Vec<Option<Base<'p>>>,
}

/// Value that a key must still have.
pub(super) enum Base<'p> {
    Text(&'p [u8]),
    Hash([u8; 32]),
}

/// One key of a patch.
struct Change<'p> {
    name: &'p str,
    content: Option<&'p str>,
    flags: i16,
    base: Option<Base<'p>>,
}

impl<'p> Columns<'p> {
    pub(super) fn of_values(values: &'p Values) -> Self {
        let mut columns = Self::with_capacity(values.len());
        for (name, text) in values.iter() {
            columns.push(name, Some(text));
        }
        columns
    }

    pub(super) fn of_patch(patch: &'p Patch) -> Self {
        let changes = changes(patch);
        let mut columns = Self::with_capacity(changes.len());
        for change in changes {
            columns.push(change.name, change.content);
            columns.flags.push(change.flags);
            columns.bases.push(change.base);
        }
        columns
    }

    fn with_capacity(keys: usize) -> Self {
        let (flags, bases) = (Vec::with_capacity(keys), Vec::with_capacity(keys));
        let (schemas, fields) = (Vec::with_capacity(keys), Vec::with_capacity(keys));
        Self { schemas, fields, contents: Vec::with_capacity(keys), flags, bases }
    }

    fn push(&mut self, name: &'p str, content: Option<&'p str>) {
        let (schema, field) = parts(name);
        self.schemas.push(schema.as_bytes());
        self.fields.push(field.as_bytes());
        self.contents.push(content.map(str::as_bytes));
    }
}

/// Splits a stored key into its schema and the rest.
pub(super) fn parts(name: &str) -> (&str, &str) {
    name.split_at(name.find('.').unwrap_or(name.len()))
}

/// Collects each changed key once, and every expectation.
fn changes(patch: &Patch) -> Vec<Change<'_>> {
    let (set, expected) = (patch.set.iter(), patch.expected().iter());
    let mut changes = Vec::with_capacity(set.len() + patch.remove.len() + expected.len());
    changes.extend(set.map(|(name, text)| Change { name, content: Some(text), flags: CHANGES, base: None }));
    changes.extend(patch.remove.iter().map(|name| Change { name, content: None, flags: CHANGES, base: None }));
    changes.extend(expected.map(Change::expecting));
    // Stable sort: the later of two changes of one key wins, and expectations follow the changes.
    changes.sort_by_key(|change| change.name);
    changes.dedup_by(|later, kept| kept.name == later.name && kept.absorbs(later));
    changes
}

impl<'p> Change<'p> {
    fn expecting(expected: &'p Expected) -> Self {
        let or_ours = if expected.or_ours { OR_OURS } else { 0 };
        let (base, hashed) = match expected.base.as_deref() {
            None => (None, 0),
            Some(text) if text.len() <= LONGEST_BASE => (Some(Base::Text(text.as_bytes())), 0),
            Some(text) => (Some(Base::Hash(Sha256::digest(text.as_bytes()).into())), HASHED),
        };
        Self { name: &expected.name, content: None, flags: EXPECTED | or_ours | hashed, base }
    }

    /// Merges a later change of the same key. A second expectation of one key stays separate.
    fn absorbs(&mut self, later: &mut Self) -> bool {
        if later.flags & CHANGES != 0 {
            self.content = later.content;
            return true;
        }
        if self.flags & EXPECTED != 0 {
            later.content = self.content;
            return false;
        }
        self.flags |= later.flags;
        self.base = later.base.take();
        true
    }
}

impl ToSql for Base<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql(kind, out),
            Self::Hash(hash) => (&hash[..]).to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        <&[u8]>::accepts(kind)
    }

    to_sql_checked!();
}

impl fmt::Debug for Base<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

/// Revision that the precondition requires, if it requires one.
pub(super) fn revision(patch: &Patch) -> Option<i64> {
    match patch.precondition {
        Precondition::Revision(revision) => Some(revision.cast_signed()),
        Precondition::Values(_) => None,
    }
}

/// Operation, deadline seen, touched, expires, kind of expiry, its number.
pub(super) fn deadline(patch: &Patch) -> Option<[i64; 6]> {
    Some(match patch.deadline.as_ref()? {
        Deadline::Touch { seen, touched, expires } => {
            [1, seen.as_millis(), touched.as_millis(), expires.as_millis(), 0, 0]
        }
        Deadline::Choose { expiry, touched, expires } => {
            let (kind, number) = expiry.to_parts();
            [2, 0, touched.as_millis(), expires.as_millis(), kind.into(), number]
        }
    })
}

/// Operation, instant, deadline seen; and the hashes: the one seen, the new one.
pub(super) type Secret<'p> = ([i64; 3], [Option<&'p [u8]>; 2]);

pub(super) fn secret(patch: &Patch) -> Option<Secret<'_>> {
    Some(match patch.secret.as_ref()? {
        NewSecret::Raise { hash, at } => ([1, at.as_millis(), 0], [None, Some(hash.as_bytes())]),
        NewSecret::Periodic { seen, seen_expires, hash, at } => {
            ([2, at.as_millis(), seen_expires.as_millis()], [Some(seen.as_bytes()), Some(hash.as_bytes())])
        }
        NewSecret::Presented { seen, until } => ([3, until.as_millis(), 0], [Some(seen.as_bytes()), None]),
    })
}
