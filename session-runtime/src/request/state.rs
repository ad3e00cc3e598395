//! State of a request: its session as loaded, the save in flight, and how the changes of guards are added.

use std::sync::Arc;

use super::visit::Purpose;
use crate::cookie::{CookieCommand, Presented};
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::{Head, Text, Values, key};
use crate::request::changes::ChangeContext;
use crate::request::learned::Kind;
use crate::request::requested::Requested;
use crate::schema::change::{Base, Change, GuardChanges};
use crate::schema::schema_set::SchemaSet;
use crate::schema::snapshot::{Overlay, Snapshot};
use crate::schema::{FieldSpec, Renew, SchemaSpec};
use crate::version::status::VersionStatus;
use crate::version::versioned::{VersionedValues, Versions};

/// State of one request. Its lock is held only briefly, and never across a store call.
pub(crate) struct State {
    pub(crate) session_status: SessionStatus,
    /// Schemas whose values are loaded.
    pub(crate) fetched: SchemaSet,
    /// Subset of `fetched` that did not come from a cache, so that writes may be based on it.
    pub(crate) fresh: SchemaSet,
    /// Schemas that guards have asked for.
    pub(super) asked: SchemaSet,
    /// Kind of the request, once a load has needed it.
    pub(super) kind: Option<Kind>,
    /// Error of a failed load, which fails every later guard that needs stored values.
    pub(super) failed_load: Option<SessionError>,
    /// Schemas with a writable guard.
    pub(super) open: SchemaSet,
    pub(crate) requested: Requested,
    /// True if a login of this request is no proof of identity, because it came from a token.
    pub(super) remembered: bool,
    /// True if the request has used the session, and not only looked at it: its deadline may then move.
    pub(super) is_used: bool,
    /// Number of times this request has started over. A guard of an earlier epoch saw the values of another user.
    pub(crate) epoch: u32,
    pub(crate) in_flight: InFlight,
    /// Cookie command for the response, even if a later step fails.
    pub(crate) cookie: CookieCommand,
    pub(crate) finished: bool,
    /// Error that a handler has returned as its answer.
    pub(super) answered: Option<Box<SessionError>>,
}

impl State {
    /// Returns the state at the start of a request.
    pub(super) fn new(session_status: SessionStatus) -> Self {
        Self {
            session_status,
            fetched: SchemaSet::EMPTY,
            fresh: SchemaSet::EMPTY,
            asked: SchemaSet::EMPTY,
            kind: None,
            failed_load: None,
            open: SchemaSet::EMPTY,
            requested: Requested::default(),
            remembered: false,
            is_used: false,
            epoch: 0,
            in_flight: InFlight::default(),
            cookie: CookieCommand::Keep,
            finished: false,
            answered: None,
        }
    }
}

impl State {
    /// True once `destroy` is carried out, also if there was nothing to destroy.
    pub(super) fn is_destroyed(&self) -> bool {
        self.requested.destroy && !matches!(self.session_status, SessionStatus::Unread(_) | SessionStatus::Live(_))
    }

    /// Returns the schemas whose loaded values are good enough for this purpose.
    pub(super) fn loaded_for(&self, purpose: Purpose) -> SchemaSet {
        if purpose == Purpose::Write { self.fresh } else { self.fetched }
    }
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

/// Status of the session in this request.
#[derive(Clone)]
pub(crate) enum SessionStatus {
    /// An id was presented, and its record is not loaded yet.
    Unread(SessionId),
    /// No session: no usable id, an id unknown to the store, an expired or unreadable record.
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
    pub(crate) values: VersionedValues,
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
        if self.unreadable.iter().any(|name| key::is_of_schema(name, schema.key)) {
            return Err(SessionError::at_schema(ErrorKind::Unreadable, schema));
        }
        Ok(())
    }

    /// Returns the stored keys of a schema, including those that are lost or damaged.
    pub(crate) fn keys_of(&self, schema: &SchemaSpec) -> Vec<Text> {
        let readable = self.values.stored().of_schema(schema.key).map(|(name, _)| name);
        readable.chain(self.unreadable.iter().filter(|name| key::is_of_schema(name, schema.key))).cloned().collect()
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
                    _ => {
                        Ok(Snapshot::new(live.id.key, live.values.current().clone(), overlay, live.values.now())
                            .at(epoch))
                    }
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
    pub(crate) fn stored_for(&self, requested: &Requested, change: &Change) -> Base {
        if requested.counts(change.schema) { self.session_status.base_of(change) } else { Base::default() }
    }

    /// Adds changes that were found against `snapshot`.
    pub(super) fn absorb(&mut self, found: GuardChanges, snapshot: &Snapshot) -> Result<(), SessionError> {
        let outdated = snapshot.epoch() != self.epoch;
        let moved = outdated || self.session_status.live().map(|live| live.id.key) != snapshot.session();
        let did_start_over = self.requested.starts_over;
        let (session_status, in_flight) = (&self.session_status, &self.in_flight);
        let stored = |requested: &Requested, change: &Change| {
            if !requested.counts(change.schema) {
                return Base::default();
            }
            if let Some(change) = in_flight.change(&change.name).filter(|change| !change.stale) {
                return change.ours.clone().into();
            }
            if in_flight.counts(change.schema) { session_status.base_of(change) } else { Base::default() }
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
        self.open.contains(at)
    }

    /// Ends the stored session, and begins one with its lasting schemas. Earlier changes to other schemas are dropped.
    pub(super) fn restart(&mut self, schemas: &[&'static SchemaSpec]) {
        let requested = &mut self.requested;
        let is_lasting = |key: &str| schemas.iter().any(|schema| schema.lasting && schema.key == key);
        requested.drop_before_restart();
        let session_wide = requested.session_wide_mut();
        session_wide.failure = session_wide.failure.take().filter(|error| error.schema().is_some_and(is_lasting));
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
                Some(Snapshot::new(live.id.key, live.values.current().clone(), in_flight, live.values.now()))
            }
            _ => Some(Snapshot::default()),
        }
    }

    /// Discards the changes of a handler that has panicked.
    pub(super) fn discard(&mut self) {
        self.epoch += u32::from(self.requested.discard());
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

impl From<Presented> for SessionStatus {
    fn from(presented: Presented) -> Self {
        match presented {
            Presented::Id(id) => Self::Unread(id),
            Presented::Nothing => Self::Anonymous,
            Presented::Unusable => {
                tracing::debug!("session id malformed or doubled: treated as no session");
                Self::Anonymous
            }
        }
    }
}

/// State of the load and the cookie, to be restored after a failure.
pub(crate) struct Checkpoint {
    session_status: SessionStatus,
    fetched: SchemaSet,
    fresh: SchemaSet,
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

    /// Returns the stored text of a changed key.
    pub(crate) fn base_of(&self, change: &Change) -> Base {
        self.live().map_or_else(Base::default, |live| live.values.base_of(change))
    }

    pub(crate) fn values(&self) -> &Values {
        const NONE: &Values = &Values::new();
        self.live().map_or(NONE, |live| live.values.current())
    }
}
