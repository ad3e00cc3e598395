//! Index of the sessions by the text of one stored key.
//!
//! ```text
//! CREATE INDEX "entry_by_auth.user" ON entry (content) WHERE name = 'auth.user'
//! ```
//!
//! The rows of the index are sorted by content, then by session, so a page of a lookup is one range of it.

use rusqlite::params;

use super::chunks::MOST;
use super::connection::Db;
use super::fault::Fault;
use super::read::Reader;
use crate::id::SessionKey;
use crate::record::bytes::stored_size;
use crate::store::Found;

impl Db<'_> {
    pub(super) fn create_index(&self, name: &str) -> Result<(), Fault> {
        let (index, name) = (index_of(name), literal(name));
        let sql = format!("CREATE INDEX IF NOT EXISTS {index} ON entry (content) WHERE name = {name}");
        Ok(self.connection.execute_batch(&sql)?)
    }
}

impl Reader {
    /// Finds the sessions with this text under a stored key; `None` if there is no index of the key.
    pub(super) fn find(
        &self,
        name: &str,
        text: &str,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Option<Found>, Fault> {
        if !self.has_index(name)? {
            return Ok(None);
        }
        // Every key sorts after the empty blob.
        let after = after.as_ref().map_or(&[][..], |key| key.as_bytes());
        let mut select = self.connection.prepare_cached(&select(name, text.len() > MOST))?;
        let mut rows = select.query(params![text, after, stored_size(limit)])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_blob()?.try_into().map_err(|_| Fault::Unreadable("session key"))?;
            keys.push(SessionKey::from_bytes(key));
        }
        Ok(Some(Found::in_order(keys, limit)))
    }

    fn has_index(&self, name: &str) -> Result<bool, Fault> {
        let mut exists =
            self.connection.prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1")?;
        Ok(exists.exists([index_name(name)])?)
    }
}

/// Parameters: text, key before the page, limit. Column: key. The index is named, so that its loss is an error instead of
/// a search through all sessions.
fn select(name: &str, is_long: bool) -> String {
    let (index, name) = (index_of(name), literal(name));
    let text = if is_long {
        // Numbers sort before texts.
        "content < '' AND (SELECT json FROM large WHERE id = content) = ?1"
    } else {
        "content = ?1"
    };
    format!(
        "SELECT session FROM entry INDEXED BY {index} WHERE name = {name} AND {text} AND session > ?2 \
         AND length(session) = 16 ORDER BY session LIMIT ?3"
    )
}

/// Name of an index. `SQLite` ignores case in names, so a capital letter is marked.
fn index_name(name: &str) -> String {
    let mut index = "entry_by_".to_owned();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            index.push('^');
        }
        index.push(letter);
    }
    index
}

fn index_of(name: &str) -> String {
    format!("\"{}\"", index_name(name).replace('"', "\"\""))
}

fn literal(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_have_two_indexes() {
        assert_eq!(index_name("auth.userId"), "entry_by_auth.user^Id");
        assert_ne!(index_name("auth.userId").to_lowercase(), index_name("auth.userid").to_lowercase());
    }

    #[test]
    fn a_quote_in_a_name_stays_in_the_name() {
        assert_eq!((index_of("a\"b"), literal("a'b")), ("\"entry_by_a\"\"b\"".to_owned(), "'a''b'".to_owned()));
    }
}
