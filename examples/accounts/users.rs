//! The accounts, in an SQLite file. Each query runs on a thread for blocking work.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocket::tokio::task::spawn_blocking;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::hashes::{Hashes, NewPassword};

pub(crate) const MIN_NAME_LETTERS: usize = 3;
pub(crate) const MAX_NAME_LETTERS: usize = 32;

/// `AUTOINCREMENT`: the number of a deleted account never comes back, so no session of it reaches another one.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS account (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE,
        hash TEXT NOT NULL,
        password INTEGER NOT NULL DEFAULT 1,
        is_admin INTEGER NOT NULL
    ) STRICT";

/// The first account is the administrator's: create it before others can reach the server.
const INSERT: &str = "
    INSERT INTO account (name, hash, is_admin) VALUES (?1, ?2, NOT EXISTS (SELECT 1 FROM account))
    ON CONFLICT (name) DO NOTHING RETURNING id, name, password, is_admin";

/// Account of a user, without the hash of the password.
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// Counts the passwords that the account has had.
    pub(crate) password: u32,
    pub(crate) is_admin: bool,
}

/// Name that a user may choose: letters that look like others, and invisible ones, are left out.
pub(crate) struct NewName(String);

impl NewName {
    pub(crate) fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        let fits = (MIN_NAME_LETTERS..=MAX_NAME_LETTERS).contains(&text.len()) && text.chars().all(is_allowed);
        fits.then(|| Self(text.to_owned()))
    }
}

/// Failure of the file of the accounts.
pub(crate) type Error = rusqlite::Error;

/// All accounts.
pub(crate) struct Users {
    database: Arc<Mutex<Connection>>,
    hashes: Hashes,
}

impl Users {
    /// Opens the file, or creates it. `:memory:` is no file, but a database of its own.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let database = Connection::open(path)?;
        database.busy_timeout(Duration::from_secs(2))?;
        database.execute_batch(TABLE)?;
        Ok(Self { database: Arc::new(Mutex::new(database)), hashes: Hashes::new() })
    }

    /// Creates an account; `None` if the name is taken.
    pub(crate) async fn add(&self, name: NewName, password: NewPassword) -> Result<Option<Account>, Error> {
        let hash = self.hashes.hash(password).await;
        self.query(move |database| database.query_row(INSERT, (name.0, hash), account).optional()).await
    }

    /// Returns the account if the password is right. A name without an account takes the same time.
    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Result<Option<Account>, Error> {
        let (name, sql) =
            (name.trim().to_owned(), "SELECT id, name, password, is_admin, hash FROM account WHERE name = ?1");
        let with_hash = |row: &Row<'_>| Ok((account(row)?, row.get::<_, String>(4)?));
        let found = self.query(move |database| database.query_row(sql, [name], with_hash).optional()).await?;
        let (account, hash) = found.unzip();
        let is_right = self.hashes.is_right(password, hash.as_deref()).await;
        Ok(account.filter(|_| is_right))
    }

    pub(crate) async fn find(&self, id: i64) -> Result<Option<Account>, Error> {
        let sql = "SELECT id, name, password, is_admin FROM account WHERE id = ?1";
        self.query(move |database| database.query_row(sql, [id], account).optional()).await
    }

    /// Returns the first accounts by name.
    pub(crate) async fn list(&self, limit: u32) -> Result<Vec<Account>, Error> {
        let sql = "SELECT id, name, password, is_admin FROM account ORDER BY name LIMIT ?1";
        self.query(move |database| database.prepare(sql)?.query_map([limit], account)?.collect()).await
    }

    /// Stores a new password; returns its number.
    pub(crate) async fn set_password(&self, id: i64, password: NewPassword) -> Result<u32, Error> {
        let hash = self.hashes.hash(password).await;
        let sql = "UPDATE account SET hash = ?2, password = password + 1 WHERE id = ?1 RETURNING password";
        self.query(move |database| database.query_row(sql, (id, hash), |row| row.get(0))).await
    }

    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let database = Arc::clone(&self.database);
        let run = move || query(&database.lock().unwrap_or_else(PoisonError::into_inner));
        spawn_blocking(run).await.expect("no query panics")
    }
}

fn account(row: &Row<'_>) -> Result<Account, Error> {
    Ok(Account { id: row.get(0)?, name: row.get(1)?, password: row.get(2)?, is_admin: row.get(3)? })
}
