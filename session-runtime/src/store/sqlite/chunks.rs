//! Long texts stand in a table of their own, and their row holds a number instead.
//!
//! A search in a tree of whole rows reads each row that it compares with, however long: one text of 100 KB would be read
//! by every request of that session, and by those of its neighbours.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Statement, ToSql};

use super::fault::Fault;
use crate::record::Text;

/// Bytes of the longest text that stands in its row. With its key, and a name that is not long, such a row fits into a
/// quarter of a page, so that no part of it is kept elsewhere.
const MOST: usize = 600;

/// The statements for long texts.
pub(super) struct Large<'c> {
    /// id → text
    pub(super) read: Statement<'c>,
    /// text
    pub(super) add: Statement<'c>,
    /// id
    pub(super) remove: Statement<'c>,
}

/// A text, and where it stands. As a parameter it is what its row holds.
pub(super) struct Stored {
    pub(super) text: Text,
    /// Its number, if it is a long one.
    large: Option<i64>,
    /// The content is not a text, or the long text is gone: `text` is empty then.
    pub(super) is_damaged: bool,
}

impl Stored {
    /// A content that can be removed and nothing else.
    pub(super) fn damaged(content: ValueRef<'_>) -> Self {
        Self { text: "".into(), large: content.as_i64().ok(), is_damaged: true }
    }
}

impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.large.map_or_else(|| ToSqlOutput::from(&*self.text), ToSqlOutput::from))
    }
}

/// id → text
pub(super) const READ: &str = "SELECT json FROM large WHERE id = ?1";

/// The long text with this number.
pub(super) fn read(statement: &mut Statement<'_>, id: i64) -> Result<Text, Fault> {
    let mut rows = statement.query([id])?;
    let row = rows.next()?.ok_or(Fault::Unreadable("long text"))?;
    Ok(row.get_ref(0)?.as_str()?.into())
}

impl Large<'_> {
    /// The text that a row's content stands for.
    pub(super) fn find(&mut self, content: ValueRef<'_>) -> Result<Stored, Fault> {
        Ok(match content {
            ValueRef::Integer(id) => Stored { text: read(&mut self.read, id)?, large: Some(id), is_damaged: false },
            content => Stored { text: content.as_str()?.into(), large: None, is_damaged: false },
        })
    }

    /// Puts a long text away.
    pub(super) fn put(&mut self, text: &Text) -> Result<Stored, Fault> {
        let is_long = text.len() > MOST;
        let large = if is_long { Some(self.add.insert([&**text])?) } else { None };
        Ok(Stored { text: text.clone(), large, is_damaged: false })
    }

    /// The text is replaced or removed.
    pub(super) fn forget(&mut self, stored: &Stored) -> Result<(), Fault> {
        if let Some(id) = stored.large {
            self.remove.execute([id])?;
        }
        Ok(())
    }
}
