//! A store that has lost one stored value.

use std::sync::Mutex;

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Created, Loaded, StoreError, StoreErrorKind, Wanted};
use session_runtime::{MemoryStore, SessionKey, Store, async_trait};

/// A memory store that has lost one value. A patch can remove the key of the value and do nothing else with it.
#[derive(Debug, Default)]
pub struct LosingStore {
    store: MemoryStore,
    lost: Mutex<Option<&'static str>>,
    is_down: Mutex<bool>,
}

impl LosingStore {
    /// Loses the value of this name in every record.
    pub fn lose(&self, name: &'static str) {
        *self.lost.lock().unwrap() = Some(name);
    }

    /// Makes loads fail, or succeed again.
    pub fn set_down(&self, is_down: bool) {
        *self.is_down.lock().unwrap() = is_down;
    }

    fn lost(&self) -> Option<&'static str> {
        *self.lost.lock().unwrap()
    }
}

#[async_trait]
impl Store for LosingStore {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.store.create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        if *self.is_down.lock().unwrap() {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "load"));
        }
        let mut loaded = self.store.load(key, wanted, now).await?;
        if let (Some(loaded), Some(lost)) = (&mut loaded, self.lost()) {
            loaded.record.values.remove(lost);
            loaded.unreadable.push(lost.into());
        }
        Ok(loaded)
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let lost = self.lost();
        if patch.set.iter().any(|(name, _)| Some(&**name) == lost) {
            return Err(StoreError::new(StoreErrorKind::Corrupt, "patch"));
        }
        let removes = patch.remove.iter().any(|name| Some(&**name) == lost);
        let patched = self.store.patch(key, patch, now).await?;
        if removes && matches!(patched, Patched::Done(_)) {
            *self.lost.lock().unwrap() = None;
        }
        Ok(patched)
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.store.delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.store.sweep(limit, now).await
    }
}
