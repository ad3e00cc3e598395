//! Connections that end at the moment at which a command is sent.

use std::time::Duration;

use session_runtime::RedisStore;
use session_runtime::config::ServerConfig;
use session_runtime::store::{Store, StoreErrorKind};
use session_tests::servers::proxy::Proxy;
use session_tests::servers::redis::Redis;

use super::fixture::{assert_fails, create, key, load_all, must_patch, now, patch, record, setting};

/// Redis ends no connection that has been idle for less than a second.
const IDLE: Duration = Duration::from_secs(1);

/// A store with one connection.
fn open(url: impl Into<String>) -> RedisStore {
    RedisStore::builder(url).server(ServerConfig { connections: 1, ..ServerConfig::default() }).open().unwrap()
}

fn through(proxy: &Proxy) -> RedisStore {
    open(format!("redis://{}", proxy.address()))
}

/// C136: a read that was sent as its connection ended failed, although it changes nothing.
#[tokio::test]
async fn a_read_failed_because_its_connection_had_ended() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let store = through(&proxy);
    create(&store, 1, &[("cart.a", "1")]).await;
    for (round, lazy) in (1..).zip([&[][..], &["cart"]]) {
        store.set_lazy_schemas(lazy);
        proxy.reset_next();
        let loaded = load_all(&store, 1).await.unwrap().unwrap();
        assert_eq!(loaded.record.values.get("cart.a"), Some("1"));
        assert_eq!(proxy.counts().reset, round, "the fault did not happen");
    }
}

/// C136: a write that was sent as the server ended its idle connection failed, although it was never received.
#[tokio::test]
async fn a_write_failed_because_its_idle_connection_had_ended() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let store = through(&proxy);
    create(&store, 1, &[("cart.a", "1")]).await;
    tokio::time::sleep(IDLE).await;
    proxy.reset_next();
    assert_eq!(must_patch(&store, 1, setting(&[("cart.a", "2")])).await.revision, 1);
    assert_eq!(proxy.counts().reset, 1, "the fault did not happen");
    // In use: it may have been received, so it is not sent again.
    proxy.reset_next();
    assert_fails(patch(&store, 1, setting(&[("cart.a", "3")])).await, StoreErrorKind::Unavailable);
    assert_eq!(proxy.counts().reset, 2);
}

/// C136: the shortest time after which Redis ends an idle connection is one second, in whole seconds of its clock. It
/// looks at each connection about once a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_around_the_idle_end_of_their_connections_succeed() {
    const STORES: u8 = 100;
    let server = Redis::with(&["--save", "", "--timeout", "1"]);
    let writing = (0..STORES).map(|number| {
        let store = open(server.url());
        tokio::spawn(async move {
            store.create(key(number), record(&[("cart.a", "1")])).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1_000 + 20 * u64::from(number))).await;
            store.patch(key(number), setting(&[("cart.a", "2")]), now()).await.map(|_| ())
        })
    });
    let mut failed = Vec::new();
    for write in writing.collect::<Vec<_>>() {
        failed.extend(write.await.unwrap().err());
    }
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed[0]);
    let info: String = redis::cmd("INFO").arg("stats").query(&mut server.connect()).unwrap();
    let opened = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
    let ended = opened.trim().parse::<u64>().unwrap() - u64::from(STORES);
    println!("{ended} connections were ended");
    assert!(ended > 10, "the fault did not happen");
}
