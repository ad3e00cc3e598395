//! A request's wishes to one patch, and what the store's answer means for the request.
//!
//! Takes what the guards recorded; gives the cookie that goes out, or the error that replaces the answer. Which way a
//! session goes follows from where the visitor stands and from what happened to the `renew` fields:
//!
//! | stands | wishes | is done |
//! |---|---|---|
//! | anonymous | values | `create` |
//! | with a session | values | `patch`; after a conflict merged and sent again |
//! | with a session | a login, a `renew(keep)` field changed, `renew()` | the same `patch`, with a new secret |
//! | with a session | a `renew` field leaves a value that is not its default | `create` of a new session with the `lasting` schemas, unless it would be empty; the old id ended, then `delete` |
//! | with a session | `restart()` | the same, but that the old session is deleted whatever happened to it |
//! | with a session | `destroy()` | `delete` |
//! | before a login of another request | values | nothing, 409; a login gets a session of its own |
//! | after a logout of another request | values | nothing, one line in the log |

use std::pin::pin;
use std::sync::Arc;

use crate::config::OnSaveError;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::expiry::{Span, StoredExpiry};
use crate::record::{Head, Record, Values};
use crate::request::budget::catch_panic;
use crate::request::changes::{IdentityChange, fresh_values, identity_change, rebase, rebase_on_nothing, refused};
use crate::request::core::Core;
use crate::request::visit::{Finished, Live, Requested, SessionStatus, SessionWide, State, Use, Visit};
use crate::schema::SchemaSpec;
use crate::store::Created;
use crate::sync::{AsyncMutexGuard, timeout};
use crate::version::versioned::Versioned;

use super::save::Save;

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Something in the record changed, and the caller has to run again.
    Again,
}

/// What a patch rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// The values it merges.
    Values,
    /// The whole record.
    Revision,
}

impl Visit {
    /// Stores what the request did and says what goes out. `status` is the answer's: 5xx discards what was written.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// assert!(visit.finish(200).await.cookie.header().is_some());
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
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
        let wrote = requested.changes_values() || requested.over;
        let broken = left_open.map(guard_left_open).or(given_up).or(requested.take_failure());
        let broken = broken.or_else(|| refused(&requested.changes));
        if failed || broken.is_some() {
            requested = requested.unconditional();
        }
        let committed = match self.settle_session_status(&requested).await {
            Ok(()) => self.commit(&mut requested, Basis::Values, !failed).await,
            Err(error) => Err(error),
        };
        let done = match broken {
            Some(broken) if !failed => Err(broken),
            _ => committed.map(drop),
        };
        if done.is_ok() && !failed {
            self.seal_anew();
        }
        self.end(requested, wrote, done.is_ok());
        done
    }

    /// Who reads after the end still sees what the request wrote.
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

    /// What the request wishes at its end, and a schema whose guard is open: at one moment, so that a guard which ends
    /// now has either handed over its changes or is seen. The changes are handed over, and what else is known stays.
    fn last_requested(&self) -> (Requested, Option<&'static SchemaSpec>) {
        let mut state = self.state();
        state.finished = true;
        state.in_flight.active = true;
        state.in_flight.critical |= state.requested.is_critical();
        (state.requested.hand_over(), self.open_in(&state))
    }

    /// Loads and saves of a request follow each other; one that somebody keeps without ending it costs the deadline.
    pub(crate) async fn enter_gate(&self) -> Result<AsyncMutexGuard<'_, ()>, SessionError> {
        if let Ok(gate) = self.gate.try_lock() {
            return Ok(gate);
        }
        let gate = Box::pin(timeout(self.budget.left(), self.gate.lock())).await;
        gate.map_err(|_| SessionError::with(ErrorKind::Unavailable, "a save of this request has not ended"))
    }

    /// Dropped before it ended, so its outcome is unknown, and sending it again could count twice.
    fn save_given_up(&self) -> Option<SessionError> {
        let given_up = "a save of this request was given up before it ended";
        self.state().in_flight.active.then(|| SessionError::with(ErrorKind::Unavailable, given_up))
    }

    /// A late save after a logout is no error, and neither is one that the settings say to log only.
    fn counts(&self, error: &SessionError) -> bool {
        let critical = {
            let state = self.state();
            state.in_flight.critical || state.requested.is_critical()
        };
        match error.kind() {
            ErrorKind::Gone => {
                tracing::info!("the session was destroyed: what this request wrote is dropped");
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

    /// `destroy`, `renew` and `set_expiry` may come before anything was loaded. By a copy nothing is destroyed: only the
    /// store can say that the secret is still the right one.
    async fn settle_session_status(&self, requested: &Requested) -> Result<(), SessionError> {
        let (unread, copied) = {
            let state = self.state();
            (
                matches!(state.session_status, SessionStatus::Unread(_)),
                state.session_status.live().is_some() && state.fresh == 0,
            )
        };
        let ends = requested.destroy || requested.restart;
        let about_the_whole = ends || requested.renew || requested.expiry.is_some();
        if (unread && about_the_whole) || (copied && ends) {
            let group = self.core.groups.of(None);
            let session_status = Box::pin(self.load_group(group, Use::Write)).await?;
            self.set_loaded(session_status, group, Use::Write);
        }
        Ok(())
    }

    /// `SessionHandle::save` and `Session::save`: now, and with every failure told.
    pub(crate) async fn save_now(&self) -> Result<(), SessionError> {
        let _turn = self.begin_save().await?;
        let requested = self.state().begin();
        let saved = match self.settle_session_status(&requested).await {
            Ok(()) => self.commit(&mut requested.clone(), Basis::Values, true).await.map(drop),
            Err(error) => Err(error),
        };
        self.end_save(requested, saved, None).await
    }

    /// Runs `work` on a fresh load until nothing has changed between that load and the save.
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

    /// What was wished while the load or the save was under way stays a wish.
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
        self.commit(&mut requested, Basis::Revision, true).await
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

    /// `at`: the schema of the guard that saves, if it took over no value of a user who has gone.
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
            // It is stored, and that is what was asked; the base of what follows is what this request knows of it.
            tracing::debug!("the session was saved, and could not be read again");
        }
        self.values_changed();
        self.state().in_flight.active = false;
        saved
    }

    /// Reads what is stored now, as the base of what follows.
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

    async fn commit(&self, requested: &mut Requested, basis: Basis, answered: bool) -> Result<Outcome, SessionError> {
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
            SessionStatus::Live(live) if requested.over => Box::pin(self.start_over(&live, requested, basis)).await,
            SessionStatus::Live(live) => {
                let save = Save::new(self, live, requested, basis, answered)?;
                // Boxed as the other ways are, so that a request which only reads does not pay for their size.
                if save.is_needed() { Box::pin(save.run()).await } else { Ok(Outcome::Done) }
            }
            SessionStatus::Stale if values && identity_change(&requested.changes) != IdentityChange::Login => {
                Err(SessionError::new(ErrorKind::Renewed))
            }
            SessionStatus::Ended if values && !requested.restart => Err(SessionError::new(ErrorKind::Gone)),
            SessionStatus::Anonymous | SessionStatus::Stale | SessionStatus::Ended if values => {
                let values = fresh_values(&rebase_on_nothing(&requested.changes)?, &self.core.versions);
                let created = Box::pin(self.create(values, &Values::new(), requested.chosen_expiry())).await?;
                requested.stored_anew();
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

    /// A new session under a new id, with what it has from the record `before`; creates nothing if there is nothing to store.
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
        let (stored, values) = (head.clone(), Versioned::new(values));
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
    /// Whether a loss of it must not pass as a success, whatever the settings say.
    fn is_critical(&self) -> bool {
        self.destroy || self.renew || self.over || identity_change(&self.changes) != IdentityChange::Same
    }

    /// What a new session is created with.
    pub(super) fn chosen_expiry(&self) -> StoredExpiry {
        self.expiry.map_or(StoredExpiry::Default, Into::into)
    }
}

impl State {
    /// Hands all wishes to a save. Destroyed stays destroyed meanwhile, and if the save is given up.
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

    /// What is left to be done after an explicit save. Says whether the work of an `update_now` has ended the session of a
    /// user: guards that are open have seen that user's values.
    fn after_save(&mut self, requested: Requested, error: Option<&SessionError>) -> bool {
        let over = self.in_flight.is_over() && error.is_none() && !requested.over;
        self.in_flight.requested = None;
        self.in_flight.critical &=
            error.is_some_and(|error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Panicked));
        let stored = self.session_status.live().is_some();
        let left = match error.map(SessionError::kind) {
            // Destroyed stays destroyed, and a chosen expiry counts for the session that may yet be created.
            None => {
                let (destroy, expiry) = (requested.destroy, requested.expiry.filter(|_| !stored));
                SessionWide { destroy, expiry, ..SessionWide::default() }.into()
            }
            Some(ErrorKind::Gone) => Requested::destruction(requested.destroy),
            // The outcome is unknown, and sending it again could count twice. Ending a session twice does no harm.
            Some(ErrorKind::Unavailable | ErrorKind::Panicked) => {
                let SessionWide { destroy, restart, .. } = *requested;
                SessionWide { destroy, restart, over: restart, failure: error.cloned(), ..SessionWide::default() }
                    .into()
            }
            Some(_) => requested,
        };
        if over {
            self.epoch += 1;
        }
        let put_back = if over { self.requested.leave_user() } else { Ok(()) };
        if let Err(error) = put_back.and_then(|()| self.requested.put_back(left)) {
            self.requested.set_failure(error);
        }
        over
    }
}

impl Core {
    /// Draws ids until one is free; one that is taken is never touched.
    async fn create(
        &self,
        visit: &Visit,
        values: Values,
        expiry: StoredExpiry,
    ) -> Result<(SessionId, Record), SessionError> {
        const TRIES: usize = 4;
        let now = self.now();
        let ends = self.lifetime.ends(now);
        let expires = self.lifetime.expires(expiry, Span { created: now, ends }, now);
        for _ in 0..TRIES {
            let id = SessionId::new(self.random)?;
            let head = Head {
                created: now,
                touched: now,
                expires,
                ends,
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
        Err(SessionError::with(ErrorKind::Unavailable, "the operating system's random bytes repeat"))
    }
}

/// A guard that was moved into a stream or a task owns changes that nobody will see.
fn guard_left_open(schema: &'static SchemaSpec) -> SessionError {
    tracing::error!(
        schema = schema.key,
        "a writable session guard outlives its handler: `save` and drop it before a stream or a task begins"
    );
    SessionError::at_schema(ErrorKind::GuardOpen, schema)
}

impl Visit {
    /// Logs why a save failed. A race that another request won is no fault of the server.
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
