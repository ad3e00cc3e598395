//! Records, patches and a look at what the server holds.

use std::time::{Duration, SystemTime};

use redis::Connection;
use session_runtime::SessionKey;
use session_runtime::clock::Timestamp;
use session_runtime::patch::{Expected, Patch, Patched, Precondition};
use session_runtime::record::{Head, Record, Text, Values};
use session_runtime::store::{Created, Loaded, Store, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;

pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// A key by number.
pub(crate) fn key(number: u8) -> SessionKey {
    SessionKey::from_bytes([number; 16])
}

pub(crate) fn name(number: u8) -> String {
    format!("session:{{{}}}", key(number))
}

pub(crate) fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(name, text)| (Text::from(*name), Text::from(*text))).collect()
}

/// A record that lives for an hour.
pub(crate) fn record(pairs: &[(&str, &str)]) -> Record {
    Record::new(head_at(now().as_millis()), values(pairs))
}

pub(crate) fn setting(pairs: &[(&str, &str)]) -> Patch {
    Patch::on_generation(0).set(pairs.iter().copied())
}

pub(crate) fn removing(names: &[&str]) -> Patch {
    Patch::on_generation(0).remove(names.iter().copied())
}

/// The patch, if the value is still this one.
pub(crate) fn resting(patch: Patch, name: &str, base: &str) -> Patch {
    let expected = Expected::new(name, Some(base.into()));
    patch.precondition(Precondition::Values(vec![expected]))
}

pub(crate) async fn create(store: &impl Store, number: u8, pairs: &[(&str, &str)]) -> Head {
    let record = record(pairs);
    let head = record.head.clone();
    assert_eq!(store.create(key(number), record).await.unwrap(), Created::Done);
    head
}

pub(crate) async fn load(store: &impl Store, number: u8, wanted: &Wanted) -> Result<Option<Loaded>, StoreError> {
    store.load(key(number), wanted, now()).await
}

/// The session holds these values and no other, and its totals are theirs.
#[track_caller]
pub(crate) fn assert_holds(loaded: &Loaded, pairs: &[(&str, &str)]) {
    let values = values(pairs);
    assert_eq!(loaded.record.values, values);
    assert_eq!((loaded.bytes, loaded.keys), (values.bytes(), values.len()));
}

pub(crate) async fn must_hold(store: &impl Store, number: u8, pairs: &[(&str, &str)]) {
    assert_holds(&load(store, number, &Wanted::all()).await.unwrap().unwrap(), pairs);
}

pub(crate) async fn patch(store: &impl Store, number: u8, patch: Patch) -> Result<Patched, StoreError> {
    store.patch(key(number), patch, now()).await
}

pub(crate) async fn must_patch(store: &impl Store, number: u8, changes: Patch) -> Head {
    match patch(store, number, changes).await.unwrap() {
        Patched::Done(head) => head,
        other => panic!("a patch that must apply was answered {other:?}"),
    }
}

/// The text of an error and of its causes.
pub(crate) fn text_of(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause} {cause:?}"));
    format!("{error}{} {error:?}", cause.unwrap_or_default())
}

#[track_caller]
pub(crate) fn assert_fails<T>(result: Result<T, StoreError>, kind: StoreErrorKind) -> String {
    let Err(error) = result else { panic!("it did not fail") };
    assert_eq!(error.kind(), kind, "{}", text_of(&error));
    text_of(&error)
}

/// Names of all keys, each of which must have a deadline of the engine.
pub(crate) fn keys_with_deadlines(server: &mut Connection) -> Vec<String> {
    let mut names: Vec<String> = redis::cmd("KEYS").arg("*").query(server).unwrap();
    names.sort_unstable();
    for name in &names {
        let left: i64 = redis::cmd("PTTL").arg(name).query(server).unwrap();
        assert!(left > 0, "`{name}` has no deadline");
    }
    names
}

/// Tries until it works; the connection is made anew in the background.
pub(crate) async fn eventually<T, F: Future<Output = Result<T, StoreError>>>(mut attempt: impl FnMut() -> F) -> T {
    const PATIENCE: Duration = Duration::from_secs(60);
    let start = std::time::Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(start.elapsed() < PATIENCE, "it never worked again: {}", text_of(&error)),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn load_all(store: &impl Store, number: u8) -> Result<Option<Loaded>, StoreError> {
    load(store, number, &Wanted::all()).await
}
