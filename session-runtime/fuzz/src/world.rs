//! The surroundings of every target: a runtime, a clock that stands still, a record's head.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use session_runtime::clock::Timestamp;
use session_runtime::expiry::StoredExpiry;
use session_runtime::id::SecretHash;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::{Head, Record, Values};
use session_runtime::store::{Created, Loaded, Store, StoreError, Wanted};
use session_runtime::{SessionKey, async_trait};

thread_local! {
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
}

/// Runs it to its end.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// The present moment, always.
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

/// The head of a session that was made just now.
pub fn fresh_head(secret: SecretHash) -> Head {
    let (now, hour) = (Timestamp::from(now()), Duration::from_secs(3600));
    Head {
        created: now,
        touched: now,
        idle_deadline: now.after(hour),
        absolute_deadline: now.after(hour * 24),
        expiry: StoredExpiry::Default,
        secret,
        secret_since: now,
        previous: None,
        generation: 0,
        generation_since: None,
        revision: 0,
    }
}

/// A store with one session or none, which records the loaded keys.
#[derive(Default)]
pub struct OneSessionStore(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    session: Option<(SessionKey, Head)>,
    asked: Vec<SessionKey>,
}

impl OneSessionStore {
    /// Has this session from now on, and forgets who asked.
    pub fn hold(&self, session: Option<(SessionKey, SecretHash)>) {
        let session = session.map(|(key, secret)| (key, fresh_head(secret)));
        *self.seen() = Seen { session, asked: Vec::new() };
    }

    /// The keys asked for since then.
    pub fn asked(&self) -> Vec<SessionKey> {
        self.seen().asked.clone()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for OneSessionStore {
    async fn create(&self, _: SessionKey, _: Record) -> Result<Created, StoreError> {
        Ok(Created::Done)
    }

    async fn load(&self, key: SessionKey, _: &Wanted, _: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let mut seen = self.seen();
        seen.asked.push(key);
        let head = seen.session.as_ref().filter(|(have, _)| *have == key).map(|(_, head)| head.clone());
        Ok(head.map(|head| Loaded::new(Record::new(head, Values::new()), 0, 0)))
    }

    async fn patch(&self, _: SessionKey, patch: Patch, _: Timestamp) -> Result<Patched, StoreError> {
        let Some((_, mut head)) = self.seen().session.clone() else { return Ok(Patched::Gone) };
        patch.apply_head(&mut head);
        Ok(Patched::Done(head))
    }

    async fn delete(&self, _: SessionKey) -> Result<(), StoreError> {
        Ok(())
    }

    async fn sweep(&self, _: usize, _: Timestamp) -> Result<usize, StoreError> {
        Ok(0)
    }
}
