//! A connection that many requests share: to one server, to a cluster, or the application's own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

#[cfg(feature = "redis-1")]
use ::redis::aio::ConnectionManager;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{Cmd, RedisResult, Value};
use tokio::time::Instant;

use super::cluster;
use super::fault::Fault;
use super::server::ServerConnection;
use super::servers::Route;
use crate::pace::note_step;

/// Idle time below which no server ends a connection: its setting `timeout` counts whole seconds, one at least.
const SHORTEST_IDLE: Duration = Duration::from_millis(800);

pub(super) struct Connection {
    client: Client,
    opened: Instant,
    /// Milliseconds from the opening to the last response, plus one; 0 before the first.
    answered: AtomicU64,
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
        Self { client, opened: Instant::now(), answered: AtomicU64::new(0) }
    }
}

impl Connection {
    #[cfg(feature = "redis-1")]
    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.client, Client::Cluster(_))
    }

    /// True if a command has been answered over this connection.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Relaxed) > 0
    }

    /// True if the server may be about to end the connection for being idle, or has just ended it. It does not run a
    /// command that it receives at that moment, but the outcome would be unknown here. The connections of a cluster's
    /// client are not known one by one, and a connection of the application is its own.
    pub(super) fn may_have_ended(&self) -> bool {
        let idle = self.since_opened().saturating_sub(self.answered.load(Relaxed));
        matches!(self.client, Client::Server(_)) && u128::from(idle) > SHORTEST_IDLE.as_millis()
    }

    fn since_opened(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
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
        self.answered.store(self.since_opened().saturating_add(1), Relaxed);
        if let Value::ServerError(error) = answer { Err(::redis::RedisError::from(error).into()) } else { Ok(answer) }
    }
}

async fn in_time(timeout: Duration, answer: impl Future<Output = RedisResult<Value>>) -> Result<Value, Fault> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(Fault::unavailable("no answer in time")),
    }
}
