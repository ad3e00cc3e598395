//! Saves before the end of the request: `Session::save`, `SessionHandle::save` and `Session::update_now`.

use std::sync::Arc;

use super::{Outcome, PreconditionKind};
use crate::error::{ErrorKind, SessionError};
use crate::request::changes::rebase;
use crate::request::visit::{Requested, SessionStatus, SessionWide, State, Visit};
use crate::sync::AsyncMutexGuard;

impl Visit {
    /// Saves now, and returns every failure, for `SessionHandle::save` and `Session::save`.
    pub(crate) async fn save_now(&self) -> Result<(), SessionError> {
        let _running = self.core.saves.begin();
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
        let _running = self.core.saves.begin();
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
}

impl Requested {
    /// Returns the changes and actions that stay requested after an explicit save. `stored`: there is a stored session
    /// now.
    fn left_after(self, error: Option<&SessionError>, stored: bool) -> Self {
        match error.map(SessionError::kind) {
            // A destruction stays requested, and a chosen expiry applies to a session that may yet be created.
            None => {
                let (destroy, expiry) = (self.destroy, self.expiry.filter(|_| !stored));
                SessionWide { expiry, destroy, ..SessionWide::default() }.into()
            }
            Some(ErrorKind::Gone) => Self::destruction(self.destroy),
            // The outcome is unknown, and sending the changes again could count twice. Ending a session twice does no
            // harm.
            Some(ErrorKind::Unavailable | ErrorKind::Panicked) => {
                let SessionWide { destroy, restart, .. } = *self;
                let failure = error.cloned();
                SessionWide { destroy, restart, starts_over: restart, failure, ..SessionWide::default() }.into()
            }
            Some(_) => self,
        }
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

    /// Restores the changes and actions that an explicit save has not performed. Returns whether the work of an
    /// `update_now` has ended the session of a user, in which case open guards have seen the values of that user.
    fn after_save(&mut self, requested: Requested, error: Option<&SessionError>) -> bool {
        let starts_over = self.in_flight.starts_over() && error.is_none() && !requested.starts_over;
        self.in_flight.requested = None;
        self.in_flight.critical &=
            error.is_some_and(|error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Panicked));
        let stored = self.session_status.live().is_some();
        let left = requested.left_after(error, stored);
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
