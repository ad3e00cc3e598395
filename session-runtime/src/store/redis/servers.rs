//! Sends commands and receives their responses. A command is sent again only if a server refused to run it, because the
//! server does not have the script or no longer has the slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::{Cmd, Value};

use super::address::Address;
use super::connection::Connection;
use super::fault::Fault;
use super::name::Name;
use super::script::Script;
use crate::backoff::Backoff;
use crate::store::server::{Opened, Reconnecting, first_opened};

/// Connections to one server or to a cluster.
pub(super) struct Servers {
    connections: Connections,
    is_cluster: bool,
    answer_timeout: Duration,
}

enum Connections {
    /// Opened by this store, and used in turn.
    Own(Box<[Reconnecting<Address>]>, AtomicUsize),
    /// The application's connection, which reconnects by itself.
    #[cfg(feature = "redis-1")]
    Existing(Connection),
}

/// Node of a cluster to send a command to. A single server ignores it.
#[derive(Clone, Copy)]
pub(super) enum Route<'n> {
    /// The node with the slot of this name.
    Name(Name<'n>),
    /// The node with this slot; any other while that node is unavailable.
    Slot(u16),
    /// The node with the slot of this name, and no other if that slot is being moved.
    Owner(Name<'n>),
}

impl Servers {
    /// Creates the connections. None is opened before its first use.
    pub(super) fn new(address: &Arc<Address>, connections: usize, backoff: Backoff, answer_timeout: Duration) -> Self {
        let connection = || Reconnecting::new(Arc::clone(address), backoff);
        let own = std::iter::repeat_with(connection).take(connections.max(1)).collect();
        let connections = Connections::Own(own, AtomicUsize::new(0));
        Self { connections, is_cluster: address.is_cluster(), answer_timeout }
    }

    #[cfg(feature = "redis-1")]
    pub(super) const fn over(connection: Connection, answer_timeout: Duration) -> Self {
        let is_cluster = connection.is_cluster();
        Self { connections: Connections::Existing(connection), is_cluster, answer_timeout }
    }

    /// Runs a script, even on a server that does not have it yet.
    pub(super) async fn run(&self, script: &Script, main: Name<'_>, command: &Cmd) -> Result<Value, Fault> {
        self.run_at(script, Route::Name(main), command).await
    }

    pub(super) async fn run_at(&self, script: &Script, route: Route<'_>, command: &Cmd) -> Result<Value, Fault> {
        match self.send(command, route).await {
            Err(fault) if fault.is_missing_script() => Box::pin(self.send(&script.in_full(command), route)).await,
            answered => answered,
        }
    }

    /// Sends a command and waits for its response.
    pub(super) async fn send(&self, command: &Cmd, route: Route<'_>) -> Result<Value, Fault> {
        match &self.connections {
            Connections::Own(connections, turn) => {
                let opened = self.open(connections, turn.fetch_add(1, Ordering::Relaxed)).await?;
                let answered = opened.send(command, route, self.answer_timeout).await;
                if answered.as_ref().is_err_and(Fault::is_dropped) {
                    opened.retire();
                }
                answered
            }
            #[cfg(feature = "redis-1")]
            Connections::Existing(connection) => connection.send(command, route, self.answer_timeout).await,
        }
    }

    /// Returns an open connection. A request waits or fails only if no connection is open.
    async fn open(&self, connections: &[Reconnecting<Address>], turn: usize) -> Result<Arc<Opened<Connection>>, Fault> {
        let (before, from) = connections.split_at(turn % connections.len());
        if let Some(open) = from.iter().chain(before).find_map(Reconnecting::current) {
            return Ok(open);
        }
        // Boxed: inlining this rare path would grow the future of every request.
        let opened = Box::pin(tokio::time::timeout(self.answer_timeout, first_opened(connections))).await;
        opened.unwrap_or(Err(Fault::unavailable("no connection in time")))
    }

    pub(super) const fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// Opens all connections, so that they are ready for the first requests.
    pub(super) async fn connect(&self) -> Result<(), Fault> {
        match &self.connections {
            Connections::Own(connections, _) => {
                for connection in connections {
                    connection.opened().await?;
                }
                Ok(())
            }
            #[cfg(feature = "redis-1")]
            Connections::Existing(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
