//! Failures between this process and the server, by kind and code. Nothing that could contain a key, a value or a
//! password is kept.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use ::redis::{ErrorKind, RedisError};

use crate::store::{Damage, StoreError, StoreErrorKind};

/// A failure without its operation.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    kind: StoreErrorKind,
    cause: Cause,
    /// True if the connection is unusable.
    dropped: bool,
}

/// Cause of a failure, for an operator.
#[derive(Clone, Debug)]
enum Cause {
    /// Error code of the server, such as `OOM`.
    Answer(String),
    Connection(io::ErrorKind),
    Client(&'static str),
    Unreadable(&'static str),
    Missing,
}

impl Fault {
    /// A record, or a part of one, that no version of this library has written.
    pub(super) const fn unreadable(what: &'static str) -> Self {
        Self { kind: StoreErrorKind::Corrupt, cause: Cause::Unreadable(what), dropped: false }
    }

    /// A hash that the head lists is absent: it was evicted, or is being moved to another node.
    pub(super) const fn missing() -> Self {
        Self { kind: StoreErrorKind::Corrupt, cause: Cause::Missing, dropped: false }
    }

    pub(super) const fn is_missing(&self) -> bool {
        matches!(self.cause, Cause::Missing)
    }

    pub(super) const fn unavailable(why: &'static str) -> Self {
        Self { kind: StoreErrorKind::Unavailable, cause: Cause::Client(why), dropped: false }
    }

    pub(super) const fn setup(why: &'static str) -> Self {
        Self { kind: StoreErrorKind::Setup, cause: Cause::Client(why), dropped: false }
    }

    pub(super) const fn unsupported(why: &'static str) -> Self {
        Self { kind: StoreErrorKind::Unsupported, cause: Cause::Client(why), dropped: false }
    }

    /// A response of a form that the command does not have.
    pub(super) const fn unexpected() -> Self {
        Self::unavailable("unexpected reply from Redis")
    }

    /// A response is overdue, and so are those behind it.
    pub(super) fn overdue() -> Self {
        Self { dropped: true, ..Self::unavailable("no answer in time") }
    }

    pub(super) const fn is_dropped(&self) -> bool {
        self.dropped
    }

    /// True if the connection ended before the response.
    pub(super) const fn is_of_an_ended_connection(&self) -> bool {
        self.dropped && matches!(self.cause, Cause::Connection(_))
    }

    /// True if the server does not have the script, and so did not run it.
    pub(super) fn is_missing_script(&self) -> bool {
        matches!(&self.cause, Cause::Answer(code) if code == "NOSCRIPT")
    }

    /// True if the slot of the name is being moved to another node, which may already have the name.
    pub(super) fn is_of_a_moving_slot(&self) -> bool {
        matches!(&self.cause, Cause::Answer(code) if code == "ASK")
    }

    /// True if the server rejected the command itself, as one that is too old does.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(&self.cause, Cause::Answer(code) if code == "ERR")
    }

    /// Returns the damage of the one record that was read, or the fault if the server failed.
    pub(super) fn damage(self) -> Result<Damage, Self> {
        match self.cause {
            _ if self.kind != StoreErrorKind::Corrupt => Err(self),
            Cause::Missing => Ok(Damage::Missing),
            Cause::Unreadable("head") | Cause::Answer(_) => Ok(Damage::Head),
            _ => Ok(Damage::Value),
        }
    }

    /// True if the user may not run the command.
    #[cfg(feature = "cli")]
    pub(super) fn is_not_permitted(&self) -> bool {
        matches!(&self.cause, Cause::Answer(code) if code == "NOPERM")
    }

    /// Description of the fault, without any key, value or password.
    #[cfg(feature = "cli")]
    pub(super) fn cause(&self) -> impl fmt::Display {
        self.cause.clone()
    }

    pub(super) fn during(self, operation: &'static str) -> StoreError {
        StoreError::new(self.kind, operation).because(self.cause)
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        let dropped = error.is_connection_dropped();
        let (kind, cause) = match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => answered(error.code().unwrap_or_default()),
            ErrorKind::AuthenticationFailed => refused(WRONG_PASSWORD),
            ErrorKind::InvalidClientConfig => refused("the address or a setting of the connection is invalid"),
            ErrorKind::RESP3NotSupported => refused("the server does not speak RESP3; `?protocol=resp2` may help"),
            ErrorKind::Io => broken(&error),
            ErrorKind::ClusterConnectionNotFound => unavailable("no node of the cluster can be reached"),
            ErrorKind::Parse => unavailable("the server does not speak the protocol of Redis"),
            ErrorKind::Client if is_tls(&error) => refused("the settings of TLS are invalid"),
            _ => unavailable("the client library failed"),
        };
        Self { kind, cause, dropped }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        let (kind, cause) = failed(&error);
        Self { kind, cause, dropped: true }
    }
}

const WRONG_PASSWORD: &str = "user or password are wrong or missing";

fn answered(code: &str) -> (StoreErrorKind, Cause) {
    let code = if is_code(code) { code } else { "an unknown code" };
    let kind = match code {
        "WRONGPASS" | "NOAUTH" => return refused(WRONG_PASSWORD),
        "NOPERM" => StoreErrorKind::Setup,
        // A key of another program, or a damaged one.
        "WRONGTYPE" => StoreErrorKind::Corrupt,
        _ => StoreErrorKind::Unavailable,
    };
    (kind, Cause::Answer(code.to_owned()))
}

/// True for an error code. Other text, from a server that is not Redis, is not shown.
fn is_code(code: &str) -> bool {
    !code.is_empty() && code.len() <= 24 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Fault of an I/O error. The library puts the reason why no cluster node was reachable into a text, which is searched
/// and dropped.
fn broken(error: &RedisError) -> (StoreErrorKind, Cause) {
    let detail = error.detail().unwrap_or_default();
    if ["AuthenticationFailed", "WRONGPASS", "NOAUTH", "NOPERM"].iter().any(|code| detail.contains(code)) {
        return refused(WRONG_PASSWORD);
    }
    source(error).map_or(unavailable("the connection failed"), failed)
}

fn failed(error: &io::Error) -> (StoreErrorKind, Cause) {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(_)) => refused("the TLS certificate was not accepted"),
        Some(rustls::Error::AlertReceived(_)) => {
            refused("the server does not accept this program's TLS or certificate")
        }
        _ => (StoreErrorKind::Unavailable, Cause::Connection(error.kind())),
    }
}

fn is_tls(error: &RedisError) -> bool {
    source::<rustls::Error>(error).is_some()
}

/// Returns the cause if it is of this type. The library keeps it in an `Arc`, which it returns as the source.
fn source<E: Error + 'static>(error: &RedisError) -> Option<&E> {
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    shared.map_or_else(|| source.downcast_ref(), |shared| shared.downcast_ref())
}

const fn refused(why: &'static str) -> (StoreErrorKind, Cause) {
    (StoreErrorKind::Setup, Cause::Client(why))
}

const fn unavailable(why: &'static str) -> (StoreErrorKind, Cause) {
    (StoreErrorKind::Unavailable, Cause::Client(why))
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(code) => write!(f, "the server answered `{code}`"),
            Self::Connection(kind) => write!(f, "the connection failed: {kind}"),
            Self::Client(why) => f.write_str(why),
            Self::Missing => f.write_str("the hash of a lazy schema is missing; it may have been evicted"),
            Self::Unreadable(what) => write!(f, "the {what} was not written by this library"),
        }
    }
}

impl Error for Cause {}
