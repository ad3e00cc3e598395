//! What a store fails with: a kind, the operation, and a cause that holds nothing of a visitor's.

use std::error::Error;
use std::fmt;

use crate::error::{ErrorKind, SessionError};

/// What a store fails with.
///
/// # Examples
///
/// ```
/// use session_runtime::store::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new(StoreErrorKind::Unavailable, "load").because(std::fmt::Error);
/// assert_eq!(error.to_string(), "session store unavailable during `load`");
/// ```
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    during: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`StoreError`].
///
/// # Examples
///
/// ```
/// use session_runtime::store::{StoreError, StoreErrorKind};
///
/// assert_eq!(StoreError::new(StoreErrorKind::Corrupt, "load").kind(), StoreErrorKind::Corrupt);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Down, too slow, locked by another process, out of space. Trying again later may help.
    Unavailable,
    /// The record is unreadable as a whole.
    Corrupt,
    /// This store cannot do it.
    Unsupported,
    /// The store takes no record of this size.
    TooLarge,
    /// The store cannot be opened at all.
    Setup,
}

impl StoreError {
    /// A failure of this kind during the named operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// let error = StoreError::new(StoreErrorKind::Unsupported, "scan");
    /// assert_eq!(error.to_string(), "session store does not support `scan`");
    /// ```
    #[must_use]
    pub const fn new(kind: StoreErrorKind, during: &'static str) -> Self {
        Self { kind, during, source: None }
    }

    /// With its cause. A cause that may hold ids, keys or stored values must not be given.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// let error = StoreError::new(StoreErrorKind::Unavailable, "load").because("connection refused");
    /// assert!(std::error::Error::source(&error).is_some());
    /// ```
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Which kind of failure it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::store::{StoreError, StoreErrorKind};
    ///
    /// assert_eq!(StoreError::new(StoreErrorKind::Setup, "open").kind(), StoreErrorKind::Setup);
    /// ```
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::Unavailable => "unavailable during",
            StoreErrorKind::Corrupt => "holds an unreadable record, found by",
            StoreErrorKind::Unsupported => "does not support",
            StoreErrorKind::TooLarge => "takes no record of this size:",
            StoreErrorKind::Setup => "cannot be set up:",
        };
        write!(f, "session store {what} `{}`", self.during)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<StoreErrorKind> for ErrorKind {
    fn from(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::Unsupported => Self::Unsupported,
            StoreErrorKind::Setup => Self::Config,
            StoreErrorKind::TooLarge => Self::TooLarge,
            StoreErrorKind::Corrupt => Self::Unreadable,
            StoreErrorKind::Unavailable => Self::Unavailable,
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind().into()).because(error)
    }
}
