//! Optional parts of the store contract, and one page of a lookup.

use super::Cursor;
use crate::id::SessionKey;

/// Optional part of the [store contract](super).
///
/// # Examples
///
/// ```
/// use session_runtime::store::{Capability, MemoryStore, Store};
///
/// assert!(MemoryStore::new().supports(Capability::Index));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// [`Store::scan`](super::Store::scan).
    Scan,
    /// [`Store::find`](super::Store::find) and [`Store::delete_if`](super::Store::delete_if).
    Index,
}

/// One page of [`Store::find`](super::Store::find); a store creates it with [`Found::new`].
///
/// A page may name fewer sessions than requested, or none, without being the last one. The last page is the one whose
/// [`next`](Self::next) is `None`.
///
/// # Examples
///
/// ```
/// use session_runtime::store::{Found, Store, StoreError};
///
/// async fn sessions_of(store: &dyn Store, user: &str) -> Result<usize, StoreError> {
///     let (mut sessions, mut from) = (0, None);
///     loop {
///         let Found { keys, next, .. } = store.find("auth.user", user, from.as_ref(), 500).await?;
///         sessions += keys.len();
///         from = next;
///         if from.is_none() {
///             return Ok(sessions);
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Found {
    /// Sessions of this page, in any order.
    pub keys: Vec<SessionKey>,
    /// Start of the next page; `None` on the last page.
    pub next: Option<Cursor>,
}

impl Found {
    /// Creates a page.
    #[must_use]
    pub const fn new(keys: Vec<SessionKey>, next: Option<Cursor>) -> Self {
        Self { keys, next }
    }

    /// Creates a page of a store that looks up in key order: it is the last one if it is not full.
    pub(super) fn in_order(keys: Vec<SessionKey>, limit: usize) -> Self {
        let next = keys.last().filter(|_| keys.len() >= limit).copied().map(Cursor::from);
        Self { keys, next }
    }
}
