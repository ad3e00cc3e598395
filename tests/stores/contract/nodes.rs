//! The races that every store must survive, with two nodes over one store.

use std::sync::Arc;

use session_runtime::{MemoryStore, SqliteStore, Store};
use session_tests::fleet::Fleet;

async fn survives(fleet: Fleet) {
    println!("{} increments, {} mixed writes", fleet.increments().await, fleet.mixed_writes().await);
    println!("{} writes came after a logout", fleet.logouts().await);
    println!("{} logins got a session of their own", fleet.logins().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_over_memory() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    survives(Fleet::new([Arc::clone(&store), Arc::clone(&store)], store)).await;
}

/// Each node has a handle of its own, as a process has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_over_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Arc::new(SqliteStore::open(folder.path().join("sessions.db")).unwrap()) as Arc<dyn Store>;
    survives(Fleet::new([open(), open()], open())).await;
}
