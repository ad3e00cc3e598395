//! A server that can be read and not written.

use session_runtime::Store;
use session_runtime::store::{Created, StoreErrorKind};
use session_tests::servers::postgres::Postgres;

use super::session::{NOW, add, assert_fails, at_last, count, counter, key, patient, record, visits};

/// C67: after a failover that went to the wrong side, reads succeed, and writes fail as a whole with the reason.
#[tokio::test]
async fn a_standby_reads_and_refuses_writes() {
    let server = Postgres::start("");
    let store = patient(server.url());
    counter(&store, key(1)).await;
    let standby = server.standby();
    add(&store, key(1)).await.unwrap();
    let replica = patient(standby.url());
    while at_last(async || visits(&replica, key(1)).await).await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(standby.ask("SELECT pg_is_in_recovery()::int::bigint").await, 1);
    assert_fails(replica.patch(key(1), count(1, 2), NOW).await, StoreErrorKind::Unavailable, "25006");
    assert_fails(replica.delete(key(1)).await, StoreErrorKind::Unavailable, "25006");
    assert_fails(replica.create(key(2), record(&[])).await, StoreErrorKind::Unavailable, "25006");
    assert_fails(replica.sweep(1, NOW).await, StoreErrorKind::Unavailable, "25006");
    assert_eq!(visits(&replica, key(1)).await.unwrap(), 1);
    standby.execute("SELECT pg_promote()").await;
    at_last(async || add(&replica, key(1)).await).await;
    assert_eq!(replica.create(key(2), record(&[])).await.unwrap(), Created::Done);
}

#[tokio::test]
async fn a_database_that_is_set_read_only_refuses_writes() {
    let server = Postgres::start("");
    counter(&patient(server.url()), key(1)).await;
    server.execute("ALTER DATABASE sessions SET default_transaction_read_only = on").await;
    let store = patient(server.url());
    assert_eq!(visits(&store, key(1)).await.unwrap(), 0);
    assert_fails(store.patch(key(1), count(0, 1), NOW).await, StoreErrorKind::Unavailable, "read-only");
    assert_eq!(visits(&store, key(1)).await.unwrap(), 0);
}
