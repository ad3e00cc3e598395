//! Failures below the store, described without any stored value: by the server's five-character code and its meaning,
//! never by its message or details, which may quote keys.

use std::error::Error as _;
use std::{fmt, io};

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::{Damage, StoreError, StoreErrorKind};

/// Reason why an operation failed.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The server responded with an error.
    Refused(SqlState),
    /// No connection is available.
    Lost(&'static str),
    /// The connection ended without a response, so the outcome of a write is unknown.
    Ended(&'static str),
    /// The connection had ended before the statement was sent, so nothing was run.
    EndedBefore,
    /// No connection, for a reason that only an operator can fix.
    NotTrusted(Box<str>),
    /// The application left this connection inside a transaction, so nothing was run on it.
    #[cfg_attr(
        not(feature = "deadpool-postgres-0-14"),
        expect(dead_code, reason = "only an application's connection can be inside a transaction")
    )]
    InTransaction,
    /// An unusable setting.
    Setting(&'static str),
    /// A lookup by a stored key without an index.
    NotIndexed,
    /// A row that this library did not write, or that is damaged; names the part.
    Unreadable(&'static str),
    /// A newer version of this library has created the tables; their format number.
    Newer(i32),
}

/// Handling of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The server rolled everything back because of concurrent transactions. Try again.
    Again,
    /// Nothing was run, and nothing will be on this connection. Try again on another one.
    Reconnect,
    /// The connection has ended. Try a read again on another one.
    Reread,
    /// No retry: return the fault.
    Fail,
}

impl Remedy {
    /// True if nothing more can be sent over the connection.
    pub(super) const fn ends_connection(self) -> bool {
        matches!(self, Self::Reconnect | Self::Reread)
    }
}

impl Fault {
    pub(super) fn remedy(&self) -> Remedy {
        let code = match self {
            Self::Refused(code) => code,
            Self::Ended(_) => return Remedy::Reread,
            Self::EndedBefore | Self::InTransaction => return Remedy::Reconnect,
            _ => return Remedy::Fail,
        };
        match code.code() {
            // serialization failure, deadlock
            "40001" | "40P01" => Remedy::Again,
            // no such statement, a duplicate statement name, a plan that no longer fits its table; and two codes for a
            // connection that was ended while it was idle: the server did not read what was sent at that moment
            "26000" | "42P05" | "0A000" | "57P05" | "25P03" => Remedy::Reconnect,
            // ended by an operator or by a crash
            "57P01" | "57P02" => Remedy::Reread,
            _ => Remedy::Fail,
        }
    }

    /// Fault of a connection that the server ended because it was idle.
    pub(super) fn idle_end() -> Self {
        Self::Refused(SqlState::from_code("57P05"))
    }

    pub(super) fn is_idle_end(&self) -> bool {
        matches!(self, Self::Refused(code) if code.code() == "57P05")
    }

    /// Fault of a statement that was not sent, since this fault came before it.
    pub(super) fn before_statement(self) -> Self {
        if self.remedy().ends_connection() { Self::EndedBefore } else { self }
    }

    /// True if the relation or its schema does not exist.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused(code) if [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code))
    }

    /// Attributes unreadable data to the head of the record.
    pub(super) fn of_head(self) -> Self {
        if let Self::Unreadable(_) = self { Self::Unreadable("head") } else { self }
    }

    /// Returns the damage of the one record that was read, or the fault if the server failed.
    pub(super) fn damage(self) -> Result<Damage, Self> {
        match self {
            Self::Unreadable("head") => Ok(Damage::Head),
            Self::Unreadable(_) => Ok(Damage::Value),
            fault => Err(fault),
        }
    }

    pub(super) fn to_error(&self, during: &'static str) -> StoreError {
        StoreError::new(self.kind(), during).because(Cause(self.clone()))
    }

    /// True if the user may not do this.
    #[cfg(feature = "cli")]
    pub(super) fn is_not_permitted(&self) -> bool {
        matches!(self, Self::Refused(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE)
    }

    /// Description of the fault, without any stored value.
    #[cfg(feature = "cli")]
    pub(super) fn cause(&self) -> impl fmt::Display {
        Cause(self.clone())
    }

    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Refused(code) => kind_of(code.code()),
            Self::Lost(_) | Self::Ended(_) | Self::EndedBefore | Self::InTransaction => StoreErrorKind::Unavailable,
            Self::NotTrusted(_) | Self::Newer(_) | Self::Setting(_) => StoreErrorKind::Setup,
            Self::Unreadable(_) => StoreErrorKind::Corrupt,
            Self::NotIndexed => StoreErrorKind::Unsupported,
        }
    }
}

/// Kind of an error by the class of its code, the first two characters.
fn kind_of(code: &str) -> StoreErrorKind {
    match code.split_at_checked(2).map_or("", |(class, _)| class) {
        // wrong password, no such database, no such schema, no permission or no such table
        "28" | "3D" | "3F" | "42" => StoreErrorKind::Setup,
        // a number or a row that this library does not write
        "22" | "23" => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if let Some(code) = error.code() {
            return Self::Refused(code.clone());
        }
        let mut cause = error.source();
        while let Some(source) = cause {
            if let Some(io) = source.downcast_ref::<io::Error>() {
                return from_io(io);
            }
            cause = source.source();
        }
        if error.is_closed() {
            return Self::Ended("the connection was closed");
        }
        let text = error.to_string();
        if !SETTING_UP.iter().any(|begin| text.starts_with(begin)) {
            return Self::Ended("the client library could not read it");
        }
        // The client library's own text, such as `password missing`, contains no value.
        let cause = error.source().map(|cause| format!(": {cause}"));
        Self::NotTrusted([text, cause.unwrap_or_default()].concat().into())
    }
}

/// Error prefixes of the client library for a connection that cannot be set up as configured.
const SETTING_UP: [&str; 3] = ["error performing TLS handshake", "authentication error", "invalid configuration"];

fn from_io(error: &io::Error) -> Fault {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Fault::NotTrusted(format!("TLS failed: {tls}").into());
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Lost("connection refused"),
        io::ErrorKind::NotFound => Fault::Lost("there is no such socket"),
        io::ErrorKind::TimedOut => Fault::Ended("the connection timed out"),
        io::ErrorKind::UnexpectedEof => Fault::Ended("the server closed the connection"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Fault::Ended("the connection was reset"),
        _ => Fault::Ended("the connection failed"),
    }
}

#[derive(Debug)]
struct Cause(Fault);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Refused(code) => write!(f, "PostgreSQL answered {}: {}", code.code(), meaning(code.code())),
            Fault::Ended(what) => write!(f, "no answer from PostgreSQL: {what}"),
            Fault::EndedBefore => f.write_str("no connection to PostgreSQL: it ended while it was idle"),
            Fault::Lost(what) => write!(f, "no connection to PostgreSQL: {what}"),
            Fault::NotTrusted(what) => write!(f, "no connection to PostgreSQL: {what}"),
            Fault::InTransaction => {
                f.write_str("several connections of the application's pool were left inside a transaction")
            }
            Fault::Setting(what) => f.write_str(what),
            Fault::NotIndexed => f.write_str("the key is not indexed"),
            Fault::Unreadable(part) => write!(f, "a stored {part} is not what this library writes"),
            Fault::Newer(version) => {
                write!(
                    f,
                    "the tables have format {version}, which is newer than this program supports; they were not changed"
                )
            }
        }
    }
}

impl std::error::Error for Cause {}

/// Meaning of a code, or else of its class (`PostgreSQL`, appendix A).
fn meaning(code: &str) -> &'static str {
    match code {
        "25006" => "the server is read-only",
        "26000" | "42P05" => "a prepared statement is missing or exists already",
        "28P01" => "wrong user or password",
        "3D000" => "there is no such database",
        "40001" | "40P01" => "too many conflicts with concurrent transactions",
        "42501" => "the user may not do this",
        "42P01" | "42883" | "3F000" => "the tables or functions of sessions are missing",
        "53100" => "the disk is full",
        "53200" => "the server is out of memory",
        "53300" => "too many connections",
        "55P03" => "timed out waiting for a lock",
        "57014" => "the statement took too long or was canceled",
        "57P01" | "57P02" => "the server was shut down, or an operator closed the connection",
        "57P03" => "the server is starting or shutting down",
        "57P05" => "the connection was idle for too long",
        _ => match code.split_at_checked(2).map_or("", |(class, _)| class) {
            "08" => "the connection failed",
            "22" | "23" => "a stored row is not what this library writes",
            "28" => "the user was rejected",
            "40" => "the transaction was rolled back",
            "42" => "the tables are not what this library makes, or the user may not use them",
            "53" => "the server is out of resources",
            "57" => "an operator intervened",
            "58" => "an error outside PostgreSQL itself, such as an I/O error",
            _ => "see the server's manual, appendix A",
        },
    }
}
