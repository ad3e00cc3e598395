//! Errors of this crate, and their kinds.
//!
//! A missing, expired, malformed or foreign session is an outcome, never an error. Messages name the schema, the field
//! and what was expected. They never contain an id, a session key or a stored value, and for the same reason they omit
//! the text of a decoding error.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Error of a guard, a save or a job.
///
/// # Examples
///
/// ```
/// use session_runtime::{ErrorKind, Sessions};
///
/// let error = Sessions::builder().build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// ```
#[derive(Clone, Debug)]
pub struct SessionError {
    kind: ErrorKind,
    schema: Option<&'static str>,
    field: Option<&'static str>,
    detail: Option<Cow<'static, str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    /// True if the log has a line about it.
    is_logged: bool,
}

/// Kind of a [`SessionError`].
///
/// # Examples
///
/// ```
/// use session_runtime::ErrorKind;
///
/// assert_eq!(ErrorKind::Renewed.status(), 409);
/// assert_eq!(ErrorKind::Unavailable.status(), 503);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The store is down, or too slow for the request's deadline. After a save the outcome is unknown.
    Unavailable,
    /// A stored value cannot be decoded, or the key of an entry is not valid for its type.
    Undecodable,
    /// A part of the stored session is lost or damaged, for example a hash that the store engine evicted. The rest is
    /// usable.
    Unreadable,
    /// The section was stored by a newer version of the schema, which this program may not read, or may not write.
    Newer,
    /// The section was stored by a version of the schema that is too old for this program to upgrade.
    TooOld,
    /// The section was stored under this version by a program whose schema has another layout.
    Forked,
    /// The upgrade from an older version of the schema failed. The stored section is unchanged.
    Upgrade,
    /// A value cannot be encoded as JSON, or would not decode to the same value. Nothing is stored.
    Unencodable,
    /// The session was destroyed or expired after it was loaded.
    Gone,
    /// Another request logged in or renewed this session after it was loaded.
    Renewed,
    /// Another request also changed this `merge = reject` field.
    Rejected,
    /// The record would be larger than the configured limit, or than the store accepts.
    TooLarge,
    /// Two writable guards of one schema are open at once in one request, or one outlives its handler.
    GuardOpen,
    /// The response has already been sent.
    TooLate,
    /// The schema is not registered with the fairing or the builder.
    UnknownSchema,
    /// A job cannot change a `renew` field, or clear one that holds a value, because it has no browser to send the new
    /// id to.
    RenewInJob,
    /// A value of the previous user's session was edited. A `renew` field left that user in the same request: replace
    /// the field (`set_…`) instead of editing it, or edit it after the `renew` field was set.
    PreviousUser,
    /// The session has no proof of identity, or none that is recent enough for the guard `Recent`.
    NotRecent,
    /// The request comes from another site (see [`CrossSite`](crate::config::CrossSite)).
    CrossSite,
    /// The store does not support the operation.
    Unsupported,
    /// A setting is wrong, or the store cannot be opened.
    Config,
    /// The store or a merge function panicked.
    Panicked,
}

impl ErrorKind {
    /// Returns the HTTP status of the response to the client.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Unavailable | Self::Newer => 503,
            Self::NotRecent | Self::CrossSite => 403,
            Self::Gone | Self::Renewed | Self::Rejected => 409,
            _ => 500,
        }
    }

    /// Returns the status as it stands in a short text: its code, and its name in RFC 9110 section 15.
    pub(crate) const fn status_line(self) -> &'static str {
        match self.status() {
            403 => "403 Forbidden",
            409 => "409 Conflict",
            503 => "503 Service Unavailable",
            _ => "500 Internal Server Error",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Unavailable => "the session store is unavailable",
            Self::Undecodable => "a stored session value cannot be read",
            Self::Unreadable => "a part of the stored session is lost or damaged",
            Self::Newer => "the session was stored by a newer version of this program",
            Self::TooOld => "the session was stored by a version that this program no longer reads",
            Self::Forked => "the session was stored by a program with another layout of the same version",
            Self::Upgrade => "a stored session could not be upgraded",
            Self::Unencodable => "the value cannot be stored as JSON and read again",
            Self::Gone => "the session no longer exists",
            Self::Renewed => "the session was logged in or renewed by another request",
            Self::Rejected => "the value was changed by another request too",
            Self::TooLarge => "the session is larger than the configured limit",
            Self::GuardOpen => "a writable guard of this session is still open",
            Self::TooLate => "the response has gone out already",
            Self::UnknownSchema => "the schema is not among those of the application",
            Self::RenewInJob => {
                "a `renew` field cannot be changed outside a request: log in or out in one, or destroy the session"
            }
            Self::PreviousUser => {
                "an edit of a value of the previous user: set the whole field, or edit it after the `renew` field was set"
            }
            Self::NotRecent => "the visitor has given no recent proof of identity",
            Self::CrossSite => "the request comes from another site",
            Self::Unsupported => "the session store does not support this",
            Self::Config => "the session configuration is wrong",
            Self::Panicked => "the session store or a merge function panicked",
        }
    }
}

impl SessionError {
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind, schema: None, field: None, detail: None, source: None, is_logged: false }
    }

    pub(crate) fn with(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(kind) }
    }

    /// Returns an error for a schema, or for one of its fields, by their stored names.
    pub(crate) fn named(kind: ErrorKind, schema: &'static str, field: Option<&'static str>) -> Self {
        Self { schema: Some(schema), field, ..Self::new(kind) }
    }

    /// Adds a detail.
    pub(crate) fn detailed(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Takes the cause from another error.
    pub(crate) fn caused_as(self, other: Self) -> Self {
        Self { source: other.source, ..self }
    }

    pub(crate) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Marks the error as one of which the log has a line.
    #[cfg(any(feature = "rocket", feature = "axum"))]
    pub(crate) fn logged(self) -> Self {
        Self { is_logged: true, ..self }
    }

    pub(crate) fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the key of the schema concerned, if there is one.
    #[must_use]
    pub fn schema(&self) -> Option<&'static str> {
        self.schema
    }

    /// Returns the key of the field concerned, if there is one.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// Returns the error with all its causes, in one line for a log.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::Sessions;
    ///
    /// let error = Sessions::builder().build().unwrap_err();
    /// assert!(error.chain().starts_with("the session configuration is wrong"));
    /// ```
    #[must_use]
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        line
    }

    /// Returns how long a client should wait before it retries; `None` if a retry is useless.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Newer).then_some(RETRY_AFTER)
    }
}

/// Value of the `Retry-After` header (RFC 9110 section 10.2.3).
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        if let Some(schema) = self.schema {
            write!(f, ": schema `{schema}`")?;
        }
        if let Some(field) = self.field {
            write!(f, ", field `{field}`")?;
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<crate::id::RandomError> for SessionError {
    fn from(error: crate::id::RandomError) -> Self {
        Self::new(ErrorKind::Unavailable).because(error)
    }
}
