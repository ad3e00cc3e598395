//! Long texts in a table of their own; the row of such a text holds an id instead.
//!
//! A search in a tree of whole rows reads each row that it compares with, however long the row is. One text of 100 KB
//! would be read by every request of that session, and by those of its neighbours.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Statement, ToSql};

use super::fault::Fault;
use crate::record::Text;

/// Maximum size in bytes of a text that is stored in its row. With its key and a name of moderate length, such a row
/// fits into a quarter of a page, so no part of it is stored elsewhere.
pub(super) const MOST: usize = 600;

/// Statements for long texts.
pub(super) struct Large<'c> {
    /// Parameter: id. Column: text.
    pub(super) read: Statement<'c>,
    /// Parameter: text.
    pub(super) add: Statement<'c>,
    /// Parameter: id.
    pub(super) remove: Statement<'c>,
}

/// A text and its location. As a parameter, it is the content of its row.
pub(super) struct Stored {
    pub(super) text: Text,
    /// Id of the text in `large`, if it is a long one.
    large: Option<i64>,
    /// True if the content is not a text or the long text is missing; `text` is then empty.
    pub(super) is_damaged: bool,
}

impl Stored {
    /// Creates the value for damaged content, which can only be removed.
    pub(super) fn damaged(content: ValueRef<'_>) -> Self {
        Self { text: "".into(), large: content.as_i64().ok(), is_damaged: true }
    }
}

impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.large.map_or_else(|| ToSqlOutput::from(&*self.text), ToSqlOutput::from))
    }
}

/// Parameter: id. Column: text.
pub(super) const READ: &str = "SELECT json FROM large WHERE id = ?1";

/// Reads the long text with this id.
pub(super) fn read(statement: &mut Statement<'_>, id: i64) -> Result<Text, Fault> {
    let mut rows = statement.query([id])?;
    let row = rows.next()?.ok_or(Fault::Unreadable("long text"))?;
    Ok(row.get_ref(0)?.as_str()?.into())
}

impl Large<'_> {
    /// Reads the text of a row from its content.
    pub(super) fn find(&mut self, content: ValueRef<'_>) -> Result<Stored, Fault> {
        Ok(match content {
            ValueRef::Integer(id) => Stored { text: read(&mut self.read, id)?, large: Some(id), is_damaged: false },
            content => Stored { text: content.as_str()?.into(), large: None, is_damaged: false },
        })
    }

    /// Stores a text in `large` if it is long.
    pub(super) fn put(&mut self, text: &Text) -> Result<Stored, Fault> {
        let is_long = text.len() > MOST;
        let large = if is_long { Some(self.add.insert([&**text])?) } else { None };
        Ok(Stored { text: text.clone(), large, is_damaged: false })
    }

    /// Removes the long text of a value that was replaced or removed.
    pub(super) fn forget(&mut self, stored: &Stored) -> Result<(), Fault> {
        if let Some(id) = stored.large {
            self.remove.execute([id])?;
        }
        Ok(())
    }
}
