//! Builder of a `RedisStore` from a URL or from the application's own connection. Nothing connects here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::RedisStore;
use super::fault::Fault;
use super::link::{Dialing, Link};
use super::name::Namespace;
use super::target::{Connection, Target, Timeouts};
use super::wire::Wire;
use crate::config::ServerConfig;
use crate::store::StoreError;
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
    place: Place,
    server: ServerConfig,
    certificates: Certificates,
    answer_timeout: Duration,
}

enum Place {
    Url(String),
    Existing(Connection),
}

impl RedisStoreBuilder {
    pub(super) fn new(url: String) -> Self {
        Self::at(Place::Url(url))
    }

    fn at(place: Place) -> Self {
        let (server, certificates) = (ServerConfig::default(), Certificates::default());
        Self { place, server, certificates, answer_timeout: ANSWER_TIMEOUT }
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

    /// Prefix of all key names: `shop` gives `shop:{…}`. No braces, at most 200 bytes. Default: `session`.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.server.namespace = Some(namespace.into());
        self
    }

    /// Longest time for one response, and for a connection that a request waits for. It should not be longer than the
    /// deadline of a request. A connection with an overdue response is closed and reopened. Default: 2 seconds.
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
        let (links, place) = match self.place {
            Place::Existing(connection) => {
                (vec![Link::over(connection)], "over the application's connection".to_owned())
            }
            Place::Url(url) => {
                let timeouts = Timeouts { connect: self.server.connect_timeout, answer: self.answer_timeout };
                let target = Arc::new(Target::parse(&url, self.certificates, timeouts)?);
                let link = |_| Link::new(Dialing::new(Arc::clone(&target), &self.server));
                let links = (0..self.server.connections.max(1)).map(link).collect();
                (links, format!("at {}", target.place()))
            }
        };
        Ok(RedisStore::new(Wire::new(links, self.answer_timeout), namespace, place))
    }
}

/// Omits the URL, which may hold a password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("RedisStoreBuilder");
        fields.field("server", &self.server).field("answer_timeout", &self.answer_timeout).finish_non_exhaustive()
    }
}

/// A connection that the application already has.
///
/// Either a `redis::aio::ConnectionManager`, which reconnects and sends nothing twice, or a
/// `redis::cluster_async::ClusterConnection`. The client of the latter must have been built with `retries(0)`:
/// otherwise it sends a write again if the response was lost, and that write may count twice.
///
/// The application must not change the state of a connection that it shares. After a `SELECT 3` all requests look for
/// their sessions in database 3. After an `AUTH` they have another user's rights. `MULTI`, `CLIENT REPLY OFF` and
/// `SUBSCRIBE` withhold their responses. Name the user and the database in the URL of the connection, or give the store
/// its own connection.
///
/// # Examples
///
/// ```no_run
/// use session_runtime::store::RedisConnection;
///
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = redis::Client::open("redis://localhost")?.get_connection_manager().await?;
/// let store = RedisConnection::from(manager).store().namespace("shop").open()?;
/// # Ok(()) }
/// ```
pub struct RedisConnection(Connection);

impl RedisConnection {
    /// Settings for a store over this connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use session_runtime::store::RedisConnection;
    ///
    /// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = redis::cluster::ClusterClientBuilder::new(["redis://10.0.0.1:7000"]).retries(0).build()?;
    /// let store = RedisConnection::from(client.get_async_connection().await?).store().open()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn store(self) -> RedisStoreBuilder {
        RedisStoreBuilder::at(Place::Existing(self.0))
    }
}

impl From<::redis::aio::ConnectionManager> for RedisConnection {
    fn from(manager: ::redis::aio::ConnectionManager) -> Self {
        Self(Connection::Managed(manager))
    }
}

impl From<::redis::cluster_async::ClusterConnection> for RedisConnection {
    fn from(connection: ::redis::cluster_async::ClusterConnection) -> Self {
        Self(Connection::Cluster(connection))
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}
