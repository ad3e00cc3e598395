//! Builder of a [`PostgresStore`] from a URL and settings. Nothing connects here.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresStore;
use super::access::Access;
use super::connection_pool::{ConnectionPool, Connector};
use super::sql::{self, LONGEST_NAME};
use crate::config::{AdmissionConfig, ServerConfig};
use crate::store::tls::Certificates;
use crate::store::{StoreError, StoreErrorKind};

/// Settings of a [`PostgresStore`], made by [`PostgresStore::builder`].
///
/// # Examples
///
/// ```
/// use session_runtime::PostgresStore;
/// use std::time::Duration;
///
/// let builder = PostgresStore::builder("postgres://app@db.example/shop").schema("web").connections(4);
/// let store = builder.connect_timeout(Duration::from_millis(500)).open()?;
/// # Ok::<(), session_runtime::store::StoreError>(())
/// ```
#[must_use = "nothing is opened before `open`"]
pub struct PostgresStoreBuilder {
    url: String,
    server: ServerConfig,
    admission: AdmissionConfig,
    certificates: Certificates,
}

impl PostgresStoreBuilder {
    pub(super) fn new(url: String, server: ServerConfig) -> Self {
        Self { url, server, admission: AdmissionConfig::default(), certificates: Certificates::default() }
    }

    /// Schema that holds the tables, created if it does not exist. At most 63 bytes. Default: `public`.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.server.namespace = Some(schema.into());
        self
    }

    /// Number of connections that all requests share, at least one. Default: 2.
    ///
    /// Each connection carries many requests at once, one behind the other. A request takes the first connection on
    /// which it will wait at most about 1 ms behind others, or else the one with the shortest wait. If commits wait for
    /// a slow disk or a standby, more connections run more commits at the same time. While all of them are busy, loads
    /// use one connection more, which the store opens when a load would wait for the first time.
    pub const fn connections(mut self, connections: usize) -> Self {
        self.server.connections = connections;
        self
    }

    /// Longest time for one attempt to connect. Default: 1 second.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.server.connect_timeout = timeout;
        self
    }

    /// First and longest pause after a failed attempt to connect. The pause doubles after each further attempt.
    /// Default: 50 milliseconds and 2 seconds.
    pub const fn back_off(mut self, first: Duration, longest: Duration) -> Self {
        self.server.back_off = first;
        self.server.back_off_max = longest;
        self
    }

    /// Limits for a database that has more work than it can do in time, see [`overload`](crate::store::overload).
    pub const fn admission(mut self, admission: AdmissionConfig) -> Self {
        self.admission = admission;
        self
    }

    /// Trusts only servers whose certificate is signed by these authorities, given as PEM. Default: the roots that
    /// browsers trust, or the file that `sslrootcert` in the URL names.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use session_runtime::PostgresStore;
    ///
    /// let root = std::fs::read("/etc/shop/database.pem")?;
    /// let store =
    ///     PostgresStore::builder("postgres://db.example/shop?sslmode=require").root_certificates(root).open()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// Checks the settings. The store connects at launch or with the first operation.
    ///
    /// # Errors
    ///
    /// [`Setup`](StoreErrorKind::Setup) for an invalid URL, an unreadable certificate, or a name of more than 63 bytes,
    /// which the server would truncate. The error contains no part of the URL.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{PostgresStore, store::StoreErrorKind};
    ///
    /// let error = PostgresStore::builder("postgres://localhost:none/shop").open().unwrap_err();
    /// assert_eq!(error.kind(), StoreErrorKind::Setup);
    /// ```
    pub fn open(self) -> Result<PostgresStore, StoreError> {
        let refused = |why: Refused| StoreError::new(StoreErrorKind::Setup, "open").because(why);
        let url = Url::parse(&self.url).map_err(refused)?;
        let mut certificates = self.certificates;
        if let (None, Some(path)) = (&certificates.roots, url.root_certificate) {
            certificates.roots = Some(std::fs::read(path).map_err(|_| refused(UNREADABLE_ROOT))?);
        }
        let connector = Connector {
            config: url.config,
            tls: MakeRustlsConnect::new(certificates.config().map_err(|why| refused(Refused(why)))?),
            connect_timeout: self.server.connect_timeout,
            back_off: self.server.back_off,
            back_off_max: self.server.back_off_max,
        };
        if self.server.namespace.as_deref().is_some_and(|schema| !sql::is_name(schema)) {
            return Err(refused(NO_NAME));
        }
        let access = Access::Own(ConnectionPool::new(connector, self.server.connections));
        Ok(PostgresStore::new(access, self.admission, self.server.namespace.as_deref()))
    }
}

/// Omits the URL, which may hold a password.
impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Reason why no store can be built, as a fixed text: any part of the input may be a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) &'static str);

const NO_NAME: Refused = Refused(super::NO_NAME);

const CUT_NAME: Refused = Refused(
    "the URL names a database or a user in more than 63 bytes; the server would cut that, and it could mean another one",
);

const UNREADABLE_ROOT: Refused = Refused("the file that `sslrootcert` names cannot be read");

const NOT_A_URL: Refused = Refused(
    "not a URL of PostgreSQL as `postgres://user:password@host:5432/database`, or with a parameter that is not known; \
     special characters of a password are written as %40 and the like",
);

/// Idle time before TCP probes a connection, shorter than the timeout of devices that forward it.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Parsed URL.
struct Url {
    config: Config,
    root_certificate: Option<String>,
}

impl Url {
    fn parse(url: &str) -> Result<Self, Refused> {
        // A `?` before the `@` is part of the password.
        let behind = url.find('@').unwrap_or(0);
        let (base, query) =
            url[behind..].find('?').map_or((url, ""), |at| (&url[..behind + at], &url[behind + at + 1..]));
        let mut theirs = String::from(base);
        let (mut root_certificate, mut must_encrypt) = (None, false);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "verify-ca" | "verify-full")) => must_encrypt = true,
                Some(("sslrootcert", path)) => root_certificate = Some(decoded(path).ok_or(NOT_A_URL)?),
                _ => {
                    theirs.push(if theirs.len() == base.len() { '?' } else { '&' });
                    theirs.push_str(pair);
                }
            }
        }
        let mut config: Config = theirs.parse().map_err(|_| NOT_A_URL)?;
        if [config.get_dbname(), config.get_user()].into_iter().flatten().any(|name| name.len() > LONGEST_NAME) {
            return Err(CUT_NAME);
        }
        if !theirs[base.len()..].contains("keepalives") {
            config.keepalives_idle(KEEPALIVE);
        }
        if must_encrypt {
            config.ssl_mode(SslMode::Require);
        }
        if config.get_application_name().is_none() {
            config.application_name("session-runtime");
        }
        Ok(Self { config, root_certificate })
    }
}

/// Decodes percent-encoded text such as `%2F`.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connections_have_keepalives_unless_the_url_sets_them() {
        let idle = |url| Url::parse(url).unwrap_or_else(|why| panic!("{why}")).config.get_keepalives_idle();
        assert_eq!(idle("postgres://localhost/shop"), KEEPALIVE);
        assert_eq!(idle("postgres://keepalives@localhost/shop?sslmode=require"), KEEPALIVE);
        assert_eq!(idle("postgres://localhost/shop?sslmode=require&keepalives_idle=7"), Duration::from_secs(7));
    }
}
