//! Connections that the server ends for being idle. The proxy plays the case in which the server's reason gets lost: the
//! program sends something, and all that it sees is a reset.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::patch::Patched;
use session_runtime::store::{Created, StoreErrorKind, Wanted};
use session_runtime::{PostgresStore, Store};
use session_tests::servers::postgres::{Postgres, url};
use session_tests::servers::proxy::Proxy;

use super::session::{NOW, PATIENT, add, assert_fails, at_last, count, counter, key, record};

/// Longer than half the idle time, and shorter than the whole.
const IDLE: Duration = Duration::from_millis(2_600);

/// A server that ends connections after 4 seconds, and a store with one connection to it and a counter at 1.
async fn begin() -> (Postgres, Proxy, Arc<PostgresStore>) {
    let server = Postgres::start("idle_session_timeout = '4s'");
    let proxy = Proxy::start(server.address()).await;
    let builder = PostgresStore::builder(url(proxy.address())).connect_timeout(PATIENT).connections(1);
    let store = Arc::new(builder.open().unwrap());
    counter(&store, key(1)).await;
    add(&store, key(1)).await.unwrap();
    (server, proxy, store)
}

/// C135: the outcome of the write was unknown, although it was never received.
#[tokio::test]
async fn a_write_failed_because_the_reason_of_an_idle_end_got_lost() {
    let (server, proxy, store) = begin().await;
    for round in 1..=2 {
        tokio::time::sleep(IDLE).await;
        proxy.reset_next();
        if round == 1 {
            assert!(matches!(store.patch(key(1), count(1, 2), NOW).await.unwrap(), Patched::Done(_)));
        } else {
            assert_eq!(store.create(key(2), record(&[("cart", "{}")])).await.unwrap(), Created::Done);
        }
        assert_eq!(proxy.counts().reset, round, "the fault did not happen");
    }
    let loaded = store.load(key(1), &Wanted::all(), NOW).await.unwrap().unwrap();
    assert_eq!((loaded.record.values.get("cart.visits"), loaded.record.head.revision), (Some("2"), 2));
    assert_eq!(server.ask("SELECT count(*) FROM session_record").await, 2);
}

/// C135: a connection in use is not asked, and the outcome of a write that it loses is unknown.
#[tokio::test]
async fn a_write_on_a_connection_in_use_is_not_sent_again() {
    let (_server, proxy, store) = begin().await;
    proxy.reset_next();
    assert_fails(store.patch(key(1), count(1, 2), NOW).await, StoreErrorKind::Unavailable, "no answer from PostgreSQL");
    assert_eq!(proxy.counts().reset, 1);
    add(&store, key(1)).await.unwrap();
}

/// C135: the connection was idle and has answered before the write, whose answer is lost then.
#[tokio::test]
async fn a_write_that_was_run_after_an_idle_time_is_not_sent_again() {
    let (server, proxy, store) = begin().await;
    tokio::time::sleep(IDLE).await;
    let other = server.client().await;
    other.batch_execute("BEGIN; SELECT FROM session_record FOR UPDATE").await.unwrap();
    let patching = Arc::clone(&store);
    let patch = tokio::spawn(async move { patching.patch(key(1), count(1, 2), NOW).await });
    while server.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.swallow(true);
    other.batch_execute("ROLLBACK").await.unwrap();
    while proxy.counts().swallowed == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.swallow(false);
    proxy.cut();
    assert_fails(patch.await.unwrap(), StoreErrorKind::Unavailable, "no answer from PostgreSQL");
    let loaded = at_last(async || store.load(key(1), &Wanted::all(), NOW).await).await.unwrap();
    assert_eq!((loaded.record.values.get("cart.visits"), loaded.record.head.revision), (Some("2"), 2));
}
