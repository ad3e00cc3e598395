//! Every kind of server keeps every rule.

use session_runtime::store::{RedisConnection, StoreErrorKind};
use session_runtime::{RedisStore, Store};
use session_tests::conformance::keeps_every_rule;
use session_tests::servers::cluster::{Cluster, connect};
use session_tests::servers::redis::Redis;
use session_tests::stores::AlternatingStore;

use super::fixture::keys_with_deadlines;

/// The engine judges by its own clock too, so the present is the real one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_keeps_every_rule() {
    let server = Redis::start();
    keeps_every_rule(RedisStore::open(server.url()).unwrap()).await;
}

/// `cart` is what the rules write most, and `kit` has the indexed keys: here they are in hashes of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_kept_apart_keeps_every_rule() {
    let server = Redis::start();
    keeps_every_rule(lazy(&server)).await;
    keys_with_deadlines(&mut server.connect());
}

/// Two programs on one server, one of which keeps apart what the other does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_that_disagree_keep_every_rule() {
    let server = Redis::start();
    let one = RedisStore::open(server.url()).unwrap();
    keeps_every_rule(AlternatingStore::new([one, lazy(&server)])).await;
    keys_with_deadlines(&mut server.connect());
}

fn lazy(server: &Redis) -> RedisStore {
    let store = RedisStore::open(server.url()).unwrap();
    store.set_lazy_schemas(&["cart", "kit"]);
    store
}

/// A small sweep looks at a few hundred names, so it misses sessions that stand behind the names of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_full_of_names_of_another_program_keeps_every_rule() {
    let server = Redis::start();
    let mut names = redis::pipe();
    for number in 0..5_000 {
        names.set(format!("other:{number}"), "1").ignore();
    }
    names.query::<()>(&mut server.connect()).unwrap();
    keeps_every_rule(RedisStore::open(server.url()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls_keeps_every_rule() {
    let server = Redis::with_tls();
    let store = RedisStore::builder(server.url()).root_certificates(server.authority()).open().unwrap();
    keeps_every_rule(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_every_rule() {
    let cluster = Cluster::start();
    keeps_every_rule(RedisStore::open(cluster.url()).unwrap()).await;
    let client = redis::cluster::ClusterClientBuilder::new(cluster.nodes()).retries(0).build().unwrap();
    let connection = client.get_async_connection().await.unwrap();
    keeps_every_rule(RedisConnection::from(connection).store().namespace("mine").open().unwrap()).await;
    for port in cluster.masters() {
        keys_with_deadlines(&mut connect(port));
    }
}

/// A socket in the file system, as on one machine; with a password and a database of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_a_socket_keeps_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let path = socket.to_str().unwrap();
    let server = Redis::with(&["--save", "", "--unixsocket", path, "--requirepass", "opensesame"]);
    let open = |parameters| RedisStore::open(format!("redis+unix://{path}?{parameters}")).unwrap();
    keeps_every_rule(open("db=3&pass=opensesame")).await;
    let refused = open("pass=guessed").prepare().await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Setup, "{refused:?}");
    drop(server);
    let missing = open("pass=opensesame").prepare().await.unwrap_err();
    assert_eq!(missing.kind(), StoreErrorKind::Unavailable, "{missing:?}");
}

/// The application's own connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_existing_connection_keeps_every_rule() {
    let server = Redis::start();
    let client = redis::Client::open(server.url()).unwrap();
    let manager = client.get_connection_manager().await.unwrap();
    keeps_every_rule(RedisConnection::from(manager).store().open().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_protocol_keeps_every_rule() {
    let server = Redis::start();
    keeps_every_rule(RedisStore::open(format!("{}/?protocol=resp2", server.url())).unwrap()).await;
}
