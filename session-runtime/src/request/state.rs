//! What a request knows of its session, and what it wants done to it.

use std::collections::btree_map::Entry;
use std::ops::Deref;
use std::sync::Arc;

use super::visit::Use;
use crate::cookie::CookieCommand;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::expiry::Expiry;
use crate::record::{Head, Text, Values, belongs};
use crate::request::changes::{Changes, Ground, absorb, refused, start_over};
use crate::schema::change::{Change, Found};
use crate::schema::snapshot::{Overlay, Snapshot};
use crate::schema::tracked::Tracked;
use crate::schema::{FieldSpec, Renew, Schema, SchemaSpec};
use crate::version::status::VersionStatus;
use crate::version::versioned::{Versioned, Versions};

/// What the request knows and what it wants; short locks only, never across a store call.
pub(crate) struct State {
    pub(crate) session_status: SessionStatus,
    /// Schemas whose values are there.
    pub(crate) fetched: u32,
    /// Those of them that are no copy of a cache, so that writes may rest on them.
    pub(crate) fresh: u32,
    /// A load that failed fails for every guard of the request.
    pub(super) failed_load: Option<SessionError>,
    /// Schemas with a writable guard.
    pub(super) open: u32,
    pub(crate) requested: Requested,
    /// How often this request has started over: a guard that was opened before saw another user's values.
    pub(crate) epoch: u32,
    pub(crate) in_flight: InFlight,
    /// What the response is to say, whatever follows.
    pub(crate) cookie: CookieCommand,
    pub(crate) finished: bool,
    /// What a handler answers with.
    #[cfg(feature = "rocket")]
    pub(super) answered: Option<Box<SessionError>>,
}

/// An explicit save that has begun.
#[derive(Default)]
pub(crate) struct InFlight {
    /// Not ended yet; still so at the end of the request if it was given up.
    pub(crate) active: bool,
    /// What it is to do. Boxed: few requests save before they end.
    pub(crate) requested: Option<Box<Requested>>,
    /// It, or one whose outcome is unknown, was to destroy, to renew or to log somebody in or out.
    pub(crate) critical: bool,
}

/// What the request wants done to its session.
#[derive(Clone, Default)]
pub(crate) struct Requested {
    pub(crate) changes: Changes,
    /// Fields that were set to the text that is stored, which counts once the session starts over.
    pub(crate) confirmed: Option<Box<Changes>>,
    /// Everything else. Boxed: few requests ask for any of it. Smaller wishes took 400 of 86,800 instructions off a read.
    session_wide: Option<Box<SessionWide>>,
}

/// What a request asks of its session as a whole.
#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each wish stands on its own")]
pub(crate) struct SessionWide {
    /// Schemas of which everything stored is dropped; what is written of them later is in `pending`.
    pub(crate) dropped: Vec<&'static SchemaSpec>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) renew: bool,
    /// The stored session ends, and another begins with its lasting schemas: a user has gone, or `restart` was called.
    pub(crate) over: bool,
    /// `restart` was called, so that it starts over whatever the answer.
    pub(crate) restart: bool,
    pub(crate) destroy: bool,
    /// Something was written after `destroy`; it has nowhere to go.
    pub(crate) after_destroy: bool,
    /// Changes that cannot be stored, so that nothing is: a value that could not be encoded, a save of unknown outcome.
    pub(crate) failure: Option<SessionError>,
}

impl SessionWide {
    /// What no request has asked for.
    const NOTHING: &Self = &Self {
        dropped: Vec::new(),
        expiry: None,
        renew: false,
        over: false,
        restart: false,
        destroy: false,
        after_destroy: false,
        failure: None,
    };

    /// Puts back what could not be done, under what was asked since.
    fn put_back(&mut self, earlier: Self) {
        self.dropped = earlier.dropped;
        self.expiry = self.expiry.or(earlier.expiry);
        self.renew |= earlier.renew;
        self.over |= earlier.over;
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
    /// Only a destruction, if there is one.
    pub(crate) fn destruction(destroy: bool) -> Self {
        if destroy { SessionWide { destroy, ..SessionWide::default() }.into() } else { Self::default() }
    }

    /// The part to change; only for what asks for something.
    pub(crate) fn session_wide_mut(&mut self) -> &mut SessionWide {
        self.session_wide.get_or_insert_default()
    }

    /// What cannot be stored.
    pub(crate) fn take_failure(&mut self) -> Option<SessionError> {
        self.session_wide.as_deref_mut()?.failure.take()
    }

    /// From now on the save fails, with the first error that was set.
    pub(crate) fn set_failure(&mut self, error: SessionError) {
        self.session_wide_mut().failure.get_or_insert(error);
    }

    /// Hands everything to the save at the end of the request. What counts for reads meanwhile stays.
    pub(crate) fn hand_over(&mut self) -> Self {
        let (changes, confirmed) = (std::mem::take(&mut self.changes), self.confirmed.take());
        let handed = Self { changes, confirmed, session_wide: self.session_wide.clone() };
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.dropped.clear();
        }
        handed
    }

    /// A new record holds all changes. Laid over it, a change of a sum would show the sum of the session before.
    pub(crate) fn stored_anew(&mut self) {
        self.changes.clear();
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.dropped.clear();
        }
    }

    /// Takes back what that save was to store.
    pub(crate) fn keep(&mut self, saved: Self, done: bool) {
        self.changes = saved.changes;
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.over &= !done;
            session_wide.dropped = saved.session_wide.map(|saved| saved.dropped).unwrap_or_default();
        }
    }

    /// Those that count whatever the answer.
    pub(crate) fn unconditional(&self) -> Self {
        let Some(session_wide) = self.session_wide.as_deref() else { return Self::default() };
        let SessionWide { destroy, renew, restart, .. } = *session_wide;
        SessionWide { destroy, renew, restart, over: restart, ..SessionWide::default() }.into()
    }

    /// Whether there is something to store.
    pub(crate) fn changes_values(&self) -> bool {
        !self.changes.is_empty() || !self.dropped.is_empty()
    }

    /// Whether the stored values of a schema are those that the request goes on from.
    pub(crate) fn counts(&self, schema: &SchemaSpec) -> bool {
        self.session_wide.as_deref().is_none_or(|session_wide| {
            (!session_wide.over || schema.lasting)
                && session_wide.dropped.iter().all(|dropped| dropped.key != schema.key)
        })
    }

    /// Ends the stored session, for one that begins with the lasting schemas and with what this request set.
    pub(crate) fn start_over(&mut self) -> Result<(), SessionError> {
        let session_wide = self.session_wide_mut();
        session_wide.over = true;
        session_wide.dropped.retain(|schema| schema.lasting);
        start_over(&mut self.changes, self.confirmed.take())
    }

    /// A save has ended the stored session of a user: later wishes go on from the one that it began.
    pub(crate) fn leave_user(&mut self) -> Result<(), SessionError> {
        start_over(&mut self.changes, self.confirmed.take())
    }

    /// Drops everything stored of a schema, and what this request wrote of it so far.
    pub(crate) fn drop_schema(&mut self, schema: &'static SchemaSpec) {
        for changes in [Some(&mut self.changes), self.confirmed.as_deref_mut()].into_iter().flatten() {
            changes.retain(|_, change| change.schema.key != schema.key);
        }
        if self.counts(schema) {
            self.session_wide_mut().dropped.push(schema);
        }
    }

    /// Takes over what a guard found. `outdated`: the request has started over since the guard was opened.
    pub(crate) fn absorb(
        &mut self,
        found: Found,
        outdated: bool,
        ground: impl Fn(&Self, &Change) -> Ground,
    ) -> Result<(), SessionError> {
        let is_user = |change: &Change| change.field.renew == Renew::User;
        let users: Vec<Text> =
            found.changes.iter().filter(|change| is_user(change)).map(|it| it.name.clone()).collect();
        if found.over && !outdated {
            self.start_over()?;
        }
        let before = found.before.into_iter().map(|change| (change, true));
        let changes = found.changes.into_iter().map(|change| (change, outdated && !found.over));
        for (change, outdated) in before.chain(changes) {
            let change = if outdated { change.on_nothing()? } else { Some(change) };
            let Some(change) = change else { continue };
            let ground = ground(self, &change);
            absorb(&mut self.changes, &mut self.confirmed, change, ground)?;
        }
        let left = |name: &Text| self.changes.get(name).is_some_and(Change::ends_user);
        if !self.over && users.iter().any(left) { self.start_over() } else { Ok(()) }
    }

    /// Earlier edits of fields that this guard has set or cleared as a whole are no longer refused.
    pub(super) fn replace<S: Schema>(&mut self, tracked: &Tracked<S>) {
        if refused(&self.changes).is_none() {
            return;
        }
        let fields = tracked.replaced();
        let is_replaced = |change: &Change| fields.iter().any(|field| field.name == change.field.name);
        self.changes.retain(|_, change| !change.stale || !is_replaced(change));
    }

    /// Puts back what could not be done, under what was wished since.
    pub(crate) fn put_back(&mut self, mut earlier: Self) -> Result<(), SessionError> {
        if self.over && !earlier.over {
            earlier.start_over()?;
        }
        for schema in &self.dropped {
            earlier.drop_schema(schema);
        }
        for (name, change) in earlier.changes {
            match self.changes.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(change)),
                // The later change was made on top of the earlier one.
                Entry::Occupied(mut entry) if entry.get().base == change.ours => {
                    entry.get_mut().base = change.base;
                    entry.get_mut().mixed |= change.mixed && !entry.get().set;
                    if entry.get().base == entry.get().ours {
                        entry.remove();
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

/// Where the visitor stands.
#[derive(Clone)]
pub(crate) enum SessionStatus {
    /// There is an id, and nobody has asked for its record yet.
    Unread(SessionId),
    /// No session: no usable cookie, an id unknown to the store, an expired or unreadable record.
    Anonymous,
    /// A secret from before a login that has just happened.
    Stale,
    /// A session.
    Live(Arc<Live>),
    /// The session was destroyed, by this request or by another.
    Ended,
}

/// A session as this request knows it.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) id: SessionId,
    /// Whether the browser presented this very id, and it is the newest one: not the one from before a periodic renewal,
    /// and not one that this request has drawn itself.
    pub(crate) presented: bool,
    /// The head as first loaded: what this request's changes rest on.
    pub(crate) head: Head,
    /// The values as first loaded, further groups added.
    pub(crate) values: Versioned,
    /// The head as the latest load found it.
    pub(crate) stored: Head,
    pub(crate) bytes: usize,
    pub(crate) keys: usize,
    /// Stored keys that are lost or damaged, as [`Loaded::unreadable`](crate::store::Loaded::unreadable).
    pub(crate) unreadable: Vec<Text>,
}

impl Live {
    /// Fails for a schema of which a part is lost or damaged: its defaults must not pass for what is stored.
    pub(crate) fn check_readable(&self, schema: &'static SchemaSpec) -> Result<(), SessionError> {
        if self.unreadable.iter().any(|name| belongs(name, schema.key)) {
            return Err(SessionError::at_schema(ErrorKind::Unreadable, schema));
        }
        Ok(())
    }

    /// The stored keys of a schema, those that are lost or damaged too.
    pub(crate) fn keys_of(&self, schema: &SchemaSpec) -> Vec<Text> {
        let readable = self.values.stored().of_schema(schema.key).map(|(name, _)| name);
        readable.chain(self.unreadable.iter().filter(|name| belongs(name, schema.key))).cloned().collect()
    }
}

impl InFlight {
    /// What it does to a stored key.
    fn change(&self, name: &str) -> Option<&Change> {
        self.requested.as_deref()?.changes.get(name)
    }

    /// Whether the stored values of a schema are those that the request goes on from.
    fn counts(&self, schema: &SchemaSpec) -> bool {
        self.requested.as_deref().is_none_or(|requested| requested.counts(schema))
    }

    /// Whether it starts over.
    pub(crate) fn is_over(&self) -> bool {
        self.requested.as_deref().is_some_and(|requested| requested.over)
    }
}

impl State {
    /// The schema as it stands, if this program may do with it what it is for. Destroyed is destroyed: what comes after
    /// reads like a visitor without a session.
    pub(super) fn snapshot(
        &mut self,
        schema: &'static SchemaSpec,
        versions: &Versions,
        purpose: Use,
    ) -> Result<Snapshot, SessionError> {
        let (over, epoch) = (self.changes_of(schema), self.epoch);
        let counts = self.counts(schema);
        match &mut self.session_status {
            SessionStatus::Live(live) if !self.requested.destroy && counts => {
                live.check_readable(schema)?;
                match (purpose, upgraded(live, schema, versions)?) {
                    (Use::Write, VersionStatus::Newer { writable: false }) => Err(SessionError::read_only(schema)),
                    _ => Ok(Snapshot::new(live.id.key, live.values.seen().clone(), over).at(epoch)),
                }
            }
            _ => Ok(Snapshot::of_changes(over).at(epoch)),
        }
    }

    /// The changes that lie over what is stored of a schema.
    fn changes_of(&self, schema: &SchemaSpec) -> Overlay {
        let in_flight = self.in_flight.requested.as_deref().filter(|_| self.requested.counts(schema));
        let changes = in_flight.into_iter().flat_map(|requested| &requested.changes).chain(&self.requested.changes);
        // `collect` would sort them first, which costs something even where there is none.
        let mut over = Overlay::new();
        over.extend(changes.filter(|(_, it)| !it.stale).map(|(name, change)| (name.clone(), change.ours.clone())));
        over
    }

    /// Whether the stored values of a schema are those that the request goes on from.
    pub(super) fn counts(&self, schema: &SchemaSpec) -> bool {
        self.requested.counts(schema) && self.in_flight.counts(schema)
    }

    /// The stored text of a change, if these wishes go on from it.
    pub(crate) fn stored_for(&self, requested: &Requested, change: &Change) -> Option<Text> {
        self.session_status.values().get_text(&change.name).filter(|_| requested.counts(change.schema)).cloned()
    }

    /// Takes over changes that were found against `view`.
    pub(super) fn absorb(&mut self, found: Found, snapshot: &Snapshot) -> Result<(), SessionError> {
        let outdated = snapshot.epoch() != self.epoch;
        let moved = outdated || self.session_status.live().map(|live| live.id.key) != snapshot.session();
        let was_over = self.requested.over;
        let (session_status, in_flight) = (&self.session_status, &self.in_flight);
        let stored = |requested: &Requested, change: &Change| {
            if !requested.counts(change.schema) {
                return None;
            }
            if let Some(change) = in_flight.change(&change.name) {
                return change.ours.clone();
            }
            session_status.values().get_text(&change.name).filter(|_| in_flight.counts(change.schema)).cloned()
        };
        let absorbed = self
            .requested
            .absorb(found, outdated, |requested, change| Ground { stored: stored(requested, change), moved });
        if self.requested.over && !was_over {
            self.epoch += 1;
        }
        absorbed
    }

    /// Whether the schema has a writable guard.
    pub(super) fn is_open(&self, at: usize) -> bool {
        self.open & (1 << at) != 0
    }

    /// Ends the stored session for one with its lasting schemas. Of what was written before, only changes to those stay.
    pub(super) fn restart(&mut self, schemas: &[&'static SchemaSpec]) {
        let requested = &mut self.requested;
        let is_lasting = |key: &str| schemas.iter().any(|schema| schema.lasting && schema.key == key);
        requested.changes.retain(|_, change| change.schema.lasting);
        requested.confirmed = None;
        let session_wide = requested.session_wide_mut();
        session_wide.failure = session_wide.failure.take().filter(|error| error.schema().is_some_and(is_lasting));
        session_wide.dropped.retain(|schema| schema.lasting);
        (session_wide.over, session_wide.restart) = (true, true);
        self.epoch += 1;
    }

    /// Drops everything stored of a schema. Says whether that is a logout: a field that names the user holds more than its
    /// default, or cannot be read.
    pub(super) fn clear(&mut self, schema: &'static SchemaSpec, versions: &Versions) -> Result<bool, SessionError> {
        let holds = |state: &mut Self, renew: Renew| {
            let stored = |snapshot: &Snapshot, field: &FieldSpec| {
                field.renew == renew && snapshot.get(field.name).is_some_and(|text| !schema.is_initial(field, text))
            };
            let fields = schema.fields().any(|field| field.renew == renew);
            let snapshot = if fields { Some(state.stored_view(schema, versions)) } else { None };
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
            self.epoch += u32::from(!self.requested.over);
            self.requested.start_over()?;
        }
        Ok(is_logout)
    }

    /// The stored values of a schema in this program's version; `None` if they cannot be read.
    fn stored_view(&mut self, schema: &'static SchemaSpec, versions: &Versions) -> Option<Snapshot> {
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
                Some(Snapshot::new(live.id.key, live.values.seen().clone(), in_flight))
            }
            _ => Some(Snapshot::default()),
        }
    }

    /// Forgets what a handler wrote that has panicked.
    pub(super) fn discard(&mut self) {
        let requested = &mut self.requested;
        requested.changes.clear();
        requested.confirmed = None;
        let Some(session_wide) = requested.session_wide.as_deref_mut() else { return };
        session_wide.dropped.clear();
        session_wide.expiry = None;
        self.epoch += u32::from(session_wide.over && !session_wide.restart);
        session_wide.over = session_wide.restart;
    }

    /// The stored session, unless this request ends it.
    pub(super) fn live(&self) -> Option<&Live> {
        let is_over = self.requested.destroy || self.requested.over || self.in_flight.is_over();
        self.session_status.live().filter(|_| !is_over)
    }

    /// Whether a field of the stored session names a user, so that a change of it ends that session.
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

/// Copies what is known of the session only if there is something to upgrade.
fn upgraded(
    live: &mut Arc<Live>,
    schema: &'static SchemaSpec,
    versions: &Versions,
) -> Result<VersionStatus, SessionError> {
    match live.values.stands(schema, versions)? {
        stands @ (VersionStatus::Same | VersionStatus::Newer { .. }) => Ok(stands),
        _ => Arc::make_mut(live).values.upgrade(schema, versions),
    }
}

/// Where a request stands, to go back to.
pub(crate) struct Place {
    session_status: SessionStatus,
    fetched: u32,
    fresh: u32,
    cookie: CookieCommand,
}

impl State {
    pub(crate) fn place(&self) -> Place {
        let (session_status, cookie) = (self.session_status.clone(), self.cookie.clone());
        Place { session_status, fetched: self.fetched, fresh: self.fresh, cookie }
    }

    pub(crate) fn set_place(&mut self, place: Place) {
        (self.session_status, self.cookie) = (place.session_status, place.cookie);
        (self.fetched, self.fresh) = (place.fetched, place.fresh);
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
        self.live().map_or(NONE, |live| live.values.seen())
    }
}
