//! A store that counts its calls, and fails, delays or holds them when a test asks for it.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::{Record, Text};
use session_runtime::store::{Capability, Created, Cursor, Found, Loaded, Page, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::hint::hint_of;
use session_runtime::{MemoryStore, SessionKey, Store, async_trait};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::pages;

/// The cause of a failed call: a message of the store that no client may see.
pub const CAUSE: &str = "password=hunter2";

/// An operation name for [`RecordingStore::fail_next`]: the next `create` or `patch`.
pub const WRITE: &str = "create or patch";

/// The beginning of time, at which every stored record is alive.
const EPOCH: Timestamp = Timestamp::from_millis(0);

/// A store around another one. Clones are one store.
#[derive(Clone)]
pub struct RecordingStore(Arc<Inner>);

struct Inner {
    store: Box<dyn Store>,
    /// The folder of the store, removed after it.
    folder: Option<TempDir>,
    description: Option<String>,
    loads_all: bool,
    checks_patches: bool,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    /// Swept by the fairing at any time, so apart from the other calls.
    sweeps: AtomicUsize,
    /// Patches with a hint for the unchanged record.
    hints: AtomicUsize,
    /// The fault of every call of an operation.
    faults: Mutex<BTreeMap<&'static str, Fault>>,
    /// Faults of single calls, the next one first.
    next_faults: Mutex<Vec<(&'static str, Fault)>>,
    hung: Notify,
    before_write: Hold,
    before_answer: Hold,
}

/// A point at which a call waits.
#[derive(Default)]
struct Hold {
    operation: Mutex<Option<&'static str>>,
    reached: Notify,
    released: Notify,
}

/// A failure of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails without effect, as [`Unavailable`](StoreErrorKind::Unavailable).
    Down,
    /// The call fails without effect, as [`Setup`](StoreErrorKind::Setup): the password of the store has changed.
    LockedOut,
    /// The call has its effect and fails.
    ReplyLost,
    /// The call has no effect and never ends.
    Hangs,
    /// The call has its effect and never ends.
    HangsAfterwards,
    /// The call takes this much longer, in two steps.
    Slow(Duration),
    /// The call panics.
    Panics,
    /// The call fails as [`Corrupt`](StoreErrorKind::Corrupt).
    Corrupt,
}

impl Hold {
    fn set(&self, operation: &'static str) {
        *self.operation.lock().unwrap() = Some(operation);
    }

    /// Waits here once, if the hold is set for this operation.
    async fn pass(&self, operation: &str) {
        if self.operation.lock().unwrap().take_if(|held| is_of(held, operation)).is_some() {
            self.reached.notify_one();
            self.released.notified().await;
        }
    }

    /// Runs `meanwhile` while `slow` waits here.
    async fn during<A, B>(&self, slow: impl Future<Output = A>, meanwhile: impl Future<Output = B>) -> (A, B) {
        let meanwhile = async {
            self.reached.notified().await;
            let answer = meanwhile.await;
            self.released.notify_one();
            answer
        };
        tokio::join!(slow, meanwhile)
    }
}

/// True if `named` is this operation, or [`WRITE`] and this operation is a write.
fn is_of(named: &str, operation: &str) -> bool {
    named == operation || (named == WRITE && matches!(operation, "create" | "patch"))
}

impl Default for RecordingStore {
    fn default() -> Self {
        Self::new(MemoryStore::new())
    }
}

impl RecordingStore {
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(Inner {
            store: Box::new(store),
            folder: None,
            description: None,
            loads_all: false,
            checks_patches: false,
            calls: Mutex::default(),
            sweeps: AtomicUsize::new(0),
            hints: AtomicUsize::new(0),
            faults: Mutex::default(),
            next_faults: Mutex::default(),
            hung: Notify::new(),
            before_write: Hold::default(),
            before_answer: Hold::default(),
        }))
    }

    fn with(mut self, set: impl FnOnce(&mut Inner)) -> Self {
        set(Arc::get_mut(&mut self.0).expect("a store without clones"));
        self
    }

    /// Describes itself with this text.
    #[must_use]
    pub fn described(self, text: &str) -> Self {
        self.with(|inner| inner.description = Some(text.to_owned()))
    }

    /// Removes this folder after the store.
    #[must_use]
    pub fn keeping(self, folder: TempDir) -> Self {
        self.with(|inner| inner.folder = Some(folder))
    }

    /// Loads whole records, as a store may.
    #[must_use]
    pub fn loading_all(self) -> Self {
        self.with(|inner| inner.loads_all = true)
    }

    /// Asserts that a hint for the unchanged record is true of each record that has not changed.
    #[must_use]
    pub fn checking_patches(self) -> Self {
        self.with(|inner| inner.checks_patches = true)
    }

    /// Returns the number of calls of each operation except `sweep`, and starts counting anew.
    pub fn take_calls(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    /// Returns the number of calls of all operations except `sweep`, and starts counting anew.
    pub fn total_calls(&self) -> usize {
        self.take_calls().values().sum()
    }

    /// Returns the number of calls of this operation, and starts counting it anew.
    pub fn calls(&self, operation: &str) -> usize {
        self.0.calls.lock().unwrap().remove(operation).unwrap_or(0)
    }

    pub fn sweeps(&self) -> usize {
        self.0.sweeps.load(Ordering::SeqCst)
    }

    /// Returns the number of patches that described the unchanged record.
    pub fn hints(&self) -> usize {
        self.0.hints.load(Ordering::SeqCst)
    }

    /// Makes every call of this operation fail, until [`recover`](Self::recover).
    pub fn fail(&self, operation: &'static str, fault: Fault) {
        self.0.faults.lock().unwrap().insert(operation, fault);
    }

    pub fn recover(&self) {
        self.0.faults.lock().unwrap().clear();
    }

    /// Makes the next call of this operation fail that no earlier `fail_next` is for.
    pub fn fail_next(&self, operation: &'static str, fault: Fault) {
        self.0.next_faults.lock().unwrap().push((operation, fault));
    }

    /// Waits for a call that hangs.
    pub async fn hung(&self) {
        self.0.hung.notified().await;
    }

    /// Runs `meanwhile` while the first `create` or `patch` of `slow` is held, before it has an effect.
    pub async fn before_write<A, B>(
        &self,
        slow: impl Future<Output = A>,
        meanwhile: impl Future<Output = B>,
    ) -> (A, B) {
        self.0.before_write.set(WRITE);
        self.0.before_write.during(slow, meanwhile).await
    }

    /// Runs `meanwhile` while the first call of this operation in `slow` is held, after it had its effect.
    pub async fn before_answer<A, B>(
        &self,
        operation: &'static str,
        slow: impl Future<Output = A>,
        meanwhile: impl Future<Output = B>,
    ) -> (A, B) {
        self.0.before_answer.set(operation);
        self.0.before_answer.during(slow, meanwhile).await
    }

    /// Returns the number of stored records, expired ones included.
    pub async fn records(&self) -> usize {
        let (sessions, unreadable) = pages::all_and_unreadable(&*self.0.store, 1_000, EPOCH).await;
        sessions.len() + unreadable.len()
    }

    /// Returns every stored record, expired ones included.
    pub async fn all(&self) -> Vec<(SessionKey, Record)> {
        pages::all(&*self.0.store, 1_000, EPOCH).await
    }

    /// Reads a record without counting or failing.
    pub async fn record(&self, key: SessionKey) -> Option<Record> {
        self.0.store.load(key, &Wanted::all(), EPOCH).await.unwrap().map(|loaded| loaded.record)
    }

    /// Puts a text into a record, as another program might.
    pub async fn plant(&self, key: SessionKey, name: &str, text: &str) {
        let record = self.record(key).await.unwrap();
        let mut patch = Patch::on_generation(record.head.generation);
        patch.set = vec![(name.into(), text.into())];
        let patched = self.0.store.patch(key, patch, EPOCH).await.unwrap();
        assert!(matches!(patched, Patched::Done(_)));
    }

    async fn check_unchanged(&self, key: SessionKey, patch: &Patch) {
        let Some((unchanged, record)) = hint_of(patch).zip(self.record(key).await) else { return };
        if (record.head.revision, record.head.generation) == (unchanged.revision, patch.generation) {
            assert_eq!(patch.refusal(&record.head, |name| record.values.get(name)), None);
            let mut values = record.values;
            patch.apply(&mut values);
            assert_eq!((unchanged.bytes, unchanged.keys), (values.bytes(), values.len()));
        }
    }

    fn next_fault(&self, operation: &str) -> Option<Fault> {
        let mut next = self.0.next_faults.lock().unwrap();
        let at = next.iter().position(|(named, _)| is_of(named, operation))?;
        Some(next.remove(at).1)
    }

    fn fault(&self, operation: &str) -> Option<Fault> {
        self.0.faults.lock().unwrap().get(operation).copied()
    }

    /// Counts a call and begins its fault.
    async fn enter(&self, operation: &'static str) -> Result<Option<Fault>, StoreError> {
        // Memory answers at once. Without this, requests at the same time would not meet in the store.
        yield_now().await;
        *self.0.calls.lock().unwrap().entry(operation).or_default() += 1;
        let next = self.next_fault(operation);
        self.0.before_write.pass(operation).await;
        let fault = next.or_else(|| self.fault(operation));
        self.begin(operation, fault).await?;
        Ok(fault)
    }

    async fn begin(&self, operation: &'static str, fault: Option<Fault>) -> Result<(), StoreError> {
        let failed = |kind| StoreError::new(kind, operation);
        match fault {
            Some(Fault::Down) => Err(failed(StoreErrorKind::Unavailable).because(CAUSE)),
            Some(Fault::LockedOut) => Err(failed(StoreErrorKind::Setup).because(CAUSE)),
            Some(Fault::Corrupt) => Err(failed(StoreErrorKind::Corrupt)),
            Some(Fault::Panics) => panic!("the store panics"),
            Some(Fault::Hangs) => self.hang().await,
            Some(Fault::Slow(time)) => {
                sleep(time / 2).await;
                sleep(time / 2).await;
                Ok(())
            }
            Some(Fault::ReplyLost | Fault::HangsAfterwards) | None => Ok(()),
        }
    }

    async fn hang<T>(&self) -> T {
        self.0.hung.notify_one();
        pending().await
    }

    /// Ends a call that had its effect.
    async fn leave<T>(&self, fault: Option<Fault>, operation: &'static str, answer: T) -> Result<T, StoreError> {
        // Other requests come between the effect and the answer.
        yield_now().await;
        self.0.before_answer.pass(operation).await;
        match fault {
            Some(Fault::ReplyLost) => Err(StoreError::new(StoreErrorKind::Unavailable, operation)),
            Some(Fault::HangsAfterwards) => self.hang().await,
            _ => Ok(answer),
        }
    }
}

#[async_trait]
impl Store for RecordingStore {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let fault = self.enter("create").await?;
        let created = self.0.store.create(key, record).await?;
        self.leave(fault, "create", created).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let fault = self.enter("load").await?;
        let all = self.0.loads_all.then(Wanted::all);
        let loaded = self.0.store.load(key, all.as_ref().unwrap_or(wanted), now).await?;
        self.leave(fault, "load", loaded).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let fault = self.enter("patch").await?;
        self.0.hints.fetch_add(usize::from(hint_of(&patch).is_some()), Ordering::SeqCst);
        if self.0.checks_patches {
            self.check_unchanged(key, &patch).await;
        }
        let patched = self.0.store.patch(key, patch, now).await?;
        self.leave(fault, "patch", patched).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let fault = self.enter("delete").await?;
        self.0.store.delete(key).await?;
        self.leave(fault, "delete", ()).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.sweeps.fetch_add(1, Ordering::SeqCst);
        self.begin("sweep", self.next_fault("sweep").or_else(|| self.fault("sweep"))).await?;
        self.0.store.sweep(limit, now).await
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        let fault = self.enter("scan").await?;
        let page = self.0.store.scan(from, limit, now).await?;
        self.leave(fault, "scan", page).await
    }

    fn supports(&self, capability: Capability) -> bool {
        self.0.store.supports(capability)
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.0.store.set_indexed_keys(names);
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        let fault = self.enter("find").await?;
        let found = self.0.store.find(name, text, from, limit).await?;
        self.leave(fault, "find", found).await
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let fault = self.enter("delete_if").await?;
        let deleted = self.0.store.delete_if(key, generation).await?;
        self.leave(fault, "delete_if", deleted).await
    }

    async fn forget(&self, name: &str, text: &str, gone: &[SessionKey]) -> Result<(), StoreError> {
        self.0.store.forget(name, text, gone).await
    }

    fn describe(&self) -> String {
        self.0.description.clone().unwrap_or_else(|| format!("a recording store over {}", self.0.store.describe()))
    }
}
