//! Settings of a database or a role that other programs want, and connections that it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_runtime::{PostgresStore, SessionKey, Store};
use session_tests::conformance::keeps_every_rule;
use session_tests::servers::postgres::{Postgres, USER};

use super::session::{PATIENT, add, counter, key, patient, visits};

/// Visitors who add to one session at once.
const VISITORS: u64 = 20;

/// Adds through all stores and returns the total time.
async fn all_add(store: &Arc<PostgresStore>, key: SessionKey) -> Duration {
    counter(&**store, key).await;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..VISITORS)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { add(&*store, key).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(visits(&**store, key).await.unwrap(), VISITORS);
    begun.elapsed()
}

/// Ways of a plan that are off count as so costly that the server compiles it, which takes longer than a request may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planner_settings_of_the_database_make_no_request_slow() {
    let server = Postgres::start("");
    let off = ["indexscan", "indexonlyscan", "nestloop", "hashjoin", "sort", "material", "memoize"];
    let all_off: String = off.map(|way| format!("ALTER DATABASE sessions SET enable_{way} = off;")).concat();
    let settings = [
        "ALTER DATABASE sessions SET enable_indexscan = off",
        &all_off,
        "ALTER DATABASE sessions SET jit_above_cost = 0; ALTER DATABASE sessions SET jit_optimize_above_cost = 0",
        "ALTER DATABASE sessions SET plan_cache_mode = force_custom_plan",
        "ALTER DATABASE sessions SET random_page_cost = 1000; ALTER DATABASE sessions SET work_mem = '64kB'",
        "ALTER DATABASE sessions SET force_parallel_mode = on",
        &format!("ALTER ROLE {USER} SET enable_indexscan = off"),
    ];
    let usual = all_add(&Arc::new(patient(server.url())), key(99)).await;
    for (n, settings) in (1..).zip(settings) {
        server.execute(settings).await;
        let took = all_add(&Arc::new(patient(server.url())), key(n)).await;
        println!("{settings}: {took:?}, without it {usual:?}");
        assert!(took < Duration::from_secs(1).max(usual * 5), "{settings}: {took:?}, without it {usual:?}");
        server.execute(&format!("ALTER DATABASE sessions RESET ALL; ALTER ROLE {USER} RESET ALL")).await;
    }
}

/// With any of these settings the stored data is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_setting_of_the_database_makes_an_answer_wrong() {
    let server = Postgres::start("");
    server
        .execute(
            "CREATE SCHEMA decoy; CREATE FUNCTION decoy.length(bytea) RETURNS integer LANGUAGE sql AS 'SELECT 7';
             CREATE FUNCTION decoy.count(bytea) RETURNS integer LANGUAGE sql AS 'SELECT 7';
             ALTER DATABASE sessions SET search_path = decoy, pg_catalog;
             ALTER DATABASE sessions SET default_transaction_isolation = 'serializable';
             ALTER DATABASE sessions SET bytea_output = 'escape';
             ALTER DATABASE sessions SET client_encoding = 'LATIN1';
             ALTER DATABASE sessions SET standard_conforming_strings = off;
             ALTER DATABASE sessions SET transform_null_equals = on;
             ALTER DATABASE sessions SET array_nulls = off;
             ALTER DATABASE sessions SET row_security = off;
             ALTER DATABASE sessions SET lock_timeout = '10ms';
             ALTER DATABASE sessions SET statement_timeout = '20s';
             ALTER DATABASE sessions SET idle_in_transaction_session_timeout = '1s'",
        )
        .await;
    keeps_every_rule(patient(server.url())).await;
}

/// C135: the server ends connections that are idle, at the very moment at which a request comes: it has read nothing of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_ended_for_being_idle_fails_no_write() {
    let server = Postgres::start("idle_session_timeout = '100ms'");
    let store = PostgresStore::builder(server.url()).connect_timeout(PATIENT).connections(1).open().unwrap();
    let mut failed = Vec::new();
    for n in 0..120 {
        // From a little before that moment to a little after it.
        tokio::time::sleep(Duration::from_micros(98_000 + u64::from(n) * 40)).await;
        let record = super::session::record(&[("cart", "{}")]);
        if let Err(error) = store.create(key(n), record).await {
            failed.push(super::session::whole(&error));
        }
    }
    assert!(failed.is_empty(), "{} failed: {}", failed.len(), failed[0]);
    assert_eq!(server.ask("SELECT count(*) FROM session_record").await, 120);
    let ended = server.logged().matches("idle-session timeout").count();
    println!("{ended} connections were ended");
    assert!(ended > 10, "the fault did not happen");
}
