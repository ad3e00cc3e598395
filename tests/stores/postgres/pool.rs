//! The application's own pool.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::store::{StoreErrorKind, Wanted};
use session_runtime::{PostgresStore, Store};
use session_tests::log::Log;
use session_tests::servers::postgres::{PgBouncer, Postgres, url};
use session_tests::servers::proxy::Proxy;
use session_tests::stores::PATIENT_ADMISSION;
use tokio::time::timeout;

use super::conformance::pool;
use super::session::{NOW, add, assert_fails, at_last, counter, key, patient, visits};

/// C65: far more requests than connections: each is answered, and none is done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_requests_share_a_pool_of_two() {
    let server = Postgres::start("");
    let pool = pool(&server.url(), 2);
    let store = Arc::new(PostgresStore::from_pool(pool.clone(), "public").admission(PATIENT_ADMISSION));
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

/// The state that a program may leave on a connection that it returns.
const LEFT_OPEN: [&str; 6] = [
    "BEGIN",
    "BEGIN; SELECT 1",
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class",
    "BEGIN READ ONLY",
    "BEGIN; CREATE TEMP TABLE left_open (); SAVEPOINT s",
    "BEGIN; DO 'BEGIN RAISE EXCEPTION $$on purpose$$; END'",
];

/// Leaves all connections of the pool as these statements do.
async fn leave_open(pool: &deadpool_postgres::Pool, statements: &str) {
    let mut taken = Vec::new();
    for _ in 0..pool.status().max_size {
        let client = pool.get().await.unwrap();
        // The last of them may fail on purpose.
        let _ = client.batch_execute(statements).await;
        taken.push(client);
    }
}

/// Saves and logouts would be acknowledged, and rolled back with the application's transaction later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_left_inside_a_transaction_is_not_used() {
    let server = Postgres::start("");
    let direct = patient(server.url());
    direct.prepare().await.unwrap();
    for (n, statements) in (1..).zip(LEFT_OPEN) {
        let pool = pool(&server.url(), 2);
        let store = PostgresStore::from_pool(pool.clone(), "public");
        leave_open(&pool, statements).await;
        counter(&store, key(n)).await;
        assert_eq!(visits(&direct, key(n)).await.unwrap(), 0, "{statements}: the record is not there for others");
        leave_open(&pool, statements).await;
        // A snapshot from before would show 0.
        add(&direct, key(n)).await.unwrap();
        assert_eq!(visits(&store, key(n)).await.unwrap(), 1, "{statements}: an old snapshot was served");
        leave_open(&pool, statements).await;
        add(&store, key(n)).await.unwrap();
        assert_eq!(visits(&direct, key(n)).await.unwrap(), 2, "{statements}: the write was not committed");
        leave_open(&pool, statements).await;
        assert_eq!(store.sweep(10, NOW).await.unwrap(), 0);
        leave_open(&pool, statements).await;
        store.delete(key(n)).await.unwrap();
        assert!(
            direct.load(key(n), &Wanted::all(), NOW).await.unwrap().is_none(),
            "{statements}: the logout is undone"
        );
    }
}

/// The application's mistake is named, once for each connection.
#[tokio::test]
async fn a_transaction_that_was_left_open_is_one_line_in_the_log() {
    let log = Log::listen();
    let server = Postgres::start("");
    let pool = pool(&server.url(), 1);
    let store = PostgresStore::from_pool(pool.clone(), "public");
    counter(&store, key(1)).await;
    let before = log.here().len();
    leave_open(&pool, "BEGIN").await;
    add(&store, key(1)).await.unwrap();
    let lines = log.here().split_off(before);
    assert!(lines.len() == 1 && lines[0].contains("left inside a transaction"), "{lines:?}");
}

/// The tables are made by the first operation: not inside a transaction that ends otherwise.
#[tokio::test]
async fn tables_are_not_made_inside_the_applications_transaction() {
    let server = Postgres::start("");
    let pool = pool(&server.url(), 1);
    leave_open(&pool, "BEGIN").await;
    let store = PostgresStore::from_pool(pool.clone(), "web");
    counter(&store, key(1)).await;
    assert_eq!(server.ask("SELECT count(*) FROM web.session_record").await, 1);
}

/// A pooler pins a connection that is inside a transaction, so that the store meets it there too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_was_left_open_behind_a_pooler_is_noticed() {
    let server = Postgres::start("");
    let bouncer = PgBouncer::start(&server, 4);
    let direct = patient(server.url());
    let pool = pool(&bouncer.url(), 1);
    let store = PostgresStore::from_pool(pool.clone(), "public");
    counter(&store, key(1)).await;
    for round in 0..3 {
        leave_open(&pool, "BEGIN; SELECT 1").await;
        add(&store, key(1)).await.unwrap();
        assert_eq!(visits(&direct, key(1)).await.unwrap(), round + 1);
    }
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
