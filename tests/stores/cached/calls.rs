//! Calls on one record.

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::{Record, Values};
use session_runtime::store::{Loaded, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{SessionKey, Store};

pub(crate) const START: i64 = 1_000_000_000;
pub(crate) const NOW: Timestamp = Timestamp::from_millis(START);
pub(crate) const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

pub(crate) fn record(values: &[(&str, &str)]) -> Record {
    let values: Values = values.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    Record::new(head_at(START), values)
}

pub(crate) fn setting(name: &str, text: &str) -> Patch {
    Patch::on_generation(0).set([(name, text)])
}

/// Loads the record as a new request does.
pub(crate) async fn load(store: &impl Store) -> Option<Loaded> {
    store.load(KEY, &Wanted::all(), NOW).await.unwrap()
}

/// Loads one text of the record. `None` if the record or the text is absent.
pub(crate) async fn text(store: &impl Store, name: &str) -> Option<String> {
    Some(load(store).await?.record.values.get(name)?.to_owned())
}

pub(crate) async fn patch(store: &impl Store, patch: Patch) {
    assert!(matches!(store.patch(KEY, patch, NOW).await.unwrap(), Patched::Done(_)));
}
