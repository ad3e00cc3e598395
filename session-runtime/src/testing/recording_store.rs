//! A store that counts its calls, and fails, delays or holds them when a test asks for it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::patch::{Patch, Patched};
use crate::record::{Record, Text};
use crate::store::{
    Capability, Created, Cursor, Found, Loaded, LoadedHead, MemoryStore, Page, Store, StoreError, StoreErrorKind,
    Wanted,
};

/// Names of the operations that can fail.
const OPERATIONS: [&str; 10] =
    ["create", "load", "patch", "delete", "sweep", "scan", "heads", "find", "delete_if", RecordingStore::WRITE];

/// The beginning of time, at which every stored record is alive.
const EPOCH: Timestamp = Timestamp::from_millis(0);

/// Number of records that are read at once.
const PAGE: usize = 1_000;

/// A store around another one that counts the calls of each operation, and fails, delays or holds them. Clones share one
/// store, so that a test keeps one and gives the other to the application.
///
/// Operations are named as the methods of [`Store`]: `"create"`, `"load"`, `"patch"`, `"delete"`, `"sweep"`, `"scan"`,
/// `"heads"`. A test that names another operation panics.
///
/// # Examples
///
/// ```
/// use session_runtime::testing::{Fault, RecordingStore};
/// use session_runtime::{ErrorKind, Session, Sessions};
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// let store = RecordingStore::default();
/// let sessions = Sessions::builder().store(store.clone()).schemas::<Cart>().build()?;
///
/// store.fail("create", Fault::Down);
/// let visit = sessions.open([]);
/// visit.write::<Cart>().await?.set_coupon("SPRING".into());
/// assert_eq!(visit.finish(200).await.error.unwrap().kind(), ErrorKind::Unavailable);
/// assert_eq!((store.calls("create"), store.records().await), (1, 0));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RecordingStore(Arc<Inner>);

struct Inner {
    store: Box<dyn Store>,
    description: Option<String>,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    /// Swept by the fairing at any time, so apart from the other calls.
    sweeps: AtomicUsize,
    /// Fault of every call of an operation.
    faults: Mutex<BTreeMap<&'static str, Fault>>,
    /// Faults of single calls, the next one first.
    next_faults: Mutex<Vec<(&'static str, Fault)>>,
    hung: Notify,
    before_write: Hold,
    before_answer: Hold,
}

/// Point at which a call waits.
#[derive(Default)]
struct Hold {
    operation: Mutex<Option<&'static str>>,
    reached: Notify,
    released: Notify,
}

/// Failure of one call of a [`RecordingStore`].
///
/// # Examples
///
/// ```
/// use session_runtime::testing::{Fault, RecordingStore};
/// use std::time::Duration;
///
/// let store = RecordingStore::default();
/// store.fail("load", Fault::Slow(Duration::from_millis(300)));
/// store.fail_next("patch", Fault::ReplyLost);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
        *lock(&self.operation) = Some(operation);
    }

    /// Waits here once, if the hold is set for this operation.
    async fn pass(&self, operation: &str) {
        if lock(&self.operation).take_if(|held| is_of(held, operation)).is_some() {
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

/// True if `named` is this operation, or [`RecordingStore::WRITE`] and this operation is a write.
fn is_of(named: &str, operation: &str) -> bool {
    named == operation || (named == RecordingStore::WRITE && matches!(operation, "create" | "patch"))
}

/// Ignores poisoning: a call that panics on purpose holds no lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails the test that names an operation which no store has.
fn check(operation: &str) {
    assert!(OPERATIONS.contains(&operation), "no store has an operation `{operation}`; there are {OPERATIONS:?}");
}

impl fmt::Debug for RecordingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingStore").field("calls", &lock(&self.0.calls)).finish_non_exhaustive()
    }
}

impl Default for RecordingStore {
    fn default() -> Self {
        Self::new(MemoryStore::new())
    }
}

#[expect(clippy::must_use_candidate, reason = "a test takes counts only to start counting anew")]
impl RecordingStore {
    /// Cause of each failure, in place of the message of an engine. No client may see it: look for it in responses.
    pub const CAUSE: &str = "password=hunter2";

    /// Name of the operations `create` and `patch` together.
    pub const WRITE: &str = "create or patch";

    /// Creates a store around this one. The default is a new [`MemoryStore`].
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        Self(Arc::new(Inner {
            store: Box::new(store),
            description: None,
            calls: Mutex::default(),
            sweeps: AtomicUsize::new(0),
            faults: Mutex::default(),
            next_faults: Mutex::default(),
            hung: Notify::new(),
            before_write: Hold::default(),
            before_answer: Hold::default(),
        }))
    }

    /// Describes itself with this text in the log and in errors.
    ///
    /// # Panics
    ///
    /// If the store has clones.
    #[must_use]
    pub fn described(mut self, text: &str) -> Self {
        let inner = Arc::get_mut(&mut self.0).expect("a store without clones");
        inner.description = Some(text.to_owned());
        self
    }

    /// Returns the number of calls of each operation except `sweep`, and starts counting anew.
    pub fn take_calls(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *lock(&self.0.calls))
    }

    /// Returns the number of calls of all operations except `sweep`, and starts counting anew.
    pub fn total_calls(&self) -> usize {
        self.take_calls().values().sum()
    }

    /// Returns the number of calls of this operation, and starts counting it anew.
    ///
    /// # Panics
    ///
    /// If no store has the operation.
    pub fn calls(&self, operation: &str) -> usize {
        check(operation);
        lock(&self.0.calls).remove(operation).unwrap_or(0)
    }

    /// Returns the number of sweeps so far.
    #[must_use]
    pub fn sweeps(&self) -> usize {
        self.0.sweeps.load(Ordering::SeqCst)
    }

    /// Makes every call of this operation fail, until [`recover`](Self::recover). [`WRITE`](Self::WRITE) means `create`
    /// and `patch`.
    ///
    /// # Panics
    ///
    /// If no store has the operation.
    pub fn fail(&self, operation: &'static str, fault: Fault) {
        check(operation);
        lock(&self.0.faults).insert(operation, fault);
    }

    /// Ends the faults of [`fail`](Self::fail).
    pub fn recover(&self) {
        lock(&self.0.faults).clear();
    }

    /// Makes the next call of this operation fail that no earlier `fail_next` is for. [`WRITE`](Self::WRITE) means the
    /// next `create` or `patch`.
    ///
    /// # Panics
    ///
    /// If no store has the operation.
    pub fn fail_next(&self, operation: &'static str, fault: Fault) {
        check(operation);
        lock(&self.0.next_faults).push((operation, fault));
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
        self.0.before_write.set(Self::WRITE);
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

    /// Returns the number of stored records, expired and unreadable ones included.
    ///
    /// # Panics
    ///
    /// If the store around which this one was created has no `scan`, or fails.
    pub async fn records(&self) -> usize {
        let (sessions, unreadable) = self.scan_all().await;
        sessions.len() + unreadable
    }

    /// Returns every stored record in the order of the keys, expired ones included.
    ///
    /// # Panics
    ///
    /// As [`records`](Self::records), and if a record cannot be read.
    pub async fn all(&self) -> Vec<(SessionKey, Record)> {
        let (sessions, unreadable) = self.scan_all().await;
        assert_eq!(unreadable, 0, "some sessions cannot be read");
        sessions
    }

    /// Returns a record without counting or failing; `None` if there is none.
    ///
    /// # Panics
    ///
    /// If the store around which this one was created fails.
    pub async fn record(&self, key: SessionKey) -> Option<Record> {
        let loaded = self.0.store.load(key, &Wanted::all(), EPOCH).await.expect("the inner store answers");
        loaded.map(|loaded| loaded.record)
    }

    /// Puts a JSON text under a stored key, such as `cart.coupon`, as another program might.
    ///
    /// # Panics
    ///
    /// If there is no such record, or the store around which this one was created fails.
    pub async fn plant(&self, key: SessionKey, name: &str, text: &str) {
        let record = self.record(key).await.expect("a record that is there");
        let patch = Patch::on_generation(record.head.generation).set([(name, text)]);
        let patched = self.0.store.patch(key, patch, EPOCH).await.expect("the inner store answers");
        assert!(matches!(patched, Patched::Done(_)), "the text was not stored");
    }

    /// Returns all records, and the number of those that cannot be read.
    async fn scan_all(&self) -> (Vec<(SessionKey, Record)>, usize) {
        let (mut all, mut unreadable, mut from) = (Vec::new(), 0, None);
        loop {
            let page = self.0.store.scan(from.as_ref(), PAGE, EPOCH).await.expect("the inner store answers");
            all.extend(page.sessions);
            unreadable += page.unreadable.len();
            from = page.next;
            if from.is_none() {
                all.sort_unstable_by_key(|(key, _)| *key);
                return (all, unreadable);
            }
        }
    }

    fn next_fault(&self, operation: &str) -> Option<Fault> {
        let mut next = lock(&self.0.next_faults);
        let at = next.iter().position(|(named, _)| is_of(named, operation))?;
        Some(next.remove(at).1)
    }

    fn fault(&self, operation: &str) -> Option<Fault> {
        let faults = lock(&self.0.faults);
        let of_writes = || faults.get(Self::WRITE).filter(|_| is_of(Self::WRITE, operation));
        faults.get(operation).or_else(of_writes).copied()
    }

    /// Counts a call and begins its fault.
    async fn enter(&self, operation: &'static str) -> Result<Option<Fault>, StoreError> {
        // Memory answers at once. Without this, requests at the same time would not meet in the store.
        yield_now().await;
        *lock(&self.0.calls).entry(operation).or_default() += 1;
        let next = self.next_fault(operation);
        self.0.before_write.pass(operation).await;
        let fault = next.or_else(|| self.fault(operation));
        self.begin(operation, fault).await?;
        Ok(fault)
    }

    async fn begin(&self, operation: &'static str, fault: Option<Fault>) -> Result<(), StoreError> {
        let failed = |kind| StoreError::new(kind, operation);
        match fault {
            Some(Fault::Down) => Err(failed(StoreErrorKind::Unavailable).because(Self::CAUSE)),
            Some(Fault::LockedOut) => Err(failed(StoreErrorKind::Setup).because(Self::CAUSE)),
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
        let loaded = self.0.store.load(key, wanted, now).await?;
        self.leave(fault, "load", loaded).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let fault = self.enter("patch").await?;
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

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let fault = self.enter("heads").await?;
        let heads = self.0.store.heads(keys, now).await?;
        self.leave(fault, "heads", heads).await
    }

    fn set_lazy_schemas(&self, schemas: &[&'static str]) {
        self.0.store.set_lazy_schemas(schemas);
    }

    fn is_cache(&self) -> bool {
        self.0.store.is_cache()
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.0.store.prepare().await
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
