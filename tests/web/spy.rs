//! A store that counts its calls, can be told to fail, and can be held at a call.
//!
//! Behind it is memory, or with `SESSION_TESTS_STORE=sqlite` a file; no test can tell which.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Created, Loaded, StoreError, StoreErrorKind, Wanted};
use session_runtime::testing::hint::hint_of;
use session_runtime::{MemoryStore, SessionKey, SqliteStore, Store, async_trait};
use tempfile::TempDir;
use tokio::sync::Notify;

/// The environment variable that says where records are.
pub const STORE: &str = "SESSION_TESTS_STORE";

/// Clones are one store.
#[derive(Clone, Default)]
pub struct Spy(Arc<Inner>);

#[derive(Default)]
struct Inner {
    store: Shelf,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    fault: Mutex<BTreeMap<&'static str, Fault>>,
    held: AtomicBool,
    arrived: Notify,
    released: Notify,
    /// A load brings all that there is, as a store may.
    generous: bool,
}

/// Where the records are.
enum Shelf {
    Memory(MemoryStore),
    Sqlite(SqliteStore, TempDir),
}

impl Default for Shelf {
    fn default() -> Self {
        match std::env::var(STORE).as_deref() {
            Err(_) | Ok("memory") => Self::Memory(MemoryStore::new()),
            Ok("sqlite") => {
                let folder = TempDir::new().unwrap();
                Self::Sqlite(SqliteStore::open(folder.path().join("sessions.db")).unwrap(), folder)
            }
            Ok(other) => panic!("{STORE} is `memory` or `sqlite`, not `{other}`"),
        }
    }
}

impl std::ops::Deref for Shelf {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Memory(store) => store,
            Self::Sqlite(store, _) => store,
        }
    }
}

impl Shelf {
    /// Expired ones too.
    fn count(&self) -> usize {
        match self {
            Self::Memory(store) => store.len(),
            Self::Sqlite(_, folder) => {
                let file = rusqlite::Connection::open(folder.path().join("sessions.db")).unwrap();
                file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                let count = file.query_row("SELECT count(*) FROM entry WHERE name = 0", (), |row| row.get::<_, i64>(0));
                count.unwrap().try_into().unwrap()
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and does nothing.
    Down,
    /// The call fails and does nothing, as after a change of the engine's password.
    LockedOut,
    /// The call does its work, and then fails.
    ReplyLost,
    /// The call never answers.
    Hangs,
    /// The call works, [`SLOW`] later.
    Slow,
    /// The call panics.
    Panics,
    /// The record is unreadable as a whole.
    Corrupt,
}

impl Spy {
    /// In memory whatever the environment says: for clocks that stand still, which engines with threads do not wait for.
    pub fn in_memory() -> Self {
        Self(Arc::new(Inner { store: Shelf::Memory(MemoryStore::new()), ..Inner::default() }))
    }

    /// Whose loads bring more than was wanted.
    pub fn generous() -> Self {
        Self(Arc::new(Inner { generous: true, ..Inner::default() }))
    }

    /// How often each operation was called since the last time this was asked.
    pub fn take_calls(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *self.0.calls.lock().unwrap())
    }

    pub fn total_calls(&self) -> usize {
        self.take_calls().values().sum()
    }

    pub fn records(&self) -> usize {
        self.0.store.count()
    }

    pub fn break_down(&self, operation: &'static str, fault: Fault) {
        self.0.fault.lock().unwrap().insert(operation, fault);
    }

    pub fn mend(&self) {
        self.0.fault.lock().unwrap().clear();
    }

    /// Runs `meanwhile` while the first save of `slow` is held.
    pub async fn during<A, B>(&self, slow: impl Future<Output = A>, meanwhile: impl Future<Output = B>) -> (A, B) {
        self.0.held.store(true, Ordering::SeqCst);
        let meanwhile = async {
            self.0.arrived.notified().await;
            let done = meanwhile.await;
            self.0.released.notify_one();
            done
        };
        tokio::join!(slow, meanwhile)
    }

    /// The whole record, past counters and faults.
    pub async fn record(&self, key: SessionKey) -> Option<Record> {
        let loaded = self.0.store.load(key, &Wanted::all(), Timestamp::from_millis(0)).await.unwrap();
        loaded.map(|loaded| loaded.record)
    }

    /// Everything that is stored, expired records too.
    pub async fn all(&self) -> Vec<(SessionKey, Record)> {
        session_tests::pages::all(&*self.0.store, 1_000, Timestamp::from_millis(0)).await
    }

    /// Puts a text into a record, as another program might.
    pub async fn plant(&self, key: SessionKey, name: &str, text: &str) {
        let record = self.record(key).await.unwrap();
        let mut patch = Patch::on_generation(record.head.generation);
        patch.set = vec![(name.into(), text.into())];
        let patched = self.0.store.patch(key, patch, Timestamp::from_millis(0)).await.unwrap();
        assert!(matches!(patched, Patched::Done(_)));
    }

    /// What a patch says of an unchanged record must be true of that.
    async fn check_unchanged(&self, key: SessionKey, patch: &Patch) {
        let Some((unchanged, record)) = hint_of(patch).zip(self.record(key).await) else { return };
        if (record.head.revision, record.head.generation) == (unchanged.revision, patch.generation) {
            assert_eq!(patch.refusal(&record.head, |name| record.values.get(name)), None);
            let mut values = record.values;
            patch.apply(&mut values);
            assert_eq!((unchanged.bytes, unchanged.keys), (values.bytes(), values.len()));
        }
    }

    async fn enter(&self, operation: &'static str) -> Result<Option<Fault>, StoreError> {
        // Memory answers at once; requests at the same time are to meet there too.
        tokio::task::yield_now().await;
        *self.0.calls.lock().unwrap().entry(operation).or_default() += 1;
        let writes = matches!(operation, "patch" | "create");
        if writes && self.0.held.swap(false, Ordering::SeqCst) {
            self.0.arrived.notify_one();
            self.0.released.notified().await;
        }
        let fault = self.0.fault.lock().unwrap().get(operation).copied();
        match fault {
            Some(Fault::LockedOut) => Err(StoreError::new(StoreErrorKind::Setup, operation).because(SECRET)),
            Some(Fault::Down) => Err(StoreError::new(StoreErrorKind::Unavailable, operation).because(SECRET)),
            Some(Fault::Corrupt) => Err(StoreError::new(StoreErrorKind::Corrupt, operation)),
            Some(Fault::Panics) => panic!("the store panics"),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Slow) => {
                tokio::time::sleep(SLOW).await;
                Ok(None)
            }
            other => Ok(other),
        }
    }

    fn leave<T>(fault: Option<Fault>, operation: &'static str, answer: T) -> Result<T, StoreError> {
        match fault {
            Some(Fault::ReplyLost) => Err(StoreError::new(StoreErrorKind::Unavailable, operation)),
            _ => Ok(answer),
        }
    }
}

/// How long a slow call takes.
pub const SLOW: std::time::Duration = std::time::Duration::from_millis(300);

/// Stands for an engine's message that no client may see.
pub const SECRET: &str = "password=hunter2";

#[async_trait]
impl Store for Spy {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let fault = self.enter("create").await?;
        Self::leave(fault, "create", self.0.store.create(key, record).await?)
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let fault = self.enter("load").await?;
        let all = self.0.generous.then(Wanted::all);
        Self::leave(fault, "load", self.0.store.load(key, all.as_ref().unwrap_or(wanted), now).await?)
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let fault = self.enter("patch").await?;
        self.check_unchanged(key, &patch).await;
        Self::leave(fault, "patch", self.0.store.patch(key, patch, now).await?)
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let fault = self.enter("delete").await?;
        Self::leave(fault, "delete", self.0.store.delete(key).await?)
    }

    /// Not counted: the fairing sweeps when it likes.
    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.store.sweep(limit, now).await
    }
}
