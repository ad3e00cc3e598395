//! The steps for the store and the expected contents: a `MemoryStore`, which no disk fails, takes the same steps.

use std::error::Error;
use std::path::{Path, PathBuf};

use session_runtime::clock::Timestamp;
use session_runtime::id::SecretHash;
use session_runtime::patch::{Deadline, NewSecret, Patch, Patched};
use session_runtime::record::{Head, Record, Text, Values};
use session_runtime::store::{Created, Durability, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, SessionKey, SqliteStore, Store};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000);
pub(crate) const KEYS: u8 = 6;
/// A key that no step uses.
pub(crate) const FREE: SessionKey = key(KEYS);

/// One step. All but the last two change what is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Create(u8),
    /// Several values at once, of so many bytes each, and one removed: half of it would show.
    Patch(u8, usize),
    /// The next secret, and a later deadline.
    Renew(u8),
    Delete(u8),
    /// Moves the log into the file, as the store does by itself after a thousand pages.
    Checkpoint,
    /// Drops the store and opens it again.
    Reopen,
}

/// A whole record, or none, for each key.
pub(crate) type State = Vec<Option<(Head, Values, usize, usize)>>;

/// Steps with a log that begins anew twice, by a checkpoint and by a restart, and with rows that fill several pages.
pub(crate) const LONG: &[Step] = &[
    Step::Create(0),
    Step::Create(1),
    Step::Patch(0, 10),
    Step::Patch(1, 9_000),
    Step::Delete(0),
    Step::Renew(1),
    Step::Checkpoint,
    Step::Create(2),
    Step::Patch(2, 40),
    Step::Patch(1, 3),
    Step::Delete(1),
    Step::Reopen,
    Step::Create(3),
    Step::Patch(3, 2_000),
    Step::Patch(2, 1),
    Step::Checkpoint,
    Step::Renew(3),
    Step::Delete(2),
    Step::Create(0),
    Step::Patch(0, 500),
];

/// Fewer, since every one of their operations is made to fail.
pub(crate) const SHORT: &[Step] = &[
    Step::Create(0),
    Step::Patch(0, 4_000),
    Step::Create(1),
    Step::Checkpoint,
    Step::Renew(0),
    Step::Delete(1),
    Step::Reopen,
    Step::Patch(0, 3),
    Step::Create(2),
    Step::Delete(0),
];

pub(crate) fn open(path: &Path, durability: Durability) -> Result<SqliteStore, StoreError> {
    SqliteStore::builder(path).durability(durability).readers(1).open()
}

pub(crate) fn database(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().canonicalize().unwrap().join("sessions.db")
}

/// Waits for a step of a store, on this thread alone.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Performs the step on a record. The answer is text, so that the answers of two stores can be compared.
pub(crate) async fn apply(step: Step, store: &dyn Store) -> Result<String, StoreError> {
    match step {
        Step::Create(n) => store.create(key(n), record(n)).await.map(|answer| format!("{answer:?}")),
        Step::Patch(n, size) => patch(store, n, values(store, n, size).await?).await,
        Step::Renew(n) => patch(store, n, renewal(store, n).await?).await,
        Step::Delete(n) => store.delete(key(n)).await.map(|()| "deleted".to_owned()),
        Step::Checkpoint | Step::Reopen => Ok(String::new()),
    }
}

async fn patch(store: &dyn Store, n: u8, patch: Patch) -> Result<String, StoreError> {
    match store.patch(key(n), patch, NOW).await? {
        Patched::Done(head) => Ok(format!("{head:?}")),
        other => panic!("session {n} has no other writer: {other:?}"),
    }
}

async fn head(store: &dyn Store, n: u8) -> Result<Head, StoreError> {
    let found = store.load(key(n), &Wanted::schemas(&[]), NOW).await?;
    Ok(found.unwrap_or_else(|| panic!("session {n} is not there")).record.head)
}

async fn values(store: &dyn Store, n: u8, size: usize) -> Result<Patch, StoreError> {
    let head = head(store, n).await?;
    let text = |letter: &str| Text::from(format!("\"{}\"", letter.repeat(size)));
    let set = [("cart.a", text("a")), ("cart.c", text("c")), ("prefs.z", text("z"))];
    Ok(Patch::on_generation(head.generation).set(set).remove(["cart.b"]))
}

async fn renewal(store: &dyn Store, n: u8) -> Result<Patch, StoreError> {
    let head = head(store, n).await?;
    let secret = NewSecret::Raise { hash: SecretHash::from_bytes([n + 100; 32]), at: NOW };
    let (touched, expires) = (head.touched.max(NOW), head.idle_deadline.after(std::time::Duration::from_secs(60)));
    let deadline = Deadline::Touch { seen: head.touched, touched, expires };
    Ok(Patch::on_generation(head.generation).secret(secret).deadline(deadline))
}

const fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n + 1; 16])
}

fn record(n: u8) -> Record {
    let values = [("cart.a", "\"first\""), ("cart.b", "\"gone later\"")];
    let values = values.iter().map(|(name, text)| (Text::from(*name), Text::from(*text))).collect();
    Record::new(Head { secret: SecretHash::from_bytes([n; 32]), ..head_at(NOW.as_millis()) }, values)
}

/// The contents under all keys.
pub(crate) async fn state(store: &dyn Store) -> Result<State, StoreError> {
    let mut state = Vec::new();
    for n in 0..KEYS {
        let found = store.load(key(n), &Wanted::all(), NOW).await?;
        state.push(found.map(|found| (found.record.head, found.record.values, found.bytes, found.keys)));
    }
    Ok(state)
}

/// The states before the first step and after each, and the answers.
pub(crate) fn expected(steps: &[Step]) -> (Vec<State>, Vec<String>) {
    wait(async {
        let store = MemoryStore::new();
        let mut states = vec![state(&store).await.unwrap()];
        let mut answers = Vec::new();
        for step in steps {
            answers.push(apply(*step, &store).await.unwrap());
            states.push(state(&store).await.unwrap());
        }
        (states, answers)
    })
}

/// Runs a checkpoint on a connection beside those of the store. Its result is ignored.
pub(crate) fn checkpoint(path: &Path) {
    let Ok(database) = rusqlite::Connection::open(path) else { return };
    let _ = database.pragma_update(None, "synchronous", "NORMAL");
    let _ = database.query_row("PRAGMA wal_checkpoint(RESTART)", (), |_| Ok(()));
}

/// A store that works: a session comes and goes.
pub(crate) fn assert_works(store: &SqliteStore) {
    wait(async {
        assert_eq!(store.create(FREE, record(KEYS)).await.unwrap(), Created::Done);
        assert!(store.load(FREE, &Wanted::all(), NOW).await.unwrap().is_some());
        store.delete(FREE).await.unwrap();
    });
}

/// `SQLite` finds nothing wrong with the file.
pub(crate) fn assert_sound(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// An error that a caller can act upon, and that no panic hides behind.
pub(crate) fn assert_typed(error: &StoreError, kinds: &[StoreErrorKind]) {
    let cause = error.source().expect("an error of the disk has a cause").to_string();
    assert!(
        kinds.contains(&error.kind()) && !cause.contains("panicked") && !cause.contains("ended"),
        "{error}: {cause}"
    );
}
