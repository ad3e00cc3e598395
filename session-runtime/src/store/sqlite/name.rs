//! Stored keys as the second part of a row's key.
//!
//! `SQLite` sorts numbers before text, and text before blobs. The head is a number, fields are text, and entries of
//! maps are blobs. So a session begins with its head and its fields, which share one page however many entries follow.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::fault::Fault;
use crate::record::key;

/// A stored key as a parameter.
#[derive(Clone, Copy)]
pub(super) struct Name<'n>(pub(super) &'n str);

impl ToSql for Name<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let bytes = self.0.as_bytes();
        let value = if key::is_entry(self.0) { ValueRef::Blob(bytes) } else { ValueRef::Text(bytes) };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// True if the stored key of a row is that of an entry.
pub(super) fn is_entry(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Blob(_))
}

/// Reads the stored key of a row that is not a head.
pub(super) fn read(value: ValueRef<'_>) -> Result<&str, Fault> {
    let bytes = value.as_bytes()?;
    str::from_utf8(bytes).map_err(|_| Fault::Unreadable("name"))
}
