//! Builder of a `RedisStore`. Nothing connects here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::RedisStore;
use super::address::{Address, Timeouts};
#[cfg(feature = "redis-1")]
use super::connection::Connection;
use super::fault::Fault;
use super::name::Namespace;
use super::servers::Servers;
use crate::backoff::Backoff;
use crate::config::{AdmissionConfig, ServerConfig};
use crate::store::StoreError;
use crate::store::admission::Admission;
use crate::store::tls::Certificates;

/// Default prefix of all key names.
const NAMESPACE: &str = "session";

/// Default timeout of a response.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Settings of a [`RedisStore`].
///
/// # Examples
///
/// ```
/// use session_runtime::RedisStore;
/// use std::time::Duration;
///
/// let store = RedisStore::builder("redis://localhost").answer_timeout(Duration::from_secs(1)).open()?;
/// # Ok::<(), session_runtime::store::StoreError>(())
/// ```
pub struct RedisStoreBuilder {
    source: Source,
    server: ServerConfig,
    admission: AdmissionConfig,
    certificates: Certificates,
    answer_timeout: Duration,
}

/// Origin of the connections.
pub(super) enum Source {
    Url(String),
    #[cfg(feature = "redis-1")]
    Existing(Connection),
}

impl RedisStoreBuilder {
    pub(super) fn new(url: String) -> Self {
        Self::with(Source::Url(url))
    }

    pub(super) fn with(source: Source) -> Self {
        let (server, certificates) = (ServerConfig::default(), Certificates::default());
        let admission = AdmissionConfig::default();
        Self { source, server, admission, certificates, answer_timeout: ANSWER_TIMEOUT }
    }

    /// Sets the connections, their timeouts and back-off, and the namespace. An existing connection keeps its own
    /// settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{RedisStore, config::ServerConfig};
    ///
    /// let server = ServerConfig { connections: 4, ..ServerConfig::default() };
    /// let store = RedisStore::builder("redis://localhost").server(server).open()?;
    /// # Ok::<(), session_runtime::store::StoreError>(())
    /// ```
    #[must_use]
    pub fn server(mut self, server: ServerConfig) -> Self {
        self.server = server;
        self
    }

    /// Limits for a server that has more work than it can do in time, see [`overload`](crate::store::overload).
    #[must_use]
    pub const fn admission(mut self, admission: AdmissionConfig) -> Self {
        self.admission = admission;
        self
    }

    /// Prefix of all key names: `shop` gives `shop:{…}`. No braces, at most 200 bytes. Default: `session`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.server.namespace = Some(namespace.into());
        self
    }

    /// Longest time for one response, and for a connection that a request waits for. It should not be longer than the
    /// deadline of a request. A connection with an overdue response is replaced. Default: 2 seconds.
    #[must_use]
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Certificates of the authorities that may sign the server's certificate, as PEM. Default: those of Mozilla.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use session_runtime::RedisStore;
    ///
    /// let authority = std::fs::read("/etc/redis/ca.pem")?;
    /// let store = RedisStore::builder("rediss://redis.internal").root_certificates(authority).open()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// Certificate that this program presents to the server, and its private key, as PEM. Default: none.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use session_runtime::RedisStore;
    ///
    /// let (certificate, key) = (std::fs::read("client.pem")?, std::fs::read("client.key")?);
    /// let store = RedisStore::builder("rediss://redis.internal").client_certificate(certificate, key).open()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.certificates.client = Some((certificate.into(), key.into()));
        self
    }

    /// Returns the store. It connects at launch or on first use.
    ///
    /// # Errors
    ///
    /// [`Setup`](crate::store::StoreErrorKind::Setup) if the URL, the certificates or the namespace are unusable.
    pub fn open(self) -> Result<RedisStore, StoreError> {
        self.build().map_err(|fault| fault.during("open"))
    }

    fn build(self) -> Result<RedisStore, Fault> {
        let namespace = Namespace::new(self.server.namespace.as_deref().unwrap_or(NAMESPACE))?;
        let admission = Admission::new(self.admission);
        match self.source {
            Source::Url(url) => {
                let ServerConfig { connections, connect_timeout, back_off, back_off_max, .. } = self.server;
                let timeouts = Timeouts { connect: connect_timeout, answer: self.answer_timeout };
                let address = Arc::new(Address::parse(&url, self.certificates, timeouts)?);
                let backoff = Backoff::new(back_off, back_off_max);
                let servers = Servers::new(&address, connections, backoff, self.answer_timeout);
                Ok(RedisStore::new(servers, admission, namespace, format!("at {}", address.shown())))
            }
            #[cfg(feature = "redis-1")]
            Source::Existing(connection) => {
                let servers = Servers::over(connection, self.answer_timeout);
                Ok(RedisStore::new(servers, admission, namespace, "over the application's connection".to_owned()))
            }
        }
    }
}

/// Omits the URL, which may hold a password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("RedisStoreBuilder");
        fields.field("server", &self.server).field("answer_timeout", &self.answer_timeout).finish_non_exhaustive()
    }
}
