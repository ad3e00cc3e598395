//! Locks and slow transactions of other programs.

use std::time::Duration;

use session_runtime::patch::Patched;
use session_runtime::store::StoreErrorKind;
use session_runtime::{PostgresStore, Store};
use session_tests::servers::postgres::Postgres;
use tokio::time::timeout;

use super::conformance::pool;
use super::session::{NOW, add, assert_fails, at_last, count, count_unchanged, counter, key, patient, visits};

/// A transaction that was never ended: writes of that session fail in time, and all others go on.
#[tokio::test]
async fn a_lock_of_another_client_makes_writes_fail_in_time() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    counter(&store, key(2)).await;
    let forgotten = server.client().await;
    forgotten
        .batch_execute("BEGIN; SELECT FROM session_record WHERE key = '\\x01010101010101010101010101010101' FOR UPDATE")
        .await
        .unwrap();
    let pooled = PostgresStore::from_pool(pool(&server.url(), 1), "public");
    let (patch, delete) = (store.patch(key(1), count(0, 1), NOW), store.delete(key(1)));
    let unchanged = || count_unchanged(0, 1, 0);
    let (own, theirs) = (store.patch(key(1), unchanged(), NOW), pooled.patch(key(1), unchanged(), NOW));
    let all = timeout(Duration::from_secs(10), async { tokio::join!(patch, own, theirs, delete) });
    let (patch, own, theirs, delete) = all.await.unwrap();
    for patch in [patch, own, theirs] {
        assert_fails(patch, StoreErrorKind::Unavailable, "55P03");
    }
    assert_fails(delete, StoreErrorKind::Unavailable, "55P03");
    assert_eq!(visits(&store, key(1)).await.unwrap(), 0);
    add(&store, key(2)).await.unwrap();
    assert_eq!(store.sweep(10, session_runtime::clock::Timestamp::from_millis(1 << 50)).await.unwrap(), 1);
    forgotten.batch_execute("ROLLBACK").await.unwrap();
    add(&store, key(1)).await.unwrap();
    assert_eq!(visits(&store, key(1)).await.unwrap(), 1);
}

/// A connection on which a write waits for a lock is not taken for others.
#[tokio::test]
async fn a_write_that_waits_delays_no_other_request() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    counter(&store, key(2)).await;
    let other = server.client().await;
    other.batch_execute("BEGIN; UPDATE session_record SET revision = 1 WHERE bytes > 0").await.unwrap();
    let goes_on = async {
        while server.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await < 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..20 {
            assert_eq!(visits(&store, key(2)).await.unwrap(), 0);
        }
    };
    tokio::select! {
        () = goes_on => {}
        patched = store.patch(key(1), count(0, 1), NOW) => panic!("the loads stood behind the write: {patched:?}"),
    }
    other.batch_execute("ROLLBACK").await.unwrap();
}

/// C67: what is compared is what the one before has left, not what was there before the wait.
#[tokio::test]
async fn a_patch_compares_after_it_has_the_lock() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    let other = server.client().await;
    let changed = "BEGIN; UPDATE session_record SET revision = revision + 1;
        UPDATE session_value SET content = '7' WHERE field = '.visits'";
    other.batch_execute(changed).await.unwrap();
    // The second also describes the unchanged record, and at first it finds the record so. It comes from another node,
    // so that it does not wait behind the first one.
    let node = patient(server.url());
    assert_eq!(visits(&node, key(1)).await.unwrap(), 0);
    let (patch, hasty) = (store.patch(key(1), count(0, 1), NOW), node.patch(key(1), count_unchanged(0, 1, 0), NOW));
    let end = async {
        while server.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (patched, hasty, ()) = tokio::join!(patch, hasty, end);
    for patched in [patched, hasty] {
        let Patched::Conflict(record) = patched.unwrap() else {
            panic!("it overwrote a change that it had not loaded")
        };
        assert_eq!(record.values.get("cart.visits"), Some("7"));
    }
}

/// A table that is being altered stops everything; when it is free again, everything goes on.
#[tokio::test]
async fn a_locked_table_is_survived() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    let other = server.client().await;
    other.batch_execute("BEGIN; LOCK TABLE session_record").await.unwrap();
    for _ in 0..5 {
        assert!(timeout(Duration::from_millis(700), visits(&store, key(1))).await.is_err());
    }
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'session-runtime'";
    let connections = other.query_one(connections, &[]).await.unwrap().get::<_, i64>(0);
    println!("{connections} connections wait");
    assert!(connections < 20, "connections pile up");
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(at_last(async || visits(&store, key(1)).await).await, 0);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_for_the_server_is_unavailable() {
    let server = Postgres::start("statement_timeout = '200ms'");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    let other = server.client().await;
    other.batch_execute("BEGIN; SELECT FROM session_record FOR UPDATE").await.unwrap();
    assert_fails(store.patch(key(1), count(0, 1), NOW).await, StoreErrorKind::Unavailable, "57014");
    other.batch_execute("ROLLBACK").await.unwrap();
    add(&store, key(1)).await.unwrap();
    assert_eq!(visits(&store, key(1)).await.unwrap(), 1);
}
