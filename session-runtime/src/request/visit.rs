//! [`Visit`]: the session of one request, loaded once, read and written through typed guards, and finished with one
//! patch.
//!
//! An adapter to a web framework opens a visit with the `Cookie` lines of the request, offers [`Visit::read`] and
//! [`Visit::write`] to handlers, and calls [`Visit::finish`] with the status of the response. Deliberately absent: all
//! of HTTP except a cookie and a status.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::clock::Timestamp;
use crate::cookie::{CookieCommand, Presented};
use crate::error::{ErrorKind, SessionError};
use crate::request::budget::Budget;
use crate::request::changes::ChangeContext;
use crate::request::core::Core;
use crate::request::failures::Failures;
use crate::schema::change::GuardChanges;
use crate::schema::codec::Reader;
use crate::schema::snapshot::Snapshot;
use crate::schema::tracked::Tracked;
use crate::schema::{Schema, SchemaSpec, carry, read};
use crate::store::cookie::RequestStore;
use crate::sync::{AsyncMutex, AtomicUsize, Mutex, MutexGuard, OnceLock};

pub use super::guard::Session;
pub(crate) use super::load::Purpose;
pub(crate) use super::requested::{Requested, SessionWide};
pub(crate) use super::state::{Checkpoint, InFlight, Live, SessionStatus, State};

/// Access of one request to its session.
///
/// # Examples
///
/// ```
/// # use session_runtime::{Session, Sessions, store::MemoryStore};
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
/// let visit = sessions.open([]);
/// visit.write::<Cart>().await?.set_coupon("SPRING".into());
/// let finished = visit.finish(200).await;
/// assert!(finished.cookie.header().is_some_and(|header| header.starts_with("__Host-id=")));
/// # Ok(()) }
/// ```
pub struct Visit {
    pub(crate) core: Arc<Core>,
    pub(crate) now: Timestamp,
    pub(crate) budget: Budget,
    /// Lock that runs the loads and saves of the request one after the other.
    pub(crate) gate: AsyncMutex<()>,
    state: Mutex<State>,
    pub(crate) failures: Failures,
    slots: Box<[Slot]>,
    /// Store of the session, if that is kept in the cookie.
    pub(super) request_store: Option<Box<RequestStore>>,
}

/// Typed values of one schema in this request.
#[derive(Default)]
struct Slot {
    /// Counter that goes up with every finished write.
    version: AtomicUsize,
    snapshots: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Value from which the next guard takes its transient fields.
    carrier: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

/// List of the values handed out, the newest last. They live as long as the visit.
struct Decoded<S> {
    version: usize,
    value: S,
    next: OnceLock<Box<Self>>,
}

impl<S> Decoded<S> {
    fn new(version: usize, value: S) -> Self {
        Self { version, value, next: OnceLock::new() }
    }

    fn newest(&self) -> &Self {
        let mut node = self;
        while let Some(next) = node.next.get() {
            node = next;
        }
        node
    }
}

/// Result of [`Visit::finish`], to be applied to the response by the adapter.
///
/// # Examples
///
/// ```
/// # use session_runtime::Sessions;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// # let sessions = Sessions::builder().store(session_runtime::MemoryStore::new()).build()?;
/// let finished = sessions.open([]).finish(200).await;
/// assert!(finished.error.is_none() && finished.cookie.header().is_none());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Finished {
    /// Command for the session cookie.
    pub cookie: CookieCommand,
    /// Error whose status must replace the response, if there is one.
    pub error: Option<SessionError>,
}

impl Visit {
    pub(crate) fn new(
        core: Arc<Core>,
        presented: Presented,
        request_store: Option<Box<RequestStore>>,
        now: Timestamp,
    ) -> Self {
        let session_status = match presented {
            Presented::Id(id) => SessionStatus::Unread(id),
            Presented::Nothing => SessionStatus::Anonymous,
            Presented::Unusable => {
                tracing::debug!("session cookie malformed or doubled: treated as no session");
                SessionStatus::Anonymous
            }
        };
        let state = State {
            session_status,
            fetched: 0,
            fresh: 0,
            failed_load: None,
            open: 0,
            requested: Requested::default(),
            epoch: 0,
            in_flight: InFlight::default(),
            cookie: CookieCommand::Keep,
            finished: false,
            #[cfg(feature = "rocket")]
            answered: None,
        };
        let slots = core.schemas().iter().map(|_| Slot::default()).collect();
        let budget = Budget::new(core.deadline);
        Self {
            core,
            now,
            budget,
            gate: AsyncMutex::new(()),
            state: Mutex::new(state),
            failures: Failures::default(),
            slots,
            request_store,
        }
    }

    /// Returns the current values of a schema, which are the defaults if there is no session.
    ///
    /// # Errors
    ///
    /// The store is unavailable, or a stored value does not decode.
    pub async fn read<S: Schema>(&self) -> Result<&S, SessionError> {
        let at = self.core.index_of::<S>()?;
        self.fetch(Some(at), Purpose::Read).await?;
        self.snapshot(at)
    }

    /// Returns the current values of a schema if they are loaded and readable. Loads nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// assert_eq!(visit.loaded::<Cart>().unwrap().coupon().as_deref(), Some("SPRING"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn loaded<S: Schema>(&self) -> Option<&S> {
        let at = self.core.index_of::<S>().ok()?;
        self.fetched(Some(at), Purpose::Read)?.ok()?;
        self.snapshot(at).ok()
    }

    /// Returns the newest value of a schema, decoded again if it has changed.
    fn snapshot<S: Schema>(&self, at: usize) -> Result<&S, SessionError> {
        let slot = &self.slots[at];
        let version = slot.version.load(Ordering::Acquire);
        let first = if let Some(first) = slot.snapshots.get() {
            first
        } else {
            let first = Box::new(Decoded::new(version, self.decode::<S>(at, Purpose::Read)?.0));
            slot.snapshots.get_or_init(|| first)
        };
        // A slot belongs to one schema, so the first snapshot in it is always of this type.
        let first = first.downcast_ref::<Decoded<S>>();
        let mut newest = first.ok_or_else(|| SessionError::at_schema(ErrorKind::UnknownSchema, S::SPEC))?.newest();
        // Another reader may add a value first, and that value may be an older one.
        while newest.version < version {
            let next = Box::new(Decoded::new(version, self.decode::<S>(at, Purpose::Read)?.0));
            newest = newest.next.get_or_init(|| next).newest();
        }
        Ok(&newest.value)
    }

    /// Returns a writable guard of a schema. Its changes are stored when the request finishes.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read), and [`ErrorKind::GuardOpen`] while another writable guard of the schema is
    /// open.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// assert_eq!(visit.read::<Cart>().await?.coupon().as_deref(), Some("SPRING"));
    /// # Ok(()) }
    /// ```
    pub async fn write<S: Schema>(&self) -> Result<Session<'_, S>, SessionError> {
        let at = self.core.index_of::<S>()?;
        self.fetch(Some(at), Purpose::Write).await?;
        // Opened before decoding, so that this guard sees the changes of the previous one.
        let open = self.open_guard(at)?;
        let (value, snapshot) = self.decode::<S>(at, Purpose::Write)?;
        Ok(Session { visit: self, at, tracked: self.track(value, &snapshot), snapshot, _open: open })
    }

    /// Loads the session if it is not loaded yet. Guards of the session as a whole need nothing more.
    ///
    /// # Errors
    ///
    /// The store is unavailable.
    pub async fn load(&self) -> Result<(), SessionError> {
        self.fetch(None, Purpose::Read).await
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // No invariant spans two statements under this lock, so a panic in user code leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a schema with a writable guard, if there is one.
    #[cfg(feature = "rocket")]
    pub(crate) fn open_schema(&self) -> Option<&'static SchemaSpec> {
        self.open_in(&self.state())
    }

    pub(crate) fn open_in(&self, state: &State) -> Option<&'static SchemaSpec> {
        let mut schemas = self.core.schemas().iter().enumerate();
        schemas.find(|(at, _)| state.open & (1 << at) != 0).map(|(_, schema)| *schema)
    }

    /// True if a guard or a save failed with an error that may be temporary.
    #[cfg(feature = "rocket")]
    pub(crate) fn asks_to_retry(&self) -> bool {
        self.failures.iter().any(|error| error.retry_after().is_some())
    }

    /// Stores the error that a handler has returned as its answer.
    #[cfg(feature = "rocket")]
    pub(crate) fn set_answered(&self, error: SessionError) {
        self.state().answered = Some(Box::new(error));
    }

    /// Removes and returns the error that a handler has returned as its answer.
    #[cfg(feature = "rocket")]
    pub(crate) fn take_answered(&self) -> Option<Box<SessionError>> {
        self.state().answered.take()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state().finished
    }

    /// Invalidates the decoded values: the next read decodes them again.
    pub(crate) fn values_changed(&self) {
        for slot in &self.slots {
            slot.version.fetch_add(1, Ordering::Release);
        }
    }

    fn open_guard(&self, at: usize) -> Result<Open<'_>, SessionError> {
        let schema = self.core.schemas()[at];
        let mut state = self.state();
        if state.finished {
            return Err(SessionError::at_schema(ErrorKind::TooLate, schema));
        }
        if state.open & (1 << at) != 0 {
            let error = SessionError::at_schema(ErrorKind::GuardOpen, schema);
            tracing::error!(
                schema = schema.key,
                "two writable guards of one session schema in one request: drop the first, or read through `&{}`",
                schema.name
            );
            return Err(error);
        }
        state.open |= 1 << at;
        Ok(Open { visit: self, at })
    }

    /// Decodes the current values, and returns them with their snapshot.
    pub(super) fn decode<S: Schema>(&self, at: usize, purpose: Purpose) -> Result<(S, Snapshot), SessionError> {
        let snapshot = self.state().snapshot(S::SPEC, &self.core.versions, purpose)?;
        let mut value = read::<S>(&Reader::new(S::SPEC, &snapshot))?;
        if S::SPEC.has_transient {
            let carrier = self.carrier(at).clone();
            if let Some(carrier) = carrier.as_deref().and_then(|carrier| carrier.downcast_ref::<S>()) {
                carry(carrier, &mut value);
            }
        }
        Ok((value, snapshot))
    }

    /// Wraps the value in accessors that record changes.
    pub(super) fn track<S: Schema>(&self, value: S, snapshot: &Snapshot) -> S::Mut {
        let has_user = S::SPEC.has_user && self.state().has_user(S::SPEC);
        S::WRAP(if has_user { Tracked::of_user(value, snapshot.clone()) } else { Tracked::new(value) })
    }

    /// Records the changes of a guard that is being dropped. Its schema can be opened again afterwards.
    pub(super) fn close_guard<S: Schema>(&self, at: usize, tracked: &mut Tracked<S>, snapshot: &Snapshot) {
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
    pub(super) fn record_changes<S: Schema>(
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
        if !tracked.is_touched() {
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
        let found = tracked.take_changes(snapshot, confirms)?;
        if S::SPEC.has_transient && !outdated {
            self.carry(at, tracked.value());
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
        // After the changes are in: a value that is decoded before must not be taken for the newest.
        if starts_over {
            self.forget_user(kept);
        } else {
            self.slots[at].version.fetch_add(1, Ordering::Release);
        }
        if let Err(error) = &absorbed {
            self.state().requested.set_failure(error.clone());
        }
        absorbed
    }

    /// Leaves the user whose session this request goes on without: open guards have seen values of that user.
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

    /// Adds the changes of one run of an `update_now` to `requested` only: others may change the session meanwhile, and
    /// the work may have to run again.
    pub(super) fn add_changes<S: Schema>(
        &self,
        at: usize,
        tracked: &mut Tracked<S>,
        snapshot: &Snapshot,
        requested: &mut Requested,
    ) -> Result<(), SessionError> {
        if !tracked.is_touched() {
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

    /// Locks the transient fields of a schema for the next guard.
    pub(super) fn carrier(&self, at: usize) -> MutexGuard<'_, Option<Arc<dyn Any + Send + Sync>>> {
        self.slots[at].carrier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry<S: Schema>(&self, at: usize, value: &S) {
        let mut carrier = (S::NEW)();
        carry(value, &mut carrier);
        *self.carrier(at) = Some(Arc::new(carrier));
    }
}

/// Marks a schema as open for writing until this is dropped, also if decoding panics.
pub(super) struct Open<'v> {
    visit: &'v Visit,
    at: usize,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.visit.state().open &= !(1 << self.at);
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

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visit").finish_non_exhaustive()
    }
}
