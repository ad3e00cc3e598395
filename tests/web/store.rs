//! The store of the tests: memory, or with `SESSION_TESTS_STORE=sqlite` a file. The tests are the same for both.

use session_runtime::testing::RecordingStore;
use session_runtime::{MemoryStore, SqliteStore};
use session_tests::stores::CheckingStore;
use tempfile::TempDir;

/// The environment variable that selects the store.
pub const VARIABLE: &str = "SESSION_TESTS_STORE";

/// An empty store of the selected kind.
pub fn recording_store() -> RecordingStore {
    RecordingStore::new(checking_store())
}

/// The store inside of [`recording_store`].
pub fn checking_store() -> CheckingStore {
    match std::env::var(VARIABLE).as_deref() {
        Err(_) | Ok("memory") => CheckingStore::new(MemoryStore::new()),
        Ok("sqlite") => {
            let folder = TempDir::new().unwrap();
            let store = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
            CheckingStore::new(store).keeping(folder)
        }
        Ok(other) => panic!("{VARIABLE} is `memory` or `sqlite`, not `{other}`"),
    }
}

/// An empty store in memory, for tests with a paused clock: the threads of `SQLite` do not wait for one.
pub fn in_memory() -> RecordingStore {
    RecordingStore::new(CheckingStore::new(MemoryStore::new()))
}
