//! [`Visit`]: the session of one request, loaded once, read and written through typed guards, and finished with one
//! patch.
//!
//! An adapter to a web framework opens a visit with the `Cookie` lines of the request, offers [`Visit::read`] and
//! [`Visit::write`] to handlers, and calls [`Visit::finish`] with the status of the response. Deliberately absent: all
//! of HTTP except a cookie and a status.

use std::sync::{Arc, PoisonError};

use crate::clock::Timestamp;
use crate::cookie::Presented;
use crate::error::SessionError;
use crate::request::budget::Budget;
use crate::request::core::Core;
use crate::request::failures::Failures;
use crate::schema::{Schema, SchemaSpec};
use crate::store::cookie::RequestStore;
use crate::sync::{AsyncMutex, Mutex, MutexGuard};

mod values;
mod writing;

pub use super::ended::Ended;
pub use super::finished::{Finished, Placement, Replacement, ResponseHeader};
pub use super::guard::{Peek, Read, Session};
pub(crate) use super::load::Purpose;
pub(crate) use super::requested::{Requested, SessionWide};
pub(crate) use super::state::{Checkpoint, Live, SessionStatus, State};
pub use super::watches::EndReason;
pub(super) use writing::Open;

use super::guard::Guard;
use values::Slot;

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
/// assert!(finished.cookie.header().is_some_and(|header| header.starts_with("__Host-Http-id=")));
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
    /// Address of the route; 0 outside routes. Requests of one route ask for much the same schemas.
    pub(crate) route: usize,
}

impl Visit {
    pub(crate) fn new(
        core: Arc<Core>,
        presented: Presented,
        request_store: Option<Box<RequestStore>>,
        now: Timestamp,
    ) -> Self {
        let slots = core.schemas().iter().map(|_| Slot::default()).collect();
        let budget = Budget::new(core.deadline);
        Self {
            core,
            now,
            budget,
            gate: AsyncMutex::new(()),
            state: Mutex::new(State::new(presented.into())),
            failures: Failures::default(),
            slots,
            request_store,
            route: 0,
        }
    }

    /// Makes every guard of this request fail.
    #[cfg(any(feature = "rocket", feature = "axum"))]
    pub(crate) fn refuse(&self, error: SessionError) {
        self.state().failed_load = Some(error);
    }

    /// Returns the current values of a schema, which are the defaults if there is no session.
    ///
    /// # Errors
    ///
    /// The store is unavailable, or a stored value does not decode.
    pub async fn read<S: Schema>(&self) -> Result<&S, SessionError> {
        let at = self.core.index_of::<S>()?;
        self.fetch(Some(at), Purpose::Read).await?;
        self.newest_value(at).map(|newest| &**newest)
    }

    /// Returns the current values of a schema without using the session: a request that only peeks moves no deadline.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "inbox", version = 1)]
    /// # struct Inbox { unread: u32 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Inbox>().build()?;
    /// let visit = sessions.open([]);
    /// assert_eq!(visit.peek::<Inbox>().await?.unread(), &0);
    /// # Ok(()) }
    /// ```
    pub async fn peek<S: Schema>(&self) -> Result<Peek<'_, S>, SessionError> {
        let at = self.core.index_of::<S>()?;
        self.fetch(Some(at), Purpose::Peek).await?;
        self.newest_value(at).map(|newest| Peek::new(&**newest))
    }

    /// Returns the current values of a schema, whose entries are decoded when they are asked for.
    ///
    /// # Errors
    ///
    /// The store is unavailable, or a stored value does not decode that is not an entry of a field with `entries`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { #[session(merge = keys, entries)] items: std::collections::BTreeMap<u32, u32> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// assert_eq!(visit.read_entries::<Cart>().await?.items_get(&7), None);
    /// # Ok(()) }
    /// ```
    pub async fn read_entries<S: Schema>(&self) -> Result<Read<'_, S>, SessionError> {
        let at = self.core.index_of::<S>()?;
        self.fetch(Some(at), Purpose::Read).await?;
        self.open::<S>(at, Purpose::Read).map(|(tracked, _)| Read::new(self, tracked))
    }

    /// Returns the current values of a schema if they are loaded and readable. Loads nothing.
    ///
    /// A request loads the schemas that it asks for, and those that requests like it have asked for. After
    /// [`load`](Self::load), all are loaded that are not `lazy`.
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
        self.fetched(Some(at), Purpose::Peek)?.ok()?;
        self.newest_value(at).ok().map(|newest| &**newest)
    }

    /// Returns a writable guard of a schema. Its changes are stored when the request finishes.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read), and [`GuardOpen`](crate::ErrorKind::GuardOpen) while another writable guard
    /// of the schema is open.
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
        Guard::open(self).await.map(Session)
    }

    /// Loads the session, with all schemas that are not `lazy`, if it is not loaded yet. Guards of the session as a
    /// whole need nothing more.
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
    #[cfg(any(feature = "rocket", feature = "axum"))]
    pub(crate) fn open_schema(&self) -> Option<&'static SchemaSpec> {
        self.open_in(&self.state())
    }

    pub(crate) fn open_in(&self, state: &State) -> Option<&'static SchemaSpec> {
        state.open.of(self.core.schemas()).next()
    }

    /// Stores the error that a handler has returned as its answer.
    #[cfg(feature = "rocket")]
    pub(crate) fn set_answered(&self, error: SessionError) {
        self.state().answered = Some(Box::new(error));
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state().finished
    }
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visit").finish_non_exhaustive()
    }
}
