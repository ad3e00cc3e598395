//! Commands to a cluster, whose nodes redirect them while slots move.

use std::time::Duration;

use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{self, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use ::redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::servers::Route;

/// Number of redirects that a command follows.
const MOST_REDIRECTS: u32 = 6;

/// Pause before a redirect is followed while slots move. It doubles each time.
const REDIRECT_PAUSE: Duration = Duration::from_millis(5);

/// Sends a command until a node that has the slot answers.
pub(super) async fn send(mut connection: ClusterConnection, command: &Cmd, route: Route<'_>) -> RedisResult<Value> {
    let mut redirects = 0;
    loop {
        let routing = RoutingInfo::SingleNode(SingleNodeRoutingInfo::SpecificNode(node(route)));
        let answered = unwrapped(connection.route_command(command.clone(), routing).await);
        let Err(error) = answered else { return answered };
        // The server refused it before running it, so it may be sent again.
        let again = match error.kind() {
            ErrorKind::Server(ServerErrorKind::Ask) if matches!(route, Route::Owner(_)) => false,
            ErrorKind::Server(ServerErrorKind::Ask) => return ask_elsewhere(&mut connection, command, &error).await,
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

fn node(route: Route<'_>) -> cluster_routing::Route {
    match route {
        Route::Name(name) | Route::Owner(name) => cluster_routing::Route::with_key(name.to_vec(), SlotAddr::Master),
        Route::Slot(slot) => cluster_routing::Route::new(slot, SlotAddr::Master),
    }
}

/// Sends a command to the node that a slot is being moved to. That node accepts it only after `ASKING`.
async fn ask_elsewhere(connection: &mut ClusterConnection, command: &Cmd, refusal: &RedisError) -> RedisResult<Value> {
    let address = refusal.redirect_node().and_then(|(address, _)| address.rsplit_once(':'));
    let Some((host, port)) = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?))) else {
        return Err(refusal.clone());
    };
    let mut pipeline = Pipeline::with_capacity(2);
    pipeline.cmd("ASKING").ignore().add_command(command.clone());
    let answers = connection.route_pipeline(pipeline, 0, 2, SingleNodeRoutingInfo::ByAddress { host, port }).await?;
    unwrapped(Ok(answers.into_iter().nth(1).unwrap_or_default()))
}

/// Turns an error response into an `Err`.
fn unwrapped(answered: RedisResult<Value>) -> RedisResult<Value> {
    match answered? {
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(answer),
    }
}
