//! Sending of commands and receipt of responses. A command is sent twice only if a server refused to run it, because it
//! does not have the script or no longer has the slot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::redis::aio::ConnectionManager;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use ::redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::call::Call;
use super::fault::Fault;
use super::link::Link;
use super::name::Name;
use super::reply::Reply;
use super::script::Script;
use super::target::Connection;

/// Number of redirects that a command follows in a cluster.
const MOST_REDIRECTS: u32 = 6;

/// Number of connections tried if they turn out to have ended.
const MOST_CONNECTIONS: u32 = 3;

/// Pause before a redirect is followed while slots move. It doubles each time.
const REDIRECT_PAUSE: Duration = Duration::from_millis(5);

/// Connections, used in turn.
pub(super) struct Wire {
    links: Box<[Link]>,
    turn: AtomicUsize,
    answer_timeout: Duration,
}

/// Node of a cluster to send a command to. A single server ignores it.
#[derive(Clone, Copy)]
pub(super) enum At<'n> {
    /// The node with the slot of this name.
    Name(Name<'n>),
    /// The node with this slot; any other while that node is unavailable.
    Slot(u16),
    /// The node with the slot of this name, and no other if that slot is being moved.
    Owner(Name<'n>),
}

impl Wire {
    pub(super) fn new(links: Vec<Link>, answer_timeout: Duration) -> Self {
        Self { links: links.into(), turn: AtomicUsize::new(0), answer_timeout }
    }

    /// Runs a script, even on a server that does not have it yet.
    pub(super) async fn run(&self, script: &Script, main: Name<'_>, call: &Call) -> Result<Reply, Fault> {
        self.run_at(script, At::Name(main), call).await
    }

    pub(super) async fn run_at(&self, script: &Script, at: At<'_>, call: &Call) -> Result<Reply, Fault> {
        let answered = self.send(call, at).await;
        match answered {
            Err(fault) if fault.is_missing_script() => Box::pin(self.send(&script.in_full(call), at)).await,
            answered => answered,
        }
    }

    /// Sends a command and waits for its response. If the connection had already ended, the command was not sent, and a
    /// new connection is awaited.
    pub(super) async fn send(&self, call: &Call, at: At<'_>) -> Result<Reply, Fault> {
        let link = &self.links[self.turn.fetch_add(1, Ordering::Relaxed) % self.links.len()];
        for _ in 0..MOST_CONNECTIONS {
            let (connection, number) = match link.up() {
                Some(up) => up,
                None => Box::pin(self.in_time(link.connection())).await?,
            };
            let answered = match connection {
                // Enforces the timeout itself.
                Connection::Single(pipe) => pipe.ask(call).await.map(|answered| answered.map(Reply::Bytes)),
                // Boxed: inlining rare paths would grow the future of every request.
                Connection::Managed(manager) => Some(Box::pin(self.in_time(ask_manager(manager, call))).await),
                Connection::Cluster(cluster) => Some(Box::pin(self.in_time(ask_cluster(cluster, call, at))).await),
            };
            let has_ended = |answered: &Result<_, Fault>| answered.as_ref().is_err_and(Fault::is_dropped);
            if answered.as_ref().is_none_or(has_ended) {
                link.lost(number);
            }
            if let Some(answered) = answered {
                return answered;
            }
        }
        Err(Fault::ended())
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let outcome = tokio::time::timeout(self.answer_timeout, work).await;
        outcome.unwrap_or(Err(Fault::unavailable("no answer in time")))
    }

    /// Returns whether the servers are a cluster.
    pub(super) async fn is_cluster(&self) -> Result<bool, Fault> {
        let (connection, _) = self.links[0].connection().await?;
        Ok(matches!(connection, Connection::Cluster(_)))
    }

    /// Opens all connections, so that they are ready for the first requests.
    pub(super) async fn connect(&self) -> Result<(), Fault> {
        for link in &self.links {
            link.connection().await?;
        }
        Ok(())
    }
}

async fn ask_manager(mut manager: ConnectionManager, call: &Call) -> Result<Reply, Fault> {
    Ok(Reply::Value(unwrapped(manager.send_packed_command(&call.for_library()).await)?))
}

/// Turns an error response into an `Err`.
fn unwrapped(answered: RedisResult<Value>) -> RedisResult<Value> {
    match answered? {
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(answer),
    }
}

async fn ask_cluster(mut connection: ClusterConnection, call: &Call, at: At<'_>) -> Result<Reply, Fault> {
    Ok(Reply::Value(follow(&mut connection, &call.for_library(), at).await?))
}

/// Sends a command until a node that has the slot answers.
async fn follow(connection: &mut ClusterConnection, command: &Cmd, at: At<'_>) -> RedisResult<Value> {
    let mut redirects = 0;
    loop {
        let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(route(at)));
        let answered = unwrapped(connection.route_command(command.clone(), routing).await);
        let Err(error) = answered else { return answered };
        // The server refused it before running it, so it may be sent again.
        let again = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Ask) if matches!(at, At::Owner(_)) => false,
            ErrorKind::Server(ServerErrorKind::Ask) => return ask_elsewhere(connection, command, &error).await,
            // The library takes the new node of the slot from the refusal.
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::TryAgain) => redirects < MOST_REDIRECTS,
            _ => false,
        };
        if !again {
            return Err(error);
        }
        tokio::time::sleep(REDIRECT_PAUSE * (1 << redirects)).await;
        redirects += 1;
    }
}

fn route(at: At<'_>) -> Route {
    match at {
        At::Name(name) | At::Owner(name) => Route::with_key(name.to_vec(), SlotAddr::Master),
        At::Slot(slot) => Route::new(slot, SlotAddr::Master),
    }
}

/// Sends a command to the node that a slot is being moved to. That node accepts it only after `ASKING`.
async fn ask_elsewhere(connection: &mut ClusterConnection, command: &Cmd, told: &RedisError) -> RedisResult<Value> {
    let address = told.redirect_node().and_then(|(address, _)| address.rsplit_once(':'));
    let Some((host, port)) = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?))) else {
        return Err(told.clone());
    };
    let mut pipeline = Pipeline::with_capacity(2);
    pipeline.cmd("ASKING").ignore().add_command(command.clone());
    let answers = connection.route_pipeline(pipeline, 0, 2, SingleNodeRoutingInfo::ByAddress { host, port }).await?;
    unwrapped(Ok(answers.into_iter().nth(1).unwrap_or_default()))
}
