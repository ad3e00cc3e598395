//! Changes and actions that a request asks for, before a save takes them.

use std::collections::btree_map::Entry;
use std::ops::Deref;

use crate::error::SessionError;
use crate::record::Text;
use crate::record::expiry::Expiry;
use crate::request::changes::{ChangeContext, Changes, absorb, refused, start_over};
use crate::schema::change::{Change, GuardChanges};
use crate::schema::tracked::Tracked;
use crate::schema::{Renew, Schema, SchemaSpec};

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
    /// True if the visitor has proved their identity again: the save records that, and renews the id.
    pub(crate) reauthenticated: bool,
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
        reauthenticated: false,
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
        self.reauthenticated |= earlier.reauthenticated;
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
        let reauthenticated = saved.reauthenticated;
        self.changes = saved.changes;
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.starts_over &= !done;
            session_wide.reauthenticated = reauthenticated;
            session_wide.dropped = saved.session_wide.map(|saved| saved.dropped).unwrap_or_default();
        }
    }

    /// Returns the actions that take effect whatever the status of the response.
    pub(crate) fn unconditional(&self) -> Self {
        let Some(session_wide) = self.session_wide.as_deref() else { return Self::default() };
        let SessionWide { destroy, renew, restart, .. } = *session_wide;
        SessionWide { destroy, renew, restart, starts_over: restart, ..SessionWide::default() }.into()
    }

    /// Returns the actions that take effect without a response: one that ends the session does, and a new id has no way
    /// to the client.
    pub(crate) fn without_response(&self) -> Self {
        Self::destruction(self.destroy || self.restart)
    }

    /// True if the id is renewed on request, whatever the fields are.
    pub(crate) fn renews_id(&self) -> bool {
        self.renew || self.reauthenticated
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
        (session_wide.starts_over, session_wide.reauthenticated) = (true, false);
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

    /// Drops the proof of identity and the changes to all schemas except the lasting ones, as a restart after them does.
    pub(super) fn drop_before_restart(&mut self) {
        self.changes.retain(|_, change| change.schema.lasting);
        self.confirmed = None;
        if let Some(session_wide) = self.session_wide.as_deref_mut() {
            session_wide.reauthenticated = false;
            session_wide.dropped.retain(|schema| schema.lasting);
        }
    }

    /// Discards the changes, a proof of identity, a chosen expiry, and a start-over other than a restart. Returns
    /// whether there was such a start-over.
    pub(super) fn discard(&mut self) -> bool {
        self.changes.clear();
        self.confirmed = None;
        let Some(session_wide) = self.session_wide.as_deref_mut() else { return false };
        session_wide.dropped.clear();
        (session_wide.expiry, session_wide.reauthenticated) = (None, false);
        std::mem::replace(&mut session_wide.starts_over, session_wide.restart) && !session_wide.restart
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
                    if entry.get().is_void() {
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
