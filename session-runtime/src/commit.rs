//! A request's wishes to one patch, and what the store's answer means for the request.
//!
//! Takes what the guards recorded; gives the cookie that goes out, or the error that replaces the answer. Which way a
//! session goes follows from where the visitor stands and from what happened to the `renew` fields:
//!
//! | stands | wishes | is done |
//! |---|---|---|
//! | anonymous | values | `create` |
//! | with a session | values | `patch`; after a conflict merged and sent again |
//! | with a session | a login, a `renew` field cleared, `renew()` | the same `patch`, with a new secret |
//! | with a session | a `renew` field changed to another value | `create` of a new session, `delete` of the old |
//! | with a session | `destroy()` | `delete` |
//! | before a login of another request | values | nothing, 409; a login gets a session of its own |
//! | after a logout of another request | values | nothing, one line in the log |

use std::sync::Arc;

use crate::config::{Limits, OnSaveError};
use crate::error::{ErrorKind, SessionError};
use crate::expiry::StoredExpiry;
use crate::id::SessionId;
use crate::pending::{Turn, fresh_values, rebase, rebase_on_nothing, turn};
use crate::record::{Head, Record, Values};
use crate::sessions::{Core, catch_panic};
use crate::store::Created;
use crate::visit::{Finished, Live, Standing, Visit, Wishes};

mod save;

use save::Save;

/// What a commit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Something in the record changed, and the caller has to run again.
    Again,
}

/// What a patch rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    /// The values it merges.
    Values,
    /// The whole record.
    Revision,
}

impl Visit {
    /// Stores what the request did and says what goes out. `status` is the answer's: 5xx discards what was written.
    pub async fn finish(&self, status: u16) -> Finished {
        let failed = status >= 500;
        let result = catch_panic(self.finish_once(failed)).await;
        let result = result.unwrap_or(Err(SessionError::new(ErrorKind::Panicked)));
        let error = result.err().filter(|error| self.counts(error));
        if let Some(error) = &error {
            report(error);
        }
        Finished { cookie: self.state().cookie.clone(), error }
    }

    async fn finish_once(&self, failed: bool) -> Result<(), SessionError> {
        let _turn = self.gate.lock().await;
        if self.is_finished() {
            return Ok(());
        }
        self.set_finished();
        let mut wishes = self.state().wishes.clone();
        let broken = self.guard_left_open().or(wishes.broken.take());
        if failed || broken.is_some() {
            wishes = Wishes { destroy: wishes.destroy, renew: wishes.renew, ..Wishes::default() };
        }
        self.settle_standing(&wishes).await?;
        let committed = self.commit(wishes, Basis::Values, !failed).await;
        match broken {
            Some(broken) if !failed => Err(broken),
            _ => committed.map(drop),
        }
    }

    /// A guard that was moved into a stream or a task owns changes that nobody will see.
    fn guard_left_open(&self) -> Option<SessionError> {
        let schema = *self.open_guards().first()?;
        tracing::error!(schema = schema.key, "a writable session guard outlives its handler");
        Some(SessionError::at_schema(ErrorKind::GuardOpen, schema))
    }

    /// A late save after a logout is no error, and neither is one that the settings say to log only.
    fn counts(&self, error: &SessionError) -> bool {
        let wishes = self.state().wishes.clone();
        let turn = turn(&wishes.pending);
        match error.kind() {
            ErrorKind::Gone => {
                tracing::info!("the session was destroyed: what this request wrote is dropped");
                false
            }
            ErrorKind::Unavailable if self.core.on_save_error == OnSaveError::Log => {
                if !(wishes.destroy || wishes.renew || turn != Turn::Same) {
                    tracing::error!(error = error as &dyn std::error::Error, "session changes lost");
                    return false;
                }
                true
            }
            _ => true,
        }
    }

    /// `destroy`, `renew` and `set_expiry` may come before anything was loaded.
    async fn settle_standing(&self, wishes: &Wishes) -> Result<(), SessionError> {
        let unread = matches!(self.state().standing, Standing::Unread(_));
        if unread && (wishes.destroy || wishes.renew || wishes.expiry.is_some()) {
            let standing = self.load_group(&self.core.group_of(None)).await?;
            self.state().standing = standing;
        }
        Ok(())
    }

    /// `SessionHandle::save` and `Session::save`: now, and with every failure told.
    pub(crate) async fn save_now(&self) -> Result<(), SessionError> {
        let _turn = self.gate.lock().await;
        if self.is_finished() {
            return Err(SessionError::new(ErrorKind::TooLate));
        }
        let wishes = self.state().wishes.clone();
        self.settle_standing(&wishes).await?;
        let saved = self.commit(wishes, Basis::Values, true).await;
        self.after_explicit_save(saved.map(drop)).await
    }

    /// Runs `work` on a fresh load until nothing has changed between that load and the save.
    pub(crate) async fn update_now(
        &self,
        mut work: impl FnMut() -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        let _turn = self.gate.lock().await;
        if self.is_finished() {
            return Err(SessionError::new(ErrorKind::TooLate));
        }
        let before = self.state().wishes.clone();
        let updated = self.update_until_settled(&before, &mut work).await;
        if updated.is_err() {
            self.state().wishes = before;
        }
        self.after_explicit_save(updated.map(drop)).await
    }

    async fn update_until_settled(
        &self,
        before: &Wishes,
        work: &mut impl FnMut() -> Result<(), SessionError>,
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

    async fn update_once(
        &self,
        before: &Wishes,
        work: &mut impl FnMut() -> Result<(), SessionError>,
    ) -> Result<Outcome, SessionError> {
        self.reload().await?;
        let rebased = {
            let state = self.state();
            rebase(&before.pending, state.standing.values())?
        };
        self.state().wishes = Wishes { pending: rebased, ..before.clone() };
        self.values_changed();
        work()?;
        let wishes = self.state().wishes.clone();
        self.commit(wishes, Basis::Revision, true).await
    }

    async fn after_explicit_save(&self, saved: Result<(), SessionError>) -> Result<(), SessionError> {
        {
            let wishes = &mut self.state().wishes;
            match &saved {
                Ok(()) => *wishes = Wishes::default(),
                Err(error) if error.kind() == ErrorKind::Gone => *wishes = Wishes::default(),
                // The outcome is unknown, and sending it again could count twice.
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Panicked) => {
                    wishes.broken = Some(error.clone());
                }
                Err(_) => {}
            }
        }
        if saved.is_ok() && self.reload().await.is_err() {
            // It is stored, and that is what was asked; the base of what follows is what this request knows of it.
            tracing::debug!("the session was saved, and could not be read again");
        }
        self.values_changed();
        saved
    }

    /// Reads what is stored now, as the base of what follows.
    async fn reload(&self) -> Result<(), SessionError> {
        let standing = self.state().standing.clone();
        let Standing::Live(live) = standing else { return Ok(()) };
        let fresh = self.load_more(&live, &self.fetched_group()).await?;
        let Standing::Live(mut fresh) = fresh else {
            self.state().standing = Standing::Ended;
            return Err(SessionError::new(ErrorKind::Gone));
        };
        let live = Arc::make_mut(&mut fresh);
        live.head = live.stored.clone();
        self.state().standing = Standing::Live(fresh);
        Ok(())
    }

    async fn commit(&self, wishes: Wishes, basis: Basis, answered: bool) -> Result<Outcome, SessionError> {
        let standing = self.state().standing.clone();
        if wishes.destroy {
            return self.end(&standing, &wishes).await;
        }
        if let Some(broken) = wishes.broken {
            return Err(broken);
        }
        let values = !wishes.pending.is_empty();
        match standing {
            Standing::Live(live) => Save::new(self, &live, wishes, basis, answered)?.run().await,
            Standing::Stale if values && turn(&wishes.pending) != Turn::Login => {
                Err(SessionError::new(ErrorKind::Renewed))
            }
            Standing::Ended if values => Err(SessionError::new(ErrorKind::Gone)),
            Standing::Anonymous | Standing::Stale if values => {
                let values = fresh_values(&rebase_on_nothing(&wishes.pending)?);
                self.create(values, wishes.expiry.map_or(StoredExpiry::Default, Into::into)).await
            }
            _ => Ok(Outcome::Done),
        }
    }

    async fn end(&self, standing: &Standing, wishes: &Wishes) -> Result<Outcome, SessionError> {
        if let Some(live) = standing.live() {
            self.core.run(&self.budget, self.core.store.delete(live.id.key)).await?;
            let mut state = self.state();
            state.standing = Standing::Ended;
            state.cookie = self.core.cookie.remove();
        }
        // What the request wrote after that has nowhere to go.
        if wishes.pending.is_empty() { Ok(Outcome::Done) } else { Err(SessionError::new(ErrorKind::Gone)) }
    }

    /// A new session under a new id; creates nothing if there is nothing to store.
    async fn create(&self, values: Values, expiry: StoredExpiry) -> Result<Outcome, SessionError> {
        if values.is_empty() {
            return Ok(Outcome::Done);
        }
        let (bytes, keys) = (values.bytes(), values.len());
        check_limits(self.core.limits, bytes, keys)?;
        let (id, record) = self.core.create(self, values, expiry).await?;
        let mut state = self.state();
        state.cookie = self.core.cookie_for(id, &record.head, self);
        let Record { head, values } = record;
        let (stored, values) = (head.clone(), Arc::new(values));
        state.standing = Standing::Live(Arc::new(Live { id, newest: true, head, values, stored, bytes, keys }));
        drop(state);
        self.set_all_fetched();
        Ok(Outcome::Done)
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
        let now = visit.now;
        let ends = now.after(self.lifetime.absolute);
        let expires = self.lifetime.expires(expiry, ends, now);
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
            if self.run(&visit.budget, self.store.create(id.key, record.clone())).await? == Created::Done {
                return Ok((id, record));
            }
            tracing::error!("a new session id was taken already; drawing another");
        }
        Err(SessionError::with(ErrorKind::Unavailable, "the operating system's random bytes repeat"))
    }

    fn cookie_for(&self, id: SessionId, head: &Head, visit: &Visit) -> crate::cookie::CookieCommand {
        let persistent = head.expiry.persistent(self.cookie.persistent);
        self.cookie.set(id, persistent.then(|| head.expires.since(visit.now)))
    }
}

/// A race that another request won is no fault of the server; everything else is.
fn report(error: &SessionError) {
    match error.kind() {
        ErrorKind::Renewed | ErrorKind::Rejected => tracing::info!("{error}: this request's changes are refused"),
        _ => tracing::error!(error = error as &dyn std::error::Error, "the session could not be saved"),
    }
}

fn check_limits(limits: Limits, bytes: usize, keys: usize) -> Result<(), SessionError> {
    if bytes <= limits.record_bytes && keys <= limits.record_keys {
        return Ok(());
    }
    let detail = format!(
        "{bytes} bytes in {keys} keys, allowed are {} bytes in {} keys",
        limits.record_bytes, limits.record_keys
    );
    Err(SessionError::with(ErrorKind::TooLarge, detail))
}

#[cfg(test)]
mod tests;
