//! A store that checks the hints of patches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::{Record, Text};
use session_runtime::store::{Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, StoreError, Wanted};
use session_runtime::testing::hint::hint_of;
use session_runtime::{SessionKey, Store, async_trait};
use tempfile::TempDir;

/// A store around another one. It asserts that a hint for the unchanged record is true of each record that has not
/// changed. Clones are one store.
#[derive(Clone)]
pub struct CheckingStore(Arc<Inner>);

struct Inner {
    store: Box<dyn Store>,
    /// The folder of the store, removed after it.
    _folder: Option<TempDir>,
    loads_all: bool,
    /// Patches with a hint for the unchanged record.
    hints: AtomicUsize,
}

impl CheckingStore {
    pub fn new(store: impl Store) -> Self {
        Self::made(Inner { store: Box::new(store), _folder: None, loads_all: false, hints: AtomicUsize::new(0) })
    }

    fn made(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    fn with(self, set: impl FnOnce(Inner) -> Inner) -> Self {
        Self::made(set(Arc::into_inner(self.0).expect("a store without clones")))
    }

    /// Removes this folder after the store.
    #[must_use]
    pub fn keeping(self, folder: TempDir) -> Self {
        self.with(|inner| Inner { _folder: Some(folder), ..inner })
    }

    /// Loads whole records, as a store may.
    #[must_use]
    pub fn loading_all(self) -> Self {
        self.with(|inner| Inner { loads_all: true, ..inner })
    }

    /// Returns the number of patches that described the unchanged record.
    pub fn hints(&self) -> usize {
        self.0.hints.load(Ordering::SeqCst)
    }

    async fn check_unchanged(&self, key: SessionKey, patch: &Patch) {
        let beginning = Timestamp::from_millis(0);
        let stored = self.0.store.load(key, &Wanted::all(), beginning).await.unwrap();
        let Some((unchanged, Loaded { record, .. })) = hint_of(patch).zip(stored) else { return };
        if (record.head.revision, record.head.generation) == (unchanged.revision, patch.generation) {
            assert_eq!(patch.refusal(&record.head, |name| record.values.get(name)), None);
            let mut values = record.values;
            patch.apply(&mut values);
            assert_eq!((unchanged.bytes, unchanged.keys), (values.bytes(), values.len()));
        }
    }
}

#[async_trait]
impl Store for CheckingStore {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.0.store.create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let all = self.0.loads_all.then(Wanted::all);
        self.0.store.load(key, all.as_ref().unwrap_or(wanted), now).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        self.0.hints.fetch_add(usize::from(hint_of(&patch).is_some()), Ordering::SeqCst);
        self.check_unchanged(key, &patch).await;
        self.0.store.patch(key, patch, now).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.0.store.delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.store.sweep(limit, now).await
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        self.0.store.scan(from, limit, now).await
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        self.0.store.heads(keys, now).await
    }

    fn supports(&self, capability: Capability) -> bool {
        self.0.store.supports(capability)
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.0.store.set_indexed_keys(names);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        self.0.store.find(name, text, from, limit).await
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        self.0.store.delete_if(key, generation).await
    }

    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        self.0.store.forget(name, text, gone).await
    }

    fn describe(&self) -> String {
        self.0.store.describe()
    }
}
