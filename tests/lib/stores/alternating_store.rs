//! Several handles of one store, as several programs have them.

use std::sync::atomic::{AtomicUsize, Ordering};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::{Record, Text};
use session_runtime::store::{Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, StoreError, Wanted};
use session_runtime::{SessionKey, Store, async_trait};

/// Handles of one store. Each call goes to the next of them.
#[derive(Debug)]
pub struct AlternatingStore<S> {
    handles: Vec<S>,
    turn: AtomicUsize,
}

impl<S> AlternatingStore<S> {
    /// Takes at least one handle.
    pub fn new(handles: impl IntoIterator<Item = S>) -> Self {
        Self { handles: handles.into_iter().collect(), turn: AtomicUsize::new(0) }
    }

    fn next(&self) -> &S {
        &self.handles[self.turn.fetch_add(1, Ordering::Relaxed) % self.handles.len()]
    }
}

#[async_trait]
impl<S: Store> Store for AlternatingStore<S> {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.next().create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.next().load(key, wanted, now).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        self.next().patch(key, patch, now).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.next().delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.next().sweep(limit, now).await
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        self.next().scan(from, limit, now).await
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        self.next().heads(keys, now).await
    }

    fn supports(&self, capability: Capability) -> bool {
        self.next().supports(capability)
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.handles.iter().for_each(|handle| handle.set_indexed_keys(names));
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        self.next().find(name, text, from, limit).await
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        self.next().delete_if(key, generation).await
    }

    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        self.next().forget(name, text, gone).await
    }
}
