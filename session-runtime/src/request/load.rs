//! Loading: once per request and group of schemas, with the secret checked each time.
//!
//! Takes an id and what is wanted; gives where the visitor stands. A record that is unreadable as a whole, expired or
//! opened with a wrong secret is no session, and stays as it is. A record of which a part is lost or damaged is a session:
//! the guards of those schemas fail, and the others work.
//!
//! A store may answer from copies. What is only read may come from one, if its secret is the one presented; what is to be
//! written is read from the store itself, in place of a copy that was read before.

use std::pin::pin;
use std::sync::Arc;

use super::visit::{Live, SessionStatus, Visit};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::{SecretHash, SessionId};
use crate::record::Record;
use crate::request::load_set::Group;
use crate::store::{Loaded, StoreErrorKind, Wanted};
use crate::version::versioned::Versioned;

/// What a load is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// To be read: a copy will do.
    Read,
    /// To be written: no copy, or what another node has written since would be overwritten by what follows from it.
    Write,
}

impl Visit {
    /// Makes sure that the schema's group is loaded, or with `None` the session as such.
    pub(super) async fn fetch(&self, schema: Option<usize>, purpose: Use) -> Result<(), SessionError> {
        if let Some(known) = self.fetched(schema, purpose) {
            return known;
        }
        let _turn = self.enter_gate().await?;
        if let Some(known) = self.fetched(schema, purpose) {
            return known;
        }
        let group = self.core.groups.of(schema);
        match self.load_group(group, purpose).await {
            Ok(session_status) => {
                self.set_loaded(session_status, group, purpose);
                Ok(())
            }
            Err(error) => {
                self.state().failed_load = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Takes over what a load of this group found.
    pub(crate) fn set_loaded(&self, mut session_status: SessionStatus, group: &Group, purpose: Use) {
        let fresh = purpose == Use::Write || !self.store().is_cache();
        let mut state = self.state();
        if let SessionStatus::Live(live) = &mut session_status
            && fresh
            && state.fresh == 0
            && state.session_status.live().is_some()
        {
            // Nothing is written yet that could rest on the copy that was read before.
            let live = Arc::make_mut(live);
            live.head = live.stored.clone();
        }
        let read_before = state.fetched & group.bits != 0;
        state.session_status = session_status;
        state.fetched |= group.bits;
        if fresh {
            state.fresh |= group.bits;
        }
        drop(state);
        if read_before {
            self.values_changed();
        }
    }

    pub(super) fn fetched(&self, schema: Option<usize>, purpose: Use) -> Option<Result<(), SessionError>> {
        let state = self.state();
        // Nothing that is stored of it is read any more.
        if schema.is_some_and(|at| !state.counts(self.core.schemas()[at])) {
            return Some(Ok(()));
        }
        if let Some(error) = &state.failed_load {
            return Some(Err(error.clone()));
        }
        let good = if purpose == Use::Write { state.fresh } else { state.fetched };
        let there = match (&state.session_status, schema) {
            (SessionStatus::Unread(_), _) => false,
            (SessionStatus::Live(_), Some(at)) => good & (1 << at) != 0,
            _ => true,
        };
        there.then_some(Ok(()))
    }

    /// All schemas whose values are there.
    pub(crate) fn fetched_group(&self) -> Group {
        Group::new(self.core.schemas(), self.state().fetched)
    }

    /// All schemas' values are there: the record is this request's own.
    pub(crate) fn set_all_fetched(&self) {
        let mut state = self.state();
        (state.fetched, state.fresh) = (u32::MAX, u32::MAX);
    }

    pub(crate) async fn load_group(&self, group: &Group, purpose: Use) -> Result<SessionStatus, SessionError> {
        let session_status = self.state().session_status.clone();
        let wanted = group.wanted.clone();
        let wanted = if purpose == Use::Write { wanted.fresh() } else { wanted };
        match session_status {
            SessionStatus::Unread(id) => self.load_record(id, wanted).await,
            SessionStatus::Live(live) => Box::pin(self.load_more(&live, wanted)).await,
            settled => Ok(settled),
        }
    }

    /// All values that are there, read anew from the store itself.
    pub(crate) async fn load_again(&self, live: &Arc<Live>) -> Result<SessionStatus, SessionError> {
        self.load_more(live, self.fetched_group().wanted.fresh()).await
    }

    /// A further load of the request: it must find the session of the first one.
    async fn load_more(&self, live: &Arc<Live>, wanted: Wanted) -> Result<SessionStatus, SessionError> {
        let Some((loaded, presented)) = self.load_of(live, &wanted).await? else { return Ok(SessionStatus::Ended) };
        let mut live = Live::clone(live);
        let mut stored = live.values.stored().clone();
        stored.retain(|name| !wanted.wants(name));
        for (name, text) in loaded.record.values.iter().filter(|(name, _)| wanted.wants(name)) {
            stored.set(name.clone(), text.clone());
        }
        live.values.set_stored(stored, &self.core.versions)?;
        live.unreadable.retain(|name| !wanted.wants(name));
        live.unreadable.extend(loaded.unreadable);
        (live.presented, live.bytes, live.keys) = (live.presented && presented, loaded.bytes, loaded.keys);
        live.stored = loaded.record.head;
        Ok(SessionStatus::Live(Arc::new(live)))
    }

    /// Loads of this session and no other, and whether the browser's id is the newest. `None`: there is none any more.
    pub(crate) async fn load_of(&self, live: &Live, wanted: &Wanted) -> Result<Option<(Loaded, bool)>, SessionError> {
        let secret = live.id.secret_hash();
        let wanted = wanted.clone().opened_by(secret);
        let load = self.store().load(live.id.key, &wanted, self.now);
        let Some(loaded) = self.core.run(&self.budget, load).await? else { return Ok(None) };
        let presented = accepts(&loaded.record, secret, self.now);
        let presented = presented.filter(|_| loaded.record.head.generation == live.head.generation);
        let presented = presented.ok_or_else(|| SessionError::new(ErrorKind::Renewed))?;
        Ok(Some((loaded, presented)))
    }

    /// Reads the record; one that is unreadable as a whole counts as none, and stays as it is.
    async fn load_record(&self, id: SessionId, wanted: Wanted) -> Result<SessionStatus, SessionError> {
        let secret = id.secret_hash();
        let wanted = wanted.opened_by(secret);
        // What comes out of it is small, and the record is moved but once.
        let load = pin!(async {
            match self.store().load(id.key, &wanted, self.now).await {
                Ok(Some(loaded)) => Ok(self.session_status(id, secret, loaded)),
                Ok(None) => Ok(unknown()),
                Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                    tracing::error!("a stored session is unreadable as a whole: treated as no session, left as it is");
                    Ok(SessionStatus::Anonymous)
                }
                Err(error) => Err(error),
            }
        });
        self.core.run(&self.budget, load).await
    }

    fn session_status(&self, id: SessionId, secret: SecretHash, loaded: Loaded) -> SessionStatus {
        let Loaded { record, bytes, keys, unreadable } = loaded;
        if let Some(presented) = accepts(&record, secret, self.now) {
            let Record { head, values } = record;
            let (stored, values) = (head.clone(), Versioned::new(values));
            return SessionStatus::Live(Arc::new(Live {
                id,
                presented,
                head,
                values,
                stored,
                bytes,
                keys,
                unreadable,
            }));
        }
        let grace = self.core.lifetime.renew_grace;
        match record.head.generation_since {
            Some(since) if self.now < since.after(grace) => SessionStatus::Stale,
            _ => unknown(),
        }
    }
}

fn unknown() -> SessionStatus {
    tracing::debug!("unknown_id: the session id in the cookie is not one of ours, or no longer");
    SessionStatus::Anonymous
}

/// Whether the secret opens the record, and whether it is the newest one.
fn accepts(record: &Record, hash: SecretHash, now: Timestamp) -> Option<bool> {
    let head = &record.head;
    if head.secret == hash {
        return Some(true);
    }
    let previous = head.previous.as_ref().filter(|previous| previous.hash == hash)?;
    previous.until.is_none_or(|until| now < until).then_some(false)
}
