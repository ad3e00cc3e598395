//! One page of a scan: its sessions, the unreadable ones, and the start of the next page.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::{StoreError, StoreErrorKind};
use crate::id::SessionKey;
use crate::record::Record;

/// One page of [`Store::scan`](super::Store::scan); a store creates it with [`Page::new`].
///
/// A page may hold fewer sessions than requested, or none, without being the last one, because expired sessions are
/// left out. The last page is the one whose [`next`](Self::next) is `None`.
///
/// # Examples
///
/// ```
/// use session_runtime::{Store, clock::Timestamp, store::{Page, StoreError}};
///
/// async fn count(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
///     let (mut sessions, mut from) = (0, None);
///     loop {
///         let Page { sessions: found, next, .. } = store.scan(from.as_ref(), 500, now).await?;
///         sessions += found.len();
///         from = next;
///         if from.is_none() {
///             return Ok(sessions);
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// Sessions of this page that have not expired, in any order.
    pub sessions: Vec<(SessionKey, Record)>,
    /// Sessions of this page that the store cannot read. The scan leaves them unchanged.
    pub unreadable: Vec<(SessionKey, Damage)>,
    /// Start of the next page; `None` on the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page of readable sessions.
    #[must_use]
    pub const fn new(sessions: Vec<(SessionKey, Record)>, next: Option<Cursor>) -> Self {
        Self { sessions, unreadable: Vec::new(), next }
    }
}

/// Part of a session that cannot be read.
///
/// # Examples
///
/// ```
/// use session_runtime::store::Damage;
///
/// assert_eq!(Damage::Head.to_string(), "unreadable head");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Damage {
    /// The head, which holds the deadlines and the secret; or the whole record.
    Head,
    /// A stored key or text.
    Value,
    /// A part that the store keeps separately is missing, such as the hash of a `lazy` schema that Redis evicted.
    Missing,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Head => "unreadable head",
            Self::Value => "unreadable value",
            Self::Missing => "missing part",
        })
    }
}

/// Position at which a page of a scan begins.
///
/// The text of a cursor has a meaning only for the store that made it. `Display` and `FromStr` save a cursor between
/// two runs of a program. The text may contain keys of sessions, which are safe to show; `Debug` hides it.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionKey, store::Cursor};
///
/// let cursor = Cursor::from(SessionKey::from_bytes([7; 16]));
/// assert_eq!(cursor.to_string().parse(), Ok(cursor));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// Creates a cursor from the store's own text for a position. A store that scans in key order uses
    /// `Cursor::from(key)`.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the text that the store chose for the position.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key after which the page begins, for a store that scans in key order.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StoreErrorKind::Unsupported) if another store made this cursor.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SessionKey, store::Cursor};
    ///
    /// let key = SessionKey::from_bytes([7; 16]);
    /// assert_eq!(Cursor::from(key).key()?, key);
    /// assert!(Cursor::new("node-3:17").key().is_err());
    /// # Ok::<(), session_runtime::store::StoreError>(())
    /// ```
    pub fn key(&self) -> Result<SessionKey, StoreError> {
        self.0.parse().map_err(|_| Self::foreign())
    }

    /// Returns the error for a cursor that another store made.
    #[must_use]
    pub fn foreign() -> StoreError {
        StoreError::new(StoreErrorKind::Unsupported, "scan").because("the cursor was made by another store")
    }
}

/// Position after this session, for a store that scans in key order.
impl From<SessionKey> for Cursor {
    fn from(key: SessionKey) -> Self {
        Self(key.to_string().into())
    }
}

impl FromStr for Cursor {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursor(…)")
    }
}
