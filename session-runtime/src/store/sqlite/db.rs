//! One connection with its statements, compiled once when its thread begins.

use rusqlite::{Connection, Statement};

use super::fault::Fault;

/// A thread's connection. Which statements it uses is up to the jobs that the thread is given.
pub(super) struct Db<'c> {
    connection: &'c Connection,
    begin: Statement<'c>,
    commit: Statement<'c>,
    roll_back: Statement<'c>,
    /// key → head
    pub(super) head: Statement<'c>,
    /// session → names and texts
    pub(super) values: Statement<'c>,
    /// session, schema → names and texts, and those of a few neighbours
    pub(super) schema: Statement<'c>,
    /// after this key, not expired at, limit → keys and heads
    pub(super) scan: Statement<'c>,
    /// session, name → text
    pub(super) text: Statement<'c>,
    /// session, name → bytes of the text
    pub(super) size: Statement<'c>,
    /// whole head
    pub(super) add: Statement<'c>,
    /// key, all of the head that ever changes
    pub(super) update: Statement<'c>,
    /// key, revision, bytes, keys
    pub(super) count: Statement<'c>,
    /// session, name, text
    pub(super) set: Statement<'c>,
    /// session, name → bytes of the text that was there
    pub(super) unset: Statement<'c>,
    /// session
    pub(super) clear: Statement<'c>,
    /// key
    pub(super) remove: Statement<'c>,
    /// expired by, limit → keys
    pub(super) expire: Statement<'c>,
}

/// The columns of a head, in the order in which `row` reads and binds them; the key stands before them.
macro_rules! head {
    () => {
        "created, touched, expires, ends, expiry, secret, secret_since, previous_secret, previous_until, generation, \
         generation_since, revision, bytes, keys"
    };
}

impl<'c> Db<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let sql = |text: &str| connection.prepare(text);
        Ok(Self {
            connection,
            begin: sql("BEGIN IMMEDIATE")?,
            commit: sql("COMMIT")?,
            roll_back: sql("ROLLBACK")?,
            head: sql(concat!("SELECT key, ", head!(), " FROM session WHERE key = ?1"))?,
            values: sql("SELECT name, json FROM value WHERE session = ?1 ORDER BY name")?,
            // One range holds `cart` and `cart.…`, and beside them names like `cart-2`, which the reader leaves out:
            // `/` is the byte after `.`. Two ranges would need a second look-up.
            schema: sql(
                "SELECT name, json FROM value WHERE session = ?1 AND name >= ?2 AND name < ?2 || '/' ORDER BY name",
            )?,
            scan: sql(concat!(
                "SELECT key, ",
                head!(),
                " FROM session WHERE key > ?1 AND expires > ?2 ORDER BY key LIMIT ?3"
            ))?,
            text: sql("SELECT json FROM value WHERE session = ?1 AND name = ?2")?,
            size: sql("SELECT octet_length(json) FROM value WHERE session = ?1 AND name = ?2")?,
            add: sql(concat!(
                "INSERT INTO session (key, ",
                head!(),
                ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT DO NOTHING"
            ))?,
            update: sql(
                "UPDATE session SET touched = ?2, expires = ?3, expiry = ?4, secret = ?5, secret_since = ?6, \
                 previous_secret = ?7, previous_until = ?8, generation = ?9, generation_since = ?10, revision = ?11, \
                 bytes = ?12, keys = ?13 WHERE key = ?1",
            )?,
            count: sql("UPDATE session SET revision = ?2, bytes = ?3, keys = ?4 WHERE key = ?1")?,
            set: sql("REPLACE INTO value (session, name, json) VALUES (?1, ?2, ?3)")?,
            unset: sql("DELETE FROM value WHERE session = ?1 AND name = ?2 RETURNING octet_length(json)")?,
            clear: sql("DELETE FROM value WHERE session = ?1")?,
            remove: sql("DELETE FROM session WHERE key = ?1")?,
            expire: sql("DELETE FROM session WHERE key IN \
                 (SELECT key FROM session WHERE expires <= ?1 ORDER BY expires LIMIT ?2) RETURNING key")?,
        })
    }

    /// Begins a transaction that may write; waits for the lock of another process.
    pub(super) fn begin(&mut self) -> Result<(), Fault> {
        self.roll_back();
        self.begin.execute([])?;
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), Fault> {
        self.commit.execute([])?;
        Ok(())
    }

    /// Undoes what is open. `SQLite` undoes some failures by itself; one that it cannot undo shows at the next begin.
    pub(super) fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.roll_back.execute([]);
        }
    }
}
