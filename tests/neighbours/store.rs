//! The tests of `SqliteStore` for any version of rusqlite. `tests/neighbours/run` compiles them with two versions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../stores/sqlite/damaged.rs"]
mod damaged;
#[path = "../stores/sqlite/files.rs"]
mod files;
#[path = "../lib/pages.rs"]
mod pages;

use std::sync::Arc;

use session_runtime::testing::conformance;
use session_runtime::{SqliteStore, Store};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_of_the_contract_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.path().join("sessions.db")).unwrap());
    conformance::check(store, std::time::SystemTime::now().into()).await.assert();
    println!("SQLite {}", rusqlite::version());
}
