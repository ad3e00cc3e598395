//! A store of at most one record, for one request: the record arrives in the cookie and leaves in a new one.
//!
//! It follows the contract of a store, so a request works on its session as with any other store. Each change seals the
//! record at once, so a record that is too large for a cookie is refused where another store would refuse it.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;

use super::seal::{Opened, Sealer};
use crate::clock::Timestamp;
use crate::cookie::{CookieCommand, Found, Presented};
use crate::id::{SessionId, SessionKey};
use crate::record::Record;
use crate::record::patch::{Patch, Patched, Refusal};
use crate::store::{Created, Loaded, Store, StoreError, StoreErrorKind, Wanted};
use crate::sync::{Mutex, MutexGuard};

/// The session of one request.
pub(crate) struct RequestStore {
    sealer: Arc<Sealer>,
    held: Mutex<Held>,
}

struct Held {
    session: Option<(SessionKey, Record)>,
    /// `Set-Cookie` line of the held session, once this request has changed it.
    line: CookieCommand,
    /// True while the session is still sealed with an older key.
    needs_reseal: bool,
}

impl RequestStore {
    /// Opens the cookie of a request: returns the id of its session, and the store that holds that session.
    pub(crate) fn open(sealer: &Arc<Sealer>, found: Found<'_>, now: Timestamp) -> (Presented, Box<Self>) {
        let opened = match found {
            Found::One(value) => sealer.open(value, now),
            Found::Nothing | Found::Several => None,
        };
        if opened.is_none() && !matches!(found, Found::Nothing) {
            tracing::debug!("sealed_cookie: doubled, foreign, damaged or expired: treated as no session");
        }
        let id = opened.as_ref().map(|opened| SessionId::sealed(opened.key));
        let request_store = Self::new(Arc::clone(sealer), opened);
        (id.map_or(Presented::Nothing, Presented::Id), Box::new(request_store))
    }

    /// Creates the store with the content of the cookie, if there is any.
    pub(crate) fn new(sealer: Arc<Sealer>, opened: Option<Opened>) -> Self {
        let needs_reseal = opened.as_ref().is_some_and(|opened| opened.needs_reseal);
        let session = opened.map(|opened| (opened.key, opened.record));
        Self { sealer, held: Mutex::new(Held { session, line: CookieCommand::Keep, needs_reseal }) }
    }

    pub(crate) fn as_store(&self) -> &dyn Store {
        self
    }

    /// Returns the `Set-Cookie` line of the held session.
    pub(crate) fn line(&self) -> CookieCommand {
        self.held().line.clone()
    }

    /// Seals a session of an older key again with the newest one; `None` if that is not needed.
    pub(crate) fn reseal(&self, now: Timestamp) -> Result<Option<CookieCommand>, StoreError> {
        let mut held = self.held();
        match held.session.clone().filter(|_| held.needs_reseal) {
            Some((key, record)) => {
                self.keep(&mut held, (key, record), now, "reseal")?;
                Ok(Some(held.line.clone()))
            }
            None => Ok(None),
        }
    }

    /// Ignores poisoning: each change under this lock is a single assignment, so a panic cannot interrupt one.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals the record, and keeps it only if that succeeds.
    fn keep(
        &self,
        held: &mut Held,
        (key, record): (SessionKey, Record),
        now: Timestamp,
        during: &'static str,
    ) -> Result<(), StoreError> {
        let line = self.sealer.seal(key, &record, now, during)?;
        *held = Held { session: Some((key, record)), line, needs_reseal: false };
        Ok(())
    }
}

impl Held {
    fn live(&self, key: SessionKey, now: Timestamp) -> Option<&Record> {
        let (have, record) = self.session.as_ref()?;
        (*have == key && now < record.head.idle_deadline).then_some(record)
    }
}

#[async_trait]
impl Store for RequestStore {
    /// Replaces a session with another key, since a browser has one session.
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        let mut held = self.held();
        if held.session.as_ref().is_some_and(|(have, _)| *have == key) {
            return Ok(Created::Taken);
        }
        let now = record.head.created;
        self.keep(&mut held, (key, record), now, "create")?;
        Ok(Created::Done)
    }

    async fn load(&self, key: SessionKey, _: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let record = self.held().live(key, now).cloned();
        Ok(record.map(|record| {
            let (bytes, keys) = (record.values.bytes(), record.values.len());
            Loaded { record, bytes, keys, unreadable: Vec::new() }
        }))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let mut held = self.held();
        let Some(mut record) = held.live(key, now).cloned() else { return Ok(Patched::Gone) };
        match patch.refusal(&record.head, |name| record.values.get(name)) {
            Some(Refusal::Renewed) => return Ok(Patched::Renewed),
            Some(Refusal::Conflict) => return Ok(Patched::Conflict(record)),
            None => {}
        }
        patch.apply(&mut record.values);
        patch.apply_head(&mut record.head);
        let head = record.head.clone();
        self.keep(&mut held, (key, record), now, "patch")?;
        Ok(Patched::Done(head))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let mut held = self.held();
        if held.session.as_ref().is_some_and(|(have, _)| *have == key) {
            *held = Held { session: None, line: CookieCommand::Keep, needs_reseal: false };
        }
        Ok(())
    }

    async fn sweep(&self, _: usize, _: Timestamp) -> Result<usize, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unsupported, "sweep"))
    }
}
