//! Writable guards of a request: opening and closing them, and the changes that they record.

use std::ops::Deref;

use super::{Requested, Visit};
use crate::error::{ErrorKind, SessionError};
use crate::request::changes::ChangeContext;
use crate::schema::Schema;
use crate::schema::change::GuardChanges;
use crate::schema::snapshot::Snapshot;
use crate::schema::tracked::Tracked;

impl Visit {
    /// Opens a schema for writing.
    fn open_guard(&self, at: usize) -> Result<(), SessionError> {
        let schema = self.core.schemas()[at];
        let mut state = self.state();
        if state.finished {
            return Err(SessionError::at_schema(ErrorKind::TooLate, schema));
        }
        if state.is_open(at) {
            let error = SessionError::at_schema(ErrorKind::GuardOpen, schema);
            tracing::error!(
                schema = schema.key,
                "two writable guards of one session schema in one request: drop the first, or take one that only reads `{}`",
                schema.name
            );
            return Err(error);
        }
        state.open.insert(at);
        Ok(())
    }

    /// Records the changes of a guard that is being dropped. Its schema can be opened again afterwards.
    pub(crate) fn close_guard<S: Schema>(&self, at: usize, tracked: &mut Tracked<S>, snapshot: &Snapshot) {
        let _unless_unwinding = Discard(self);
        if std::thread::panicking() {
            return;
        }
        let recorded = match self.take_changes(at, tracked, snapshot) {
            Ok(Some(found)) => self.absorb(at, found, snapshot),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = recorded {
            self.state().requested.set_failure(error);
        }
    }

    /// Records the changes since the last call and adds them to the snapshot of the guard. A value that cannot be
    /// encoded as JSON stays in the guard, where it can still be corrected.
    pub(crate) fn record_changes<S: Schema>(
        &self,
        at: usize,
        tracked: &mut Tracked<S>,
        snapshot: &mut Snapshot,
    ) -> Result<(), SessionError> {
        let Some(found) = self.take_changes(at, tracked, snapshot)? else { return Ok(()) };
        if found.starts_over {
            return self.record_over(at, found, snapshot);
        }
        snapshot.apply(&found.changes);
        self.absorb(at, found, snapshot)
    }

    /// Records the changes of a guard whose user has left. The guard then sees an empty session with the values that it
    /// set.
    #[cold]
    fn record_over(&self, at: usize, found: GuardChanges, snapshot: &mut Snapshot) -> Result<(), SessionError> {
        let mut fresh = Snapshot::default();
        fresh.apply(&found.changes);
        let absorbed = self.absorb(at, found, snapshot);
        *snapshot = fresh.at(self.state().epoch);
        absorbed
    }

    /// Returns the changes since the last call; `None` if nothing was touched, if the session was destroyed, or if the
    /// request has ended.
    fn take_changes<S: Schema>(
        &self,
        at: usize,
        tracked: &mut Tracked<S>,
        snapshot: &Snapshot,
    ) -> Result<Option<GuardChanges>, SessionError> {
        if !tracked.has_changes() {
            return Ok(None);
        }
        let mut state = self.state();
        if state.finished {
            tracing::error!(schema = S::KEY, "a writable session guard outlived its response; its changes are lost");
            return Ok(None);
        }
        if state.requested.destroy {
            state.requested.session_wide_mut().after_destroy = true;
            return Ok(None);
        }
        state.requested.replace(tracked);
        let outdated = snapshot.epoch() != state.epoch;
        drop(state);
        self.take_found(at, tracked, snapshot, outdated).map(Some)
    }

    /// Returns the changes since the last call, and passes the transient fields on to the next guard.
    fn take_found<S: Schema>(
        &self,
        at: usize,
        tracked: &mut Tracked<S>,
        snapshot: &Snapshot,
        outdated: bool,
    ) -> Result<GuardChanges, SessionError> {
        let confirms = self.core.has_user && snapshot.session().is_some();
        let found = tracked.take_changes(snapshot, confirms, self.core.ids())?;
        if S::SPEC.has_transient && !outdated {
            tracked.with_value(|value| self.carry(at, value));
        }
        Ok(found)
    }

    /// Adds changes that were found against `snapshot` to the changes of the request.
    fn absorb(&self, at: usize, found: GuardChanges, snapshot: &Snapshot) -> Result<(), SessionError> {
        // A guard that was opened before its user was stored does not detect that this user has left.
        let kept = found.starts_over.then_some(at);
        let (absorbed, starts_over) = {
            let mut state = self.state();
            let epoch = state.epoch;
            (state.absorb(found, snapshot), state.epoch != epoch)
        };
        // Only after the changes are added: a value that was decoded before must not count as the newest.
        if starts_over {
            self.forget_user(kept);
        } else {
            self.value_changed(at);
        }
        if let Err(error) = &absorbed {
            self.state().requested.set_failure(error.clone());
        }
        absorbed
    }

    /// Records that this request continues without the user of its session. Open guards have seen values of that user.
    pub(crate) fn leave_user(&self) {
        {
            let mut state = self.state();
            state.epoch += 1;
            if let Err(error) = state.requested.leave_user() {
                state.requested.set_failure(error);
            }
        }
        self.forget_user(None);
    }

    /// Drops the decoded values and the transient fields of a user who has left. `kept`: schema whose guard holds none
    /// of them.
    #[cold]
    pub(crate) fn forget_user(&self, kept: Option<usize>) {
        for (at, schema) in self.core.schemas().iter().enumerate().filter(|(_, schema)| !schema.lasting) {
            if schema.has_transient && Some(at) != kept {
                *self.carrier(at) = None;
            }
        }
        self.values_changed();
    }

    /// Adds the changes of one run of an `update_now` to `requested` only: another request may change the session
    /// meanwhile, and the work then runs again.
    pub(crate) fn add_changes<S: Schema>(
        &self,
        at: usize,
        tracked: &mut Tracked<S>,
        snapshot: &Snapshot,
        requested: &mut Requested,
    ) -> Result<(), SessionError> {
        if !tracked.has_changes() {
            return Ok(());
        }
        if self.state().requested.destroy {
            requested.session_wide_mut().after_destroy = true;
            return Ok(());
        }
        requested.replace(tracked);
        let found = self.take_found(at, tracked, snapshot, false)?;
        let state = self.state();
        let moved = state.session_status.live().map(|live| live.id.key) != snapshot.session() && !S::SPEC.lasting;
        requested.absorb(found, false, |requested, change| ChangeContext {
            stored: state.stored_for(requested, change),
            moved,
        })
    }
}

/// A schema that is open for writing until this is dropped, also if decoding panics.
pub(crate) struct Open<V: Deref<Target = Visit>> {
    pub(crate) visit: V,
    pub(crate) at: usize,
}

impl<V: Deref<Target = Visit>> Open<V> {
    pub(crate) fn new(visit: V, at: usize) -> Result<Self, SessionError> {
        visit.open_guard(at)?;
        Ok(Self { visit, at })
    }
}

impl<V: Deref<Target = Visit>> Drop for Open<V> {
    fn drop(&mut self) {
        self.visit.state().open.remove(self.at);
    }
}

/// Discards the changes of the request when a handler panics under a guard, since its writes are unfinished.
struct Discard<'v>(&'v Visit);

impl Drop for Discard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            {
                self.0.state().discard();
            }
            self.0.values_changed();
        }
    }
}
