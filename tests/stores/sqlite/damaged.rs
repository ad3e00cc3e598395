//! Files that were cut short or overwritten are refused, or give errors for the affected sessions. They never cause a
//! panic or a record that was not stored.

use std::error::Error;
use std::fs;
use std::path::Path;

use session_runtime::clock::Timestamp;
use session_runtime::patch::Patch;
use session_runtime::record::{Record, Text, Values};
use session_runtime::store::{LoadedHead, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{SessionKey, SqliteStore, Store};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const SESSIONS: u8 = 60;
const PAGE_BYTES: usize = 4096;

fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

/// Some fit on a page with others, some fill several.
fn record(n: u8) -> Record {
    let text = format!("\"{}\"", n.to_string().repeat(usize::from(n) * 40));
    let values: Values = [("cart.a", text.as_str()), ("cart.b", "1")]
        .map(|(name, text)| (Text::from(name), Text::from(text)))
        .into_iter()
        .collect();
    Record::new(head_at(NOW.as_millis()), values)
}

/// A file of this library, closed in good order.
async fn sound_file(folder: &Path) -> Vec<u8> {
    let path = folder.join("sound.db");
    let store = SqliteStore::open(&path).unwrap();
    for n in 0..SESSIONS {
        store.create(key(n), record(n)).await.unwrap();
    }
    drop(store);
    let bytes = fs::read(path).unwrap();
    assert!(bytes.len() > 20 * PAGE_BYTES, "the file should have many pages");
    bytes
}

/// Counts over many damaged files.
#[derive(Debug, Default)]
struct Met {
    refused: usize,
    errors: usize,
    records: usize,
    /// Records with another text than was stored: `SQLite` keeps no sums of its pages. Who decodes it will see.
    altered: usize,
    missing: usize,
}

impl Met {
    /// Opens a file with these bytes, reads everything, and writes a little.
    async fn open(&mut self, bytes: &[u8]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        fs::write(&path, bytes).unwrap();
        match SqliteStore::open(&path) {
            Ok(store) => self.use_it(&store).await,
            Err(error) => {
                assert_typed(&error, &[StoreErrorKind::Setup]);
                let reason = error.source().unwrap().to_string();
                assert!(["is damaged", "not an SQLite"].iter().any(|words| reason.contains(words)), "{reason}");
                assert!(fs::read(&path).unwrap() == bytes, "a file that is refused is left as it was");
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing is left beside it");
                self.refused += 1;
            }
        }
    }

    async fn use_it(&mut self, store: &SqliteStore) {
        for n in 0..SESSIONS {
            match store.load(key(n), &Wanted::all(), NOW).await {
                Ok(Some(found)) if !found.unreadable.is_empty() => self.errors += 1,
                Ok(Some(found)) => {
                    let (values, stored) = (found.record.values, record(n).values);
                    self.altered += usize::from(values != stored);
                    let shape =
                        |values: &Values| values.iter().map(|(name, text)| (name.clone(), text.len())).collect();
                    let (found, expected): (Vec<_>, Vec<_>) = (shape(&values), shape(&stored));
                    assert_eq!(found, expected, "a record that was never stored");
                    self.records += 1;
                }
                Ok(None) => self.missing += 1,
                Err(error) => self.count(&error),
            }
            let patch = Patch::on_generation(0).set([("cart.b", "1")]);
            self.note(store.patch(key(n), patch, NOW).await);
        }
        self.note(store.scan(None, 1_000, NOW).await);
        self.note(store.create(key(SESSIONS), record(1)).await);
        self.note(store.delete(key(SESSIONS)).await);
        self.note(store.sweep(1_000, NOW).await);
    }

    fn note<T>(&mut self, outcome: Result<T, StoreError>) {
        if let Err(error) = outcome {
            self.count(&error);
        }
    }

    fn count(&mut self, error: &StoreError) {
        assert_typed(error, &[StoreErrorKind::Unavailable, StoreErrorKind::Corrupt]);
        self.errors += 1;
    }
}

/// Asserts one of these kinds, a cause, and no panic behind it.
fn assert_typed(error: &StoreError, kinds: &[StoreErrorKind]) {
    let cause = error.source().expect("a cause").to_string();
    assert!(
        kinds.contains(&error.kind()) && !cause.contains("panicked") && !cause.contains("ended"),
        "{error}: {cause}"
    );
}

#[tokio::test]
async fn a_file_cut_short_is_refused_or_fails_those_whom_it_concerns() {
    let folder = tempfile::tempdir().unwrap();
    let sound = sound_file(folder.path()).await;
    // Of one byte, `SQLite` thinks as of none.
    let in_header = [1, 15, 16, 17, 18, 24, 56, 60, 68, 72, 99, 100, 101, 511, 512, 1024, 4095];
    let at_pages =
        (1..sound.len() / PAGE_BYTES).flat_map(|page| [0, 1, 700, 4095].map(|more| page * PAGE_BYTES + more));
    let mut met = Met::default();
    for length in in_header.into_iter().chain(at_pages) {
        met.open(&sound[..length]).await;
    }
    println!("{met:?}");
    assert!(met.refused > 0 && met.errors > 0 && met.altered == 0 && met.missing == usize::from(SESSIONS));
}

#[tokio::test]
async fn a_garbled_page_fails_those_whom_it_concerns() {
    let folder = tempfile::tempdir().unwrap();
    let sound = sound_file(folder.path()).await;
    let mut met = Met::default();
    for page in 0..sound.len() / PAGE_BYTES {
        for pattern in [0, 0xff, 0x5a] {
            let mut bytes = sound.clone();
            for (at, byte) in bytes[page * PAGE_BYTES..][..PAGE_BYTES].iter_mut().enumerate() {
                *byte = if pattern == 0x5a { (at * 31 + page * 7).to_le_bytes()[0] } else { pattern };
            }
            met.open(&bytes).await;
        }
    }
    println!("{met:?}");
    assert!(met.refused > 0 && met.errors > 0 && met.records > 0);
}

/// Files as a killed process leaves them: everything is in the log.
async fn file_and_log(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let path = folder.join("live.db");
    let store = SqliteStore::open(&path).unwrap();
    for n in 0..SESSIONS {
        store.create(key(n), record(n)).await.unwrap();
    }
    let read = |extension| fs::read(path.with_extension(extension)).unwrap();
    (read("db"), read("db-wal"))
}

/// Opens the file and returns the number of sessions. They are the first ones, and none is altered.
async fn first_sessions(file: &[u8], log: &[u8]) -> u8 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    fs::write(&path, file).unwrap();
    fs::write(path.with_extension("db-wal"), log).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let mut found = Vec::new();
    for n in 0..SESSIONS {
        if let Some(loaded) = store.load(key(n), &Wanted::all(), NOW).await.unwrap() {
            assert!(loaded.record.values == record(n).values, "a record that was never stored");
            found.push(n);
        }
    }
    let count = u8::try_from(found.len()).unwrap();
    assert!(found.into_iter().eq(0..count), "a session is missing before one that is there");
    store.create(key(SESSIONS), record(1)).await.unwrap();
    count
}

#[tokio::test]
async fn a_damaged_log_counts_up_to_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = file_and_log(folder.path()).await;
    assert_eq!(first_sessions(&file, &log).await, SESSIONS);
    let mut before = 0;
    for place in (0..log.len()).step_by(log.len() / 60) {
        let mut garbled = log.clone();
        garbled[place] ^= 1;
        let (cut, garbled) = (first_sessions(&file, &log[..place]).await, first_sessions(&file, &garbled).await);
        // A changed bit takes the frame that it is in along, and nothing before it.
        assert!(
            before <= cut && cut == garbled,
            "at {place}: {cut} sessions of the log cut, {garbled} of the log garbled"
        );
        before = cut;
    }
    assert!(before > SESSIONS / 2);
}

/// A head that this library did not write is no end of the session that it belongs to.
#[tokio::test]
async fn a_damaged_head_is_unreadable_among_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = SqliteStore::open(&path).unwrap();
    for n in 0..2 {
        store.create(key(n), record(n)).await.unwrap();
    }
    let other = rusqlite::Connection::open(&path).unwrap();
    let damage = "UPDATE entry SET content = x'00' WHERE name = 0 AND session = ?1";
    assert_eq!(other.execute(damage, [&key(0).as_bytes()[..]]).unwrap(), 1);
    let heads = store.heads(&[key(0), key(1), key(2)], NOW).await.unwrap();
    assert_eq!(heads, [LoadedHead::Unreadable, LoadedHead::Alive(record(1).head), LoadedHead::Absent]);
}
