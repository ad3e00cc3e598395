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

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec::{Change, Pending};
use crate::config::{Limits, OnSaveError};
use crate::error::{ErrorKind, SessionError};
use crate::expiry::StoredExpiry;
use crate::id::SessionId;
use crate::merge::{Merge, three_way};
use crate::patch::{Deadline, Expected, NewSecret, Patch, Patched, RestsOn};
use crate::record::{Head, Record, Values};
use crate::sessions::{Core, catch_panic};
use crate::store::Created;
use crate::visit::{Finished, Live, Standing, Visit, Wishes, check_metadata};

/// What happened to the `renew` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing.
    Same,
    /// From the default to a value: somebody logged in.
    Login,
    /// Back to the default.
    Logout,
    /// From one value to another: somebody else logged in.
    StartOver,
}

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
            tracing::error!(error = error as &dyn std::error::Error, "the session could not be saved");
        }
        Finished { cookie: self.state().cookie.clone(), error }
    }

    async fn finish_once(&self, failed: bool) -> Result<(), SessionError> {
        let _turn = self.gate.lock().await;
        if self.is_finished() {
            return Ok(());
        }
        self.set_finished();
        if let Some(schema) = self.open_guards().first() {
            tracing::error!(schema = schema.key, "a writable session guard outlives its handler");
            return Err(SessionError::at_schema(ErrorKind::GuardOpen, schema));
        }
        let mut wishes = self.state().wishes.clone();
        if failed {
            wishes = Wishes { destroy: wishes.destroy, renew: wishes.renew, ..Wishes::default() };
        }
        self.settle_standing(&wishes).await?;
        self.commit(wishes, Basis::Values, !failed).await.map(drop)
    }

    /// A late save after a logout is no error, and neither is one that the settings say to log only.
    fn counts(&self, error: &SessionError) -> bool {
        let wishes = self.state().wishes.clone();
        let turn = turn(&wishes.pending);
        match error.kind() {
            ErrorKind::Gone => {
                tracing::info!("the session was destroyed by another request: this request's changes are dropped");
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
        self.after_explicit_save(saved.map(drop))?;
        self.reload().await
    }

    /// Runs `work` on a fresh load until nothing has changed between that load and the save.
    pub(crate) async fn update_now(
        &self,
        work: &mut dyn FnMut() -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        let _turn = self.gate.lock().await;
        if self.is_finished() {
            return Err(SessionError::new(ErrorKind::TooLate));
        }
        let before = self.state().wishes.clone();
        let updated = loop {
            match self.update_once(&before, work).await {
                Ok(Outcome::Again) => self.pause().await?,
                settled => break settled,
            }
        };
        if updated.is_err() {
            self.state().wishes = before;
        }
        self.after_explicit_save(updated.map(drop))?;
        self.reload().await
    }

    async fn update_once(
        &self,
        before: &Wishes,
        work: &mut dyn FnMut() -> Result<(), SessionError>,
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

    fn after_explicit_save(&self, saved: Result<(), SessionError>) -> Result<(), SessionError> {
        let mut state = self.state();
        match &saved {
            Ok(()) => state.wishes = Wishes::default(),
            Err(error) if error.kind() == ErrorKind::Gone => state.wishes = Wishes::default(),
            // The outcome is unknown, and sending it again could count twice.
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Panicked) => {
                state.wishes.broken = Some(error.clone());
            }
            Err(_) => {}
        }
        drop(state);
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
        live.record.head = live.stored.clone();
        self.state().standing = Standing::Live(fresh);
        Ok(())
    }

    async fn commit(&self, wishes: Wishes, basis: Basis, answered: bool) -> Result<Outcome, SessionError> {
        if let Some(broken) = wishes.broken {
            return Err(broken);
        }
        let standing = self.state().standing.clone();
        if wishes.destroy {
            return self.end(&standing, &wishes).await;
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
        if !wishes.pending.is_empty() {
            tracing::info!("the request wrote to a session that it had destroyed: dropped");
        }
        if let Some(live) = standing.live() {
            self.core.run(&self.budget, self.core.store.delete(live.id.key)).await?;
            let mut state = self.state();
            state.standing = Standing::Ended;
            state.cookie = self.core.cookie.remove();
        }
        Ok(Outcome::Done)
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
        let stored = record.head.clone();
        state.standing = Standing::Live(Arc::new(Live { id, newest: true, record, stored, bytes, keys }));
        drop(state);
        self.set_all_fetched();
        Ok(Outcome::Done)
    }

    /// Lets others go first after a conflict that nobody in this process is waiting for.
    async fn pause(&self) -> Result<(), SessionError> {
        let id = SessionId::new(&self.core.random)?;
        let jitter = Duration::from_micros(u64::from(id.key.as_bytes()[0]) * 8);
        if self.budget.left() <= jitter {
            return Err(SessionError::with(ErrorKind::Unavailable, "conflicts used up the request's deadline"));
        }
        tokio::time::sleep(jitter).await;
        self.budget.spend(jitter);
        Ok(())
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
            let id = SessionId::new(&self.random)?;
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

/// The save of a session that exists.
struct Save<'v> {
    visit: &'v Visit,
    live: Live,
    wishes: Wishes,
    turn: Turn,
    basis: Basis,
    /// The answer is no failure, so the use of the session counts.
    answered: bool,
    secret: Secret,
}

/// What becomes of the secret.
#[derive(Clone, Copy)]
enum Secret {
    Keep,
    Raise(SessionId),
    Periodic(SessionId),
    Presented,
}

impl<'v> Save<'v> {
    fn new(
        visit: &'v Visit,
        live: &Live,
        wishes: Wishes,
        basis: Basis,
        answered: bool,
    ) -> Result<Self, SessionError> {
        let turn = turn(&wishes.pending);
        let mut save = Self { visit, live: live.clone(), wishes, turn, basis, answered, secret: Secret::Keep };
        save.secret = save.choose_secret()?;
        Ok(save)
    }

    fn choose_secret(&self) -> Result<Secret, SessionError> {
        let head = &self.live.record.head;
        let renewed = || SessionId::renewed(self.live.id.key, &self.visit.core.random);
        let unconfirmed = head.previous.as_ref().is_some_and(|previous| previous.until.is_none());
        Ok(match self.turn {
            Turn::Login | Turn::Logout => Secret::Raise(renewed()?),
            _ if self.wishes.renew => Secret::Raise(renewed()?),
            _ if !self.answered || !self.live.newest => Secret::Keep,
            _ if self.visit.core.lifetime.renewal_due(head, self.visit.now) => Secret::Periodic(renewed()?),
            _ if unconfirmed => Secret::Presented,
            _ => Secret::Keep,
        })
    }

    async fn run(mut self) -> Result<Outcome, SessionError> {
        if self.turn == Turn::StartOver {
            return self.start_over().await;
        }
        let core = self.visit.core.clone();
        let mut queue = None;
        loop {
            let patch = self.patch();
            if patch.is_empty() {
                return Ok(Outcome::Done);
            }
            self.check_limits(&patch)?;
            match self.send(patch).await? {
                Some(Patched::Done(head)) => return Ok(self.done(head)),
                Some(Patched::Conflict(_)) if self.basis == Basis::Revision => return Ok(Outcome::Again),
                Some(Patched::Conflict(theirs)) => self.merge(&theirs)?,
                Some(Patched::Renewed) => return self.renewed().await,
                Some(Patched::Gone) => return self.gone(),
                None => return Ok(Outcome::Done),
            }
            match &queue {
                None => queue = Some(self.wait_for_turn(&core).await?),
                Some(_) => self.visit.pause().await?,
            }
        }
    }

    /// Sends the patch; a failure of one that only marks the use of the session changes nothing.
    async fn send(&self, patch: Patch) -> Result<Option<Patched>, SessionError> {
        let core = &self.visit.core;
        let sent = core.run(&self.visit.budget, core.store.patch(self.live.id.key, patch, self.visit.now)).await;
        match sent {
            Ok(patched) => Ok(Some(patched)),
            Err(error) if self.is_optional() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the use of a session was not recorded");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Saves of one session inside this process that met a conflict go one after the other.
    async fn wait_for_turn<'c>(&self, core: &'c Core) -> Result<tokio::sync::MutexGuard<'c, ()>, SessionError> {
        let started = Instant::now();
        let turn = tokio::time::timeout(self.visit.budget.left(), core.queue(self.live.id.key).lock()).await;
        self.visit.budget.spend(started.elapsed());
        turn.map_err(|_| SessionError::with(ErrorKind::Unavailable, "conflicts used up the request's deadline"))
    }

    /// Nothing that the application asked for.
    fn is_optional(&self) -> bool {
        let raised = matches!(self.secret, Secret::Raise(_));
        self.wishes.pending.is_empty() && self.wishes.expiry.is_none() && !raised
    }

    fn patch(&self) -> Patch {
        let head = &self.live.record.head;
        let mut patch = Patch::on_generation(head.generation);
        fill(&mut patch, &self.wishes.pending, &self.live.record.values);
        if self.basis == Basis::Revision {
            patch.rests_on = RestsOn::Revision(head.revision);
        }
        patch.deadline = self.deadline(&patch);
        patch.secret = self.new_secret();
        patch
    }

    fn deadline(&self, patch: &Patch) -> Option<Deadline> {
        let (head, now, lifetime) = (&self.live.record.head, self.visit.now, &self.visit.core.lifetime);
        if let Some(expiry) = self.wishes.expiry.map(StoredExpiry::from) {
            return Some(Deadline::Choose { expiry, touched: now, expires: lifetime.expires(expiry, head.ends, now) });
        }
        if !self.answered {
            return None;
        }
        let due = lifetime.touch(head, patch.changes_values(), now);
        // A periodic renewal moves the deadline too, so that a touch under way cannot send the old id again.
        let periodic = || matches!(self.secret, Secret::Periodic(_)).then(|| lifetime.expires(head.expiry, head.ends, now));
        due.or_else(periodic).map(|expires| Deadline::Touch { seen: head.expires, touched: now, expires })
    }

    fn new_secret(&self) -> Option<NewSecret> {
        let (head, at) = (&self.live.record.head, self.visit.now);
        match self.secret {
            Secret::Keep => None,
            Secret::Raise(id) => Some(NewSecret::Raise { hash: id.secret_hash(), at }),
            Secret::Periodic(id) => Some(NewSecret::Periodic {
                seen: head.secret,
                seen_expires: head.expires,
                hash: id.secret_hash(),
                at,
            }),
            Secret::Presented => {
                Some(NewSecret::Presented { seen: head.secret, until: at.after(self.visit.core.lifetime.renew_grace) })
            }
        }
    }

    fn check_limits(&self, patch: &Patch) -> Result<(), SessionError> {
        let values = &self.live.record.values;
        let old = |name: &str| values.get(name).map_or((0, 0), |text| (name.len() + text.len(), 1));
        let (mut less, mut more) = ((0, 0), (0, 0));
        for (name, text) in &patch.set {
            let (bytes, keys) = old(name);
            (less, more) = ((less.0 + bytes, less.1 + keys), (more.0 + name.len() + text.len(), more.1 + 1));
        }
        for name in &patch.remove {
            let (bytes, keys) = old(name);
            less = (less.0 + bytes, less.1 + keys);
        }
        // A patch that only shrinks always passes, so that a session over the limit can be made smaller.
        if more.0 <= less.0 && more.1 <= less.1 {
            return Ok(());
        }
        let total = |have: usize, more: usize, less: usize| (have + more).saturating_sub(less);
        let (bytes, keys) = (total(self.live.bytes, more.0, less.0), total(self.live.keys, more.1, less.1));
        check_limits(self.visit.core.limits, bytes, keys)
    }

    /// Takes what another request stored meanwhile as the new base.
    fn merge(&mut self, theirs: &Record) -> Result<(), SessionError> {
        let schemas: BTreeSet<_> = self.wishes.pending.values().map(|change| change.schema.key).collect();
        for change in self.wishes.pending.values_mut() {
            check_metadata(change.schema, &theirs.values)?;
            if change.field.merge.rests_on_base() {
                let stored = theirs.values.get_text(&change.name);
                change.ours = three_way(change, stored.map(AsRef::as_ref))?;
                change.base = stored.cloned();
            }
        }
        let rested: Vec<_> = self.wishes.pending.values().filter(|change| change.field.merge.rests_on_base()).collect();
        let names = rested.iter().map(|change| &*change.name).chain(schemas);
        let values = &mut self.live.record.values;
        for name in names {
            match theirs.values.get_text(name) {
                Some(text) => drop(values.set(name.into(), text.clone())),
                None => drop(values.remove(name)),
            }
        }
        self.wishes.pending.retain(|_, change| change.base != change.ours);
        Ok(())
    }

    fn done(self, head: Head) -> Outcome {
        let (visit, core) = (self.visit, &self.visit.core);
        let before = &self.live.record.head;
        let presented = self.live.id.secret_hash();
        let (id, renewed) = match self.secret {
            Secret::Raise(id) => (id, true),
            // Another request's renewal came first: the browser has that one, or will.
            Secret::Periodic(id) if head.secret == id.secret_hash() => (id, true),
            _ => (self.live.id, false),
        };
        let persistent = |head: &Head| head.expiry.persistent(core.cookie.persistent);
        let moved = head.expires != before.expires || head.expiry != before.expiry;
        // An id that is not the newest is never sent again: it would push the newer one out of the browser.
        let refreshed = moved && head.secret == presented && (persistent(&head) || persistent(before));
        let cookie = (renewed || refreshed).then(|| core.cookie_for(id, &head, visit));
        let patch = self.patch();
        let mut live = self.live;
        patch.apply(&mut live.record.values);
        (live.record.head, live.id) = (head, id);
        live.newest |= renewed;
        live.stored = live.record.head.clone();
        let mut state = visit.state();
        state.standing = Standing::Live(Arc::new(live));
        if let Some(cookie) = cookie {
            state.cookie = cookie;
        }
        Outcome::Done
    }

    fn gone(&self) -> Result<Outcome, SessionError> {
        self.visit.state().standing = Standing::Ended;
        if self.is_optional() { Ok(Outcome::Done) } else { Err(SessionError::new(ErrorKind::Gone)) }
    }

    /// Another request logged this session in. A login of ours gets a session of its own: never the other's record, which
    /// may belong to somebody else by now.
    async fn renewed(self) -> Result<Outcome, SessionError> {
        if self.is_optional() {
            return Ok(Outcome::Done);
        }
        if self.turn != Turn::Login {
            return Err(SessionError::new(ErrorKind::Renewed));
        }
        let mut values = self.live.record.values.clone();
        let schemas = self.visit.core.schemas();
        for field in schemas.iter().flat_map(|schema| schema.fields()).filter(|field| field.renew) {
            values.remove(field.name);
        }
        values.retain(|name| Some(name).is_some_and(|name| schemas.iter().any(|schema| belongs(name, schema.key))));
        for (name, text) in fresh_values(&self.wishes.pending).iter() {
            values.set(name.clone(), text.clone());
        }
        for change in self.wishes.pending.values().filter(|change| change.ours.is_none()) {
            values.remove(&change.name);
        }
        let expiry = self.wishes.expiry.map_or(StoredExpiry::Default, Into::into);
        self.visit.create(values, expiry).await
    }

    /// Another user: a new session with only what this request wrote, so that no data of the first reaches the second.
    async fn start_over(self) -> Result<Outcome, SessionError> {
        let values = fresh_values(&rebase_on_nothing(&self.wishes.pending)?);
        let expiry = self.wishes.expiry.map_or(StoredExpiry::Default, Into::into);
        let before = (self.visit.state().standing.clone(), self.visit.state().cookie.clone());
        self.visit.create(values, expiry).await?;
        let core = &self.visit.core;
        let deleted = core.run(&self.visit.budget, core.store.delete(self.live.id.key)).await;
        if deleted.is_err() {
            // The answer becomes an error, so the browser must keep the id that it has.
            let mut state = self.visit.state();
            (state.standing, state.cookie) = before;
        }
        deleted.map(|()| Outcome::Done)
    }
}

/// What happened to the `renew` fields, all taken together.
fn turn(pending: &Pending) -> Turn {
    let changes = pending.values().filter(|change| change.field.renew);
    changes.map(field_turn).fold(Turn::Same, |all, one| match (all, one) {
        (Turn::StartOver, _) | (_, Turn::StartOver) => Turn::StartOver,
        (Turn::Login, _) | (_, Turn::Login) => Turn::Login,
        (Turn::Logout, _) | (_, Turn::Logout) => Turn::Logout,
        (Turn::Same, Turn::Same) => Turn::Same,
    })
}

fn field_turn(change: &Change) -> Turn {
    let is_default = |text: Option<&str>| text.is_none_or(change.field.is_initial);
    match (is_default(change.base.as_deref()), is_default(change.ours.as_deref())) {
        (true, true) => Turn::Same,
        (true, false) => Turn::Login,
        (false, true) => Turn::Logout,
        (false, false) => Turn::StartOver,
    }
}

/// Whether any `renew` field changed.
pub(crate) fn renews(pending: &Pending) -> bool {
    turn(pending) != Turn::Same
}

/// Puts the changes into the patch, with the metadata of their schemas and what they rest on.
pub(crate) fn fill(patch: &mut Patch, pending: &Pending, values: &Values) {
    let mut expected = Vec::new();
    let mut last_schema = None;
    for change in pending.values() {
        if last_schema != Some(change.schema.key) {
            last_schema = Some(change.schema.key);
            let metadata = values.get_text(change.schema.key).cloned();
            if metadata.is_none() {
                patch.set.push((change.schema.key.into(), change.schema.metadata().into()));
            }
            let or_ours = metadata.is_none();
            expected.push(Expected { name: change.schema.key.into(), base: metadata, or_ours });
        }
        if change.field.merge.rests_on_base() {
            expected.push(Expected { name: change.name.clone(), base: change.base.clone(), or_ours: false });
        }
        match &change.ours {
            Some(text) => patch.set.push((change.name.clone(), text.clone())),
            None => patch.remove.push(change.name.clone()),
        }
    }
    patch.rests_on = RestsOn::Values(expected);
}

/// The values of a session that begins with these changes.
fn fresh_values(pending: &Pending) -> Values {
    let mut values = Values::new();
    for change in pending.values() {
        if let Some(text) = &change.ours {
            if values.get(change.schema.key).is_none() {
                values.set(change.schema.key.into(), change.schema.metadata().into());
            }
            values.set(change.name.clone(), text.clone());
        }
    }
    values
}

/// The changes as they would be if the session had been empty: what was added to a sum, and not the sum.
fn rebase_on_nothing(pending: &Pending) -> Result<Pending, SessionError> {
    let mut rebased = pending.clone();
    for change in rebased.values_mut().filter(|change| matches!(change.field.merge, Merge::With(_))) {
        change.ours = three_way(change, None)?;
        change.base = None;
    }
    Ok(rebased)
}

/// The changes laid over what is stored now.
fn rebase(pending: &Pending, stored: &Values) -> Result<Pending, SessionError> {
    let mut rebased = pending.clone();
    for change in rebased.values_mut() {
        let theirs = stored.get_text(&change.name).cloned();
        change.ours = three_way(change, theirs.as_deref())?;
        change.base = theirs;
    }
    rebased.retain(|_, change| change.base != change.ours);
    Ok(rebased)
}

fn belongs(name: &str, schema: &str) -> bool {
    name.strip_prefix(schema).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
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
