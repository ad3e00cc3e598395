//! The index in an `SQLite` file, which the engine maintains whichever program writes.

use std::path::Path;

use rusqlite::Connection;
use session_runtime::clock::SystemClock;
use session_runtime::{Session, SessionInfo, SessionKey, Sessions, SqliteStore, Store};
use session_tests::lookups::{Auth, node};

/// The schema of a program that does not know the index.
mod old {
    #[derive(session_runtime::Session)]
    #[session(key = "auth", version = 1)]
    pub(super) struct Auth {
        #[session(renew)]
        pub(super) user: Option<String>,
    }
}

fn old_program(path: &Path) -> Sessions {
    Sessions::builder().store(SqliteStore::open(path).unwrap()).schemas::<old::Auth>().build().unwrap()
}

async fn old_login(sessions: &Sessions, user: &str) -> SessionKey {
    let visit = sessions.open([]);
    visit.write::<old::Auth>().await.unwrap().set_user(user.to_owned());
    assert!(visit.finish(200).await.error.is_none());
    visit.key().unwrap()
}

/// The file of a program without an index is used as it is; its sessions are found, and so are those of the old program
/// beside the new one.
#[tokio::test]
async fn sessions_of_a_program_without_the_index_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let before = old_program(&path);
    let first = old_login(&before, "ann").await;
    let after = node(SqliteStore::open(&path).unwrap(), SystemClock);
    after.prepare().await.unwrap();
    let second = old_login(&before, "ann").await;
    let third = old_login(&old_program(&path), "ann").await;
    let mut listed: Vec<_> = after.list(Auth::by_user("ann")).await.unwrap().iter().map(SessionInfo::key).collect();
    let mut keys = vec![first, second, third];
    listed.sort_unstable();
    keys.sort_unstable();
    assert_eq!(listed, keys);
    assert_eq!(after.destroy_all(Auth::by_user("ann")).await.unwrap(), 3);
    assert!(before.read::<old::Auth>(&first).await.unwrap().is_none());
}

/// Without `prepare`, and after another program has dropped the index, the first lookup creates it.
#[tokio::test]
async fn a_missing_index_is_created_by_a_lookup() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    old_login(&old_program(&path), "ann").await;
    let sessions = node(SqliteStore::open(&path).unwrap(), SystemClock);
    assert_eq!(sessions.count(Auth::by_user("ann")).await.unwrap(), 1);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("DROP INDEX \"entry_by_auth.user\"").unwrap();
    assert_eq!(sessions.count(Auth::by_user("ann")).await.unwrap(), 1);
}

/// Two fields whose names differ in the case of a letter alone.
#[tokio::test]
async fn names_that_differ_in_case_are_two_fields() {
    #[derive(Session)]
    #[session(key = "auth", version = 1)]
    struct Cased {
        #[session(index)]
        user: Option<String>,
        #[session(index, rename = "User", accessor = "other")]
        other: Option<String>,
    }
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    let sessions = Sessions::builder().store(store).schemas::<Cased>().build().unwrap();
    sessions.prepare().await.unwrap();
    let visit = sessions.open([]);
    visit.write::<Cased>().await.unwrap().set_user("ann".to_owned());
    visit.finish(200).await;
    assert_eq!(sessions.count(Cased::by_user("ann")).await.unwrap(), 1);
    assert_eq!(sessions.count(Cased::by_other("ann")).await.unwrap(), 0);
}

/// A lookup reads the rows of its own value alone.
#[tokio::test]
async fn a_lookup_uses_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::open(&path).unwrap();
    store.set_indexed_keys(&["auth.user".into()]);
    store.prepare().await.unwrap();
    let connection = Connection::open(&path).unwrap();
    let plan: String = connection
        .query_row(
            "EXPLAIN QUERY PLAN SELECT session FROM entry INDEXED BY \"entry_by_auth.user\" WHERE name = 'auth.user' \
             AND content = ?1 AND session > ?2 ORDER BY session LIMIT 500",
            ["\"ann\"", ""],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("USING COVERING INDEX entry_by_auth.user (content=? AND session>?)"), "{plan}");
}
