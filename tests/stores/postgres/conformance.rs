//! The store keeps every rule of the kit, whichever way it reaches its server.

use deadpool_postgres::{Manager, Pool};
use session_runtime::PostgresStore;
use session_tests::conformance::keeps_every_rule;
use session_tests::servers::postgres::{PgBouncer, Postgres};
use session_tests::stores::{AlternatingStore, PATIENT_ADMISSION};
use tokio_postgres::NoTls;

use super::session::patient;

/// A pool of the application's own.
pub(crate) fn pool(url: &str, connections: usize) -> Pool {
    let manager = Manager::new(url.parse().unwrap(), NoTls);
    Pool::builder(manager).max_size(connections).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn by_url() {
    let server = Postgres::start("");
    keeps_every_rule(patient(server.url())).await;
}

#[tokio::test]
async fn by_url_on_one_thread_and_one_connection() {
    let server = Postgres::start("");
    keeps_every_rule(
        PostgresStore::builder(server.url())
            .schema("Web \"1\"")
            .connections(1)
            .admission(PATIENT_ADMISSION)
            .open()
            .unwrap(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn through_the_applications_pool_of_two() {
    let server = Postgres::start("");
    let pool = pool(&server.url(), 2);
    keeps_every_rule(PostgresStore::from_pool(pool.clone(), "public").admission(PATIENT_ADMISSION)).await;
    assert!(pool.status().size <= 2);
}

/// Two nodes: every operation goes to the other than the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_one_database() {
    let server = Postgres::start("");
    let open = || patient(server.url());
    keeps_every_rule(AlternatingStore::new([open(), open()])).await;
}

/// Two server processes for all, so that consecutive statements do meet different ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_pgbouncer_in_transaction_mode() {
    let server = Postgres::start("");
    let bouncer = PgBouncer::start(&server, 2);
    let open = || patient(bouncer.url());
    keeps_every_rule(AlternatingStore::new([open(), open()])).await;
    let processes = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'session-runtime'";
    println!("{} server processes behind the pooler", server.ask(processes).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_behind_pgbouncer() {
    let server = Postgres::start("");
    let bouncer = PgBouncer::start(&server, 2);
    keeps_every_rule(PostgresStore::from_pool(pool(&bouncer.url(), 4), "public").admission(PATIENT_ADMISSION)).await;
}

/// A database that makes every transaction serializable rolls some back; nothing of that is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_transactions_are_serializable() {
    let server = Postgres::start("default_transaction_isolation = 'serializable'");
    keeps_every_rule(patient(server.url())).await;
    // Connections of the store's own are not concerned, those of the application's pool are.
    keeps_every_rule(PostgresStore::from_pool(pool(&server.url(), 4), "public").admission(PATIENT_ADMISSION)).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let failed = server.ask("SELECT xact_rollback FROM pg_stat_database WHERE datname = 'sessions'").await;
    println!("{failed} transactions were rolled back");
    assert!(failed > 0, "the fault did not happen");
}

/// An encoding that has few characters.
#[tokio::test]
async fn in_a_database_of_another_encoding() {
    let server = Postgres::start("");
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0").await;
    keeps_every_rule(patient(server.url().replace("/sessions", "/latin"))).await;
}
