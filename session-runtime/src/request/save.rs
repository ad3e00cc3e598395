//! The save of an existing session: one patch, sent again after each conflict until it applies or the deadline has
//! passed.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use super::commit::{Outcome, PreconditionKind};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::expiry::StoredExpiry;
use crate::record::patch::unchanged::UnchangedHint;
use crate::record::patch::{Deadline, NewSecret, Patch, Patched, Precondition};
use crate::record::{Head, Record, Text, Values, key};
use crate::request::changes::{
    Changes, IdentityChange, fill, fresh_values, identity_change, rebase, refused, schemas_of, start_over,
};
use crate::request::visit::{Live, Requested, SessionStatus, Visit};
use crate::schema::change::Change;
use crate::schema::{FieldSpec, Renew, SchemaSpec};
use crate::store::StoreError;
use crate::version::status::VersionStatus;
use crate::version::versioned::VersionedValues;

/// The save of an existing session.
pub(super) struct Save<'v> {
    visit: &'v Visit,
    live: Arc<Live>,
    requested: &'v mut Requested,
    identity_change: IdentityChange,
    precondition: PreconditionKind,
    /// True if the response is no failure, so that the use of the session counts.
    answered: bool,
    secret: Secret,
    /// Time with which deadlines are compared.
    now: Timestamp,
    /// True if another request has changed the record since it was loaded.
    overtaken: bool,
}

/// Change of the secret.
#[derive(Clone, Copy)]
enum Secret {
    Keep,
    Raise(SessionId),
    Periodic(SessionId),
    Presented,
}

/// A patch that was sent, with the facts needed to handle the answer.
struct Sent<'v> {
    answer: Pin<Box<dyn Future<Output = Result<Patched, StoreError>> + Send + 'v>>,
    deadline: Option<Deadline>,
    /// True if the patch changes values, so that the revision goes up.
    writes: bool,
    /// True if the precondition is the whole record, as when a section is rewritten.
    rewrites: bool,
}

impl<'v> Save<'v> {
    pub(super) fn new(
        visit: &'v Visit,
        live: Arc<Live>,
        requested: &'v mut Requested,
        precondition: PreconditionKind,
        answered: bool,
    ) -> Result<Self, SessionError> {
        let identity_change = identity_change(&requested.changes);
        let is_requested = requested.changes_values() || requested.expiry.is_some() || requested.renew;
        // A save that only records the use of the session counts from the start of the request.
        let (now, secret) = (if is_requested { visit.core.now() } else { visit.now }, Secret::Keep);
        let mut save =
            Self { visit, live, requested, identity_change, precondition, answered, secret, now, overtaken: false };
        save.secret = save.choose_secret()?;
        Ok(save)
    }

    /// Updates the time if the request has outlasted its session, which must not be revived.
    fn check_end(&mut self) -> Result<(), SessionError> {
        let now = self.visit.core.now();
        if now >= self.live.head.idle_deadline {
            self.now = now;
            self.secret = self.choose_secret()?;
        }
        Ok(())
    }

    fn choose_secret(&self) -> Result<Secret, SessionError> {
        let head = &self.live.head;
        let renewed = || SessionId::renewed(self.live.id.key, self.visit.core.random);
        let now = self.now;
        let unconfirmed = head.previous.as_ref().is_some_and(|previous| previous.until.is_none());
        // The secret from before the last renewal keeps its whole grace.
        let in_grace = head.previous.as_ref().is_some_and(|previous| previous.until.is_none_or(|until| now < until));
        Ok(match self.identity_change {
            IdentityChange::Login | IdentityChange::Renewal => Secret::Raise(renewed()?),
            _ if self.requested.renew => Secret::Raise(renewed()?),
            _ if !self.answered || !self.live.presented => Secret::Keep,
            _ if unconfirmed => Secret::Presented,
            _ if !in_grace && self.visit.core.lifetime.renewal_due(head, now) => Secret::Periodic(renewed()?),
            IdentityChange::Same => Secret::Keep,
        })
    }

    /// Returns whether there is anything to store.
    pub(super) fn is_needed(&self) -> bool {
        let head_changes = || self.new_secret().is_some() || self.deadline(false).is_some();
        self.requested.changes_values() || head_changes()
    }

    pub(super) async fn run(mut self) -> Result<Outcome, SessionError> {
        if self.is_optional() {
            self.check_end()?;
        }
        if self.drops_lost_parts() {
            Box::pin(self.drop_lost_parts()).await?;
        }
        self.check_versions()?;
        let core = &self.visit.core;
        let mut ticket = match self.precondition {
            PreconditionKind::Values if self.requested.changes_values() => {
                Some(core.queues.enter(self.live.id.key, &self.visit.budget).await?)
            }
            // Nothing can conflict, or the caller repeats the save and holds a ticket of its own.
            _ => None,
        };
        loop {
            let Some(sent) = self.send()? else { return Ok(Outcome::Done) };
            let theirs = match self.answer(core.run(&self.visit.budget, sent.answer).await)? {
                Some(Patched::Done(head)) => return Ok(self.done(head, sent.deadline.as_ref(), sent.writes)),
                Some(Patched::Conflict(theirs)) => theirs,
                Some(Patched::Renewed) => return Box::pin(self.renewed()).await,
                Some(Patched::Gone) => return self.gone(),
                None => return Ok(Outcome::Done),
            };
            let Some(ticket) = &mut ticket else { return Ok(Outcome::Again) };
            if !sent.rewrites && self.is_same_version(&theirs)? {
                self.merge(&theirs)?;
                self.overtaken = true;
            } else {
                match Box::pin(self.begin_again()).await {
                    Ok(true) => {}
                    Ok(false) => return self.gone(),
                    Err(error) if error.kind() == ErrorKind::Renewed => return Box::pin(self.renewed()).await,
                    Err(error) => return Err(error),
                }
            }
            ticket.after_conflict(&self.visit.budget).await?;
        }
    }

    /// True if a schema that is dropped and written again has lost a part: a store can only remove such keys.
    fn drops_lost_parts(&self) -> bool {
        let is_lost = |schema: &&'static SchemaSpec| self.live.check_readable(schema).is_err();
        !self.requested.changes.is_empty() && self.requested.dropped.iter().any(is_lost)
    }

    /// Removes the lost parts first. Changes made after the drop then apply to the remaining record.
    async fn drop_lost_parts(&mut self) -> Result<(), SessionError> {
        let (core, head) = (&self.visit.core, &self.live.head);
        let mut patch = Patch::on_generation(head.generation);
        patch.precondition = Precondition::Revision(head.revision);
        patch.remove = self.requested.dropped.iter().flat_map(|schema| self.live.keys_of(schema)).collect();
        let sent = self.visit.store().patch(self.live.id.key, patch, self.now);
        match core.run(&self.visit.budget, sent).await? {
            Patched::Done(_) | Patched::Conflict(_) if self.begin_again().await? => Ok(()),
            Patched::Renewed => Err(SessionError::new(ErrorKind::Renewed)),
            _ => Err(SessionError::new(ErrorKind::Gone)),
        }
    }

    /// Checks the stored versions again: a save of another guard may have loaded an upgrade by another node since this
    /// guard was opened.
    fn check_versions(&mut self) -> Result<(), SessionError> {
        let versions = &self.visit.core.versions;
        let is_dropped = |schema: &SchemaSpec| !self.requested.counts(schema);
        for schema in schemas_of(&self.requested.changes).filter(|schema| !is_dropped(schema)) {
            self.live.check_readable(schema)?;
            match self.live.values.status_of(schema, versions)? {
                VersionStatus::Same | VersionStatus::Newer { writable: true } => {}
                _ => Arc::make_mut(&mut self.live).values.check_writable(schema, versions)?,
            }
        }
        Ok(())
    }

    /// Loads the record again and rebases the changes on it, since an upgrade depends on the whole record. Returns
    /// false if the session no longer exists.
    async fn begin_again(&mut self) -> Result<bool, SessionError> {
        let fresh = self.visit.load_again(&self.live).await?;
        let SessionStatus::Live(mut fresh) = fresh else { return Ok(false) };
        let live = Arc::make_mut(&mut fresh);
        live.head = live.stored.clone();
        let stored = |change: &Change| live.values.current().get_text(&change.name).cloned();
        let counted = |change: &Change| stored(change).filter(|_| self.requested.counts(change.schema));
        self.requested.changes = rebase(&self.requested.changes, counted)?;
        self.live = fresh;
        self.overtaken = false;
        self.check_versions()?;
        Ok(true)
    }

    /// Sends the patch unless it is empty.
    fn send(&self) -> Result<Option<Sent<'v>>, SessionError> {
        let (visit, live) = (self.visit, &self.live);
        let patch = self.patch()?;
        if patch.is_empty() {
            return Ok(None);
        }
        visit.core.limits.check_patch(&patch, live.values.stored(), live.bytes, live.keys)?;
        let (deadline, writes) = (patch.deadline.clone(), patch.changes_values());
        let rewrites = matches!(patch.precondition, Precondition::Revision(_));
        let answer = visit.store().patch(live.id.key, patch, self.now);
        Ok(Some(Sent { answer, deadline, writes, rewrites }))
    }

    /// Returns the answer of the store. If the patch only records the use of the session, its failure is logged and
    /// ignored.
    fn answer(&self, sent: Result<Patched, SessionError>) -> Result<Option<Patched>, SessionError> {
        match sent {
            Ok(patched) => Ok(Some(patched)),
            Err(error) if self.is_optional() => {
                tracing::warn!("the use of a session was not recorded: {}", error.chain());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// True if the application has requested no part of this save.
    fn is_optional(&self) -> bool {
        let raised = matches!(self.secret, Secret::Raise(_));
        !self.requested.changes_values() && self.requested.expiry.is_none() && !raised
    }

    fn patch(&self) -> Result<Patch, SessionError> {
        let head = &self.live.head;
        let mut patch = Patch::on_generation(head.generation);
        let versions = &self.visit.core.versions;
        if self.requested.dropped.is_empty() {
            fill(&mut patch, &self.requested.changes, versions, &self.live.values, head.revision)?;
        } else {
            self.fill_dropping(&mut patch)?;
        }
        if self.precondition == PreconditionKind::Revision {
            patch.precondition = Precondition::Revision(head.revision);
        }
        patch.deadline = self.deadline(patch.changes_values());
        patch.secret = self.new_secret();
        if !self.overtaken && patch.changes_values() {
            let Live { values, bytes, keys, .. } = &*self.live;
            patch.unchanged = UnchangedHint::since(&patch, head, values.stored(), *bytes, *keys);
        }
        Ok(patch)
    }

    /// Fills a patch that drops whole sections. Its precondition is the whole record, and later changes to the dropped
    /// schemas apply to empty sections.
    #[cold]
    fn fill_dropping(&self, patch: &mut Patch) -> Result<(), SessionError> {
        let (versions, revision, changes) =
            (&self.visit.core.versions, self.live.head.revision, &self.requested.changes);
        let dropped = self.requested.dropped.iter();
        let values = dropped.fold(self.live.values.clone(), |values, schema| values.without(schema, versions));
        fill(patch, changes, versions, &values, revision)?;
        let set = |name: &Text| patch.set.iter().any(|(set, _)| set == name);
        let dropped = self.requested.dropped.iter();
        let names = dropped.flat_map(|schema| self.live.keys_of(schema)).filter(|name| !set(name)).collect();
        let kept = std::mem::replace(&mut patch.remove, names);
        let dropped = &self.requested.dropped;
        patch
            .remove
            .extend(kept.into_iter().filter(|name| !dropped.iter().any(|schema| key::is_of_schema(name, schema.key))));
        patch.precondition = Precondition::Revision(revision);
        Ok(())
    }

    fn deadline(&self, writes: bool) -> Option<Deadline> {
        let (head, now, lifetime) = (&self.live.head, self.now, &self.visit.core.lifetime);
        if let Some(expiry) = self.requested.expiry.map(StoredExpiry::from) {
            return Some(Deadline::Choose {
                expiry,
                touched: now,
                expires: lifetime.idle_deadline(expiry, head.span(), now),
            });
        }
        if !self.answered {
            return None;
        }
        let due = lifetime.touch(head, writes, now);
        due.map(|expires| Deadline::Touch { seen: head.idle_deadline, touched: now, expires })
    }

    fn new_secret(&self) -> Option<NewSecret> {
        let (head, at) = (&self.live.head, self.now);
        match self.secret {
            Secret::Keep => None,
            Secret::Raise(id) => Some(NewSecret::Raise { hash: id.secret_hash(), at }),
            Secret::Periodic(id) => Some(NewSecret::Periodic {
                seen: head.secret,
                seen_expires: head.idle_deadline,
                hash: id.secret_hash(),
                at,
            }),
            Secret::Presented => {
                Some(NewSecret::Presented { seen: head.secret, until: at.after(self.visit.core.lifetime.renew_grace) })
            }
        }
    }

    /// Returns whether another request stored the same version, or a newer one that this program may write.
    fn is_same_version(&self, theirs: &Record) -> Result<bool, SessionError> {
        let theirs = VersionedValues::new(theirs.values.clone());
        for schema in schemas_of(&self.requested.changes) {
            match theirs.status_of(schema, &self.visit.core.versions)? {
                VersionStatus::Same | VersionStatus::Newer { writable: true } => {}
                VersionStatus::Newer { writable: false } => return Err(SessionError::read_only(schema)),
                VersionStatus::Older(_) | VersionStatus::Discarded => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Merges the values that another request stored meanwhile, which become the new base.
    fn merge(&mut self, theirs: &Record) -> Result<(), SessionError> {
        let schemas: BTreeSet<_> = self.requested.changes.values().map(|change| change.schema.key).collect();
        for change in self.requested.changes.values_mut() {
            if change.field.merge.needs_base() {
                change.merge(theirs.values.get_text(&change.name).cloned())?;
            }
        }
        let merged: Vec<_> = self.requested.changes.values().filter(|change| change.field.merge.needs_base()).collect();
        let names = merged.iter().map(|change| &*change.name).chain(schemas);
        let values = &mut Arc::make_mut(&mut self.live).values;
        for name in names {
            values.set(name, theirs.values.get_text(name));
        }
        self.requested.changes.retain(|_, change| change.base != change.ours);
        Ok(())
    }

    fn done(mut self, head: Head, deadline: Option<&Deadline>, writes: bool) -> Outcome {
        let visit = self.visit;
        if let Some(Deadline::Choose { expiry, .. }) = deadline {
            visit.core.lifetime.report_cut(*expiry, head.span(), visit.now);
        }
        let (id, renewed) = match self.secret {
            Secret::Raise(id) => (id, true),
            // If the renewal of another request came first, the browser has that id or will receive it.
            Secret::Periodic(id) if head.secret == id.secret_hash() => (id, true),
            _ => (self.live.id, false),
        };
        let moved = deadline.is_some_and(|deadline| deadline.is_in(&head));
        let sends_cookie = renewed || visit.is_in_cookie() || moved && self.refreshes(&head);
        let cookie = sends_cookie.then(|| visit.new_cookie(id, &head, visit.core.now()));
        if !visit.is_finished()
            && let Err(error) = self.apply()
        {
            // The changes are stored, so the save has succeeded.
            tracing::debug!("the session was saved, and could not be upgraded again: {}", error.chain());
        }
        let mut state = visit.state();
        // The state drops its reference, so that `make_mut` need not copy.
        state.session_status = SessionStatus::Ended;
        let live = Arc::make_mut(&mut self.live);
        live.id = id;
        live.presented &= !renewed;
        live.stored = head.clone();
        // The values do not include writes of others in between: they belong to the revision that was loaded.
        let loaded = live.head.revision;
        let is_next = head.revision == loaded.wrapping_add(u64::from(writes));
        live.head = Head { revision: if is_next { head.revision } else { loaded }, ..head };
        state.session_status = SessionStatus::Live(self.live);
        if let Some(cookie) = cookie {
            state.cookie = cookie;
        }
        Outcome::Done
    }

    /// Returns whether a moved deadline requires a new cookie. An id that is not the newest is never sent again: it
    /// would replace the newer one.
    fn refreshes(&self, head: &Head) -> bool {
        let persistent = |head: &Head| head.expiry.persistent(self.visit.core.cookie.persistent);
        (persistent(head) || persistent(&self.live.head)) && head.secret == self.live.id.secret_hash()
    }

    /// Applies the stored patch to the loaded values, the base of all later changes of the request.
    fn apply(&mut self) -> Result<(), SessionError> {
        let patch = self.patch()?;
        let live = Arc::make_mut(&mut self.live);
        live.unreadable.retain(|name| !patch.remove.contains(name));
        let mut values = live.values.stored().clone();
        let keys = values.len();
        let (came, went) = patch.apply(&mut values);
        live.bytes = live.bytes.saturating_add(came).saturating_sub(went);
        live.keys = live.keys.saturating_add(values.len()).saturating_sub(keys);
        live.values.set_stored(values, &self.visit.core.versions)
    }

    fn gone(&self) -> Result<Outcome, SessionError> {
        self.visit.state().session_status = SessionStatus::Ended;
        if self.is_optional() { Ok(Outcome::Done) } else { Err(SessionError::new(ErrorKind::Gone)) }
    }

    /// Handles a login by another request. A login of this request gets a session of its own, and never the record of
    /// the other, which may belong to another user by now.
    async fn renewed(self) -> Result<Outcome, SessionError> {
        if self.is_optional() {
            return Ok(Outcome::Done);
        }
        if self.identity_change != IdentityChange::Login {
            return Err(SessionError::new(ErrorKind::Renewed));
        }
        let mut values = self.live.values.clone().into_new(&self.visit.core.versions);
        let changes = self.login_changes(&values)?;
        let had_user = self.had_user(&values);
        self.keep_for_login(&mut values);
        for (name, text) in fresh_values(&changes, &self.visit.core.versions).iter() {
            values.set(name.clone(), text.clone());
        }
        for change in changes.values().filter(|change| change.ours.is_none()) {
            values.remove(&change.name);
        }
        let expiry = self.requested.expiry.map_or(self.live.head.expiry, Into::into);
        let created = self.visit.create(values, self.live.values.stored(), expiry).await?;
        self.requested.clear_stored_changes();
        if had_user {
            self.visit.leave_user();
        }
        Ok(created)
    }

    /// Returns the changes that a login keeps. If the session already had a user, these are only the changes that hold
    /// nothing of it.
    fn login_changes(&self, loaded: &Values) -> Result<Changes, SessionError> {
        let mut changes = self.requested.changes.clone();
        if self.had_user(loaded) {
            start_over(&mut changes, self.requested.confirmed.clone())?;
        }
        refused(&changes).map_or(Ok(changes), Err)
    }

    /// Retains the loaded values that a login keeps: all except the `renew` fields, and only the lasting schemas if the
    /// session already had a user.
    fn keep_for_login(&self, values: &mut Values) {
        let (schemas, had_user) = (self.visit.core.schemas(), self.had_user(values));
        let kept = |schema: &SchemaSpec| self.requested.counts(schema) && (schema.lasting || !had_user);
        values.retain(|name| schemas.iter().any(|schema| key::is_of_schema(name, schema.key) && kept(schema)));
        let fields = schemas.iter().flat_map(|schema| schema.fields());
        for field in fields.filter(|field| field.renew != Renew::Off) {
            values.remove(field.name);
        }
    }

    /// Returns whether a field names a user.
    fn had_user(&self, values: &Values) -> bool {
        let fields =
            self.visit.core.schemas().iter().flat_map(|schema| schema.fields().map(move |field| (schema, field)));
        let is_user = |(schema, field): (&&SchemaSpec, &FieldSpec)| {
            field.renew == Renew::User && values.get(field.name).is_some_and(|text| !schema.is_initial(field, text))
        };
        fields.into_iter().any(is_user)
    }
}
