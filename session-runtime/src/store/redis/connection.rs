//! A connection that many requests share: to one server, to a cluster, or the application's own.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

#[cfg(feature = "redis-1")]
use ::redis::aio::ConnectionManager;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{Cmd, RedisResult, Value};

use super::cluster;
use super::fault::Fault;
use super::server::ServerConnection;
use super::servers::Route;
use crate::pace::note_step;

pub(super) struct Connection {
    client: Client,
    has_answered: AtomicBool,
}

/// A connection of the client library. None of them sends a command twice.
pub(super) enum Client {
    Server(ServerConnection),
    Cluster(ClusterConnection),
    #[cfg(feature = "redis-1")]
    Manager(ConnectionManager),
}

impl From<Client> for Connection {
    fn from(client: Client) -> Self {
        Self { client, has_answered: AtomicBool::new(false) }
    }
}

impl Connection {
    #[cfg(feature = "redis-1")]
    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.client, Client::Cluster(_))
    }

    /// True if a command has been answered over this connection.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Relaxed)
    }

    /// Sends a command and waits for its response.
    pub(super) async fn send(&self, command: &Cmd, route: Route<'_>, timeout: Duration) -> Result<Value, Fault> {
        let answered = match &self.client {
            // Enforces the timeout itself.
            Client::Server(connection) => connection.send(command).await,
            // Boxed: inlining rare paths would grow the future of every request.
            Client::Cluster(connection) => {
                Box::pin(in_time(timeout, cluster::send(connection.clone(), command, route))).await
            }
            #[cfg(feature = "redis-1")]
            Client::Manager(manager) => {
                let mut manager = manager.clone();
                Box::pin(in_time(timeout, manager.send_packed_command(command))).await
            }
        };
        let answer = answered?;
        note_step();
        self.has_answered.store(true, Relaxed);
        if let Value::ServerError(error) = answer { Err(::redis::RedisError::from(error).into()) } else { Ok(answer) }
    }
}

async fn in_time(timeout: Duration, answer: impl Future<Output = RedisResult<Value>>) -> Result<Value, Fault> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(Fault::unavailable("no answer in time")),
    }
}
