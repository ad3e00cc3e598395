//! The model, the boundaries and many clients at once: on servers, and with a cache in front of a store.

use proptest::test_runner::TestRunner;
use session_runtime::{CachedStore, PostgresStore, RedisStore};
use session_tests::servers::cluster::Cluster;
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use session_tests::stores::PATIENT_ADMISSION;

use super::*;

/// The longest time for a connection attempt or an answer: the tests share the machine.
const PATIENT: Duration = Duration::from_secs(5);

pub(super) fn redis(url: &str) -> RedisStore {
    RedisStore::builder(url).answer_timeout(PATIENT).admission(PATIENT_ADMISSION).open().unwrap()
}

pub(super) fn postgres(url: &str) -> PostgresStore {
    PostgresStore::builder(url).connect_timeout(PATIENT).admission(PATIENT_ADMISSION).open().unwrap()
}

/// Runs one in so many of the cases. The sessions of all cases are in one store.
fn follows_the_model<S: Store>(share: u32, open: impl Fn() -> S) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(ProptestConfig { cases: (config.cases / share).max(1), ..config });
    let outcome = runner.run(&(-1_500..1_500_i64, steps()), |(skew, steps)| {
        check(open(), skew, &steps);
        Ok(())
    });
    outcome.unwrap_or_else(|failed| panic!("{failed}"));
}

/// C137: as in memory.
#[test]
fn lists_and_deadlines_in_redis_follow_the_model() {
    let server = Redis::start();
    follows_the_model(4, || redis(&server.url()));
}

/// C137: as in memory.
#[test]
fn lists_and_deadlines_in_a_redis_cluster_follow_the_model() {
    let cluster = Cluster::start();
    follows_the_model(16, || redis(&cluster.url()));
}

/// C137: as in memory.
#[test]
fn lists_and_deadlines_in_postgres_follow_the_model() {
    let server = Postgres::start("");
    follows_the_model(4, || postgres(&server.url()));
}

/// C137: as in memory. The requests of both clocks use one cache, which shows each its own writes and those of the other.
#[test]
fn lists_and_deadlines_in_a_cache_follow_the_model() {
    follows_the_model(2, || CachedStore::new(MemoryStore::new()));
    let server = Redis::start();
    follows_the_model(16, || CachedStore::new(redis(&server.url())));
}

/// C138: each of 1,000 notices that 16 clients push is taken by one of 4 others, by each of them at most once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_notice_of_many_clients_of_a_server_is_lost() {
    let server = Redis::start();
    parallel::check("redis", &parallel::run(redis(&server.url())).await);
    let server = Postgres::start("");
    parallel::check("postgres", &parallel::run(postgres(&server.url())).await);
}

/// C139: what holds in memory at the millisecond of a deadline, on nodes whose clocks differ and for programs without the
/// attribute.
#[tokio::test]
async fn boundaries_in_sqlite_are_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    boundaries::hold_in(Arc::new(SqliteStore::open(folder.path().join("sessions.db")).unwrap())).await;
}

/// C139: as in SQLite.
#[tokio::test]
async fn boundaries_in_redis_are_those_in_memory() {
    let server = Redis::start();
    boundaries::hold_in(Arc::new(redis(&server.url()))).await;
}

/// C139: as in SQLite.
#[tokio::test]
async fn boundaries_in_a_redis_cluster_are_those_in_memory() {
    let cluster = Cluster::start();
    boundaries::hold_in(Arc::new(redis(&cluster.url()))).await;
}

/// C139: as in SQLite.
#[tokio::test]
async fn boundaries_in_postgres_are_those_in_memory() {
    let server = Postgres::start("");
    boundaries::hold_in(Arc::new(postgres(&server.url()))).await;
}

/// C139: as in SQLite.
#[tokio::test]
async fn boundaries_in_a_cache_are_those_in_memory() {
    boundaries::hold_in(Arc::new(CachedStore::new(MemoryStore::new()))).await;
}
