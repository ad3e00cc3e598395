//! The save of an existing session: one patch, sent again after each conflict until it applies or the deadline has
//! passed.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use super::commit::{Outcome, PreconditionKind};
use super::conflict_queue::Ticket;
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::patch::{Deadline, Patch, Patched, Precondition};
use crate::record::{Head, Record, Text};
use crate::request::changes::{IdentityChange, identity_change, rebase, schemas_of};
use crate::request::visit::{Live, Requested, SessionStatus, Visit};
use crate::schema::SchemaSpec;
use crate::schema::change::{Base, Change};
use crate::store::StoreError;
use crate::version::status::VersionStatus;
use crate::version::versioned::VersionedValues;

mod overtaken;
mod patch;

/// The save of an existing session.
pub(super) struct Save<'v> {
    visit: &'v Visit,
    live: Arc<Live>,
    requested: &'v mut Requested,
    identity_change: IdentityChange,
    precondition: PreconditionKind,
    /// True unless the response is a failure. Only then does the use of the session count.
    answered: bool,
    /// True unless the request has only looked at the session.
    used: bool,
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

/// A patch that was sent.
struct SentPatch<'v> {
    result: Pin<Box<dyn Future<Output = Result<Patched, StoreError>> + Send + 'v>>,
    summary: PatchSummary,
}

/// Properties of a patch that the handling of its result needs.
struct PatchSummary {
    deadline: Option<Deadline>,
    /// Copy of the patch, to be applied to the loaded values; `None` in the last save, after which none are read.
    replay: Option<Patch>,
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
        let is_requested = requested.changes_values() || requested.expiry.is_some() || requested.renews_id();
        // A save that only records the use of the session counts from the start of the request.
        let (now, secret) = (if is_requested { visit.core.now() } else { visit.now }, Secret::Keep);
        let (used, overtaken) = (visit.state().is_used, false);
        let mut save =
            Self { visit, live, requested, identity_change, precondition, answered, used, secret, now, overtaken };
        save.secret = save.choose_secret()?;
        Ok(save)
    }

    /// Updates the time if the session has expired during the request. The save must not extend an expired session.
    fn check_end(&mut self) -> Result<(), SessionError> {
        let now = self.visit.core.now();
        if now >= self.live.head.idle_deadline {
            self.now = now;
            self.secret = self.choose_secret()?;
        }
        Ok(())
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
        let visit = self.visit;
        let mut ticket = self.ticket().await?;
        loop {
            let Some(sent) = self.send()? else { return Ok(Outcome::Done) };
            let theirs = match self.ignore_if_optional(visit.core.run(&visit.budget, sent.result).await)? {
                Some(Patched::Done(head)) => return Ok(self.done(head, &sent.summary)),
                Some(Patched::Conflict(theirs)) => theirs,
                Some(Patched::Renewed) => return Box::pin(self.renewed()).await,
                Some(Patched::Gone) => return self.gone(),
                None => return Ok(Outcome::Done),
            };
            let Some(ticket) = &mut ticket else { return Ok(Outcome::Again) };
            if let Some(outcome) = Box::pin(self.after_conflict(&theirs, sent.summary.rewrites)).await? {
                return Ok(outcome);
            }
            ticket.after_conflict(&visit.budget).await?;
        }
    }

    /// Returns a ticket of the queue for conflicting saves. `None` if nothing can conflict, or if the caller repeats
    /// the save and holds a ticket of its own.
    async fn ticket(&self) -> Result<Option<Ticket<'v>>, SessionError> {
        let visit = self.visit;
        if self.precondition == PreconditionKind::Revision || !self.requested.changes_values() {
            return Ok(None);
        }
        visit.core.queues.enter(self.live.id.key, &visit.budget).await.map(Some)
    }

    /// Bases the changes on the record that another request has stored. Returns an outcome if the session is no longer
    /// the one of this request.
    async fn after_conflict(&mut self, theirs: &Record, rewrites: bool) -> Result<Option<Outcome>, SessionError> {
        if !rewrites && self.is_same_version(theirs)? {
            self.merge(theirs)?;
            self.overtaken = true;
            return Ok(None);
        }
        match self.begin_again().await {
            Ok(true) => Ok(None),
            Ok(false) => self.gone().map(Some),
            Err(error) if error.kind() == ErrorKind::Renewed => self.renewed().await.map(Some),
            Err(error) => Err(error),
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
        let values = &live.values;
        let counted = |change: &Change| {
            if self.requested.counts(change.schema) { values.base_of(change) } else { Base::default() }
        };
        self.requested.changes = rebase(&self.requested.changes, counted)?;
        self.live = fresh;
        self.overtaken = false;
        self.check_versions()?;
        Ok(true)
    }

    /// Sends the patch unless it is empty.
    fn send(&self) -> Result<Option<SentPatch<'v>>, SessionError> {
        let (visit, live) = (self.visit, &self.live);
        let patch = self.patch()?;
        if patch.is_empty() {
            return Ok(None);
        }
        visit.core.limits.check_patch(&patch, live.values.stored(), live.bytes, live.keys)?;
        let summary = PatchSummary {
            deadline: patch.deadline.clone(),
            replay: (!visit.is_finished()).then(|| patch.clone()),
            writes: patch.changes_values(),
            rewrites: matches!(patch.precondition, Precondition::Revision(_)),
        };
        Ok(Some(SentPatch { result: visit.store().patch(live.id.key, patch, self.now), summary }))
    }

    /// Returns the result of a patch. The failure of one that only records the use of the session is logged and ignored.
    fn ignore_if_optional(&self, result: Result<Patched, SessionError>) -> Result<Option<Patched>, SessionError> {
        match result {
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

    /// Returns whether another request stored the same version, or a newer one that this program may write.
    fn is_same_version(&self, theirs: &Record) -> Result<bool, SessionError> {
        let theirs = VersionedValues::new(theirs.values.clone(), self.visit.now);
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
        let mut names: BTreeSet<Text> = schemas_of(&self.requested.changes).map(|schema| schema.key.into()).collect();
        for change in self.requested.changes.values_mut().filter(|change| change.needs_base()) {
            change.merge(Base::of(change, &theirs.values, self.visit.now))?;
            names.insert(change.name.clone());
            names.extend(change.field.has_deadline().then(|| change.field.deadline.into()));
        }
        let values = &mut Arc::make_mut(&mut self.live).values;
        for name in names {
            values.set(&name, theirs.values.get_text(&name));
        }
        self.requested.changes.retain(|_, change| !change.is_void());
        Ok(())
    }

    fn done(mut self, head: Head, sent: &PatchSummary) -> Outcome {
        let visit = self.visit;
        if let Some(Deadline::Choose { expiry, .. }) = &sent.deadline {
            visit.core.lifetime.report_cut(*expiry, head.span(), visit.now);
        }
        let (id, renewed) = self.id_after(&head);
        if matches!(self.secret, Secret::Raise(_)) {
            visit.core.watches.logged_out(id.key, head.generation);
        }
        let moved = sent.deadline.as_ref().is_some_and(|deadline| deadline.is_in(&head));
        let sends_cookie = renewed || visit.is_in_cookie() || moved && self.refreshes(&head);
        let cookie = sends_cookie.then(|| visit.new_cookie(id, &head, visit.core.now()));
        if let Some(patch) = &sent.replay
            && let Err(error) = self.apply(patch)
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
        live.set_head(head, sent.writes);
        state.session_status = SessionStatus::Live(self.live);
        if let Some(cookie) = cookie {
            state.cookie = cookie;
        }
        Outcome::Done
    }

    /// Returns the id after the save, and whether this save has renewed it.
    fn id_after(&self, head: &Head) -> (SessionId, bool) {
        match self.secret {
            Secret::Raise(id) => (id, true),
            // If the renewal of another request came first, the browser has that id or will receive it.
            Secret::Periodic(id) if head.secret == id.secret_hash() => (id, true),
            _ => (self.live.id, false),
        }
    }

    /// Returns whether a moved deadline requires a new cookie. An id that is not the newest is never sent again: it
    /// would replace the newer one.
    fn refreshes(&self, head: &Head) -> bool {
        let sends_deadline = |head: &Head| self.visit.core.transport.sends_deadline(head);
        (sends_deadline(head) || sends_deadline(&self.live.head)) && head.secret == self.live.id.secret_hash()
    }

    /// Applies the stored patch to the loaded values, the base of all later changes of the request.
    fn apply(&mut self, patch: &Patch) -> Result<(), SessionError> {
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
}

impl Live {
    /// Sets the head that the store has after a save. The values do not include writes of others in between: they
    /// belong to the revision that was loaded.
    fn set_head(&mut self, head: Head, writes: bool) {
        self.stored = head.clone();
        let loaded = self.head.revision;
        let is_next = head.revision == loaded.wrapping_add(u64::from(writes));
        self.head = Head { revision: if is_next { head.revision } else { loaded }, ..head };
    }
}
