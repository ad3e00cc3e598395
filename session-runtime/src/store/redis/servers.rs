//! Sends commands and receives their responses. A command that writes is sent again only if a server refused to run it,
//! because the server does not have the script or no longer has the slot. One that reads is sent once more if its
//! connection ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::{Cmd, Value};

use super::address::Address;
use super::connection::Connection;
use super::fault::Fault;
use super::name::Name;
use super::script::{Script, command};
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

/// Effect of a command on the stored data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    Writes,
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
        match self.run_once(script, route, command).await {
            Err(fault) if fault.is_missing_script() => {
                Box::pin(self.run_once(script, route, &script.in_full(command))).await
            }
            answered => answered,
        }
    }

    async fn run_once(&self, script: &Script, route: Route<'_>, command: &Cmd) -> Result<Value, Fault> {
        if script.reads() { self.read(command, route).await } else { self.send(command, route, Effect::Writes).await }
    }

    /// Sends a command that changes nothing, and waits for its response.
    pub(super) async fn read(&self, command: &Cmd, route: Route<'_>) -> Result<Value, Fault> {
        match self.send(command, route, Effect::Reads).await {
            // Boxed: inlining this rare path would grow the future of every request.
            Err(fault) if fault.is_of_an_ended_connection() => Box::pin(self.send(command, route, Effect::Reads)).await,
            answered => answered,
        }
    }

    /// Sends a command once, and waits for its response.
    async fn send(&self, command: &Cmd, route: Route<'_>, effect: Effect) -> Result<Value, Fault> {
        match &self.connections {
            Connections::Own(connections, turn) => {
                let turn = turn.fetch_add(1, Ordering::Relaxed);
                let mut opened = self.open(connections, turn).await?;
                if effect == Effect::Writes && opened.may_have_ended() {
                    opened = Box::pin(self.answering(connections, turn, opened)).await?;
                }
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

    /// Returns this connection if the server still answers on it, or else another one.
    async fn answering(
        &self,
        connections: &[Reconnecting<Address>],
        turn: usize,
        mut opened: Arc<Opened<Connection>>,
    ) -> Result<Arc<Opened<Connection>>, Fault> {
        let ping = command("PING", 0, 0);
        while opened.may_have_ended() {
            match opened.send(&ping, Route::Slot(0), self.answer_timeout).await {
                Err(fault) if fault.is_dropped() => {
                    opened.retire();
                    if !fault.is_of_an_ended_connection() {
                        return Err(fault);
                    }
                    opened = self.open(connections, turn).await?;
                }
                // A refusal is an answer too.
                _ => break,
            }
        }
        Ok(opened)
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
