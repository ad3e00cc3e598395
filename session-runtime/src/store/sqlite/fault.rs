//! Failures below the store. They contain the error code of `SQLite`, but no stored value, statement or parameter.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::ErrorCode;
use rusqlite::ffi;
use rusqlite::types::FromSqlError;

use crate::store::{Damage, StoreError, StoreErrorKind};

/// Reason why a job failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// `SQLite` refused or failed.
    Engine(rusqlite::Error),
    /// A row is damaged or was not written by this library; contains the name of the unreadable part.
    Unreadable(&'static str),
    /// The file at the path is not the one that was written to.
    Moved,
    /// A bug in this library; the thread continues.
    Panicked,
}

impl Fault {
    /// True if the lock of another connection was in the way, which may be temporary.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Engine(error) if is_busy(error))
    }

    /// Converts any unreadable part to an unreadable head.
    pub(super) fn of_head(self) -> Self {
        if let Self::Unreadable(_) = self { Self::Unreadable("head") } else { self }
    }

    /// Returns the damage of the record that was read; `Err` if the file itself failed.
    pub(super) fn damage(self) -> Result<Damage, Self> {
        match self {
            Self::Unreadable("head") => Ok(Damage::Head),
            Self::Unreadable(_) => Ok(Damage::Value),
            fault => Err(fault),
        }
    }

    pub(super) fn to_error(&self, during: &'static str) -> StoreError {
        match self {
            Self::Engine(error) => StoreError::new(StoreErrorKind::Unavailable, during).because(Cause::of(error)),
            Self::Unreadable(part) => StoreError::new(StoreErrorKind::Corrupt, during).because(Unreadable(part)),
            Self::Moved => StoreError::new(StoreErrorKind::Unavailable, during).because(MOVED),
            Self::Panicked => StoreError::new(StoreErrorKind::Unavailable, during).because("the store panicked"),
        }
    }
}

const MOVED: &str = "the SQLite file was removed, renamed or replaced while it was open";

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Runs work on a connection and catches a panic. A transaction that the panic leaves open is rolled back before the
/// next job.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Panicked))
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

/// A column has another type, or its text is not UTF-8.
impl From<FromSqlError> for Fault {
    fn from(_: FromSqlError) -> Self {
        Self::Unreadable("column")
    }
}

/// Error code of `SQLite`. Its message is left out, since it may quote the data of the statement.
#[derive(Debug)]
pub(super) struct Cause(Option<ffi::Error>);

impl Cause {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        Self(error.sqlite_error().copied())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(error) = self.0 else { return f.write_str("invalid use of SQLite") };
        let text = ffi::code_to_str(error.extended_code);
        match error.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                write!(f, "another connection keeps the SQLite file locked ({text})")
            }
            _ => write!(f, "SQLite failed with code {}: {text}", error.extended_code),
        }
    }
}

impl std::error::Error for Cause {}

#[derive(Debug)]
struct Unreadable(&'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stored {} is not what this library writes", self.0)
    }
}

impl std::error::Error for Unreadable {}
