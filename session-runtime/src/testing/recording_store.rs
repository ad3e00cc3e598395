//! A store that counts its calls, and fails, delays or holds them when a test asks for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::record::patch::{Patch, Patched};
use crate::store::{MemoryStore, Store, Wanted};

mod fault;
mod operations;

pub use self::fault::Fault;
use self::fault::{Hold, is_of};

/// Names of the operations that can fail.
const OPERATIONS: [&str; 10] =
    ["create", "load", "patch", "delete", "sweep", "scan", "heads", "find", "delete_if", RecordingStore::WRITE];

/// Time at which no stored record has expired.
const EPOCH: Timestamp = Timestamp::from_millis(0);

/// Number of records that are read at once.
const PAGE: usize = 1_000;

/// A store around another one that counts the calls of each operation, and fails, delays or holds them. Clones share one
/// store, so that a test keeps one and gives the other to the application.
///
/// Operations are named as the methods of [`Store`]: `"create"`, `"load"`, `"patch"`, `"delete"`, `"sweep"`, `"scan"`,
/// `"heads"`, `"find"`, `"delete_if"`; [`WRITE`](Self::WRITE) means `create` and `patch`. A test that names another
/// operation panics.
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
    /// Cause of the errors of [`Fault::Down`] and [`Fault::LockedOut`], in place of the message of an engine. No client
    /// may see it: look for it in responses.
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

    /// Returns the number of calls of this operation, and starts counting it anew. [`WRITE`](Self::WRITE) means `create`
    /// and `patch`.
    ///
    /// # Panics
    ///
    /// If no store has the operation, and for `sweep`, which [`sweeps`](Self::sweeps) counts.
    pub fn calls(&self, operation: &str) -> usize {
        check(operation);
        assert!(operation != "sweep", "`sweeps` counts the calls of `sweep`");
        let mut calls = lock(&self.0.calls);
        OPERATIONS.iter().filter(|each| is_of(operation, each)).filter_map(|each| calls.remove(each)).sum()
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
    ///
    /// # Panics
    ///
    /// If `slow` ends without such a call.
    pub async fn before_write<A, B>(
        &self,
        slow: impl Future<Output = A>,
        meanwhile: impl Future<Output = B>,
    ) -> (A, B) {
        self.0.before_write.set(Self::WRITE);
        self.0.before_write.during(slow, meanwhile).await
    }

    /// Runs `meanwhile` while the first call of this operation in `slow` is held, after it had its effect.
    ///
    /// # Panics
    ///
    /// If no store has the operation, or if `slow` ends without such a call.
    pub async fn before_answer<A, B>(
        &self,
        operation: &'static str,
        slow: impl Future<Output = A>,
        meanwhile: impl Future<Output = B>,
    ) -> (A, B) {
        check(operation);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Values;
    use crate::testing::head_at;

    const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

    async fn create(store: &RecordingStore) {
        store.create(KEY, Record::new(head_at(0), Values::new())).await.unwrap();
    }

    #[tokio::test]
    async fn creates_and_patches_are_counted_together_as_writes() {
        let store = RecordingStore::default();
        create(&store).await;
        store.patch(KEY, Patch::on_generation(0), EPOCH).await.unwrap();
        store.load(KEY, &Wanted::all(), EPOCH).await.unwrap();
        assert_eq!((store.calls(RecordingStore::WRITE), store.calls(RecordingStore::WRITE)), (2, 0));
        assert_eq!((store.calls("create"), store.calls("load")), (0, 1));
    }

    #[test]
    #[should_panic(expected = "`sweeps` counts")]
    fn the_count_of_sweeps_is_not_taken_for_zero() {
        RecordingStore::default().calls("sweep");
    }

    #[tokio::test]
    #[should_panic(expected = "no store has an operation `store`")]
    async fn a_hold_at_an_unknown_operation_fails_the_test() {
        let store = RecordingStore::default();
        store.before_answer("store", create(&store), async {}).await;
    }

    #[tokio::test]
    #[should_panic(expected = "ended without a call of `load`")]
    async fn a_hold_that_is_not_reached_fails_the_test() {
        let store = RecordingStore::default();
        store.before_answer("load", create(&store), async {}).await;
    }
}
