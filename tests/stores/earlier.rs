//! The release before the index (commit `079e148`): its data, and its program beside one with an index.
//!
//! `earlier/before-index.db` and `earlier/before-index.sql` were written by that release, and are never edited. In each,
//! `ann` is logged in four times: after an add to the cart, at once, with a renewal since, and with tenant 7. A fifth
//! session of hers has expired, a sixth was logged out. `bob` and a user with a name of 700 letters are logged in once. One
//! visitor has a cart alone.
//!
//! The program of that release sends the statements that stand here as constants.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, params};
use session_runtime::clock::Timestamp;
use session_runtime::testing::ManualClock;
use session_runtime::{Sessions, SqliteStore, Store};
use session_tests::lookups::{Auth, node};
use session_tests::servers::postgres::Postgres;
use tempfile::TempDir;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::postgres::session::patient;

const FILE: &[u8] = include_bytes!("earlier/before-index.db");
const DUMP: &str = include_str!("earlier/before-index.sql");

/// The moment of the copies, 2026-12-01 12:00:00 UTC.
const NOON: Timestamp = Timestamp::from_millis(1_796_126_400_000);
/// Idle deadline of the sessions that have not expired.
const EXPIRES: i64 = 1_797_336_000_000;

const METADATA: &str = r#"{"v":1}"#;
const ANN: &str = r#""ann""#;
const BOB: &str = r#""bob""#;

/// Launches a program with an index a minute after the copy was made.
async fn launched(store: impl Store) -> Sessions {
    let clock = ManualClock::new();
    clock.set(NOON.after(Duration::from_secs(60)));
    let sessions = node(store, clock);
    sessions.prepare().await.unwrap();
    sessions
}

async fn count(sessions: &Sessions, user: &str) -> u64 {
    sessions.count(Auth::by_user(user)).await.unwrap()
}

async fn assert_finds_all_logins(sessions: &Sessions) {
    let long = "x".repeat(700);
    for (user, number) in [("ann", 4), ("bob", 1), (long.as_str(), 1), ("cleo", 0)] {
        assert_eq!(count(sessions, user).await, number, "{user}");
    }
    assert_eq!(sessions.count(Auth::by_tenant(7)).await.unwrap(), 1);
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 4);
    assert_eq!(sessions.destroy_all(Auth::by_user(long.as_str())).await.unwrap(), 1);
    for (user, number) in [("ann", 0), ("bob", 1), (long.as_str(), 0)] {
        assert_eq!(count(sessions, user).await, number, "{user}");
    }
    assert_eq!(sessions.count(Auth::by_tenant(7)).await.unwrap(), 0);
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    std::fs::write(&path, FILE).unwrap();
    (folder, path)
}

async fn tables() -> Postgres {
    let server = Postgres::start("");
    server.execute(DUMP).await;
    server
}

/// C123
#[tokio::test]
async fn logins_in_a_file_of_the_release_before_the_index_are_found() {
    let (_folder, path) = file();
    assert_finds_all_logins(&launched(SqliteStore::open(path).unwrap()).await).await;
}

/// C123
#[tokio::test]
async fn logins_in_tables_of_the_release_before_the_index_are_found() {
    let server = tables().await;
    assert_eq!(server.ask("SELECT count(*) FROM pg_class WHERE relname = 'session_index'").await, 0);
    assert_finds_all_logins(&launched(patient(server.url())).await).await;
}

/// The program of the earlier release, on an `SQLite` file.
struct EarlierOnSqlite(Connection);

impl EarlierOnSqlite {
    const ADD: &str =
        "INSERT INTO entry (session, name, content, expires) VALUES (?1, 0, ?2, ?3) ON CONFLICT DO NOTHING";
    const CHANGE: &str = "UPDATE entry SET content = ?2 WHERE session = ?1 AND name = 0";
    const ADD_VALUE: &str = "INSERT INTO entry (session, name, content) VALUES (?1, ?2, ?3)";
    const CHANGE_VALUE: &str = "UPDATE entry SET content = ?3 WHERE session = ?1 AND name = ?2";
    const REMOVE_VALUE: &str = "DELETE FROM entry WHERE session = ?1 AND name = ?2";
    const REMOVE: &str = "DELETE FROM entry WHERE session = ?1";
    const REMOVE_LARGE: &str = "DELETE FROM large WHERE id IN \
        (SELECT content FROM entry WHERE session = ?1 AND name <> 0 AND typeof(content) = 'integer')";
    const ADD_LARGE: &str = "INSERT INTO large (json) VALUES (?1)";

    fn transaction(&self, statements: impl FnOnce(&Connection)) {
        self.0.execute_batch("BEGIN IMMEDIATE").unwrap();
        statements(&self.0);
        self.0.execute_batch("COMMIT").unwrap();
    }

    /// A head as that release stores it.
    fn head(&self) -> Vec<u8> {
        let head = "SELECT content FROM entry WHERE name = 0 AND expires = ?1 ORDER BY session LIMIT 1";
        self.0.query_row(head, [EXPIRES], |row| row.get(0)).unwrap()
    }

    fn log_in(&self, key: [u8; 16], user: &str) {
        let head = self.head();
        self.transaction(|file| {
            file.execute(Self::ADD, params![key, head, EXPIRES]).unwrap();
            file.execute(Self::ADD_VALUE, params![key, "auth", METADATA]).unwrap();
            file.execute(Self::ADD_VALUE, params![key, "auth.user", user]).unwrap();
        });
    }

    fn log_in_again(&self, key: [u8; 16], user: &str) {
        let head = self.head();
        self.transaction(|file| {
            file.execute(Self::CHANGE_VALUE, params![key, "auth.user", user]).unwrap();
            file.execute(Self::CHANGE, params![key, head]).unwrap();
        });
    }

    fn log_in_with_long_name(&self, key: [u8; 16], user: &str) {
        self.transaction(|file| {
            file.execute(Self::ADD_LARGE, [user]).unwrap();
            let id = file.last_insert_rowid();
            file.execute(Self::CHANGE_VALUE, params![key, "auth.user", id]).unwrap();
        });
    }

    fn clear_user(&self, key: [u8; 16]) {
        self.transaction(|file| assert_eq!(file.execute(Self::REMOVE_VALUE, params![key, "auth.user"]).unwrap(), 1));
    }

    fn delete(&self, key: [u8; 16]) {
        self.transaction(|file| {
            file.execute(Self::REMOVE_LARGE, [key]).unwrap();
            file.execute(Self::REMOVE, [key]).unwrap();
        });
    }
}

/// C122
#[tokio::test]
async fn logins_of_the_earlier_program_beside_this_one_are_found_in_sqlite() {
    let (_folder, path) = file();
    let sessions = launched(SqliteStore::open(&path).unwrap()).await;
    let earlier = EarlierOnSqlite(Connection::open(&path).unwrap());
    (1..=3).for_each(|number| earlier.log_in([number; 16], ANN));
    assert_eq!(count(&sessions, "ann").await, 7);
    earlier.log_in_again([2; 16], BOB);
    assert_eq!((count(&sessions, "ann").await, count(&sessions, "bob").await), (6, 2));
    let long = "y".repeat(700);
    earlier.log_in_with_long_name([2; 16], &format!("\"{long}\""));
    assert_eq!((count(&sessions, "bob").await, count(&sessions, &long).await), (1, 1));
    earlier.clear_user([3; 16]);
    assert_eq!(count(&sessions, "ann").await, 5);
    earlier.delete([2; 16]);
    assert_eq!(count(&sessions, &long).await, 0);
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 5);
    let rows = "SELECT count(*) FROM entry WHERE session = ?1";
    assert_eq!(earlier.0.query_row(rows, [[1_u8; 16]], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// The program of the earlier release, on PostgreSQL.
struct EarlierOnPostgres(Client);

impl EarlierOnPostgres {
    const CREATE: &str = r#"WITH made AS (
  INSERT INTO "public".session_record (key, expires, created, touched, ends, expiry_kind, expiry, secret, secret_since, previous, previous_until, generation, generation_since, revision, bytes, keys)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
  ON CONFLICT DO NOTHING RETURNING key
), filled AS (
  INSERT INTO "public".session_value (session, schema, field, content)
  SELECT made.key, c.schema, c.field, c.content
  FROM made, unnest($17, $18, $19) AS c (schema, field, content)
)
SELECT count(*) FROM made"#;
    const CREATE_TYPES: [Type; 19] = [
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
    ];
    const PATCH: &str = r#"SELECT (p.head).expires, (p.head).created, (p.head).touched, (p.head).ends, (p.head).expiry_kind,
  (p.head).expiry, (p.head).secret, (p.head).secret_since, (p.head).previous, (p.head).previous_until,
  (p.head).generation, (p.head).generation_since, (p.head).revision, (p.head).bytes, (p.head).keys,
  p.texts, p.outcome
FROM "public".session_patch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) p"#;
    const PATCH_TYPES: [Type; 12] = [
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT2_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
    ];
    const SET_ONE: &str = r#"WITH saved AS (
  UPDATE "public".session_record r SET revision = $5, bytes = $6, keys = $7
  WHERE r.key = $1 AND r.expires + 0 > $2 AND r.generation = $3 AND r.revision = $4 
  RETURNING expires, created, touched, ends, expiry_kind, expiry, secret, secret_since, previous, previous_until, generation, generation_since, revision, bytes, keys
), written AS (
  INSERT INTO "public".session_value (session, schema, field, content)
  SELECT $1, $8, $9, $10 FROM saved
  ON CONFLICT ON CONSTRAINT session_value_pkey DO UPDATE SET content = excluded.content
)
SELECT * FROM saved"#;
    const SET_ONE_TYPES: [Type; 10] = [
        Type::BYTEA,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BYTEA,
        Type::BYTEA,
        Type::BYTEA,
    ];
    const DELETE: &str = r#"SELECT "public".session_delete($1)"#;

    async fn connect(server: &Postgres) -> Self {
        let client = server.client().await;
        client.batch_execute("SET lock_timeout = '1s'; SET search_path = pg_catalog").await.unwrap();
        Self(client)
    }

    /// Sends a statement with the types of its parameters, as that release does.
    async fn send(&self, sql: &str, types: &[Type], params: &[&(dyn ToSql + Sync)]) -> Row {
        let statement = self.0.prepare_typed(sql, types).await.unwrap();
        self.0.query_one(&statement, params).await.unwrap()
    }

    async fn log_in(&self, key: [u8; 16], user: &str) {
        let now = NOON.as_millis();
        let (secret, none): (&[u8], Option<&[u8]>) = (&[1; 32], None);
        let (schemas, fields): ([&[u8]; 2], [&[u8]; 2]) = ([b"auth", b"auth"], [b"", b".user"]);
        let contents: [&[u8]; 2] = [METADATA.as_bytes(), user.as_bytes()];
        let (bytes, keys) = (i64::try_from(METADATA.len() + user.len() + 13).unwrap(), 2_i64);
        let params: [&(dyn ToSql + Sync); 19] = [
            &&key[..],
            &EXPIRES,
            &now,
            &now,
            &(EXPIRES * 2),
            &0_i64,
            &0_i64,
            &secret,
            &now,
            &none,
            &None::<i64>,
            &0_i64,
            &None::<i64>,
            &0_i64,
            &bytes,
            &keys,
            &&schemas[..],
            &&fields[..],
            &&contents[..],
        ];
        assert_eq!(self.send(Self::CREATE, &Self::CREATE_TYPES, &params).await.get::<_, i64>(0), 1);
    }

    /// A patch: a text to set, or the removal of the user.
    async fn patch(&self, key: [u8; 16], user: Option<&str>) {
        let schemas: [&[u8]; 1] = [b"auth"];
        let fields: [&[u8]; 1] = [b".user"];
        let (contents, bases) = ([user.map(str::as_bytes)], [None::<&[u8]>]);
        let (numbers, hashes) = (None::<Vec<i64>>, None::<Vec<Vec<u8>>>);
        let params: [&(dyn ToSql + Sync); 12] = [
            &&key[..],
            &NOON.as_millis(),
            &0_i64,
            &0_i64,
            &&schemas[..],
            &&fields[..],
            &&contents[..],
            &&[1_i16][..],
            &&bases[..],
            &numbers,
            &numbers,
            &hashes,
        ];
        assert_eq!(self.send(Self::PATCH, &Self::PATCH_TYPES, &params).await.get::<_, i16>("outcome"), 0);
    }

    async fn set(&self, key: [u8; 16], revision: i64, user: &str) {
        let (schema, field): (&[u8], &[u8]) = (b"auth", b".user");
        let params: [&(dyn ToSql + Sync); 10] = [
            &&key[..],
            &NOON.as_millis(),
            &0_i64,
            &revision,
            &(revision + 1),
            &25_i64,
            &2_i64,
            &schema,
            &field,
            &user.as_bytes(),
        ];
        self.send(Self::SET_ONE, &Self::SET_ONE_TYPES, &params).await;
    }

    async fn delete(&self, key: [u8; 16]) {
        self.send(Self::DELETE, &[Type::BYTEA], &[&&key[..]]).await;
    }
}

/// C122
#[tokio::test]
async fn logins_of_the_earlier_program_beside_this_one_are_found_in_postgresql() {
    let server = tables().await;
    let sessions = launched(patient(server.url())).await;
    let earlier = EarlierOnPostgres::connect(&server).await;
    for number in 1..=3 {
        earlier.log_in([number; 16], ANN).await;
    }
    assert_eq!(count(&sessions, "ann").await, 7);
    earlier.patch([2; 16], Some(BOB)).await;
    assert_eq!((count(&sessions, "ann").await, count(&sessions, "bob").await), (6, 2));
    earlier.set([2; 16], 1, r#""cleo""#).await;
    assert_eq!((count(&sessions, "bob").await, count(&sessions, "cleo").await), (1, 1));
    earlier.patch([3; 16], None).await;
    assert_eq!(count(&sessions, "ann").await, 5);
    earlier.delete([2; 16]).await;
    assert_eq!(count(&sessions, "cleo").await, 0);
    assert_eq!(sessions.destroy_all(Auth::by_user("ann")).await.unwrap(), 5);
    let left = "SELECT count(*) FROM session_value WHERE session = decode(repeat('01', 16), 'hex')";
    assert_eq!(server.ask(left).await, 0);
}
