//! Commits the changes and actions of a request, and derives the outcome for its response.
//!
//! Takes the changes that guards recorded; gives the cookie to send, or the error that replaces the response. The path
//! follows from the status of the session and from the changed `renew` fields:
//!
//! | status | requested | performed |
//! |---|---|---|
//! | anonymous | values | `create` |
//! | live | values | `patch`; after a conflict merged and sent again |
//! | live | a login, a changed `renew(keep)` field, `renew()` | the same `patch`, with a new secret |
//! | live | a `renew` field leaves a value that is not its default | the next session, as below |
//! | live | `restart()` | the same, but the old session is deleted whatever happened to it |
//! | live | `destroy()` | `delete` |
//! | before a login of another request | values | nothing, 409; a login gets a session of its own |
//! | after a logout of another request | values | nothing, one line in the log |
//!
//! The next session is created with the `lasting` schemas by `create`, unless it would be empty. Then the old id is
//! ended, and its record removed by `delete`.

use std::pin::pin;
use std::sync::Arc;

use crate::config::OnSaveError;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::expiry::{Span, StoredExpiry};
use crate::record::{Head, Record, Values};
use crate::request::budget::catch_panic;
use crate::request::changes::{IdentityChange, fresh_values, identity_change, rebase, rebase_on_empty, refused};
use crate::request::core::Core;
use crate::request::visit::{Finished, Live, Purpose, Requested, SessionStatus, SessionWide, State, Visit};
use crate::schema::SchemaSpec;
use crate::store::Created;
use crate::sync::{AsyncMutexGuard, timeout};
use crate::version::versioned::VersionedValues;

use super::save::Save;

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
        let failed = status >= 500;
        let result = catch_panic(pin!(self.finish_once(failed))).await;
        let result = result.unwrap_or(Err(SessionError::new(ErrorKind::Panicked)));
        let error = result.err().filter(|error| self.counts(error));
        if let Some(error) = &error {
            self.report(error);
            #[cfg(feature = "rocket")]
            self.failures.add(error);
        }
        Finished { cookie: self.state().cookie.clone(), error }
    }

    async fn finish_once(&self, failed: bool) -> Result<(), SessionError> {
        let _turn = self.enter_gate().await?;
        if self.is_finished() {
            return self.save_given_up().map_or(Ok(()), Err);
        }
        let given_up = self.save_given_up();
        let (mut requested, left_open) = self.last_requested();
        let wrote = requested.changes_values() || requested.starts_over;
        let broken = left_open.map(guard_left_open).or(given_up).or(requested.take_failure());
        let broken = broken.or_else(|| refused(&requested.changes));
        if failed || broken.is_some() {
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
        state.finished = true;
        state.in_flight.active = true;
        state.in_flight.critical |= state.requested.is_critical();
        (state.requested.hand_over(), self.open_in(&state))
    }

    /// Waits until earlier loads and saves of the request have ended. One that never ends costs the deadline.
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

    /// Returns whether the error must fail the response. A save after a logout need not, nor a failure that the
    /// settings only log.
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
        let about_the_whole = ends || requested.renew || requested.expiry.is_some();
        if (unread && about_the_whole) || (copied && ends) {
            let group = self.core.groups.of(None);
            let session_status = Box::pin(self.load_group(group, Purpose::Write)).await?;
            self.set_loaded(session_status, group, Purpose::Write);
        }
        Ok(())
    }

    /// Saves now, and returns every failure, for `SessionHandle::save` and `Session::save`.
    pub(crate) async fn save_now(&self) -> Result<(), SessionError> {
        let _turn = self.begin_save().await?;
        let requested = self.state().begin();
        let saved = match self.settle_session_status(&requested).await {
            Ok(()) => self.commit(&mut requested.clone(), PreconditionKind::Values, true).await.map(drop),
            Err(error) => Err(error),
        };
        self.end_save(requested, saved, None).await
    }

    /// Runs `work` on a fresh load, and repeats this until the record does not change between the load and the save.
    pub(crate) async fn update_now(
        &self,
        at: usize,
        mut work: impl FnMut(&mut Requested) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        let _turn = self.begin_save().await?;
        let requested = self.state().begin();
        let updated = self.update_until_settled(&requested, &mut work).await;
        self.end_save(requested, updated.map(drop), Some(at)).await
    }

    async fn update_until_settled(
        &self,
        before: &Requested,
        work: &mut impl FnMut(&mut Requested) -> Result<(), SessionError>,
    ) -> Result<Outcome, SessionError> {
        let key = self.state().session_status.live().map(|live| live.id.key);
        let mut ticket = match key {
            Some(key) => Some(self.core.queues.enter(key, &self.budget).await?),
            None => None,
        };
        loop {
            match (self.update_once(before, work).await?, &mut ticket) {
                (Outcome::Again, Some(ticket)) => ticket.after_conflict(&self.budget).await?,
                (outcome, _) => return Ok(outcome),
            }
        }
    }

    /// Runs the work once. Changes requested during the load or the save are left for a later save.
    async fn update_once(
        &self,
        before: &Requested,
        work: &mut impl FnMut(&mut Requested) -> Result<(), SessionError>,
    ) -> Result<Outcome, SessionError> {
        self.reload().await?;
        let mut requested = before.clone();
        {
            let mut state = self.state();
            requested.changes = rebase(&before.changes, |change| state.stored_for(before, change))?;
            state.set_in_flight(&requested);
        }
        self.values_changed();
        work(&mut requested)?;
        {
            let mut state = self.state();
            if state.requested.destroy {
                requested.session_wide_mut().destroy = true;
            }
            state.set_in_flight(&requested);
        }
        self.commit(&mut requested, PreconditionKind::Revision, true).await
    }

    async fn begin_save(&self) -> Result<AsyncMutexGuard<'_, ()>, SessionError> {
        let turn = self.enter_gate().await?;
        if self.is_finished() {
            return Err(SessionError::new(ErrorKind::TooLate));
        }
        if let Some(given_up) = self.save_given_up() {
            return Err(given_up);
        }
        self.state().in_flight.active = true;
        Ok(turn)
    }

    /// Ends an explicit save. `at`: schema of the saving guard, if that guard holds no value of a user who has left.
    async fn end_save(
        &self,
        requested: Requested,
        saved: Result<(), SessionError>,
        at: Option<usize>,
    ) -> Result<(), SessionError> {
        #[cfg(feature = "rocket")]
        if let Err(error) = &saved {
            self.failures.add(error);
        }
        if self.state().after_save(requested, saved.as_ref().err()) {
            self.forget_user(at);
        }
        if saved.is_ok() && self.reload().await.is_err() {
            // The save has succeeded; later changes are based on the values that this request has.
            tracing::debug!("the session was saved, and could not be read again");
        }
        self.values_changed();
        self.state().in_flight.active = false;
        saved
    }

    /// Loads the stored values again, as the base of later changes.
    async fn reload(&self) -> Result<(), SessionError> {
        let session_status = self.state().session_status.clone();
        let SessionStatus::Live(live) = session_status else { return Ok(()) };
        let fresh = self.load_again(&live).await?;
        let SessionStatus::Live(mut fresh) = fresh else {
            self.state().session_status = SessionStatus::Ended;
            return Err(SessionError::new(ErrorKind::Gone));
        };
        let live = Arc::make_mut(&mut fresh);
        live.head = live.stored.clone();
        let mut state = self.state();
        state.session_status = SessionStatus::Live(fresh);
        state.fresh = state.fetched;
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
        if let Some(broken) = requested.take_failure() {
            return Err(broken);
        }
        if let Some(refused) = refused(&requested.changes) {
            return Err(refused);
        }
        let values = !requested.changes.is_empty();
        match session_status {
            SessionStatus::Live(live) if requested.starts_over => {
                let done = Box::pin(self.start_over(&live, requested, precondition)).await;
                if done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Gone) {
                    self.state().session_status = SessionStatus::Ended;
                }
                done
            }
            SessionStatus::Live(live) => {
                let save = Save::new(self, live, requested, precondition, answered)?;
                // Boxed like the other paths, so that a request that only reads does not pay for their size.
                if save.is_needed() { Box::pin(save.run()).await } else { Ok(Outcome::Done) }
            }
            SessionStatus::Stale if values && identity_change(&requested.changes) != IdentityChange::Login => {
                Err(SessionError::new(ErrorKind::Renewed))
            }
            SessionStatus::Ended if values && !requested.restart => Err(SessionError::new(ErrorKind::Gone)),
            SessionStatus::Anonymous | SessionStatus::Stale | SessionStatus::Ended if values => {
                let values = fresh_values(&rebase_on_empty(&requested.changes)?, &self.core.versions);
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
            let mut state = self.state();
            state.session_status = SessionStatus::Ended;
            state.cookie = self.core.cookie.remove();
        }
        if requested.after_destroy { Err(SessionError::new(ErrorKind::Gone)) } else { Ok(Outcome::Done) }
    }

    /// Creates a session under a new id. `before`: the record from which values were taken over. Creates nothing if
    /// there is nothing to store.
    pub(super) async fn create(
        &self,
        values: Values,
        before: &Values,
        expiry: StoredExpiry,
    ) -> Result<Outcome, SessionError> {
        if values.is_empty() {
            return Ok(Outcome::Done);
        }
        let values = self.core.versions.to_store(values, before)?;
        let (bytes, keys) = (values.bytes(), values.len());
        self.core.limits.check(bytes, keys)?;
        let (id, record) = self.core.create(self, values, expiry).await?;
        let mut state = self.state();
        state.cookie = self.new_cookie(id, &record.head, record.head.created);
        let Record { head, values } = record;
        let (stored, values) = (head.clone(), VersionedValues::new(values));
        state.session_status = SessionStatus::Live(Arc::new(Live {
            id,
            presented: false,
            head,
            values,
            stored,
            bytes,
            keys,
            unreadable: Vec::new(),
        }));
        drop(state);
        self.set_all_fetched();
        Ok(Outcome::Done)
    }
}

impl Requested {
    /// True if the loss of these requests must not be reported as a success, whatever the settings.
    fn is_critical(&self) -> bool {
        self.destroy || self.renew || self.starts_over || identity_change(&self.changes) != IdentityChange::Same
    }

    /// Returns the expiry for a new session.
    pub(super) fn chosen_expiry(&self) -> StoredExpiry {
        self.expiry.map_or(StoredExpiry::Default, Into::into)
    }
}

impl State {
    /// Takes all changes and actions for a save. A destruction stays requested meanwhile, even if the save is
    /// abandoned.
    fn begin(&mut self) -> Requested {
        let rest = Requested::destruction(self.requested.destroy);
        let requested = std::mem::replace(&mut self.requested, rest);
        self.set_in_flight(&requested);
        requested
    }

    fn set_in_flight(&mut self, requested: &Requested) {
        self.in_flight.requested = Some(Box::new(requested.clone()));
        self.in_flight.critical |= requested.is_critical();
    }

    /// Restores the requests that an explicit save has left undone. Returns whether the work of an `update_now` has
    /// ended the session of a user, in which case open guards have seen the values of that user.
    fn after_save(&mut self, requested: Requested, error: Option<&SessionError>) -> bool {
        let starts_over = self.in_flight.starts_over() && error.is_none() && !requested.starts_over;
        self.in_flight.requested = None;
        self.in_flight.critical &=
            error.is_some_and(|error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Panicked));
        let stored = self.session_status.live().is_some();
        let left = match error.map(SessionError::kind) {
            // A destruction stays requested, and a chosen expiry applies to a session that may yet be created.
            None => {
                let (destroy, expiry) = (requested.destroy, requested.expiry.filter(|_| !stored));
                SessionWide { expiry, destroy, ..SessionWide::default() }.into()
            }
            Some(ErrorKind::Gone) => Requested::destruction(requested.destroy),
            // The outcome is unknown, and sending the changes again could count twice. Ending a session twice does no
            // harm.
            Some(ErrorKind::Unavailable | ErrorKind::Panicked) => {
                let SessionWide { destroy, restart, .. } = *requested;
                SessionWide {
                    destroy,
                    restart,
                    starts_over: restart,
                    failure: error.cloned(),
                    ..SessionWide::default()
                }
                .into()
            }
            Some(_) => requested,
        };
        if starts_over {
            self.epoch += 1;
        }
        let put_back = if starts_over { self.requested.leave_user() } else { Ok(()) };
        if let Err(error) = put_back.and_then(|()| self.requested.put_back(left)) {
            self.requested.set_failure(error);
        }
        starts_over
    }
}

impl Core {
    /// Creates a record under a new id, drawn at most four times until one is free. The record under a taken id is
    /// never touched.
    async fn create(
        &self,
        visit: &Visit,
        values: Values,
        expiry: StoredExpiry,
    ) -> Result<(SessionId, Record), SessionError> {
        const TRIES: usize = 4;
        let now = self.now();
        let absolute_deadline = self.lifetime.absolute_deadline(now);
        let idle_deadline = self.lifetime.idle_deadline(expiry, Span { created: now, absolute_deadline }, now);
        for _ in 0..TRIES {
            let id = SessionId::new(self.random)?;
            let head = Head {
                created: now,
                touched: now,
                idle_deadline,
                absolute_deadline,
                expiry,
                secret: id.secret_hash(),
                secret_since: now,
                previous: None,
                generation: 0,
                generation_since: None,
                revision: 0,
            };
            let record = Record { head, values: values.clone() };
            if self.run(&visit.budget, visit.store().create(id.key, record.clone())).await? == Created::Done {
                self.lifetime.report_cut(expiry, record.head.span(), now);
                return Ok((id, record));
            }
            tracing::error!("a new session id was taken already; drawing another");
        }
        Err(SessionError::with(ErrorKind::Unavailable, "four random ids in a row were taken"))
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
            ErrorKind::Renewed | ErrorKind::Rejected => tracing::info!("{error}: this request's changes are refused"),
            _ if self.failures.is_news(error) => tracing::error!("the session could not be saved: {}", error.chain()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
