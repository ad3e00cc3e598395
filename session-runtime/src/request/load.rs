//! Loading: once per request and load set, with the secret checked each time.
//!
//! Takes an id and a selection; gives the status of the session. A record that is unreadable as a whole, expired, or
//! opened with a wrong secret counts as no session and is left unchanged. A record with lost or damaged parts is a
//! session: the guards of those schemas fail, and the others work.
//!
//! A cache may serve copies. Values that are only read may come from a copy whose secret is the one presented. Values
//! that are to be written are read from the store itself, even if a copy was read before.

use std::pin::pin;
use std::sync::Arc;

use super::visit::{Live, SessionStatus, State, Visit};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::{SecretHash, SessionId};
use crate::record::Record;
use crate::request::load_set::LoadSet;
use crate::schema::schema_set::SchemaSet;
use crate::store::{Loaded, StoreErrorKind, Wanted};
use crate::version::versioned::VersionedValues;

/// Purpose of a load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Looking at the session, which is no use of it: no deadline moves.
    Peek,
    /// Reading: a copy from a cache is enough.
    Read,
    /// Writing: no copy, since writes based on it would overwrite newer values of another node.
    Write,
}

impl Visit {
    /// Fetches the load set of the schema if it is not loaded yet; for `None`, the session as such.
    pub(super) async fn fetch(&self, schema: Option<usize>, purpose: Purpose) -> Result<(), SessionError> {
        if let Some(known) = self.fetched(schema, purpose) {
            return known;
        }
        let _turn = self.enter_gate().await?;
        let load_set = {
            let mut state = self.state();
            if let Some(known) = self.fetched_in(&mut state, schema, purpose) {
                return known;
            }
            self.missing(&mut state, schema, purpose)
        };
        match self.load_set(load_set, purpose).await {
            Ok(session_status) => {
                self.set_loaded(session_status, load_set, purpose);
                Ok(())
            }
            Err(error) => {
                self.state().failed_load = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Stores the result of a load of this load set in the state.
    pub(crate) fn set_loaded(&self, mut session_status: SessionStatus, load_set: &LoadSet, purpose: Purpose) {
        let fresh = purpose == Purpose::Write || !self.store().is_cache();
        let mut state = self.state();
        if let SessionStatus::Live(live) = &mut session_status
            && fresh
            && state.fresh.is_empty()
            && state.session_status.live().is_some()
        {
            // No change is based on the earlier copy yet.
            let live = Arc::make_mut(live);
            live.head = live.stored.clone();
        }
        let read_before = state.fetched.overlaps(load_set.schemas);
        state.session_status = session_status;
        state.fetched.add(load_set.schemas);
        if fresh {
            state.fresh.add(load_set.schemas);
        }
        drop(state);
        if read_before {
            self.values_changed();
        }
    }

    /// Returns the load set to fetch for a guard that earlier loads do not serve.
    fn missing(&self, state: &mut State, schema: Option<usize>, purpose: Purpose) -> &LoadSet {
        let load_sets = &self.core.load_sets;
        state.kind = state.kind.or_else(|| load_sets.kind(self.route, schema));
        load_sets.of(schema, purpose, state.loaded_for(purpose), state.kind)
    }

    /// Returns the outcome of the load that a guard needs, if earlier loads serve it.
    pub(super) fn fetched(&self, schema: Option<usize>, purpose: Purpose) -> Option<Result<(), SessionError>> {
        self.fetched_in(&mut self.state(), schema, purpose)
    }

    fn fetched_in(
        &self,
        state: &mut State,
        schema: Option<usize>,
        purpose: Purpose,
    ) -> Option<Result<(), SessionError>> {
        let required = self.core.load_sets.required(schema, purpose);
        state.asked.add(required);
        state.is_used |= purpose != Purpose::Peek;
        // The stored values of this schema are no longer read.
        if schema.is_some_and(|at| !state.counts(self.core.schemas()[at])) {
            return Some(Ok(()));
        }
        if let Some(error) = &state.failed_load {
            return Some(Err(error.clone()));
        }
        let needs_fresh_head = schema.is_none() && purpose == Purpose::Write && self.store().is_cache();
        let there = match &state.session_status {
            SessionStatus::Unread(_) => false,
            SessionStatus::Live(_) if needs_fresh_head && state.fresh.is_empty() => false,
            SessionStatus::Live(_) => state.loaded_for(purpose).covers(required),
            _ => true,
        };
        there.then_some(Ok(()))
    }

    /// Returns the load set of all schemas whose values are loaded.
    pub(crate) fn fetched_set(&self) -> LoadSet {
        LoadSet::new(self.core.schemas(), self.state().fetched)
    }

    /// Marks the values of all schemas as loaded: this request has created the record.
    pub(crate) fn set_all_fetched(&self) {
        let mut state = self.state();
        (state.fetched, state.fresh) = (SchemaSet::ALL, SchemaSet::ALL);
    }

    pub(crate) async fn load_set(&self, load_set: &LoadSet, purpose: Purpose) -> Result<SessionStatus, SessionError> {
        let session_status = self.state().session_status.clone();
        let wanted = load_set.wanted.clone();
        let wanted = if purpose == Purpose::Write { wanted.fresh() } else { wanted };
        match session_status {
            SessionStatus::Unread(id) => self.load_record(id, wanted).await,
            SessionStatus::Live(live) => Box::pin(self.load_more(&live, wanted)).await,
            settled => Ok(settled),
        }
    }

    /// Loads all loaded values again, from the store itself.
    pub(crate) async fn load_again(&self, live: &Arc<Live>) -> Result<SessionStatus, SessionError> {
        self.load_more(live, self.fetched_set().wanted.fresh()).await
    }

    /// Loads further values. The record must still be the session of the first load.
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

    /// Loads from this session only. Also returns whether the presented id is the newest. `None`: the session no longer
    /// exists.
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

    /// Loads the record. One that is unreadable as a whole counts as no session and is left unchanged.
    async fn load_record(&self, id: SessionId, wanted: Wanted) -> Result<SessionStatus, SessionError> {
        let secret = id.secret_hash();
        let wanted = wanted.opened_by(secret);
        // Converted inside the future: its output is small, and the record is moved only once.
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
            let (stored, values) = (head.clone(), VersionedValues::new(values, self.now));
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
    tracing::debug!("unknown_id: the session id in the cookie was never issued or is no longer valid");
    SessionStatus::Anonymous
}

/// Returns whether the secret is the newest one; `None` if it does not open the record.
fn accepts(record: &Record, hash: SecretHash, now: Timestamp) -> Option<bool> {
    let head = &record.head;
    if head.secret == hash {
        return Some(true);
    }
    let previous = head.previous.as_ref().filter(|previous| previous.hash == hash)?;
    previous.until.is_none_or(|until| now < until).then_some(false)
}
