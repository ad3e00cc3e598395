//! Guards of a schema: the writable one, the one that reads single entries, and the one that looks at the session without
//! using it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::visit::{Open, Purpose, Requested, Visit};
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
pub struct Session<'v, S: Schema>(pub(super) Guard<&'v Visit, S>);

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
        self.0.record()?;
        self.0.visit().save_now().await?;
        self.0.refresh();
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
    pub async fn update_now<R>(&mut self, work: impl FnMut(&mut S::Mut) -> R) -> Result<R, SessionError> {
        self.0.update_now(work).await
    }
}

impl<S: Schema> Deref for Session<'_, S> {
    type Target = S::Mut;

    #[inline]
    fn deref(&self) -> &S::Mut {
        &self.0.tracked
    }
}

impl<S: Schema> DerefMut for Session<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S::Mut {
        &mut self.0.tracked
    }
}

impl<S: Schema<Mut: fmt::Debug>> fmt::Debug for Session<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tracked.fmt(f)
    }
}

/// The writable guard of any adapter. `V`: reference to the visit, borrowed or owned.
pub(crate) struct Guard<V: Deref<Target = Visit>, S: Schema> {
    pub(crate) tracked: S::Mut,
    snapshot: Snapshot,
    /// Dropped last, after the changes are recorded.
    open: Open<V>,
}

impl<V: Deref<Target = Visit>, S: Schema> Guard<V, S> {
    pub(crate) async fn open(visit: V) -> Result<Self, SessionError> {
        let at = visit.core.index_of::<S>()?;
        visit.fetch(Some(at), Purpose::Write).await?;
        // Opened before decoding, so that this guard sees the changes of the previous one.
        let open = Open::new(visit, at)?;
        let (tracked, snapshot) = open.visit.open::<S>(at, Purpose::Write)?;
        Ok(Self { tracked, snapshot, open })
    }

    pub(crate) fn visit(&self) -> &V {
        &self.open.visit
    }

    /// Records the changes so far, for a save that follows.
    pub(crate) fn record(&mut self) -> Result<(), SessionError> {
        let Self { tracked, snapshot, open } = self;
        open.visit.record_changes(open.at, S::TRACKED(tracked), snapshot)
    }

    pub(crate) async fn update_now<R>(&mut self, mut work: impl FnMut(&mut S::Mut) -> R) -> Result<R, SessionError> {
        self.record()?;
        let (visit, at) = (&*self.open.visit, self.open.at);
        let carrier = visit.carrier(at).clone();
        let mut result = None;
        let run = |requested: &mut Requested| {
            // Each run begins with the transient fields as they were before the first run.
            visit.carrier(at).clone_from(&carrier);
            let (mut value, snapshot) = visit.open::<S>(at, Purpose::Read)?;
            result = Some(work(&mut value));
            visit.add_changes(at, S::TRACKED(&mut value), &snapshot, requested)
        };
        visit.update_now(at, run).await?;
        self.refresh();
        result.ok_or_else(|| SessionError::at_schema(ErrorKind::TooLate, S::SPEC))
    }

    /// Updates the guard to the values that are stored now. If another request has stored values that cannot be read,
    /// the guard keeps its own: the save has succeeded all the same.
    pub(crate) fn refresh(&mut self) {
        let Open { visit, at } = &self.open;
        if let Ok((tracked, snapshot)) = visit.open::<S>(*at, Purpose::Read) {
            (self.tracked, self.snapshot) = (tracked, snapshot);
        }
    }
}

impl<V: Deref<Target = Visit>, S: Schema> Drop for Guard<V, S> {
    fn drop(&mut self) {
        self.open.visit.close_guard(self.open.at, S::TRACKED(&mut self.tracked), &self.snapshot);
    }
}

/// Read-only access to the entries of one schema, each decoded when it is asked for.
///
/// For maps and sets with the attribute `entries`: a route that reads a few entries does not decode the others. It
/// dereferences to [`S::Mut`](Schema::Mut), of which only the methods on `&self` are within reach. Any other access, such
/// as `cart.items()` or a method of the struct, decodes all entries. The guard shows the values as they were when it was
/// opened.
///
/// # Examples
///
#[cfg_attr(feature = "rocket", doc = "```")]
#[cfg_attr(not(feature = "rocket"), doc = "```ignore")]
/// # use rocket::get;
/// use session_runtime::{Read, Session};
/// use std::collections::BTreeMap;
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     #[session(merge = keys(sum), entries)]
///     items: BTreeMap<u32, u32>,
/// }
///
/// #[get("/cart/<product>")]
/// fn quantity(product: u32, cart: Read<Cart>) -> String {
///     cart.items_get(&product).unwrap_or_default().to_string()
/// }
/// ```
pub struct Read<'v, S: Schema> {
    visit: &'v Visit,
    tracked: S::Mut,
}

impl<'v, S: Schema> Read<'v, S> {
    pub(super) fn new(visit: &'v Visit, tracked: S::Mut) -> Self {
        Self { visit, tracked }
    }
}

impl<S: Schema> Deref for Read<'_, S> {
    type Target = S::Mut;

    #[inline]
    fn deref(&self) -> &S::Mut {
        &self.tracked
    }
}

/// Makes the request fail if an entry that was asked for could not be read.
impl<S: Schema> Drop for Read<'_, S> {
    fn drop(&mut self) {
        if let Some(error) = S::TRACKED(&mut self.tracked).failure() {
            self.visit.state().requested.set_failure(error.clone());
        }
    }
}

impl<S: Schema<Mut: fmt::Debug>> fmt::Debug for Read<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tracked.fmt(f)
    }
}

/// Read-only access to the values of one schema that does not count as a use of the session.
///
/// If all session guards of a request are `Peek`, the request moves no deadline, so a page that polls does not keep the
/// session of an absent visitor. Guards of forwarded routes, catchers and fairings count too. Such a request writes
/// nothing, except once after a periodic renewal: the note that the new id has arrived, which ends the old id.
///
/// Dereferences to `S`. Without a session it reads defaults.
///
/// # Examples
///
#[cfg_attr(feature = "rocket", doc = "```")]
#[cfg_attr(not(feature = "rocket"), doc = "```ignore")]
/// # use rocket::get;
/// use session_runtime::{Peek, Session};
///
/// #[derive(Session)]
/// #[session(key = "inbox", version = 1)]
/// struct Inbox {
///     unread: u32,
/// }
///
/// /// The page asks for this every ten seconds.
/// #[get("/unread")]
/// fn unread(inbox: Peek<Inbox>) -> String {
///     inbox.unread().to_string()
/// }
/// ```
pub struct Peek<'v, S: Schema>(&'v S);

impl<'v, S: Schema> Peek<'v, S> {
    pub(super) fn new(values: &'v S) -> Self {
        Self(values)
    }

    /// Returns the values for as long as the request lives. An associated function, so that it hides no accessor.
    ///
    /// # Examples
    ///
    #[cfg_attr(feature = "rocket", doc = "```")]
    #[cfg_attr(not(feature = "rocket"), doc = "```ignore")]
    /// # use rocket::get;
    /// # use session_runtime::{Peek, Session};
    /// # #[derive(Session)]
    /// # #[session(key = "inbox", version = 1)]
    /// # struct Inbox { newest: Option<String> }
    /// #[get("/newest")]
    /// fn newest<'r>(inbox: Peek<'r, Inbox>) -> Option<&'r str> {
    ///     Peek::into_ref(inbox).newest().as_deref()
    /// }
    /// ```
    #[must_use]
    pub const fn into_ref(peek: Self) -> &'v S {
        peek.0
    }
}

impl<S: Schema> Clone for Peek<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Schema> Copy for Peek<'_, S> {}

impl<S: Schema> Deref for Peek<'_, S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        self.0
    }
}

impl<S: Schema + fmt::Debug> fmt::Debug for Peek<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
