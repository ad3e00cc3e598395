//! State of a request: its session as loaded, and the changes and actions that are not yet saved.

use std::collections::btree_map::Entry;
use std::ops::Deref;
use std::sync::Arc;

use super::visit::Purpose;
use crate::cookie::CookieCommand;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::expiry::Expiry;
use crate::record::{Head, Text, Values, belongs};
use crate::request::changes::{ChangeContext, Changes, absorb, refused, start_over};
use crate::schema::change::{Change, GuardChanges};
use crate::schema::snapshot::{Overlay, Snapshot};
use crate::schema::tracked::Tracked;
use crate::schema::{FieldSpec, Renew, Schema, SchemaSpec};
use crate::version::status::VersionStatus;
use crate::version::versioned::{Versioned, Versions};

/// State of one request. Its lock is held only briefly, and never across a store call.
pub(crate) struct State {
    pub(crate) session_status: SessionStatus,
    /// Schemas whose values are loaded, one bit each.
    pub(crate) fetched: u32,
    /// Subset of `fetched` that did not come from a cache, so that writes may be based on it.
    pub(crate) fresh: u32,
    /// Error of a failed load, which fails every later guard that needs stored values.
    pub(super) failed_load: Option<SessionError>,
    /// Schemas with a writable guard, one bit each.
    pub(super) open: u32,
    pub(crate) requested: Requested,
    /// Number of times this request has started over. A guard of an earlier epoch saw the values of another user.
    pub(crate) epoch: u32,
    pub(crate) in_flight: InFlight,
    /// Cookie command for the response, even if a later step fails.
    pub(crate) cookie: CookieCommand,
    pub(crate) finished: bool,
    /// Error that a handler has returned as its answer.
    #[cfg(feature = "rocket")]
    pub(super) answered: Option<Box<SessionError>>,
}

/// An explicit save that has begun.
#[derive(Default)]
pub(crate) struct InFlight {
    /// True until the save ends; still true at the end of the request if the save was abandoned.
    pub(crate) active: bool,
    /// Changes and actions of the save. Boxed: few requests save before they end.
    pub(crate) requested: Option<Box<Requested>>,
    /// True if this save, or an earlier one of unknown outcome, destroys or renews the session, or is a login or a
    /// logout.
    pub(crate) critical: bool,
}

/// Changes and actions requested for the session and not yet saved.
#[derive(Clone, Default)]
pub(crate) struct Requested {
    pub(crate) changes: Changes,
    /// Fields that were set to their stored text. They count as changes once the session starts over.
    pub(crate) confirmed: Option<Box<Changes>>,
    /// Actions on the whole session. Boxed: few requests have any. The smaller struct took 400 of 86,800 instructions
    /// off a read.
    session_wide: Option<Box<SessionWide>>,
}

/// Actions requested for the session as a whole.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each action is independent of the others")]
pub(crate) struct SessionWide {
    /// Schemas whose stored section is dropped. Later writes to them are in [`Requested::changes`].
    pub(crate) dropped: Vec<&'static SchemaSpec>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) renew: bool,
    /// True if the stored session ends and another begins with its lasting schemas: a user has left, or `restart` was
    /// called.
    pub(crate) starts_over: bool,
    /// True if `restart` was called: the session then starts over whatever the status of the response.
    pub(crate) restart: bool,
    pub(crate) destroy: bool,
    /// True if a value was written after `destroy`; it cannot be stored.
    pub(crate) after_destroy: bool,
    /// Error that keeps all changes from being stored: a value that could not be encoded, or a save of unknown outcome.
    pub(crate) failure: Option<SessionError>,
}

impl SessionWide {
    /// Empty value: no action is requested.
    const NOTHING: &Self = &Self {
        dropped: Vec::new(),
        expiry: None,
        renew: false,
        starts_over: false,
        restart: false,
        destroy: false,
        after_destroy: false,
        failure: None,
    };

    /// Restores the actions of a failed save. Actions requested since take precedence.
    fn put_back(&mut self, earlier: Self) {
        self.dropped = earlier.dropped;
        self.expiry = self.expiry.or(earlier.expiry);
        self.renew |= earlier.renew;
        self.starts_over |= earlier.starts_over;
        self.restart |= earlier.restart;
        self.destroy |= earlier.destroy;
        self.after_destroy |= earlier.after_destroy;
        self.failure = self.failure.take().or(earlier.failure);
    }
}

impl Deref for Requested {
    type Target = SessionWide;

    fn deref(&self) -> &SessionWide {
        self.session_wide.as_deref().unwrap_or(SessionWide::NOTHING)
    }
}

impl From<SessionWide> for Requested {
    fn from(session_wide: SessionWide) -> Self {
        Self { session_wide: Some(Box::new(session_wide)), ..Self::default() }
    }
}

impl Requested {
    /// Returns a request to destroy the session, or an empty one.
    pub(crate) fn destruction(destroy: bool) -> Self {
        if destroy { SessionWide { destroy, ..SessionWide::default() }.into() } else { Self::default() }
    }

    /// Returns the session-wide part for a change, and allocates it if it is absent.
    pub(crate) fn session_wide_mut(&mut self) -> &mut SessionWide {
        self.session_wide.get_or_insert_default()
    }

    /// Removes and returns the error that keeps the changes from being stored.
    pub(crate) fn take_failure(&mut self) -> Option<SessionError> {
        self.session_wide.as_deref_mut()?.failure.take()
    }

    /// Makes the save fail. The first error that was set remains.
    pub(crate) fn set_failure(&mut self, error: SessionError) {
        self.session_wide_mut().failure.get_or_insert(error);
    }

    /// Returns everything for the save at the end of the request. The session-wide actions stay here too, since reads
    /// depend on them, except dropped sections: those come back with [`keep`](Self::keep).
    pub(crate) fn hand_over(&mut self) -> Self {
        let (changes, confirmed) = (std::mem::take(&mut self.changes), self.confirmed.take());
        let handed = Self { changes, confirmed, session_wide: self.session_wide.clone() };
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.dropped.clear();
        }
        handed
    }

    /// Clears the changes after a new record has taken them all. Applied to that record, a change of a sum would show
    /// the sum of the old session.
    pub(crate) fn clear_stored_changes(&mut self) {
        self.changes.clear();
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.dropped.clear();
        }
    }

    /// Takes the changes back from the final save.
    pub(crate) fn keep(&mut self, saved: Self, done: bool) {
        self.changes = saved.changes;
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.starts_over &= !done;
            session_wide.dropped = saved.session_wide.map(|saved| saved.dropped).unwrap_or_default();
        }
    }

    /// Returns the actions that take effect whatever the status of the response.
    pub(crate) fn unconditional(&self) -> Self {
        let Some(session_wide) = self.session_wide.as_deref() else { return Self::default() };
        let SessionWide { destroy, renew, restart, .. } = *session_wide;
        SessionWide { destroy, renew, restart, starts_over: restart, ..SessionWide::default() }.into()
    }

    /// True if values are changed or sections dropped.
    pub(crate) fn changes_values(&self) -> bool {
        !self.changes.is_empty() || !self.dropped.is_empty()
    }

    /// Returns whether the stored values of a schema are still the base of the changes.
    pub(crate) fn counts(&self, schema: &SchemaSpec) -> bool {
        self.session_wide.as_deref().is_none_or(|session_wide| {
            (!session_wide.starts_over || schema.lasting)
                && session_wide.dropped.iter().all(|dropped| dropped.key != schema.key)
        })
    }

    /// Ends the stored session, and begins one with the lasting schemas and the values that this request set.
    pub(crate) fn start_over(&mut self) -> Result<(), SessionError> {
        let session_wide = self.session_wide_mut();
        session_wide.starts_over = true;
        session_wide.dropped.retain(|schema| schema.lasting);
        start_over(&mut self.changes, self.confirmed.take())
    }

    /// Rebases the changes on the session that a save has begun after it ended the session of a user.
    pub(crate) fn leave_user(&mut self) -> Result<(), SessionError> {
        start_over(&mut self.changes, self.confirmed.take())
    }

    /// Drops the stored section of a schema and the earlier changes of this request to it.
    pub(crate) fn drop_schema(&mut self, schema: &'static SchemaSpec) {
        for changes in [Some(&mut self.changes), self.confirmed.as_deref_mut()].into_iter().flatten() {
            changes.retain(|_, change| change.schema.key != schema.key);
        }
        if self.counts(schema) {
            self.session_wide_mut().dropped.push(schema);
        }
    }

    /// Adds the changes that a guard found. `outdated`: the request has started over since the guard was opened.
    pub(crate) fn absorb(
        &mut self,
        found: GuardChanges,
        outdated: bool,
        context: impl Fn(&Self, &Change) -> ChangeContext,
    ) -> Result<(), SessionError> {
        let is_user = |change: &Change| change.field.renew == Renew::User;
        let users: Vec<Text> =
            found.changes.iter().filter(|change| is_user(change)).map(|it| it.name.clone()).collect();
        if found.starts_over && !outdated {
            self.start_over()?;
        }
        let before = found.before.into_iter().map(|change| (change, true));
        let changes = found.changes.into_iter().map(|change| (change, outdated && !found.starts_over));
        for (change, outdated) in before.chain(changes) {
            let change = if outdated { change.rebased_on_empty()? } else { Some(change) };
            let Some(change) = change else { continue };
            let context = context(self, &change);
            absorb(&mut self.changes, &mut self.confirmed, change, context)?;
        }
        let left = |name: &Text| self.changes.get(name).is_some_and(Change::ends_user);
        if !self.starts_over && users.iter().any(left) { self.start_over() } else { Ok(()) }
    }

    /// Removes refused edits of fields that this guard has since set or cleared as a whole.
    pub(super) fn replace<S: Schema>(&mut self, tracked: &Tracked<S>) {
        if refused(&self.changes).is_none() {
            return;
        }
        let fields = tracked.replaced();
        let is_replaced = |change: &Change| fields.iter().any(|field| field.name == change.field.name);
        self.changes.retain(|_, change| !change.stale || !is_replaced(change));
    }

    /// Drops the changes to all schemas except the lasting ones, as a restart after them does.
    fn drop_before_restart(&mut self) {
        self.changes.retain(|_, change| change.schema.lasting);
        self.confirmed = None;
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.dropped.retain(|schema| schema.lasting);
        }
    }

    /// Restores the changes and actions of a failed save. Those requested since take precedence.
    pub(crate) fn put_back(&mut self, mut earlier: Self) -> Result<(), SessionError> {
        if self.restart && !earlier.restart {
            earlier.drop_before_restart();
        } else if self.starts_over && !earlier.starts_over {
            earlier.start_over()?;
        }
        for schema in &self.dropped {
            earlier.drop_schema(schema);
        }
        for (name, change) in earlier.changes {
            match self.changes.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(change)),
                // A save still refuses the earlier edit, unless the whole field was set since.
                Entry::Occupied(mut entry) if change.stale && !entry.get().set => drop(entry.insert(change)),
                // The later change is based on the earlier one.
                Entry::Occupied(mut entry) if entry.get().base == change.ours => {
                    entry.get_mut().rebase_on(change);
                    if entry.get().base == entry.get().ours {
                        let change = entry.remove();
                        if change.is_confirmation() {
                            self.confirmed.get_or_insert_default().insert(change.name.clone(), change);
                        }
                    }
                }
                Entry::Occupied(_) => {}
            }
        }
        for (name, change) in earlier.confirmed.into_iter().flat_map(|confirmed| *confirmed) {
            self.confirmed.get_or_insert_default().entry(name).or_insert(change);
        }
        if let Some(earlier) = earlier.session_wide {
            self.session_wide_mut().put_back(*earlier);
        }
        Ok(())
    }
}

/// Status of the session in this request.
#[derive(Clone)]
pub(crate) enum SessionStatus {
    /// An id was presented, and its record is not loaded yet.
    Unread(SessionId),
    /// No session: no usable cookie, an id unknown to the store, an expired or unreadable record.
    Anonymous,
    /// A secret from before a recent login.
    Stale,
    /// A loaded session.
    Live(Arc<Live>),
    /// The session was destroyed, by this request or by another.
    Ended,
}

/// A session as loaded by this request.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) id: SessionId,
    /// True if the browser presented this id and it is the newest one. False for the id from before a periodic renewal,
    /// and for an id that this request has drawn.
    pub(crate) presented: bool,
    /// Head as first loaded, the base of the changes of this request.
    pub(crate) head: Head,
    /// Values as first loaded, with those of further load sets.
    pub(crate) values: Versioned,
    /// Head as of the latest load.
    pub(crate) stored: Head,
    pub(crate) bytes: usize,
    pub(crate) keys: usize,
    /// Stored keys that are lost or damaged; see [`Loaded::unreadable`](crate::store::Loaded::unreadable).
    pub(crate) unreadable: Vec<Text>,
}

impl Live {
    /// Fails for a schema with lost or damaged keys: defaults must not be taken for stored values.
    pub(crate) fn check_readable(&self, schema: &'static SchemaSpec) -> Result<(), SessionError> {
        if self.unreadable.iter().any(|name| belongs(name, schema.key)) {
            return Err(SessionError::at_schema(ErrorKind::Unreadable, schema));
        }
        Ok(())
    }

    /// Returns the stored keys of a schema, including those that are lost or damaged.
    pub(crate) fn keys_of(&self, schema: &SchemaSpec) -> Vec<Text> {
        let readable = self.values.stored().of_schema(schema.key).map(|(name, _)| name);
        readable.chain(self.unreadable.iter().filter(|name| belongs(name, schema.key))).cloned().collect()
    }
}

impl InFlight {
    /// Returns the change of a stored key in this save.
    fn change(&self, name: &str) -> Option<&Change> {
        self.requested.as_deref()?.changes.get(name)
    }

    /// Returns whether the stored values of a schema are still the base of the changes.
    fn counts(&self, schema: &SchemaSpec) -> bool {
        self.requested.as_deref().is_none_or(|requested| requested.counts(schema))
    }

    /// True if the save starts over.
    pub(crate) fn starts_over(&self) -> bool {
        self.requested.as_deref().is_some_and(|requested| requested.starts_over)
    }
}

impl State {
    /// Returns the current values of a schema. Fails if this program may not use them for `purpose`. After `destroy`, a
    /// read finds no session.
    pub(super) fn snapshot(
        &mut self,
        schema: &'static SchemaSpec,
        versions: &Versions,
        purpose: Purpose,
    ) -> Result<Snapshot, SessionError> {
        let (overlay, epoch) = (self.changes_of(schema), self.epoch);
        let counts = self.counts(schema);
        match &mut self.session_status {
            SessionStatus::Live(live) if !self.requested.destroy && counts => {
                live.check_readable(schema)?;
                match (purpose, upgraded(live, schema, versions)?) {
                    (Purpose::Write, VersionStatus::Newer { writable: false }) => Err(SessionError::read_only(schema)),
                    _ => Ok(Snapshot::new(live.id.key, live.values.current().clone(), overlay).at(epoch)),
                }
            }
            _ => Ok(Snapshot::of_changes(overlay).at(epoch)),
        }
    }

    /// Returns the changes to apply to the stored values of a schema: those in flight, then those requested since.
    fn changes_of(&self, schema: &SchemaSpec) -> Overlay {
        let in_flight = self.in_flight.requested.as_deref().filter(|_| self.requested.counts(schema));
        let changes = in_flight.into_iter().flat_map(|requested| &requested.changes).chain(&self.requested.changes);
        // `collect` would sort the changes first, which costs time even if there are none.
        let mut overlay = Overlay::new();
        overlay.extend(changes.filter(|(_, it)| !it.stale).map(|(name, change)| (name.clone(), change.ours.clone())));
        overlay
    }

    /// Returns whether the stored values of a schema are still the base of the changes.
    pub(super) fn counts(&self, schema: &SchemaSpec) -> bool {
        self.requested.counts(schema) && self.in_flight.counts(schema)
    }

    /// Returns the stored text of a changed key, if `requested` is still based on the stored values of its schema.
    pub(crate) fn stored_for(&self, requested: &Requested, change: &Change) -> Option<Text> {
        self.session_status.values().get_text(&change.name).filter(|_| requested.counts(change.schema)).cloned()
    }

    /// Adds changes that were found against `snapshot`.
    pub(super) fn absorb(&mut self, found: GuardChanges, snapshot: &Snapshot) -> Result<(), SessionError> {
        let outdated = snapshot.epoch() != self.epoch;
        let moved = outdated || self.session_status.live().map(|live| live.id.key) != snapshot.session();
        let did_start_over = self.requested.starts_over;
        let (session_status, in_flight) = (&self.session_status, &self.in_flight);
        let stored = |requested: &Requested, change: &Change| {
            if !requested.counts(change.schema) {
                return None;
            }
            if let Some(change) = in_flight.change(&change.name).filter(|change| !change.stale) {
                return change.ours.clone();
            }
            session_status.values().get_text(&change.name).filter(|_| in_flight.counts(change.schema)).cloned()
        };
        let absorbed = self.requested.absorb(found, outdated, |requested, change| ChangeContext {
            stored: stored(requested, change),
            moved: moved && !change.schema.lasting,
        });
        if self.requested.starts_over && !did_start_over {
            self.epoch += 1;
        }
        absorbed
    }

    /// True if the schema has a writable guard.
    pub(super) fn is_open(&self, at: usize) -> bool {
        self.open & (1 << at) != 0
    }

    /// Ends the stored session, and begins one with its lasting schemas. Earlier changes to other schemas are dropped.
    pub(super) fn restart(&mut self, schemas: &[&'static SchemaSpec]) {
        let requested = &mut self.requested;
        let is_lasting = |key: &str| schemas.iter().any(|schema| schema.lasting && schema.key == key);
        requested.changes.retain(|_, change| change.schema.lasting);
        requested.confirmed = None;
        let session_wide = requested.session_wide_mut();
        session_wide.failure = session_wide.failure.take().filter(|error| error.schema().is_some_and(is_lasting));
        session_wide.dropped.retain(|schema| schema.lasting);
        (session_wide.starts_over, session_wide.restart) = (true, true);
        self.epoch += 1;
    }

    /// Drops the stored section of a schema. Returns whether that is a logout: a field that names the user holds more
    /// than its default, or cannot be read.
    pub(super) fn clear(&mut self, schema: &'static SchemaSpec, versions: &Versions) -> Result<bool, SessionError> {
        let holds = |state: &mut Self, renew: Renew| {
            let stored = |snapshot: &Snapshot, field: &FieldSpec| {
                field.renew == renew && snapshot.get(field.name).is_some_and(|text| !schema.is_initial(field, text))
            };
            let fields = schema.fields().any(|field| field.renew == renew);
            let snapshot = if fields { Some(state.stored_snapshot(schema, versions)) } else { None };
            snapshot.is_some_and(|snapshot| {
                snapshot.is_none_or(|snapshot| schema.fields().any(|field| stored(&snapshot, field)))
            })
        };
        let (is_logout, renews) = (holds(self, Renew::User), holds(self, Renew::Keep));
        if renews {
            self.requested.session_wide_mut().renew = true;
        }
        self.requested.drop_schema(schema);
        if is_logout {
            self.epoch += u32::from(!self.requested.starts_over);
            self.requested.start_over()?;
        }
        Ok(is_logout)
    }

    /// Returns the stored values of a schema with those of a save in flight, in the version of this program; `None` if
    /// they cannot be read.
    fn stored_snapshot(&mut self, schema: &'static SchemaSpec, versions: &Versions) -> Option<Snapshot> {
        if !self.counts(schema) {
            return Some(Snapshot::default());
        }
        let changes = self.in_flight.requested.iter().flat_map(|requested| &requested.changes);
        let in_flight = changes.map(|(name, change)| (name.clone(), change.ours.clone())).collect();
        match &mut self.session_status {
            SessionStatus::Live(live) => {
                live.check_readable(schema).ok()?;
                match upgraded(live, schema, versions) {
                    Err(_) | Ok(VersionStatus::Discarded) => return None,
                    Ok(_) => {}
                }
                Some(Snapshot::new(live.id.key, live.values.current().clone(), in_flight))
            }
            _ => Some(Snapshot::default()),
        }
    }

    /// Discards the changes of a handler that has panicked.
    pub(super) fn discard(&mut self) {
        let requested = &mut self.requested;
        requested.changes.clear();
        requested.confirmed = None;
        let Some(session_wide) = requested.session_wide.as_deref_mut() else { return };
        session_wide.dropped.clear();
        session_wide.expiry = None;
        self.epoch += u32::from(session_wide.starts_over && !session_wide.restart);
        session_wide.starts_over = session_wide.restart;
    }

    /// Returns the stored session, unless this request ends it.
    pub(super) fn live(&self) -> Option<&Live> {
        let has_ended = self.requested.destroy || self.requested.starts_over || self.in_flight.starts_over();
        self.session_status.live().filter(|_| !has_ended)
    }

    /// Returns whether a field of the stored session names a user. A change of that field ends the session.
    pub(super) fn has_user(&self, schema: &SchemaSpec) -> bool {
        let stored = |field: &FieldSpec| match self.requested.changes.get(field.name) {
            Some(change) => change.base.as_ref(),
            None => match self.in_flight.change(field.name) {
                Some(change) => change.ours.as_ref(),
                None => self.session_status.values().get_text(field.name),
            },
        };
        let is_user = |field: &FieldSpec| stored(field).is_some_and(|text| !schema.is_initial(field, text));
        self.counts(schema) && schema.fields().any(|field| field.renew == Renew::User && is_user(field))
    }
}

/// Upgrades a schema of the session. Copies the session only if there is something to upgrade.
fn upgraded(
    live: &mut Arc<Live>,
    schema: &'static SchemaSpec,
    versions: &Versions,
) -> Result<VersionStatus, SessionError> {
    match live.values.status_of(schema, versions)? {
        status @ (VersionStatus::Same | VersionStatus::Newer { .. }) => Ok(status),
        _ => Arc::make_mut(live).values.upgrade(schema, versions),
    }
}

/// State of the load and the cookie, to be restored after a failure.
pub(crate) struct Checkpoint {
    session_status: SessionStatus,
    fetched: u32,
    fresh: u32,
    cookie: CookieCommand,
}

impl State {
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let (session_status, cookie) = (self.session_status.clone(), self.cookie.clone());
        Checkpoint { session_status, fetched: self.fetched, fresh: self.fresh, cookie }
    }

    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) {
        (self.session_status, self.cookie) = (checkpoint.session_status, checkpoint.cookie);
        (self.fetched, self.fresh) = (checkpoint.fetched, checkpoint.fresh);
    }
}

impl SessionStatus {
    pub(crate) fn live(&self) -> Option<&Live> {
        match self {
            Self::Live(live) => Some(live),
            _ => None,
        }
    }

    pub(crate) fn values(&self) -> &Values {
        const NONE: &Values = &Values::new();
        self.live().map_or(NONE, |live| live.values.current())
    }
}
