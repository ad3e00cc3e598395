//! A session to work on: a counter, and what a test puts beside it.

use std::error::Error;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Expected, Patch, Patched, Precondition};
use session_runtime::record::Record;
use session_runtime::store::{Created, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::testing::hint::{UnchangedHint, hinted};
use session_runtime::{PostgresStore, SessionKey, Store};
use session_tests::stores::PATIENT_ADMISSION;

/// The moment of every operation.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000);

const PATIENCE: Duration = Duration::from_secs(30);

/// The longest time for a connection attempt in the tests, which share the machine.
pub(crate) const PATIENT: Duration = Duration::from_secs(5);

/// The store of a URL.
pub(crate) fn patient(url: impl Into<String>) -> PostgresStore {
    PostgresStore::builder(url).connect_timeout(PATIENT).admission(PATIENT_ADMISSION).open().unwrap()
}

pub(crate) const fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

pub(crate) fn record(values: &[(&str, &str)]) -> Record {
    let values = values.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    Record::new(head_at(1_000), values)
}

/// A session whose counter stands at 0.
pub(crate) async fn counter(store: &impl Store, key: SessionKey) {
    let record = record(&[("cart", r#"{"v":1}"#), ("cart.visits", "0")]);
    assert_eq!(store.create(key, record).await.unwrap(), Created::Done);
}

pub(crate) async fn visits(store: &impl Store, key: SessionKey) -> Result<u64, StoreError> {
    let loaded = store.load(key, &Wanted::schemas(&["cart"]), NOW).await?.expect("a session");
    Ok(loaded.record.values.get("cart.visits").expect("a counter").parse().expect("a number"))
}

pub(crate) fn set(name: &str, text: &str) -> Patch {
    Patch::on_generation(0).set([(name, text)])
}

/// Sets the counter, if it stands at `from`.
pub(crate) fn count(from: u64, to: u64) -> Patch {
    let base = Some(from.to_string().into());
    let expected = Expected::new("cart.visits", base);
    set("cart.visits", &to.to_string()).precondition(Precondition::Values(vec![expected]))
}

/// The same, with a description of the record at this revision.
pub(crate) fn count_unchanged(from: u64, to: u64, revision: u64) -> Patch {
    let texts = ["cart", r#"{"v":1}"#, "cart.visits", &to.to_string()];
    let bytes = texts.iter().map(|text| text.len()).sum();
    hinted(count(from, to), UnchangedHint { revision, bytes, keys: 2 })
}

/// Adds one, again after each conflict.
pub(crate) async fn add(store: &impl Store, key: SessionKey) -> Result<(), StoreError> {
    let mut from = visits(store, key).await?;
    loop {
        match store.patch(key, count(from, from + 1), NOW).await? {
            Patched::Done(_) => return Ok(()),
            Patched::Conflict(record) => from = record.values.get("cart.visits").unwrap().parse().unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// The error is this kind and holds these words, down to its last cause.
pub(crate) fn assert_fails<T>(outcome: Result<T, StoreError>, kind: StoreErrorKind, words: &str) {
    let error = outcome.err().expect("a failure");
    let text = whole(&error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(words), "{text}");
}

/// An error with all its causes, for people and for programmers.
pub(crate) fn whole(error: &dyn Error) -> String {
    let mut text = format!("{error:?}");
    let mut cause = Some(error);
    while let Some(error) = cause {
        let _ = write!(text, "\n{error}");
        cause = error.source();
    }
    text
}

/// Asks until the answer is a success.
pub(crate) async fn at_last<T>(ask: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let begun = Instant::now();
    loop {
        match tokio::time::timeout(Duration::from_secs(2), ask()).await {
            Ok(Ok(answer)) => return answer,
            outcome => assert!(begun.elapsed() < PATIENCE, "still {:?}", outcome.map(Result::err)),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
