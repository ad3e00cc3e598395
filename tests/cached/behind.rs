//! The store behind the cache: memory that counts its calls, loses answers, and can be held after it has done its work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::{Record, Values};
use session_runtime::store::{Created, Cursor, Loaded, Page, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, SessionKey, Store, async_trait};
use tokio::sync::Notify;

/// Clones are one store.
#[derive(Clone, Default)]
pub(crate) struct Behind(Arc<Inner>);

#[derive(Default)]
struct Inner {
    store: MemoryStore,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    /// The operation whose next answer gets lost.
    loses: Mutex<Option<&'static str>>,
    /// The operation that is held next, when its work is done and not yet answered.
    holds: Mutex<Option<&'static str>>,
    done: Notify,
    go_on: Notify,
}

impl Behind {
    /// How often this operation was called since the last time this was asked.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.0.calls.lock().unwrap().remove(operation).unwrap_or(0)
    }

    /// How often anything was called since the last time this was asked.
    pub(crate) fn all_calls(&self) -> usize {
        std::mem::take(&mut *self.0.calls.lock().unwrap()).values().sum()
    }

    pub(crate) fn lose_answer(&self, operation: &'static str) {
        *self.0.loses.lock().unwrap() = Some(operation);
    }

    /// The next call of this operation does its work and does not answer.
    pub(crate) fn hold(&self, operation: &'static str) {
        *self.0.holds.lock().unwrap() = Some(operation);
    }

    /// Runs `meanwhile` when the work of `slow`, which calls this operation, is done, and before that is answered.
    pub(crate) async fn before_answer<A, B>(
        &self,
        operation: &'static str,
        slow: impl Future<Output = A>,
        meanwhile: impl Future<Output = B>,
    ) -> (A, B) {
        self.hold(operation);
        let meanwhile = async {
            self.0.done.notified().await;
            let answer = meanwhile.await;
            self.0.go_on.notify_one();
            answer
        };
        tokio::join!(slow, meanwhile)
    }

    fn count(&self, operation: &'static str) {
        *self.0.calls.lock().unwrap().entry(operation).or_default() += 1;
    }

    async fn answer<T>(&self, operation: &'static str, answer: T) -> Result<T, StoreError> {
        // Others come between the work and its answer.
        tokio::task::yield_now().await;
        if self.0.holds.lock().unwrap().take_if(|held| *held == operation).is_some() {
            self.0.done.notify_one();
            self.0.go_on.notified().await;
        }
        match self.0.loses.lock().unwrap().take_if(|lost| *lost == operation) {
            Some(_) => Err(StoreError::new(StoreErrorKind::Unavailable, operation)),
            None => Ok(answer),
        }
    }
}

#[async_trait]
impl Store for Behind {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.count("create");
        self.answer("create", self.0.store.create(key, record).await?).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.count("load");
        self.answer("load", self.0.store.load(key, wanted, now).await?).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        self.count("patch");
        self.answer("patch", self.0.store.patch(key, patch, now).await?).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.count("delete");
        self.0.store.delete(key).await?;
        self.answer("delete", ()).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.store.sweep(limit, now).await
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        self.count("scan");
        self.0.store.scan(from, limit, now).await
    }
}

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

/// Everything under the key, as a request finds it that asks now.
pub(crate) async fn load(store: &impl Store) -> Option<Loaded> {
    store.load(KEY, &Wanted::all(), NOW).await.unwrap()
}

/// One text under the key; `None` if the record or the text is absent.
pub(crate) async fn text(store: &impl Store, name: &str) -> Option<String> {
    Some(load(store).await?.record.values.get(name)?.to_owned())
}

pub(crate) async fn patch(store: &impl Store, patch: Patch) {
    assert!(matches!(store.patch(KEY, patch, NOW).await.unwrap(), Patched::Done(_)));
}
