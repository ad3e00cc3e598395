//! Settings that change the speed of a file and nothing else.

use std::time::Duration;

use session_runtime::SqliteStore;
use session_tests::pages;

use crate::sweeps::{fill, now};

/// Sessions are read back with the smallest page cache and memory map, and with the largest map.
#[tokio::test]
async fn a_file_is_read_with_any_page_cache_and_any_memory_map() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let later = now().after(Duration::from_secs(3600));
    for (first, page_cache, memory_map) in [(0, 0, 0), (100, 1, 4096), (200, 64 << 20, usize::MAX)] {
        let store = SqliteStore::builder(&path).page_cache(page_cache).memory_map(memory_map).open().unwrap();
        fill(&store, first, 100, later).await;
        let found = u32::try_from(pages::all(&store, 1_000, now()).await.len()).unwrap();
        assert_eq!(found, first + 100, "{page_cache} and {memory_map} bytes");
    }
}
