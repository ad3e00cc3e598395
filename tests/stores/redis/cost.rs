//! The cost of an operation: commands by the server's own count, bytes by a proxy's.

use std::collections::BTreeMap;

use redis::Connection;
use session_runtime::RedisStore;
use session_runtime::config::ServerConfig;
use session_runtime::store::{Store, Wanted};
use session_tests::servers::proxy::Proxy;
use session_tests::servers::redis::Redis;

use super::fixture::{create, key, load, must_patch, now, resting, setting};

/// The number of runs of each command, those inside scripts included.
pub(crate) fn commands(server: &mut Connection) -> BTreeMap<String, u64> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(server).unwrap();
    let line = |line: &str| {
        let (command, counts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((command.to_owned(), counts.split(',').next()?.parse().ok()?))
    };
    info.lines().filter_map(line).filter(|(command, _)| command != "info" && !command.starts_with("config")).collect()
}

pub(crate) fn reset(server: &mut Connection) {
    redis::cmd("CONFIG").arg("RESETSTAT").exec(server).unwrap();
}

#[track_caller]
pub(crate) fn assert_ran(server: &mut Connection, expected: &[(&str, u64)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(command, calls)| ((*command).to_owned(), *calls)).collect();
    assert_eq!(commands(server), expected);
}

/// One command for each operation; what stands below `evalsha` ran inside it.
#[tokio::test]
async fn each_operation_is_one_command() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    create(&store, 9, &[("cart", "{}")]).await;
    must_patch(&store, 9, setting(&[("cart.a", "0")])).await;
    store.delete(key(9)).await.unwrap();
    let stats = &mut server.connect();

    reset(stats);
    create(&store, 1, &[("cart", "{}"), ("cart.a", "1")]).await;
    assert_ran(stats, &[("evalsha", 1), ("exists", 1), ("hset", 1), ("pexpireat", 1)]);
    reset(stats);
    load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap();
    assert_ran(stats, &[("hgetall", 1)]);
    reset(stats);
    must_patch(&store, 1, resting(setting(&[("cart.a", "2")]), "cart.a", "1")).await;
    assert_ran(stats, &[("evalsha", 1), ("hmget", 1), ("hset", 1)]);
    reset(stats);
    assert_eq!(store.heads(&[key(1); 100], now()).await.unwrap().len(), 100);
    assert_ran(stats, &[("hget", 100)]);
    reset(stats);
    store.delete(key(1)).await.unwrap();
    assert_ran(stats, &[("evalsha", 1), ("hget", 1), ("unlink", 1)]);
}

/// The wanted lazy schema comes in the same round trip.
#[tokio::test]
async fn a_lazy_schema_comes_with_the_same_command() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    store.set_lazy_schemas(&["history"]);
    // Opens all connections.
    store.prepare().await.unwrap();
    create(&store, 1, &[("cart", "{}"), ("history", "{}")]).await;
    load(&store, 1, &Wanted::all()).await.unwrap();
    let stats = &mut server.connect();
    reset(stats);
    load(&store, 1, &Wanted::schemas(&["history"])).await.unwrap();
    assert_ran(stats, &[("evalsha", 1), ("hgetall", 2)]);
    reset(stats);
    load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap();
    assert_ran(stats, &[("hgetall", 1)]);
}

/// With 100 KB in another schema that is `lazy`, a read and a write of the cart move under 2 KB.
#[tokio::test]
async fn a_large_lazy_schema_is_not_moved() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let one = ServerConfig { connections: 1, ..ServerConfig::default() };
    let store = RedisStore::builder(format!("redis://{}", proxy.address())).server(one).open().unwrap();
    store.set_lazy_schemas(&["history"]);
    let large = format!("\"{}\"", "x".repeat(100 * 1024));
    create(
        &store,
        1,
        &[("cart", r#"{"v":1}"#), ("cart.items/7", "1"), ("history", r#"{"v":1}"#), ("history.log", &large)],
    )
    .await;
    must_patch(&store, 1, setting(&[("cart.coupon", "\"SPRING\"")])).await;
    let moved = || proxy.counts().to_server + proxy.counts().from_server;
    assert!(moved() > 100 * 1024, "the proxy saw nothing");
    let before = moved();
    load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap().unwrap();
    let read = moved() - before;
    must_patch(&store, 1, resting(setting(&[("cart.items/7", "2")]), "cart.items/7", "1")).await;
    let write = moved() - before - read;
    println!("100 KB in a lazy schema: a read of the cart moves {read} bytes, a write {write}");
    assert!(read < 2_000 && write < 2_000, "a read moved {read} bytes, a write {write}");
}

/// A base that is long is compared by its hash, and not sent back.
#[tokio::test]
async fn a_long_base_is_not_sent() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let one = ServerConfig { connections: 1, ..ServerConfig::default() };
    let store = RedisStore::builder(format!("redis://{}", proxy.address())).server(one).open().unwrap();
    let long = format!("\"{}\"", "x".repeat(50 * 1024));
    create(&store, 1, &[("cart.note", &long)]).await;
    must_patch(&store, 1, setting(&[("cart.a", "1")])).await;
    let before = proxy.counts();
    must_patch(&store, 1, resting(setting(&[("cart.note", "1")]), "cart.note", &long)).await;
    let sent = proxy.counts().to_server - before.to_server;
    assert!(sent < 2_000, "{sent} bytes were sent");
}
