//! What a request knows of its session, and what it wants done to it.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::Use;
use crate::cookie::CookieCommand;
use crate::error::{ErrorKind, SessionError};
use crate::expiry::Expiry;
use crate::id::SessionId;
use crate::metadata::Stands;
use crate::pending::{Change, Pending, absorb};
use crate::record::{Head, Text, Values, belongs};
use crate::schema::SchemaSpec;
use crate::versions::{Versioned, Versions};
use crate::view::{Over, View};

/// What the request knows and what it wants; short locks only, never across a store call.
pub(crate) struct State {
    pub(crate) standing: Standing,
    /// Schemas whose values are there.
    pub(crate) fetched: u32,
    /// Those of them that are no copy of a cache, so that writes may rest on them.
    pub(crate) fresh: u32,
    /// A load that failed fails for every guard of the request.
    pub(super) failed_load: Option<SessionError>,
    /// Schemas with a writable guard.
    pub(super) open: u32,
    pub(crate) wishes: Wishes,
    pub(crate) under_way: UnderWay,
    /// What the response is to say, whatever follows.
    pub(crate) cookie: CookieCommand,
    pub(crate) finished: bool,
    /// What a handler answers with.
    #[cfg(feature = "rocket")]
    pub(super) answered: Option<Box<SessionError>>,
}

/// An explicit save that has begun.
#[derive(Default)]
pub(crate) struct UnderWay {
    /// Not ended yet; still so at the end of the request if it was given up.
    pub(crate) active: bool,
    /// What it is to store.
    pub(crate) pending: Pending,
    /// It, or one whose outcome is unknown, was to destroy, to renew or to log somebody in or out.
    pub(crate) grave: bool,
}

/// What the request wants done to its session.
#[derive(Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) pending: Pending,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) renew: bool,
    pub(crate) destroy: bool,
    /// Something was written after `destroy`; it has nowhere to go.
    pub(crate) late: bool,
    /// Changes that cannot be stored, so that nothing is: a value that could not be encoded, a save of unknown outcome.
    pub(crate) broken: Option<SessionError>,
}

impl Wishes {
    /// Puts back what could not be done, under what was wished since.
    pub(crate) fn put_back(&mut self, earlier: Self) {
        for (name, change) in earlier.pending {
            match self.pending.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(change)),
                // The later change was made on top of the earlier one.
                Entry::Occupied(mut entry) if entry.get().base == change.ours => {
                    entry.get_mut().base = change.base;
                    if entry.get().base == entry.get().ours {
                        entry.remove();
                    }
                }
                Entry::Occupied(_) => {}
            }
        }
        self.expiry = self.expiry.or(earlier.expiry);
        self.renew |= earlier.renew;
        self.destroy |= earlier.destroy;
        self.late |= earlier.late;
        self.broken = self.broken.take().or(earlier.broken);
    }
}

/// Where the visitor stands.
#[derive(Clone)]
pub(crate) enum Standing {
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
}

impl State {
    /// The schema as it stands, if this program may do with it what it is for. Destroyed is destroyed: what comes after
    /// reads like a visitor without a session.
    pub(super) fn view(
        &mut self,
        schema: &'static SchemaSpec,
        versions: &Versions,
        purpose: Use,
    ) -> Result<View, SessionError> {
        let changes = self.under_way.pending.iter().chain(&self.wishes.pending);
        // `collect` would sort them first, which costs something even where there is none.
        let mut over = Over::new();
        over.extend(changes.map(|(name, change)| (name.clone(), change.ours.clone())));
        match &mut self.standing {
            Standing::Live(live) if !self.wishes.destroy => {
                live.check_readable(schema)?;
                match (purpose, lift(live, schema, versions)?) {
                    (Use::Write, Stands::Newer { writable: false }) => Err(SessionError::read_only(schema)),
                    _ => Ok(View::new(live.id.key, live.values.seen().clone(), over)),
                }
            }
            _ => Ok(View::of_changes(over)),
        }
    }

    /// Takes over changes that were found against `view`.
    pub(super) fn absorb(&mut self, found: Vec<Change>, view: &View) -> Result<(), SessionError> {
        let moved = self.standing.live().map(|live| live.id.key) != view.session();
        for change in found {
            absorb(&mut self.wishes.pending, &self.under_way.pending, change, self.standing.values(), moved)?;
        }
        Ok(())
    }
}

/// Copies what is known of the session only if there is something to upgrade.
fn lift(live: &mut Arc<Live>, schema: &'static SchemaSpec, versions: &Versions) -> Result<Stands, SessionError> {
    match live.values.stands(schema, versions)? {
        stands @ (Stands::Same | Stands::Newer { .. }) => Ok(stands),
        _ => Arc::make_mut(live).values.lift(schema, versions),
    }
}

/// Where a request stands, to go back to.
pub(crate) struct Place {
    standing: Standing,
    fetched: u32,
    fresh: u32,
    cookie: CookieCommand,
}

impl State {
    pub(crate) fn place(&self) -> Place {
        let (standing, cookie) = (self.standing.clone(), self.cookie.clone());
        Place { standing, fetched: self.fetched, fresh: self.fresh, cookie }
    }

    pub(crate) fn set_place(&mut self, place: Place) {
        (self.standing, self.cookie) = (place.standing, place.cookie);
        (self.fetched, self.fresh) = (place.fetched, place.fresh);
    }
}

impl Standing {
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
