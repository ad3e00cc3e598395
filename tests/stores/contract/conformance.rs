//! Both stores keep every rule, on one thread and on several.

use session_runtime::{MemoryStore, SqliteStore};
use session_tests::conformance::keeps_every_rule_at_any_time;
use session_tests::stores::AlternatingStore;

use super::third_party::FileStore;

#[tokio::test]
async fn memory_keeps_every_rule() {
    keeps_every_rule_at_any_time(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_every_rule_on_several_threads() {
    keeps_every_rule_at_any_time(MemoryStore::new()).await;
}

#[tokio::test]
async fn sqlite_keeps_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    keeps_every_rule_at_any_time(SqliteStore::open(folder.path().join("sessions.db")).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_every_rule_on_several_threads() {
    let folder = tempfile::tempdir().unwrap();
    keeps_every_rule_at_any_time(SqliteStore::builder(folder.path().join("sessions.db")).readers(4).open().unwrap())
        .await;
}

/// The public items of the library are enough to write a store, in at most 160 lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_party_store_keeps_every_rule() {
    let lines = include_str!("third_party.rs").lines().count();
    assert!(lines <= 160, "{lines} lines");
    let folder = tempfile::tempdir().unwrap();
    keeps_every_rule_at_any_time(FileStore(folder.path().to_owned().into())).await;
}

/// Two programs on one file: writes go to one of them, reads to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_on_one_file_keep_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    keeps_every_rule_at_any_time(AlternatingStore::new([open(), open()])).await;
}
