//! A file that is removed, renamed or replaced under a running store.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Created, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{SessionKey, SqliteStore, Store};
use session_tests::log::Log;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

async fn create(store: &SqliteStore, n: u8) -> Result<Created, StoreError> {
    let record = Record::new(head_at(1_000), [("cart.a".into(), "1".into())].into_iter().collect());
    store.create(key(n), record).await
}

async fn is_there(store: &SqliteStore, n: u8) -> bool {
    store.load(key(n), &Wanted::all(), NOW).await.unwrap().is_some()
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    let error = outcome.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.kind() == StoreErrorKind::Unavailable && cause.contains("removed, renamed or replaced"), "{cause}");
}

/// A store over a file in a folder of its own, with one session.
async fn open() -> (TempDir, PathBuf, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("sessions.db");
    fs::create_dir(folder.path().join("data")).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    create(&store, 1).await.unwrap();
    (folder, path, store)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

fn remove_all(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(beside(path, end)).unwrap();
    }
}

/// A write that is acknowledged from here on is in the file at the path: another store finds it there.
async fn assert_works(path: &Path, store: &SqliteStore) {
    assert_eq!(create(store, 9).await.unwrap(), Created::Done);
    assert!(is_there(store, 9).await);
    assert!(is_there(&SqliteStore::open(path).unwrap(), 9).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_to_a_file_that_was_removed_is_not_acknowledged() {
    let removals: [fn(&Path); 4] = [
        remove_all,
        |path| fs::remove_file(path).unwrap(),
        |path| fs::rename(path, beside(path, ".old")).unwrap(),
        |path| {
            fs::remove_dir_all(path.parent().unwrap()).and_then(|()| fs::create_dir(path.parent().unwrap())).unwrap();
        },
    ];
    for remove in removals {
        let (_folder, path, store) = open().await;
        remove(&path);
        assert_unavailable(store.patch(key(1), Patch::on_generation(0), NOW).await);
        assert!(!is_there(&store, 1).await, "its sessions are gone");
        assert!(matches!(store.patch(key(1), Patch::on_generation(0), NOW).await.unwrap(), Patched::Gone));
        assert_works(&path, &store).await;
    }
}

/// An operator reads what happened to which file, once.
#[tokio::test]
async fn a_file_that_was_removed_is_one_line_in_the_log() {
    let log = Log::listen();
    let (_folder, path, store) = open().await;
    remove_all(&path);
    assert_unavailable(create(&store, 2).await);
    assert_works(&path, &store).await;
    let lines = log.with(&path.display().to_string());
    assert!(
        lines.len() == 1 && lines[0].starts_with("ERROR") && lines[0].contains("can no longer reach its sessions"),
        "{lines:?}"
    );
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    for n in 2..9 {
        assert_unavailable(create(&store, n).await);
    }
    let lines = log.with(&path.display().to_string());
    assert!(lines.len() == 3 && lines[2].contains("cannot be created"), "{lines:?}");
}

#[tokio::test]
async fn a_sweep_notices_a_file_that_was_removed() {
    let (_folder, path, store) = open().await;
    remove_all(&path);
    assert_unavailable(store.sweep(10, NOW).await);
    assert_eq!(store.sweep(10, NOW).await.unwrap(), 0);
    assert!(path.exists());
    assert_works(&path, &store).await;
}

#[tokio::test]
async fn while_the_folder_is_missing_everything_is_unavailable() {
    let (_folder, path, store) = open().await;
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    for n in 2..5 {
        assert_unavailable(create(&store, n).await);
        assert_unavailable(store.load(key(1), &Wanted::all(), NOW).await);
        assert_unavailable(store.scan(None, 9, NOW).await);
    }
    fs::create_dir(path.parent().unwrap()).unwrap();
    assert_works(&path, &store).await;
}

/// Another file of sessions takes the place, as from a backup, and is used. The old log must not be applied to it.
#[tokio::test]
async fn a_file_that_was_replaced_is_opened() {
    let (folder, path, store) = open().await;
    let other = folder.path().join("other.db");
    let backup = SqliteStore::open(&other).unwrap();
    create(&backup, 2).await.unwrap();
    drop(backup);
    fs::rename(&path, beside(&path, ".old")).unwrap();
    fs::rename(&other, &path).unwrap();
    assert_unavailable(create(&store, 3).await);
    assert!(is_there(&store, 2).await && !is_there(&store, 1).await && !is_there(&store, 3).await);
    assert_works(&path, &store).await;
    let sound: String =
        Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    assert!(is_there(&SqliteStore::open(beside(&path, ".old")).unwrap(), 1).await, "the old file is whole");
}

/// A deploy that switches a link, of the file itself or of a folder on the way to it.
#[tokio::test]
async fn a_link_that_was_switched_is_followed() {
    for link_to_file in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for release in ["one", "two"] {
            fs::create_dir(at(release)).unwrap();
        }
        let end = if link_to_file { "/sessions.db" } else { "" };
        let target = |release: &str| PathBuf::from(format!("{}{end}", at(release).display()));
        let path =
            PathBuf::from(format!("{}{}", at("current").display(), if link_to_file { "" } else { "/sessions.db" }));
        drop(SqliteStore::open(at("one").join("sessions.db")).unwrap());
        drop(SqliteStore::open(at("two").join("sessions.db")).unwrap());
        symlink(target("one"), at("current")).unwrap();
        let store = SqliteStore::open(&path).unwrap();
        create(&store, 1).await.unwrap();
        fs::remove_file(at("current")).unwrap();
        symlink(target("two"), at("current")).unwrap();
        assert_unavailable(create(&store, 2).await);
        assert!(!is_there(&store, 1).await);
        assert_works(&path, &store).await;
        assert!(is_there(&SqliteStore::open(at("two").join("sessions.db")).unwrap(), 9).await);
    }
}

/// Acknowledged writes stay in the log until the next checkpoint.
#[tokio::test]
async fn a_log_that_was_removed_loses_nothing() {
    for ends in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let (_folder, path, store) = open().await;
        for end in ends {
            fs::remove_file(beside(&path, end)).unwrap();
        }
        assert_unavailable(create(&store, 2).await);
        assert!(is_there(&store, 1).await, "{ends:?}");
        assert_works(&path, &store).await;
        drop(store);
        let store = SqliteStore::open(&path).unwrap();
        assert!(is_there(&store, 1).await && is_there(&store, 9).await, "{ends:?}");
    }
}

/// A second program that starts meanwhile makes a new file: both use that.
#[tokio::test]
async fn a_second_program_with_a_new_file_is_joined() {
    let (_folder, path, store) = open().await;
    remove_all(&path);
    let second = SqliteStore::open(&path).unwrap();
    create(&second, 2).await.unwrap();
    assert_unavailable(create(&store, 3).await);
    assert!(is_there(&store, 2).await);
    assert_works(&path, &store).await;
    create(&second, 4).await.unwrap();
    assert!(is_there(&store, 4).await && is_there(&second, 9).await);
}

/// It is refused for as long as it is there, as at the launch.
#[tokio::test]
async fn a_file_of_another_program_at_the_path_is_left_alone() {
    let (_folder, path, store) = open().await;
    remove_all(&path);
    fs::write(&path, "of another program, and longer than a page of a hundred bytes ".repeat(9)).unwrap();
    for _ in 0..2 {
        assert_unavailable(create(&store, 2).await);
    }
    assert!(fs::read_to_string(&path).unwrap().starts_with("of another program"));
    fs::remove_file(&path).unwrap();
    assert_works(&path, &store).await;
}

/// Many writers at once: each write is acknowledged and stored, or fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_of_many_is_acknowledged_and_lost() {
    let (_folder, path, store) = open().await;
    let store = std::sync::Arc::new(store);
    let begun = Instant::now();
    let tasks: Vec<_> = (10..250_u8)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(u64::from(n) * 100)).await;
                (n, create(&store, n).await.is_ok(), Instant::now())
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(12)).await;
    remove_all(&path);
    let removed = Instant::now();
    // What was acknowledged before the removal is lost with the file; a margin for an answer that was on its way.
    let margin = Duration::from_millis(5);
    let other = || SqliteStore::open(&path).unwrap();
    let mut after = 0;
    for task in tasks {
        let (n, is_acknowledged, at) = task.await.unwrap();
        if is_acknowledged && at > removed + margin {
            assert!(is_there(&other(), n).await, "{n}, acknowledged {:?} after the start", at - begun);
            after += 1;
        }
    }
    assert!(after > 0, "no write came after the removal");
}

/// Beside a reader of another program the log grows; when that is gone, it shrinks again.
#[tokio::test]
async fn a_log_that_a_foreign_reader_made_large_shrinks_again() {
    let (_folder, path, store) = open().await;
    let size = || fs::metadata(beside(&path, "-wal")).unwrap().len();
    let text = format!("\"{}\"", "x".repeat(8_000));
    let work = async || {
        for at in 0..1_200 {
            let set = [("cart.a", format!("{text}{at}"))];
            store.patch(key(1), Patch::on_generation(0).set(set), NOW).await.unwrap();
        }
    };
    work().await;
    let before = size();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT count(*) FROM entry", [], |_| Ok(())).unwrap();
    work().await;
    let beside_it = size();
    drop(reader);
    work().await;
    let after = size();
    println!("the log: {before} bytes, {beside_it} beside the reader, {after} after it");
    assert!(beside_it > 2 * before && after < before + before / 2, "{before}, {beside_it}, {after}");
}
