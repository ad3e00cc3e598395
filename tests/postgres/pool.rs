//! The application's own pool.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::store::StoreErrorKind;
use session_runtime::{PostgresStore, Store};
use session_tests::servers::postgres::{Postgres, url};
use session_tests::servers::proxy::Proxy;
use tokio::time::timeout;

use crate::conformance::pool;
use crate::session::{add, assert_fails, at_last, counter, key, visits};

/// C65: far more requests than connections: each is answered, and none is done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_requests_share_a_pool_of_two() {
    let server = Postgres::start("");
    let pool = pool(&server.url(), 2);
    let store = Arc::new(PostgresStore::from_pool(pool.clone(), "public"));
    counter(&store, key(1)).await;
    let requests: Vec<_> = (0..200_u8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let own = session_runtime::SessionKey::from_bytes([n % 20 + 2; 16]);
                visits(&store, key(1)).await.unwrap();
                store.delete(own).await.unwrap();
                add(&store, key(1)).await.unwrap();
            })
        })
        .collect();
    for request in requests {
        timeout(Duration::from_secs(120), request).await.expect("a deadlock").unwrap();
    }
    assert_eq!(visits(&store, key(1)).await.unwrap(), 200);
    println!("{:?}", pool.status());
    assert!(pool.status().size <= 2);
}

/// A caller that gives up does not leave its half-done work to the next who takes the connection.
#[tokio::test]
async fn a_connection_that_does_not_answer_is_not_given_back() {
    let server = Postgres::start("");
    let proxy = Proxy::start(server.address()).await;
    let pool = pool(&url(proxy.address()), 1);
    let store = PostgresStore::from_pool(pool.clone(), "public");
    counter(&store, key(1)).await;
    let before = proxy.counts();
    proxy.delay(Duration::from_secs(30));
    assert!(timeout(Duration::from_millis(300), visits(&store, key(1))).await.is_err());
    proxy.delay(Duration::ZERO);
    let soon = timeout(Duration::from_secs(10), visits(&store, key(1))).await;
    assert_eq!(soon.expect("it waits for the connection that was given up").unwrap(), 0);
    assert!(proxy.counts().delayed > before.delayed && proxy.counts().connections > before.connections);
}

#[tokio::test]
async fn a_pool_whose_server_was_away_is_used_again() {
    let mut server = Postgres::start("");
    let store = PostgresStore::from_pool(pool(&server.url(), 2), "public");
    counter(&store, key(1)).await;
    server.stop();
    assert_fails(visits(&store, key(1)).await, StoreErrorKind::Unavailable, "");
    server.run();
    assert_eq!(at_last(async || visits(&store, key(1)).await).await, 0);
    at_last(async || add(&store, key(1)).await).await;
}
