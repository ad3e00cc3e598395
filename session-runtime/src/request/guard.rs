//! The writable guard.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::visit::{Requested, Use, Visit};
use crate::error::{ErrorKind, SessionError};
use crate::schema::Schema;
use crate::schema::snapshot::Snapshot;

/// Exclusive access to one schema's values; what changed is recorded when it is dropped.
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
    /// Dropped last, when the changes have been taken over.
    pub(super) _open: super::visit::Open<'v>,
}

impl<S: Schema> Session<'_, S> {
    /// Makes the request's changes durable now, those of other finished guards included. The guard then holds what is
    /// stored, and the cookie goes out whatever follows.
    ///
    /// # Errors
    ///
    /// As the request's end would answer; and [`ErrorKind::Gone`] if the session was destroyed meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// let mut cart = visit.write::<Cart>().await?;
    /// cart.set_coupon("SPRING".into());
    /// cart.save().await?;
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    pub async fn save(&mut self) -> Result<(), SessionError> {
        self.visit.record_changes(self.at, S::TRACKED(&mut self.tracked), &mut self.snapshot)?;
        self.visit.save_now().await?;
        self.refresh();
        Ok(())
    }

    /// Applies the request's changes to a fresh load, runs `work`, and stores everything; runs again whenever anything in
    /// the record changed meanwhile. For logic that no merge expresses.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// let mut cart = visit.write::<Cart>().await?;
    /// cart.update_now(|cart| cart.set_coupon("SPRING".into())).await?;
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    pub async fn update_now<R>(&mut self, mut work: impl FnMut(&mut S::Mut) -> R) -> Result<R, SessionError> {
        self.visit.record_changes(self.at, S::TRACKED(&mut self.tracked), &mut self.snapshot)?;
        let (visit, at) = (self.visit, self.at);
        let carrier = visit.carrier(at).clone();
        let mut result = None;
        let run = |requested: &mut Requested| {
            // Each run begins with the transient fields of before the first.
            visit.carrier(at).clone_from(&carrier);
            let (value, snapshot) = visit.decode::<S>(at, Use::Read)?;
            let mut value = visit.track::<S>(value, &snapshot);
            result = Some(work(&mut value));
            visit.add_changes(at, S::TRACKED(&mut value), &snapshot, requested)
        };
        visit.update_now(at, run).await?;
        self.refresh();
        result.ok_or_else(|| SessionError::at_schema(ErrorKind::TooLate, S::SPEC))
    }

    /// Shows what is stored now. What cannot be read any more, since another request stored it, is no failure of a save
    /// that succeeded: the guard keeps what it has.
    fn refresh(&mut self) {
        if let Ok((value, snapshot)) = self.visit.decode::<S>(self.at, Use::Read) {
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
