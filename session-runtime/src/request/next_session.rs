//! The end of a session and the beginning of the next, after a user has left or `restart` was called.
//!
//! The new record holds the `lasting` schemas as they are stored now, and the values that this request set. It is
//! created first, so that a failure leaves the browser with its present session. The old id ends before its record is
//! deleted, so that a login of another request in between is not deleted with it.

use std::sync::Arc;

use super::commit::{Outcome, PreconditionKind};
use crate::error::{ErrorKind, SessionError};
use crate::id::{SessionId, SessionKey};
use crate::record::patch::{NewSecret, Patch, Patched, Precondition};
use crate::record::{Values, key};
use crate::request::changes::{Changes, IdentityChange, fill, fresh_values, identity_change, rebase, schemas_of};
use crate::request::visit::{Live, Requested, SessionStatus, Visit};
use crate::store::Loaded;
use crate::version::versioned::VersionedValues;

/// Old session after the attempt to end it.
enum OldSession {
    Ended,
    /// Another request has logged in or out, or the session has expired.
    Elsewhere(ErrorKind),
    /// The record is not the one that the work of an `update_now` has read.
    Changed,
}

impl OldSession {
    fn outcome(self, identity_change: IdentityChange) -> Result<Outcome, SessionError> {
        match self {
            Self::Ended => Ok(Outcome::Done),
            Self::Changed => Ok(Outcome::Again),
            // A login gets a session of its own.
            Self::Elsewhere(_) if identity_change == IdentityChange::Login => Ok(Outcome::Done),
            Self::Elsewhere(kind) => Err(SessionError::new(kind)),
        }
    }
}

impl Visit {
    /// Ends the stored session and begins the next, unless that would be empty.
    pub(super) async fn start_over(
        &self,
        live: &Arc<Live>,
        requested: &mut Requested,
        precondition: PreconditionKind,
    ) -> Result<Outcome, SessionError> {
        let done = self.replace_session(live, requested, precondition).await;
        if done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Gone) {
            self.state().session_status = SessionStatus::Ended;
        }
        done
    }

    async fn replace_session(
        &self,
        live: &Arc<Live>,
        requested: &mut Requested,
        precondition: PreconditionKind,
    ) -> Result<Outcome, SessionError> {
        let stored = self.lasting_of(live, requested).await?;
        let values = self.next_values(&stored, &requested.changes)?;
        let before = self.state().checkpoint();
        self.create(self.with_proof(values, requested), &stored, requested.chosen_expiry()).await?;
        let next = self.state().session_status.live().map(|live| live.id.key).filter(|key| *key != live.id.key);
        let ended = self.end_session(live, next, requested, precondition).await;
        if matches!(ended, Ok(OldSession::Ended)) {
            self.core.watches.over(live.id.key);
        }
        let done = ended.and_then(|ended| ended.outcome(identity_change(&requested.changes)));
        if !matches!(done, Ok(Outcome::Done)) {
            // The browser keeps the id of the old session.
            self.delete_unsent(before, next).await;
            return done;
        }
        requested.clear_stored_changes();
        if next.is_none() {
            self.set_anonymous();
        }
        done
    }

    /// Loads the stored values of the lasting schemas again. A login does not depend on them; a logout that another
    /// request has overtaken is refused.
    async fn lasting_of(&self, live: &Live, requested: &Requested) -> Result<Values, SessionError> {
        let Some(load_set) = self.core.load_sets.lasting() else { return Ok(Values::new()) };
        let wanted = load_set.wanted.clone().fresh();
        let is_needed = requested.restart || identity_change(&requested.changes) == IdentityChange::Login;
        let mut values = match self.load_of(live, &wanted).await {
            Ok(Some((Loaded { record, .. }, _))) => record.values,
            Ok(None) if is_needed => Values::new(),
            Ok(None) => return Err(SessionError::new(ErrorKind::Gone)),
            // Values from before the login of another request, never those after it.
            Err(error) if error.kind() == ErrorKind::Renewed && is_needed => live.values.stored().clone(),
            Err(error) => return Err(error),
        };
        values.retain(|name| wanted.wants(name));
        for schema in &requested.dropped {
            values.retain(|name| !key::is_of_schema(name, schema.key));
        }
        Ok(values)
    }

    /// Returns the values of the next session: the lasting schemas with the changes of this request, and the values
    /// that it set in all others.
    fn next_values(&self, stored: &Values, changes: &Changes) -> Result<Values, SessionError> {
        let versions = &self.core.versions;
        let (lasting, own): (Changes, Changes) =
            changes.clone().into_iter().partition(|(_, change)| change.schema.lasting);
        let mut values = VersionedValues::new(stored.clone(), self.now);
        schemas_of(&lasting).try_for_each(|schema| values.check_writable(schema, versions))?;
        let lasting = rebase(&lasting, |change| values.base_of(change))?;
        let mut patch = Patch::on_generation(0);
        fill(&mut patch, &lasting, &self.core, &values, 0)?;
        let mut next = stored.clone();
        patch.apply(&mut next);
        // A section without fields is left out.
        let fields = next.clone();
        next.retain(|name| !key::is_metadata(name) || fields.of_schema(name).nth(1).is_some());
        for (name, text) in fresh_values(&own, &self.core).iter() {
            next.set(name.clone(), text.clone());
        }
        Ok(next)
    }

    /// Ends the old session. In a cookie, the next session has already replaced it.
    async fn end_session(
        &self,
        live: &Live,
        next: Option<SessionKey>,
        requested: &Requested,
        precondition: PreconditionKind,
    ) -> Result<OldSession, SessionError> {
        if self.is_in_cookie() && next.is_some() {
            return Ok(OldSession::Ended);
        }
        let delete = || self.core.run(&self.budget, self.store().delete(live.id.key));
        if requested.restart {
            return delete().await.map(|()| OldSession::Ended);
        }
        match self.end_id(live, precondition).await? {
            Patched::Done(_) => {}
            Patched::Gone => return Ok(OldSession::Elsewhere(ErrorKind::Gone)),
            Patched::Renewed => return Ok(OldSession::Elsewhere(ErrorKind::Renewed)),
            Patched::Conflict(_) => return Ok(OldSession::Changed),
        }
        if let Err(error) = delete().await {
            tracing::warn!("a session that has ended could not be removed yet: {}", error.chain());
        }
        Ok(OldSession::Ended)
    }

    /// Ends the old id: from then on no id opens the session. If its removal fails, the record stays until it expires.
    async fn end_id(&self, live: &Live, precondition: PreconditionKind) -> Result<Patched, SessionError> {
        let now = self.core.now();
        let hash = SessionId::renewed(live.id.key, self.core.random)?.secret_hash();
        let mut patch = Patch::on_generation(live.head.generation);
        patch.secret = Some(NewSecret::Raise { hash, at: now });
        if precondition == PreconditionKind::Revision {
            patch.precondition = Precondition::Revision(live.head.revision);
        }
        self.core.run(&self.budget, self.store().patch(live.id.key, patch, now)).await
    }

    /// Marks the session as absent and removes the cookie.
    fn set_anonymous(&self) {
        let mut state = self.state();
        state.session_status = SessionStatus::Anonymous;
        state.cookie = self.core.transport.remove();
    }

    /// Deletes the next session after a failure: its id was sent to no browser.
    async fn delete_unsent(&self, before: crate::request::visit::Checkpoint, next: Option<SessionKey>) {
        self.state().restore(before);
        let Some(key) = next else { return };
        if let Err(error) = self.core.run(&self.budget, self.store().delete(key)).await {
            tracing::warn!("an unused new session could not be deleted: {}", error.chain());
        }
    }
}
