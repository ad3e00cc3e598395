//! One page of a scan: the sessions that it holds, those that cannot be read, and where the next page begins.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::{StoreError, StoreErrorKind};
use crate::id::SessionKey;
use crate::record::Record;

/// One page of [`Store::scan`](super::Store::scan).
///
/// A page may hold fewer sessions than asked for, or none, and not be the last: some of those that the store looked at
/// have expired. The last page is the one whose [`next`](Self::next) is `None`.
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
    /// The sessions of this page that have not expired, in any order.
    pub sessions: Vec<(SessionKey, Record)>,
    /// Sessions of this page that the store cannot read. It leaves them as they are.
    pub unreadable: Vec<(SessionKey, Damage)>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page of sessions, all of them readable.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::Page;
    ///
    /// assert!(Page::new(Vec::new(), None).sessions.is_empty());
    /// ```
    #[must_use]
    pub const fn new(sessions: Vec<(SessionKey, Record)>, next: Option<Cursor>) -> Self {
        Self { sessions, unreadable: Vec::new(), next }
    }
}

/// Which part of a session cannot be read.
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
    /// The head, which holds the deadlines and the secret; or the record as a whole.
    Head,
    /// A stored key or text.
    Value,
    /// A part that the store keeps elsewhere is missing, such as a hash of a `lazy` schema that Redis evicted.
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

/// The place at which a page of a scan begins.
///
/// Its text belongs to the store that made it. `Display` and `FromStr` keep it between two runs of a program. It may
/// hold keys of sessions, which are safe to show; `Debug` shows nothing.
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
    /// A place that a store describes by this text. A store that goes through its sessions in the order of their keys
    /// uses `Cursor::from(key)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::Cursor;
    ///
    /// assert_eq!(Cursor::new("node-3:17").as_str(), "node-3:17");
    /// ```
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text that the store gave it.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::Cursor;
    ///
    /// assert_eq!(Cursor::new("node-3:17").as_str(), "node-3:17");
    /// ```
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The key behind which the page begins, in a store that goes through its sessions in the order of their keys.
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

    /// The error for a cursor that another store made.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::{Cursor, StoreErrorKind};
    ///
    /// assert_eq!(Cursor::foreign().kind(), StoreErrorKind::Unsupported);
    /// ```
    #[must_use]
    pub fn foreign() -> StoreError {
        StoreError::new(StoreErrorKind::Unsupported, "scan").because("the cursor was made by another store")
    }
}

/// The place behind this session, in a store that goes through its sessions in the order of their keys.
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
