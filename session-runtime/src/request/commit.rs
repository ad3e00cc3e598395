//! Commits the changes and actions of a request, and derives the outcome for its response.
//!
//! Takes the changes that guards recorded; gives the cookie to send, or the error that replaces the response. The path
//! follows from the status of the session and from the changed `renew` fields:
//!
//! | status | requested | performed |
//! |---|---|---|
//! | anonymous | values | `create` |
//! | live | values | `patch`; after a conflict merged and sent again |
//! | live | a login, a changed `renew(keep)` field, `renew()`, `reauthenticated()` | the same `patch`, with a new secret |
//! | live | a `renew` field leaves a value that is not its default | the next session, as below |
//! | live | `restart()` | the same, but the old session is deleted whatever happened to it |
//! | live | `destroy()` | `delete` |
//! | before a login of another request | values | nothing, 409; a login gets a session of its own |
//! | after a logout of another request | values | nothing, one line in the log |
//!
//! The next session is created with the `lasting` schemas by `create`, unless it would be empty. Then the old id is
//! ended, and its record removed by `delete`.

use std::pin::pin;

use crate::config::OnSaveError;
use crate::error::{ErrorKind, SessionError};
use crate::record::Values;
use crate::record::expiry::StoredExpiry;
use crate::request::budget::catch_panic;
use crate::request::changes::{IdentityChange, fresh_values, identity_change, rebase_on_empty, refused};
use crate::request::visit::{Finished, Purpose, Requested, SessionStatus, Visit};
use crate::schema::SchemaSpec;
use crate::sync::{AsyncMutexGuard, timeout};

use super::save::Save;

mod create;
mod explicit;

/// End of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The response means that the changes are stored.
    Answered,
    /// The response is a failure, so the changes are discarded.
    Failed,
    /// No response can carry an id: the handler has panicked.
    Lost,
}

/// Outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The record has changed, and the caller has to run again.
    Again,
}

/// Precondition of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreconditionKind {
    /// The values that it merges.
    Values,
    /// The whole record.
    Revision,
}

impl Visit {
    /// Stores the changes of the request, and returns the cookie and the error for the response. `status` is that of
    /// the response: 5xx discards the changes.
    pub async fn finish(&self, status: u16) -> Finished {
        let end = if status >= 500 { End::Failed } else { End::Answered };
        self.finish_as(end, status).await
    }

    /// Finishes with a response whose status does not decide about the changes.
    pub(crate) async fn finish_as(&self, end: End, status: u16) -> Finished {
        let _running = self.core.saves.begin();
        let result = catch_panic(pin!(self.finish_once(end))).await;
        let result = result.unwrap_or(Err(SessionError::new(ErrorKind::Panicked)));
        let error = result.err().filter(|error| self.counts(error));
        if let Some(error) = &error {
            self.report(error);
            self.failures.add(error);
        }
        let transport = self.core.transport.transport();
        let mut state = self.state();
        let clears_site_data = self.core.clear_site_data && state.is_destroyed();
        let answered = state.answered.take().filter(|error| error.kind().status() == status);
        let error = error.or(answered.map(|error| *error));
        let asks_to_retry = error.is_none() && status == 503 && self.failures.ask_to_retry();
        Finished { cookie: state.cookie.clone(), error, transport, clears_site_data, asks_to_retry }
    }

    async fn finish_once(&self, end: End) -> Result<(), SessionError> {
        let failed = end != End::Answered;
        let _turn = self.enter_gate().await?;
        if self.is_finished() {
            return self.save_given_up().map_or(Ok(()), Err);
        }
        let given_up = self.save_given_up();
        let (mut requested, left_open) = self.last_requested();
        let wrote = requested.changes_values() || requested.starts_over;
        let broken = left_open.map(guard_left_open).or(given_up).or(requested.take_failure());
        let broken = broken.or_else(|| refused(&requested.changes));
        if end == End::Lost {
            requested = requested.without_response();
        } else if failed || broken.is_some() {
            requested = requested.unconditional();
        }
        let committed = match self.settle_session_status(&requested).await {
            Ok(()) => self.commit(&mut requested, PreconditionKind::Values, !failed).await,
            Err(error) => Err(error),
        };
        let done = match broken {
            Some(broken) if !failed => Err(broken),
            _ => committed.map(drop),
        };
        if done.is_ok() && !failed {
            self.reseal();
        }
        self.end(requested, wrote, done.is_ok());
        done
    }

    /// Ends the request. Later reads still see its writes.
    fn end(&self, requested: Requested, wrote: bool, done: bool) {
        {
            let mut state = self.state();
            state.requested.keep(requested, done);
            state.in_flight.active = false;
        }
        if wrote {
            self.values_changed();
        }
    }

    /// Takes the changes and actions for the final save, and a schema whose guard is still open. This happens under one
    /// lock: a guard that is dropped at this moment has either recorded its changes or counts as open.
    fn last_requested(&self) -> (Requested, Option<&'static SchemaSpec>) {
        let mut state = self.state();
        if let Some(kind) = state.kind {
            self.core.load_sets.learn(kind, state.asked);
        }
        state.finished = true;
        state.in_flight.active = true;
        state.in_flight.critical |= state.requested.is_critical();
        (state.requested.hand_over(), self.open_in(&state))
    }

    /// Waits until earlier loads and saves of the request have ended. Fails if they have not ended by the deadline.
    pub(crate) async fn enter_gate(&self) -> Result<AsyncMutexGuard<'_, ()>, SessionError> {
        if let Ok(gate) = self.gate.try_lock() {
            return Ok(gate);
        }
        let gate = Box::pin(timeout(self.budget.left(), self.gate.lock())).await;
        gate.map_err(|_| SessionError::with(ErrorKind::Unavailable, "a save of this request has not ended"))
    }

    /// Returns the error for a save that was dropped before it ended. Its outcome is unknown, and sending it again
    /// could count twice.
    fn save_given_up(&self) -> Option<SessionError> {
        let given_up = "a save of this request was given up before it ended";
        self.state().in_flight.active.then(|| SessionError::with(ErrorKind::Unavailable, given_up))
    }

    /// Returns whether the error must replace the response. Changes after a logout are only logged; the settings may
    /// also allow other losses to be only logged.
    fn counts(&self, error: &SessionError) -> bool {
        let critical = {
            let state = self.state();
            state.in_flight.critical || state.requested.is_critical()
        };
        match error.kind() {
            ErrorKind::Gone => {
                tracing::info!("the session was destroyed: this request's changes are dropped");
                false
            }
            ErrorKind::Unavailable if self.core.on_save_error == OnSaveError::Log => {
                if !critical {
                    if self.failures.is_news(error) {
                        tracing::error!("session changes are lost: {}", error.chain());
                    }
                    return false;
                }
                true
            }
            _ => true,
        }
    }

    /// Loads the session for `destroy`, `restart`, `renew` or `set_expiry`, which may come before any load. A copy from
    /// a cache is not enough to end a session: only the store can confirm that the secret is still valid.
    async fn settle_session_status(&self, requested: &Requested) -> Result<(), SessionError> {
        let (unread, copied) = {
            let state = self.state();
            (
                matches!(state.session_status, SessionStatus::Unread(_)),
                state.session_status.live().is_some() && state.fresh.is_empty(),
            )
        };
        let ends = requested.destroy || requested.restart;
        let about_the_whole = ends || requested.renews_id() || requested.expiry.is_some();
        if (unread && about_the_whole) || (copied && ends) {
            let load_set = self.core.load_sets.eager();
            let session_status = Box::pin(self.load_set(load_set, Purpose::Write)).await?;
            self.set_loaded(session_status, load_set, Purpose::Write);
        }
        Ok(())
    }

    async fn commit(
        &self,
        requested: &mut Requested,
        precondition: PreconditionKind,
        answered: bool,
    ) -> Result<Outcome, SessionError> {
        let session_status = self.state().session_status.clone();
        if requested.destroy {
            return Box::pin(self.destroy_now(&session_status, requested)).await;
        }
        if let Some(broken) = requested.take_failure().or_else(|| refused(&requested.changes)) {
            return Err(broken);
        }
        let values = !requested.changes.is_empty() || requested.reauthenticated;
        match session_status {
            SessionStatus::Live(live) if requested.starts_over => {
                Box::pin(self.start_over(&live, requested, precondition)).await
            }
            SessionStatus::Live(live) => {
                let save = Save::new(self, live, requested, precondition, answered)?;
                // Boxed like the other paths: the future of a request that only reads stays small.
                if save.is_needed() { Box::pin(save.run()).await } else { Ok(Outcome::Done) }
            }
            SessionStatus::Stale if values && identity_change(&requested.changes) != IdentityChange::Login => {
                Err(SessionError::new(ErrorKind::Renewed))
            }
            SessionStatus::Ended if values && !requested.restart => Err(SessionError::new(ErrorKind::Gone)),
            SessionStatus::Anonymous | SessionStatus::Stale | SessionStatus::Ended if values => {
                let values = fresh_values(&rebase_on_empty(&requested.changes)?, &self.core);
                let values = self.with_proof(values, requested);
                let created = Box::pin(self.create(values, &Values::new(), requested.chosen_expiry())).await?;
                requested.clear_stored_changes();
                Ok(created)
            }
            _ => Ok(Outcome::Done),
        }
    }

    async fn destroy_now(
        &self,
        session_status: &SessionStatus,
        requested: &Requested,
    ) -> Result<Outcome, SessionError> {
        if let Some(live) = session_status.live() {
            self.core.run(&self.budget, self.store().delete(live.id.key)).await?;
            self.core.watches.over(live.id.key);
            let mut state = self.state();
            state.session_status = SessionStatus::Ended;
            state.cookie = self.core.transport.remove();
        }
        if requested.after_destroy { Err(SessionError::new(ErrorKind::Gone)) } else { Ok(Outcome::Done) }
    }
}

impl Requested {
    /// True if the loss of these changes and actions must not be reported as a success, whatever the settings.
    fn is_critical(&self) -> bool {
        self.destroy || self.renews_id() || self.starts_over || identity_change(&self.changes) != IdentityChange::Same
    }

    /// Returns the expiry for a new session.
    pub(super) fn chosen_expiry(&self) -> StoredExpiry {
        self.expiry.map_or(StoredExpiry::Default, Into::into)
    }
}

/// Logs and returns the error for a guard that was moved into a stream or a task: its changes will be lost.
fn guard_left_open(schema: &'static SchemaSpec) -> SessionError {
    tracing::error!(
        schema = schema.key,
        "a writable session guard outlives its handler: `save` and drop it before a stream or a task begins"
    );
    SessionError::at_schema(ErrorKind::GuardOpen, schema)
}

impl Visit {
    /// Logs the failure of a save. A race that another request won is no fault of the server.
    pub(crate) fn report(&self, error: &SessionError) {
        match error.kind() {
            _ if error.is_logged() => {}
            ErrorKind::Renewed | ErrorKind::Rejected => tracing::info!("{error}: this request's changes are refused"),
            _ if self.failures.is_news(error) => tracing::error!("the session could not be saved: {}", error.chain()),
            _ => {}
        }
    }

    /// Records the failure of a guard, and logs it if the server is at fault. Returns the error for the adapter.
    #[cfg(any(feature = "rocket", feature = "axum"))]
    pub(crate) fn guard_failed(&self, error: SessionError) -> SessionError {
        if error.is_fault() && self.failures.is_news(&error) {
            tracing::error!("a session guard failed: {}", error.chain());
        }
        self.failures.add(&error);
        error.logged()
    }
}

#[cfg(any(feature = "rocket", feature = "axum"))]
impl SessionError {
    /// True if the server is at fault. A load that comes after a logout or a login is the visitor's doing, and so is a
    /// missing proof of identity. Two guards of one schema and a request from another site are logged where they are refused.
    pub(crate) fn is_fault(&self) -> bool {
        use ErrorKind::{CrossSite, Gone, GuardOpen, NotRecent, Renewed};
        !matches!(self.kind(), Gone | Renewed | NotRecent | GuardOpen | CrossSite)
    }
}

#[cfg(test)]
mod tests;
