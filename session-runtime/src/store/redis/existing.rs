//! A store over a connection that the application already has.

use std::fmt;

use ::redis::aio::ConnectionManager;
use ::redis::cluster_async::ClusterConnection;

use super::RedisStoreBuilder;
use super::builder::Source;
use super::connection::{Client, Connection};

/// A connection that the application already has.
///
/// Either a `ConnectionManager` of the crate `redis` 1, which reconnects and sends nothing twice, or a
/// `ClusterConnection`. The client of the latter must have been built with `retries(0)`:
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
        RedisStoreBuilder::with(Source::Existing(self.0))
    }
}

impl From<ConnectionManager> for RedisConnection {
    fn from(manager: ConnectionManager) -> Self {
        Self(Client::Manager(manager).into())
    }
}

impl From<ClusterConnection> for RedisConnection {
    fn from(connection: ClusterConnection) -> Self {
        Self(Client::Cluster(connection).into())
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnection").finish_non_exhaustive()
    }
}
