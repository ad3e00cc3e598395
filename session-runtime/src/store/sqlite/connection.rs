//! The writer's connection and its statements, compiled once.

use std::fmt::Write as _;

use rusqlite::{Connection, Statement};

use super::chunks::{self, Large};
use super::fault::Fault;

/// The connection that writes.
pub(super) struct Db<'c> {
    pub(super) connection: &'c Connection,
    begin: Statement<'c>,
    commit: Statement<'c>,
    roll_back: Statement<'c>,
    /// Parameters: session, a few names or NULLs. Columns: name, content, and the deadline in the row of the head,
    /// which comes first.
    pub(super) few: Statement<'c>,
    /// Parameters: session, head, deadline.
    pub(super) add: Statement<'c>,
    /// Parameters: session, head.
    pub(super) change: Statement<'c>,
    /// Parameters: session, head, deadline.
    pub(super) touch: Statement<'c>,
    /// Parameters: session, name, content.
    pub(super) add_value: Statement<'c>,
    /// Parameters: session, name, content.
    pub(super) change_value: Statement<'c>,
    /// Parameters: session, name.
    pub(super) remove_value: Statement<'c>,
    /// Parameter: session.
    pub(super) remove: Statement<'c>,
    /// Parameter: session.
    pub(super) remove_large: Statement<'c>,
    pub(super) large: Large<'c>,
    /// Parameters: latest deadline, limit. Column: session.
    pub(super) expired: Statement<'c>,
}

/// Number of names that one execution looks up; `known` binds each of them. Most patches need no more: the metadata of
/// a schema, and a value or two.
pub(super) const FEW: usize = 2;

impl<'c> Db<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let sql = |text: &str| connection.prepare(text);
        Ok(Self {
            connection,
            begin: sql("BEGIN IMMEDIATE")?,
            commit: sql("COMMIT")?,
            roll_back: sql("ROLLBACK")?,
            few: sql(&select_few())?,
            add: sql(
                "INSERT INTO entry (session, name, content, expires) VALUES (?1, 0, ?2, ?3) ON CONFLICT DO NOTHING",
            )?,
            change: sql("UPDATE entry SET content = ?2 WHERE session = ?1 AND name = 0")?,
            touch: sql("UPDATE entry SET content = ?2, expires = ?3 WHERE session = ?1 AND name = 0")?,
            add_value: sql("INSERT INTO entry (session, name, content) VALUES (?1, ?2, ?3)")?,
            change_value: sql("UPDATE entry SET content = ?3 WHERE session = ?1 AND name = ?2")?,
            remove_value: sql("DELETE FROM entry WHERE session = ?1 AND name = ?2")?,
            remove: sql("DELETE FROM entry WHERE session = ?1")?,
            remove_large: sql("DELETE FROM large WHERE id IN \
                 (SELECT content FROM entry WHERE session = ?1 AND name <> 0 AND typeof(content) = 'integer')")?,
            large: Large {
                read: sql(chunks::READ)?,
                add: sql("INSERT INTO large (json) VALUES (?1)")?,
                remove: sql("DELETE FROM large WHERE id = ?1")?,
            },
            expired: sql("SELECT session FROM entry WHERE expires <= ?1 ORDER BY expires LIMIT ?2")?,
        })
    }

    /// Begins a transaction that may write. Waits for the lock of another process.
    pub(super) fn begin(&mut self) -> Result<(), Fault> {
        self.roll_back();
        self.begin.execute([])?;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        self.commit.execute([])?;
        Ok(())
    }

    /// Rolls back an open transaction. `SQLite` rolls back by itself after some failures. If a rollback fails, the next
    /// `begin` fails.
    pub(super) fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.roll_back.execute([]);
        }
    }
}

/// Builds one statement for all names, since each execution costs more than its lookups. A name that is NULL matches no
/// row.
fn select_few() -> String {
    let mut sql = HEAD.to_owned();
    for at in 2..2 + FEW {
        // Writing into a `String` cannot fail.
        let _ = write!(sql, " UNION ALL SELECT name, content, NULL FROM entry WHERE session = ?1 AND name = ?{at}");
    }
    sql
}

const HEAD: &str = "SELECT name, content, expires FROM entry WHERE session = ?1 AND name = 0";
