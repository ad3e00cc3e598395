//! Files, other programs' files, locks, damaged rows, restarts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::{Record, Text};
use session_runtime::store::{Created, Damage, Durability, Loaded, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{Session, SessionKey, Sessions, SqliteStore, Store};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_millis(1_000);

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    coupon: Option<String>,
}

fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    (folder, path)
}

fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

fn record(values: &[(&str, &str)]) -> Record {
    let values = values.iter().map(|(name, text)| (Text::from(*name), Text::from(*text))).collect();
    Record::new(head_at(NOW.as_millis()), values)
}

fn setting(name: &str, text: &str) -> Patch {
    Patch::on_generation(0).set([(name, text)])
}

async fn load(store: &SqliteStore, key: SessionKey) -> Option<Loaded> {
    store.load(key, &Wanted::all(), NOW).await.unwrap()
}

async fn create(store: &SqliteStore, n: u8, values: &[(&str, &str)]) {
    assert_eq!(store.create(key(n), record(values)).await.unwrap(), Created::Done);
}

/// Setting up is refused, for a reason that names the file.
fn refused(path: &Path, reason: &str) -> StoreError {
    let error = SqliteStore::open(path).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.kind(), StoreErrorKind::Setup);
    assert!(source.contains(&path.display().to_string()) && source.contains(reason), "{source}");
    error
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    for durability in [Durability::Process, Durability::Power] {
        let (_folder, path) = file();
        let open = || SqliteStore::builder(&path).durability(durability).open().unwrap();
        let store = open();
        create(&store, 1, &[("cart", "{}"), ("cart.a", "1")]).await;
        create(&store, 2, &[]).await;
        store.patch(key(1), setting("cart.b", "2"), NOW).await.unwrap();
        store.delete(key(2)).await.unwrap();
        drop(store);
        let store = open();
        let Loaded { record: found, bytes, keys, .. } = load(&store, key(1)).await.unwrap();
        let expected = record(&[("cart", "{}"), ("cart.a", "1"), ("cart.b", "2")]);
        assert_eq!((found.values.bytes(), bytes, keys), (expected.values.bytes(), bytes, 3));
        assert!(found.values == expected.values && found.head.revision == 1 && bytes == expected.values.bytes());
        assert!(load(&store, key(2)).await.is_none());
    }
}

#[tokio::test]
async fn the_last_store_folds_the_log_back_into_the_file() {
    let (folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, 1, &[("cart.a", "1")]).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    drop(store);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let (_folder, path) = file();
    let (one, other) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
    create(&one, 1, &[("cart.a", "1")]).await;
    assert!(load(&other, key(1)).await.is_some());
    other.delete(key(1)).await.unwrap();
    assert!(matches!(one.patch(key(1), setting("cart.a", "2"), NOW).await.unwrap(), Patched::Gone));
}

#[test]
fn many_may_open_a_new_file_at_once() {
    let (_folder, path) = file();
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..16).map(|_| scope.spawn(|| SqliteStore::open(&path).unwrap())).collect();
        for thread in opened {
            drop(thread.join().unwrap());
        }
    });
}

#[cfg(unix)]
#[test]
fn a_new_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = file();
    let _store = SqliteStore::open(&path).unwrap();
    for path in [path.clone(), path.with_extension("db-wal"), path.with_extension("db-shm")] {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn files_of_other_programs_are_refused_and_left_as_they_were() {
    for setup in ["CREATE TABLE user (id)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"] {
        let (folder, path) = file();
        Connection::open(&path).unwrap().execute_batch(setup).unwrap();
        let before = std::fs::read(&path).unwrap();
        refused(&path, "another program");
        assert!(std::fs::read(&path).unwrap() == before, "{setup}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "{setup}");
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_was() {
    let (_folder, path) = file();
    let text = "dear diary, ".repeat(1_000);
    std::fs::write(&path, &text).unwrap();
    refused(&path, "not an SQLite database");
    assert!(std::fs::read_to_string(&path).unwrap() == text);
}

#[test]
fn places_that_cannot_be_written_are_refused() {
    let (folder, path) = file();
    std::fs::write(&path, "").unwrap();
    // A file is no folder.
    refused(&path.join("sessions.db"), "cannot be created");
    refused(&folder.path().join("missing").join("sessions.db"), "cannot be created");
    refused(folder.path(), "is a folder");
    refused(Path::new(":memory:"), "is not a file");
}

#[test]
fn another_format_is_refused() {
    let (_folder, path) = file();
    drop(SqliteStore::open(&path).unwrap());
    for format in [1, 3] {
        let file = Connection::open(&path).unwrap();
        file.pragma_update(None, "user_version", format).unwrap();
        drop(file);
        refused(&path, &format!("has format {format}; this program supports 2"));
    }
}

/// Neither of them was written by this library.
#[tokio::test]
async fn a_damaged_row_is_an_error_and_stays() {
    let damages = [
        "UPDATE entry SET content = x'01' WHERE name = 0",
        "UPDATE entry SET content = 'text' WHERE name = 0",
        "UPDATE entry SET content = CAST(content || x'00' AS BLOB) WHERE name = 0",
        "UPDATE entry SET content = CAST(x'02' || substr(content, 2) AS BLOB) WHERE name = 0",
        "UPDATE entry SET content = CAST(substr(content, 1, 2) || x'09' || substr(content, 4) AS BLOB) WHERE name = 0",
        "UPDATE entry SET name = CAST(x'636172742eff' AS TEXT) WHERE name <> 0",
        "UPDATE entry SET name = 7 WHERE name <> 0",
    ];
    for damage in damages {
        let (_folder, path) = file();
        let store = SqliteStore::open(&path).unwrap();
        create(&store, 1, &[("cart.a", "\"private\"")]).await;
        let raw = Connection::open(&path).unwrap();
        raw.execute_batch(damage).unwrap();
        let error = store.load(key(1), &Wanted::all(), NOW).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
        assert!(!shown.contains("private") && !shown.contains(&key(1).to_string()), "{shown}");
        create(&store, 2, &[]).await;
        let (sessions, unreadable) = super::pages::all_and_unreadable(&store, 1, NOW).await;
        let part = if damage.contains("name = 0") { Damage::Head } else { Damage::Value };
        assert_eq!(unreadable, [(key(1), part)], "{damage}");
        assert_eq!(sessions.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key(2)], "{damage}");
        store.delete(key(2)).await.unwrap();
        let count = "SELECT count(*) FROM entry";
        assert_eq!(raw.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 2, "{damage}");
    }
}

/// The value alone: its key is named, the rest is read, and a patch that removes it mends the session.
#[tokio::test]
async fn a_damaged_value_is_named_and_can_be_removed() {
    let damages = [
        "UPDATE entry SET content = CAST(x'22ff22' AS TEXT) WHERE name = 'cart.a'",
        "UPDATE entry SET content = x'31' WHERE name = 'cart.a'",
        "DELETE FROM large",
        "UPDATE entry SET content = 99 WHERE name = 'cart.a'",
    ];
    for damage in damages {
        let (_folder, path) = file();
        let store = SqliteStore::open(&path).unwrap();
        create(&store, 1, &[("cart.a", &"1".repeat(5_000)), ("cart.b", "2")]).await;
        Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let loaded = load(&store, key(1)).await.unwrap();
        assert_eq!(loaded.unreadable.iter().map(|name| &**name).collect::<Vec<_>>(), ["cart.a"], "{damage}");
        assert_eq!(loaded.record.values, record(&[("cart.b", "2")]).values, "{damage}");
        let set = store.patch(key(1), setting("cart.a", "3"), NOW).await;
        assert_eq!(set.unwrap_err().kind(), StoreErrorKind::Corrupt, "{damage}");
        assert!(matches!(store.patch(key(1), setting("cart.b", "4"), NOW).await.unwrap(), Patched::Done(_)));
        let removing = Patch::on_generation(0).remove(["cart.a"]);
        assert!(matches!(store.patch(key(1), removing, NOW).await.unwrap(), Patched::Done(_)), "{damage}");
        let Loaded { record: left, bytes, keys, unreadable, .. } = load(&store, key(1)).await.unwrap();
        assert_eq!(left.values, record(&[("cart.b", "4")]).values, "{damage}");
        assert_eq!((bytes, keys, unreadable.len()), (left.values.bytes(), 1, 0), "{damage}");
    }
}

#[tokio::test]
async fn a_key_of_another_length_is_no_session() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, 1, &[]).await;
    Connection::open(&path).unwrap().execute_batch("UPDATE entry SET session = x'01'").unwrap();
    create(&store, 2, &[]).await;
    assert_eq!(super::pages::all(&store, 1, NOW).await[0].0, key(2));
    assert!(load(&store, key(1)).await.is_none());
}

#[tokio::test]
async fn a_damaged_row_does_not_fail_the_writes_of_others() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, 1, &[]).await;
    Connection::open(&path).unwrap().execute_batch("UPDATE entry SET content = ''").unwrap();
    create(&store, 2, &[]).await;
    let (broken, good) = tokio::join!(
        store.patch(key(1), setting("cart.a", "1"), NOW),
        store.patch(key(2), setting("cart.a", "1"), NOW)
    );
    assert_eq!(broken.unwrap_err().kind(), StoreErrorKind::Corrupt);
    assert!(matches!(good.unwrap(), Patched::Done(_)));
}

#[tokio::test]
async fn a_lock_of_another_program_is_waited_for_and_then_reported() {
    let (_folder, path) = file();
    let timeout = Duration::from_millis(200);
    let store = Arc::new(SqliteStore::builder(&path).busy_timeout(timeout).open().unwrap());
    create(&store, 1, &[("cart.a", "0")]).await;
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("BEGIN EXCLUSIVE").unwrap();

    let begun = Instant::now();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.patch(key(1), setting("cart.a", "1"), NOW).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    // They did not wait one after the other: at most the first one, and then the group of all others.
    assert!(begun.elapsed() >= timeout && begun.elapsed() < 5 * timeout, "{:?}", begun.elapsed());
    // Readers are not concerned.
    assert_eq!(load(&store, key(1)).await.unwrap().record.values.get("cart.a"), Some("0"));

    raw.execute_batch("COMMIT").unwrap();
    assert!(matches!(store.patch(key(1), setting("cart.a", "2"), NOW).await.unwrap(), Patched::Done(_)));
    assert_eq!(load(&store, key(1)).await.unwrap().record.values.get("cart.a"), Some("2"));
}

#[tokio::test]
async fn a_full_file_is_reported_and_the_next_write_works_again() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, 1, &[("cart.a", "0")]).await;
    // The writer's own connection must meet the limit, so the table refuses instead.
    let raw = Connection::open(&path).unwrap();
    let refuse = "CREATE TRIGGER full BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'secret text'); END";
    raw.execute_batch(refuse).unwrap();
    let error = store.patch(key(1), setting("cart.a", "1"), NOW).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(!format!("{error:?} {:?}", std::error::Error::source(&error).map(ToString::to_string)).contains("secret"));
    assert_eq!(load(&store, key(1)).await.unwrap().record.head.revision, 0);
    raw.execute_batch("DROP TRIGGER full").unwrap();
    assert!(matches!(store.patch(key(1), setting("cart.a", "1"), NOW).await.unwrap(), Patched::Done(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_patches_are_all_acknowledged_and_all_there_after_a_restart() {
    let (_folder, path) = file();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    create(&store, 1, &[]).await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.patch(key(1), setting(&format!("cart.items/{n}"), "1"), NOW).await })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap().unwrap(), Patched::Done(_)));
    }
    drop(store);
    let Loaded { record, keys, .. } = load(&SqliteStore::open(&path).unwrap(), key(1)).await.unwrap();
    assert_eq!((record.values.len(), keys, record.head.revision), (64, 64, 64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_dropped_while_jobs_wait_loses_nothing_that_it_acknowledged() {
    let (_folder, path) = file();
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let acknowledged = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..200_u8)
        .map(|n| {
            let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                store.create(key(n), record(&[("cart.a", "1")])).await.unwrap();
                acknowledged.lock().unwrap().push(n);
            })
        })
        .collect();
    drop(store);
    tokio::task::yield_now().await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    for task in tasks {
        let _ = task.await;
    }
    let store = SqliteStore::open(&path).unwrap();
    let acknowledged = acknowledged.lock().unwrap().clone();
    for n in acknowledged {
        assert!(load(&store, key(n)).await.is_some());
    }
}

#[tokio::test]
async fn a_sweep_leaves_no_value_behind() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    for n in 0..250 {
        create(&store, n, &[("cart.a", "1"), ("cart.b", "2")]).await;
    }
    let late = NOW.after(Duration::from_secs(24 * 60 * 60));
    assert_eq!(store.sweep(240, late).await.unwrap(), 240);
    assert_eq!(store.sweep(240, late).await.unwrap(), 10);
    let raw = Connection::open(&path).unwrap();
    assert_eq!(raw.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// No file shrinks, so it would grow for ever if the pages of removed sessions were not used again.
#[tokio::test]
async fn the_space_of_swept_sessions_is_used_again() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let raw = Connection::open(&path).unwrap();
    let pages = || raw.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
    let (long, late) = (format!("\"{}\"", "x".repeat(2_000)), NOW.after(Duration::from_secs(24 * 60 * 60)));
    let mut sizes = Vec::new();
    for _ in 0..4 {
        for n in 0..250 {
            create(&store, n, &[("cart.a", "1"), ("cart.b", &long)]).await;
        }
        sizes.push(pages());
        assert_eq!(store.sweep(250, late).await.unwrap(), 250);
    }
    assert!(sizes[0] > 100 && sizes[3] <= sizes[0] + 10, "{sizes:?} pages with 250 sessions, each time after a sweep");
}

/// Long texts are in a table of their own. No change of a key leaves a text there without a reference.
#[tokio::test]
async fn a_long_text_that_is_replaced_or_removed_is_gone() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    let raw = Connection::open(&path).unwrap();
    let long = || raw.query_row("SELECT count(*) FROM large", [], |row| row.get::<_, i64>(0)).unwrap();
    let text = |letter: &str| format!("\"{}\"", letter.repeat(5_000));
    create(&store, 1, &[("cart.a", &text("a")), ("cart.b", &text("b")), ("cart.c", "1")]).await;
    create(&store, 2, &[("cart.a", &text("a"))]).await;
    assert_eq!(long(), 3);
    for (name, value) in [("cart.a", text("x")), ("cart.b", "1".to_owned()), ("cart.c", text("c"))] {
        assert!(matches!(store.patch(key(1), setting(name, &value), NOW).await.unwrap(), Patched::Done(_)));
        assert_eq!(load(&store, key(1)).await.unwrap().record.values.get(name), Some(&*value));
    }
    assert_eq!(long(), 3);
    let twice = Patch::on_generation(0).set([("cart.a", text("y")), ("cart.a", text("z"))]).remove(["cart.c"]);
    store.patch(key(1), twice, NOW).await.unwrap();
    let Loaded { record, bytes, keys, .. } = load(&store, key(1)).await.unwrap();
    assert_eq!(record.values.get("cart.a"), Some(&*text("z")));
    assert_eq!((bytes, keys, long()), (record.values.bytes(), record.values.len(), 2));
    store.delete(key(1)).await.unwrap();
    assert_eq!(long(), 1);
    store.sweep(9, NOW.after(Duration::from_secs(24 * 60 * 60))).await.unwrap();
    assert_eq!(long(), 0);
}

/// The totals are counted up and down; they must stay those of the rows.
#[tokio::test]
async fn a_patch_that_names_a_key_twice_is_counted_right() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, 1, &[("cart.a", "1")]).await;
    let set = [("cart.a", "22"), ("cart.b", "1"), ("cart.a", "333")];
    let patch = Patch::on_generation(0).set(set).remove(["cart.b", "cart.b"]);
    store.patch(key(1), patch, NOW).await.unwrap();
    let Loaded { record, bytes, keys, .. } = load(&store, key(1)).await.unwrap();
    assert_eq!((bytes, keys), (record.values.bytes(), record.values.len()));
    assert_eq!(record.values.get("cart.a"), Some("333"));
}

/// A damaged total is a number like any other: nothing that adds to it overflows.
#[tokio::test]
async fn a_damaged_total_stops_no_patch() {
    for at in [99, 107] {
        let (_folder, path) = file();
        let sessions = Sessions::builder().store(SqliteStore::open(&path).unwrap()).schemas::<Cart>().build().unwrap();
        let visit = sessions.open([]);
        visit.write::<Cart>().await.unwrap().set_coupon("A".into());
        let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        let raw = Connection::open(&path).unwrap();
        let head = "SELECT content FROM entry WHERE name = 0";
        let mut head: Vec<u8> = raw.query_row(head, (), |row| row.get(0)).unwrap();
        head[at..at + 8].fill(0xff);
        raw.execute("UPDATE entry SET content = ?1 WHERE name = 0", [&head]).unwrap();
        let visit = sessions.open([&*cookie]);
        visit.write::<Cart>().await.unwrap().set_coupon("B".into());
        let refused = visit.finish(200).await.error.map(|error| error.kind());
        assert_eq!(refused, None, "byte {at}: a value of the same length fits with any total");
    }
}
