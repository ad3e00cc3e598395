//! Programs of several versions over one store, and what they store.

use std::sync::Arc;

use session_runtime::clock::Timestamp;
use session_runtime::store::{MemoryStore, Wanted};
use session_runtime::{Schemas, SessionConfig, SessionKey, Sessions, SqliteStore, Store, Visit};

/// A store of each kind, empty.
pub(crate) fn stores() -> Vec<(Arc<dyn Store>, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
    vec![(Arc::new(MemoryStore::new()), None), (Arc::new(file), Some(folder))]
}

/// A program with these schemas.
pub(crate) fn program<S: Schemas>(store: &Arc<dyn Store>) -> Sessions {
    with::<S>(store, SessionConfig::new()).unwrap()
}

pub(crate) fn with<S: Schemas>(
    store: &Arc<dyn Store>,
    config: SessionConfig,
) -> Result<Sessions, session_runtime::SessionError> {
    Sessions::builder().store(Arc::clone(store)).config(config).schemas::<S>().build()
}

/// The `Cookie` line that the visit's answer makes a browser send.
pub(crate) async fn cookie(visit: Visit) -> String {
    let finished = visit.finish(200).await;
    assert!(finished.error.is_none(), "{:?}", finished.error);
    let header = finished.cookie.header().expect("a cookie");
    header.split(';').next().unwrap().to_owned()
}

/// The stored texts, unchanged.
pub(crate) async fn stored(store: &Arc<dyn Store>, key: SessionKey) -> Vec<(String, String)> {
    let loaded = store.load(key, &Wanted::all(), Timestamp::from_millis(0)).await.unwrap().unwrap();
    loaded.record.values.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

/// One stored text.
pub(crate) async fn text(store: &Arc<dyn Store>, key: SessionKey, name: &str) -> Option<String> {
    stored(store, key).await.into_iter().find(|(stored, _)| stored == name).map(|(_, text)| text)
}

/// Writes a text past the library, as another program would.
pub(crate) async fn plant(store: &Arc<dyn Store>, key: SessionKey, name: &str, text: &str) {
    use session_runtime::patch::{Patch, Patched};
    let patch = Patch::on_generation(0).set([(name, text)]);
    assert!(matches!(store.patch(key, patch, Timestamp::from_millis(0)).await.unwrap(), Patched::Done(_)));
}
