//! Store errors: a kind, the failed operation, and a cause without any data of a visitor.

use std::error::Error;
use std::fmt;

use crate::error::{ErrorKind, SessionError};

/// Error of a store operation.
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

/// Kind of a [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store is down, too slow, locked by another process or out of space. A later attempt may succeed.
    Unavailable,
    /// The store has more work than it can do in time, and has refused the operation before it began. A later attempt
    /// may succeed. See [`overload`](super::overload).
    Overloaded,
    /// The whole record is unreadable.
    Corrupt,
    /// The store does not support the operation.
    Unsupported,
    /// The record is larger than the store accepts.
    TooLarge,
    /// The store cannot be opened at all.
    Setup,
}

impl StoreError {
    /// Creates an error of this kind for the named operation.
    #[must_use]
    pub const fn new(kind: StoreErrorKind, during: &'static str) -> Self {
        Self { kind, during, source: None }
    }

    /// Adds the cause. It must not contain ids, keys or stored values.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            StoreErrorKind::Unavailable => "unavailable during",
            StoreErrorKind::Overloaded => "overloaded, refused",
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
            StoreErrorKind::Unavailable | StoreErrorKind::Overloaded => Self::Unavailable,
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind().into()).because(error)
    }
}
