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
use crate::request::changes::{Turn, fresh_values, rebase, rebase_on_nothing, refused, turn};
use crate::request::core::Core;
use crate::request::visit::{Asked, Finished, Live, Standing, State, Use, Visit, Wishes};
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
        let (mut wishes, left_open) = self.last_wishes();
        let wrote = wishes.changes_values() || wishes.over;
        let broken = left_open.map(guard_left_open).or(given_up).or(wishes.take_broken());
        let broken = broken.or_else(|| refused(&wishes.pending));
        if failed || broken.is_some() {
            wishes = wishes.unconditional();
        }
        let committed = match self.settle_standing(&wishes).await {
            Ok(()) => self.commit(&mut wishes, Basis::Values, !failed).await,
            Err(error) => Err(error),
        };
        let done = match broken {
            Some(broken) if !failed => Err(broken),
            _ => committed.map(drop),
        };
        if done.is_ok() && !failed {
            self.seal_anew();
        }
        self.end(wishes, wrote, done.is_ok());
        done
    }

    /// Who reads after the end still sees what the request wrote.
    fn end(&self, wishes: Wishes, wrote: bool, done: bool) {
        {
            let mut state = self.state();
            state.wishes.keep(wishes, done);
            state.under_way.active = false;
        }
        if wrote {
            self.values_changed();
        }
    }

    /// What the request wishes at its end, and a schema whose guard is open: at one moment, so that a guard which ends
    /// now has either handed over its changes or is seen. The changes are handed over, and what else is known stays.
    fn last_wishes(&self) -> (Wishes, Option<&'static SchemaSpec>) {
        let mut state = self.state();
        state.finished = true;
        state.under_way.active = true;
        state.under_way.grave |= state.wishes.is_grave();
        (state.wishes.hand_over(), self.open_in(&state))
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
        self.state().under_way.active.then(|| SessionError::with(ErrorKind::Unavailable, given_up))
    }

    /// A late save after a logout is no error, and neither is one that the settings say to log only.
    fn counts(&self, error: &SessionError) -> bool {
        let grave = {
            let state = self.state();
            state.under_way.grave || state.wishes.is_grave()
        };
        match error.kind() {
            ErrorKind::Gone => {
                tracing::info!("the session was destroyed: what this request wrote is dropped");
                false
            }
            ErrorKind::Unavailable if self.core.on_save_error == OnSaveError::Log => {
                if !grave {
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
    async fn settle_standing(&self, wishes: &Wishes) -> Result<(), SessionError> {
        let (unread, copied) = {
            let state = self.state();
            (matches!(state.standing, Standing::Unread(_)), state.standing.live().is_some() && state.fresh == 0)
        };
        let ends = wishes.destroy || wishes.restart;
        let about_the_whole = ends || wishes.renew || wishes.expiry.is_some();
        if (unread && about_the_whole) || (copied && ends) {
            let group = self.core.groups.of(None);
            let standing = Box::pin(self.load_group(group, Use::Write)).await?;
            self.set_loaded(standing, group, Use::Write);
        }
        Ok(())
    }

    /// `SessionHandle::save` and `Session::save`: now, and with every failure told.
    pub(crate) async fn save_now(&self) -> Result<(), SessionError> {
        let _turn = self.begin_save().await?;
        let wishes = self.state().begin();
        let saved = match self.settle_standing(&wishes).await {
            Ok(()) => self.commit(&mut wishes.clone(), Basis::Values, true).await.map(drop),
            Err(error) => Err(error),
        };
        self.end_save(wishes, saved, None).await
    }

    /// Runs `work` on a fresh load until nothing has changed between that load and the save.
    pub(crate) async fn update_now(
        &self,
        at: usize,
        mut work: impl FnMut(&mut Wishes) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        let _turn = self.begin_save().await?;
        let wishes = self.state().begin();
        let updated = self.update_until_settled(&wishes, &mut work).await;
        self.end_save(wishes, updated.map(drop), Some(at)).await
    }

    async fn update_until_settled(
        &self,
        before: &Wishes,
        work: &mut impl FnMut(&mut Wishes) -> Result<(), SessionError>,
    ) -> Result<Outcome, SessionError> {
        let key = self.state().standing.live().map(|live| live.id.key);
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
        before: &Wishes,
        work: &mut impl FnMut(&mut Wishes) -> Result<(), SessionError>,
    ) -> Result<Outcome, SessionError> {
        self.reload().await?;
        let mut wishes = before.clone();
        {
            let mut state = self.state();
            wishes.pending = rebase(&before.pending, |change| state.stored_for(before, change))?;
            state.set_under_way(&wishes);
        }
        self.values_changed();
        work(&mut wishes)?;
        {
            let mut state = self.state();
            if state.wishes.destroy {
                wishes.ask().destroy = true;
            }
            state.set_under_way(&wishes);
        }
        self.commit(&mut wishes, Basis::Revision, true).await
    }

    async fn begin_save(&self) -> Result<AsyncMutexGuard<'_, ()>, SessionError> {
        let turn = self.enter_gate().await?;
        if self.is_finished() {
            return Err(SessionError::new(ErrorKind::TooLate));
        }
        if let Some(given_up) = self.save_given_up() {
            return Err(given_up);
        }
        self.state().under_way.active = true;
        Ok(turn)
    }

    /// `at`: the schema of the guard that saves, if it took over no value of a user who has gone.
    async fn end_save(
        &self,
        wishes: Wishes,
        saved: Result<(), SessionError>,
        at: Option<usize>,
    ) -> Result<(), SessionError> {
        #[cfg(feature = "rocket")]
        if let Err(error) = &saved {
            self.failures.add(error);
        }
        if self.state().after_save(wishes, saved.as_ref().err()) {
            self.forget_user(at);
        }
        if saved.is_ok() && self.reload().await.is_err() {
            // It is stored, and that is what was asked; the base of what follows is what this request knows of it.
            tracing::debug!("the session was saved, and could not be read again");
        }
        self.values_changed();
        self.state().under_way.active = false;
        saved
    }

    /// Reads what is stored now, as the base of what follows.
    async fn reload(&self) -> Result<(), SessionError> {
        let standing = self.state().standing.clone();
        let Standing::Live(live) = standing else { return Ok(()) };
        let fresh = self.load_again(&live).await?;
        let Standing::Live(mut fresh) = fresh else {
            self.state().standing = Standing::Ended;
            return Err(SessionError::new(ErrorKind::Gone));
        };
        let live = Arc::make_mut(&mut fresh);
        live.head = live.stored.clone();
        let mut state = self.state();
        state.standing = Standing::Live(fresh);
        state.fresh = state.fetched;
        Ok(())
    }

    async fn commit(&self, wishes: &mut Wishes, basis: Basis, answered: bool) -> Result<Outcome, SessionError> {
        let standing = self.state().standing.clone();
        if wishes.destroy {
            return Box::pin(self.destroy_now(&standing, wishes)).await;
        }
        if let Some(broken) = wishes.take_broken() {
            return Err(broken);
        }
        if let Some(refused) = refused(&wishes.pending) {
            return Err(refused);
        }
        let values = !wishes.pending.is_empty();
        match standing {
            Standing::Live(live) if wishes.over => Box::pin(self.start_over(&live, wishes, basis)).await,
            Standing::Live(live) => {
                let save = Save::new(self, live, wishes, basis, answered)?;
                // Boxed as the other ways are, so that a request which only reads does not pay for their size.
                if save.is_needed() { Box::pin(save.run()).await } else { Ok(Outcome::Done) }
            }
            Standing::Stale if values && turn(&wishes.pending) != Turn::Login => {
                Err(SessionError::new(ErrorKind::Renewed))
            }
            Standing::Ended if values && !wishes.restart => Err(SessionError::new(ErrorKind::Gone)),
            Standing::Anonymous | Standing::Stale | Standing::Ended if values => {
                let values = fresh_values(&rebase_on_nothing(&wishes.pending)?, &self.core.versions);
                let created = Box::pin(self.create(values, &Values::new(), wishes.chosen_expiry())).await?;
                wishes.stored_anew();
                Ok(created)
            }
            _ => Ok(Outcome::Done),
        }
    }

    async fn destroy_now(&self, standing: &Standing, wishes: &Wishes) -> Result<Outcome, SessionError> {
        if let Some(live) = standing.live() {
            self.core.run(&self.budget, self.store().delete(live.id.key)).await?;
            let mut state = self.state();
            state.standing = Standing::Ended;
            state.cookie = self.core.cookie.remove();
        }
        if wishes.late { Err(SessionError::new(ErrorKind::Gone)) } else { Ok(Outcome::Done) }
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
        state.standing = Standing::Live(Arc::new(Live {
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

impl Wishes {
    /// Whether a loss of it must not pass as a success, whatever the settings say.
    fn is_grave(&self) -> bool {
        self.destroy || self.renew || self.over || turn(&self.pending) != Turn::Same
    }

    /// What a new session is created with.
    pub(super) fn chosen_expiry(&self) -> StoredExpiry {
        self.expiry.map_or(StoredExpiry::Default, Into::into)
    }
}

impl State {
    /// Hands all wishes to a save. Destroyed stays destroyed meanwhile, and if the save is given up.
    fn begin(&mut self) -> Wishes {
        let rest = Wishes::destruction(self.wishes.destroy);
        let wishes = std::mem::replace(&mut self.wishes, rest);
        self.set_under_way(&wishes);
        wishes
    }

    fn set_under_way(&mut self, wishes: &Wishes) {
        self.under_way.wishes = Some(Box::new(wishes.clone()));
        self.under_way.grave |= wishes.is_grave();
    }

    /// What is left to be done after an explicit save. Says whether the work of an `update_now` has ended the session of a
    /// user: guards that are open have seen that user's values.
    fn after_save(&mut self, wishes: Wishes, error: Option<&SessionError>) -> bool {
        let over = self.under_way.is_over() && error.is_none() && !wishes.over;
        self.under_way.wishes = None;
        self.under_way.grave &=
            error.is_some_and(|error| matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Panicked));
        let stored = self.standing.live().is_some();
        let left = match error.map(SessionError::kind) {
            // Destroyed stays destroyed, and a chosen expiry counts for the session that may yet be created.
            None => {
                let (destroy, expiry) = (wishes.destroy, wishes.expiry.filter(|_| !stored));
                Asked { destroy, expiry, ..Asked::default() }.into()
            }
            Some(ErrorKind::Gone) => Wishes::destruction(wishes.destroy),
            // The outcome is unknown, and sending it again could count twice. Ending a session twice does no harm.
            Some(ErrorKind::Unavailable | ErrorKind::Panicked) => {
                let Asked { destroy, restart, .. } = *wishes;
                Asked { destroy, restart, over: restart, broken: error.cloned(), ..Asked::default() }.into()
            }
            Some(_) => wishes,
        };
        if over {
            self.epoch += 1;
        }
        let put_back = if over { self.wishes.leave_user() } else { Ok(()) };
        if let Err(error) = put_back.and_then(|()| self.wishes.put_back(left)) {
            self.wishes.set_broken(error);
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
