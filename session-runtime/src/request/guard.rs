//! The writable guard of a schema.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::visit::{Purpose, Requested, Visit};
use crate::error::{ErrorKind, SessionError};
use crate::schema::Schema;
use crate::schema::snapshot::Snapshot;

/// Exclusive, writable access to the values of one schema. Its changes are recorded when it is dropped.
///
/// The guard dereferences to [`S::Mut`](Schema::Mut), and that to `S`, so methods of your own on either type work. In
/// an `async fn`, write the lifetime: `Session<'_, S>`.
///
/// # Examples
///
/// ```
/// # use session_runtime::{Session, Sessions, store::MemoryStore};
/// # #[derive(Session)]
/// # #[session(key = "cart", version = 1)]
/// # struct Cart { coupon: Option<String> }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
/// let visit = sessions.open([]);
/// let mut cart = visit.write::<Cart>().await?;
/// cart.set_coupon("SPRING".into());
/// cart.save().await?;
/// assert!(visit.key().is_some());
/// # Ok(()) }
/// ```
pub struct Session<'v, S: Schema> {
    pub(super) visit: &'v Visit,
    pub(super) at: usize,
    pub(super) tracked: S::Mut,
    pub(super) snapshot: Snapshot,
    /// Dropped last, after the changes are recorded.
    pub(super) _open: super::visit::Open<'v>,
}

impl<S: Schema> Session<'_, S> {
    /// Stores the changes of the request now, including those of other finished guards. The guard then holds the stored
    /// values, and the cookie goes out whatever follows.
    ///
    /// After a failed save the changes are still unsaved. Undo them, or the save at the end of the request fails too,
    /// and its error becomes the response. After a save with an unknown outcome ([`ErrorKind::Unavailable`],
    /// [`ErrorKind::Panicked`]) no change is sent again, since it could count twice.
    ///
    /// # Errors
    ///
    /// The errors of the save at the end of the request, and [`ErrorKind::Gone`] if the session was destroyed
    /// meanwhile.
    pub async fn save(&mut self) -> Result<(), SessionError> {
        self.visit.record_changes(self.at, S::TRACKED(&mut self.tracked), &mut self.snapshot)?;
        self.visit.save_now().await?;
        self.refresh();
        Ok(())
    }

    /// Applies the changes of the request to a fresh load, runs `work`, and stores the result. Repeats this whenever
    /// the record has changed meanwhile. For logic that no merge can express.
    ///
    /// Returns the result of the run whose changes were stored. Other writes answer with the values that the handler
    /// saw: two concurrent adds to a `merge = sum` field may both answer 2 while 3 is stored. An answer made from the
    /// result of `update_now` shows the stored value.
    ///
    /// # Errors
    ///
    /// The errors of [`save`](Self::save).
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
    /// let mut cart = visit.write::<Cart>().await?;
    /// cart.update_now(|cart| cart.set_coupon("SPRING".into())).await?;
    /// # Ok(()) }
    /// ```
    pub async fn update_now<R>(&mut self, mut work: impl FnMut(&mut S::Mut) -> R) -> Result<R, SessionError> {
        self.visit.record_changes(self.at, S::TRACKED(&mut self.tracked), &mut self.snapshot)?;
        let (visit, at) = (self.visit, self.at);
        let carrier = visit.carrier(at).clone();
        let mut result = None;
        let run = |requested: &mut Requested| {
            // Each run begins with the transient fields as they were before the first run.
            visit.carrier(at).clone_from(&carrier);
            let (value, snapshot) = visit.decode::<S>(at, Purpose::Read)?;
            let mut value = visit.track::<S>(value, &snapshot);
            result = Some(work(&mut value));
            visit.add_changes(at, S::TRACKED(&mut value), &snapshot, requested)
        };
        visit.update_now(at, run).await?;
        self.refresh();
        result.ok_or_else(|| SessionError::at_schema(ErrorKind::TooLate, S::SPEC))
    }

    /// Updates the guard to the values that are stored now. If another request has stored values that cannot be read,
    /// the guard keeps its own: the save has succeeded all the same.
    fn refresh(&mut self) {
        if let Ok((value, snapshot)) = self.visit.decode::<S>(self.at, Purpose::Read) {
            (self.tracked, self.snapshot) = (self.visit.track(value, &snapshot), snapshot);
        }
    }
}

impl<S: Schema> Deref for Session<'_, S> {
    type Target = S::Mut;

    #[inline]
    fn deref(&self) -> &S::Mut {
        &self.tracked
    }
}

impl<S: Schema> DerefMut for Session<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S::Mut {
        &mut self.tracked
    }
}

impl<S: Schema> Drop for Session<'_, S> {
    fn drop(&mut self) {
        self.visit.close_guard(self.at, S::TRACKED(&mut self.tracked), &self.snapshot);
    }
}

impl<S: Schema<Mut: fmt::Debug>> fmt::Debug for Session<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tracked.fmt(f)
    }
}
