//! Connections and servers that fail. Each test proves that its fault happened.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::patch::Patched;
use session_runtime::store::{StoreErrorKind, Wanted};
use session_runtime::{PostgresStore, Store};
use session_tests::servers::postgres::{Postgres, url};
use session_tests::servers::proxy::Proxy;
use tokio::time::timeout;

use super::session::{NOW, PATIENT, add, assert_fails, at_last, count, counter, key, patient, visits};

/// A request's budget.
const BUDGET: Duration = Duration::from_secs(1);

/// Ends every connection of the store and returns their number.
async fn terminate(server: &Postgres) -> i64 {
    let all =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'session-runtime'";
    server.ask(all).await
}

/// C61b: an answer that got lost after the write: the outcome is unknown, and it is not sent again.
#[tokio::test]
async fn a_patch_whose_answer_is_lost_is_done_once_and_reported() {
    let server = Postgres::start("");
    let proxy = Proxy::start(server.address()).await;
    let store =
        Arc::new(PostgresStore::builder(url(proxy.address())).connect_timeout(PATIENT).connections(1).open().unwrap());
    counter(&store, key(1)).await;
    add(&store, key(1)).await.unwrap();

    proxy.swallow(true);
    let patching = Arc::clone(&store);
    let patch = tokio::spawn(async move { patching.patch(key(1), count(1, 2), NOW).await });
    while proxy.counts().swallowed == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.swallow(false);
    proxy.cut();
    assert_fails(patch.await.unwrap(), StoreErrorKind::Unavailable, "no answer from PostgreSQL");
    assert!(proxy.counts().cut > 0 && proxy.counts().swallowed > 0);

    let loaded = at_last(async || store.load(key(1), &Wanted::all(), NOW).await).await.unwrap();
    assert_eq!(loaded.record.values.get("cart.visits"), Some("2"));
    assert_eq!(loaded.record.head.revision, 2, "the patch was done more than once");
}

/// C64: what an operator or a failover does to connections: reads do not notice, and writes go on.
#[tokio::test]
async fn connections_that_are_ended_are_opened_again() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    for round in 0..5 {
        assert!(terminate(&server).await > 0, "the fault did not happen");
        assert_eq!(visits(&store, key(1)).await.unwrap(), round);
        at_last(async || add(&store, key(1)).await).await;
    }
    assert_eq!(visits(&store, key(1)).await.unwrap(), 5);
}

#[tokio::test]
async fn connections_that_are_cut_are_opened_again() {
    let server = Postgres::start("");
    let proxy = Proxy::start(server.address()).await;
    let store = patient(url(proxy.address()));
    counter(&store, key(1)).await;
    for round in 0..5 {
        let before = proxy.counts();
        proxy.cut();
        assert_eq!(visits(&store, key(1)).await.unwrap(), round);
        at_last(async || add(&store, key(1)).await).await;
        assert!(proxy.counts().cut > before.cut && proxy.counts().connections > before.connections);
    }
}

/// C60: down: a clear answer, soon. Up again, after a crash even: what was acknowledged is there.
#[tokio::test]
async fn a_server_that_was_down_is_used_again() {
    let mut server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    add(&store, key(1)).await.unwrap();
    server.stop();
    for _ in 0..3 {
        assert_fails(timeout(BUDGET * 5, visits(&store, key(1))).await.unwrap(), StoreErrorKind::Unavailable, "");
        let patch = store.patch(key(1), count(1, 9), NOW);
        assert_fails(timeout(BUDGET * 5, patch).await.unwrap(), StoreErrorKind::Unavailable, "");
    }
    server.run();
    assert_eq!(at_last(async || visits(&store, key(1)).await).await, 1);
    add(&store, key(1)).await.unwrap();
}

/// A store that was built before its server was there.
#[tokio::test]
async fn a_server_that_comes_late_is_found() {
    let mut server = Postgres::start("");
    server.stop();
    let store = patient(server.url());
    assert_fails(store.prepare().await, StoreErrorKind::Unavailable, "connection refused");
    server.run();
    at_last(async || store.prepare().await).await;
    counter(&store, key(1)).await;
}

/// The server's processes stand still: callers give up at their own time, and it goes on once they run again.
#[tokio::test]
async fn a_server_that_stands_still_is_survived() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    server.signal("STOP");
    for _ in 0..3 {
        let answered = timeout(BUDGET, visits(&store, key(1))).await;
        assert!(!matches!(answered, Ok(Ok(_))), "it answered");
    }
    server.signal("CONT");
    assert_eq!(at_last(async || visits(&store, key(1)).await).await, 0);
    at_last(async || add(&store, key(1)).await).await;
    assert!(visits(&store, key(1)).await.unwrap() >= 1);
}

/// C63: a way that lets nothing through any more, without closing: the connection is replaced long before it would
/// recover.
#[tokio::test]
async fn an_answer_after_half_a_minute_does_not_keep_others_waiting() {
    let server = Postgres::start("");
    let proxy = Proxy::start(server.address()).await;
    let store = PostgresStore::builder(url(proxy.address())).connect_timeout(PATIENT).connections(1).open().unwrap();
    counter(&store, key(1)).await;
    let before = proxy.counts();
    proxy.delay(Duration::from_secs(30));
    assert!(timeout(BUDGET, visits(&store, key(1))).await.is_err(), "it answered");
    proxy.delay(Duration::ZERO);
    assert_eq!(timeout(BUDGET * 10, visits(&store, key(1))).await.unwrap().unwrap(), 0);
    let after = proxy.counts();
    assert!(after.delayed > before.delayed && after.connections > before.connections, "{after:?}");
}

/// A caller that gives up early does not affect others on the same connection.
#[tokio::test]
async fn a_caller_that_gives_up_leaves_the_connection_sound() {
    let server = Postgres::start("");
    let proxy = Proxy::start(server.address()).await;
    let store = PostgresStore::builder(url(proxy.address())).connect_timeout(PATIENT).connections(1).open().unwrap();
    counter(&store, key(1)).await;
    let before = proxy.counts().connections;
    for round in 0..20 {
        proxy.delay(Duration::from_millis(20));
        let impatient = timeout(Duration::from_millis(5), visits(&store, key(1)));
        let patient = store.patch(key(1), count(round, round + 1), NOW);
        let (impatient, patient) = tokio::join!(impatient, patient);
        assert!(impatient.is_err() && matches!(patient.unwrap(), Patched::Done(_)));
        proxy.delay(Duration::ZERO);
        assert_eq!(visits(&store, key(1)).await.unwrap(), round + 1);
    }
    assert_eq!(proxy.counts().connections, before, "the connection was given up");
}

/// More connections than the server allows: clear words, and no loss.
#[tokio::test]
async fn a_server_without_a_free_connection_is_unavailable() {
    let server = Postgres::start("max_connections = 8\nsuperuser_reserved_connections = 0");
    let store = patient(server.url());
    let mut others = Vec::new();
    while let Ok((client, connection)) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await {
        tokio::spawn(connection);
        others.push(client);
    }
    assert_fails(store.prepare().await, StoreErrorKind::Unavailable, "too many connections");
    drop(others);
    at_last(async || store.prepare().await).await;
    counter(&store, key(1)).await;
}
