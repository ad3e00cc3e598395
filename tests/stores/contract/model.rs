//! Random operations of three interleaved requests, on the stores of one machine, against a plain map.

use std::sync::Arc;

use proptest::prelude::*;
use session_runtime::{MemoryStore, SqliteStore};
use session_tests::model::{check, steps};

proptest! {
    /// C76: every answer and every record is the map's.
    #[test]
    fn memory_is_a_plain_map(steps in steps()) {
        let store = Arc::new(MemoryStore::new());
        check(|| store.clone(), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_is_a_plain_map(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        check(|| SqliteStore::open(folder.path().join("sessions.db")).unwrap(), &steps);
    }
}
