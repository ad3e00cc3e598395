//! The sweep of an application over every store: in steps, whole, and beside other tasks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use session_runtime::clock::Timestamp;
use session_runtime::record::{Record, Values};
use session_runtime::testing::{Fault, RecordingStore, head_at};
use session_runtime::{
    MemoryStore, PostgresStore, RedisStore, SessionConfig, SessionKey, Sessions, SqliteStore, Store,
};
use session_tests::log::Log;
use session_tests::pages;
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use session_tests::turns::turns_beside;

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Stores sessions with this deadline. `first` keeps the keys of two calls apart.
pub(super) async fn fill(store: &dyn Store, first: u32, count: u32, idle_deadline: Timestamp) {
    for n in first..first + count {
        // Spread as random keys are.
        let key = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let values: Values = [("cart".into(), "{}".into())].into_iter().collect();
        let mut record = Record::new(head_at(0), values);
        record.head.idle_deadline = idle_deadline;
        store.create(SessionKey::from_bytes(key.to_be_bytes()), record).await.unwrap();
    }
}

fn sessions(store: impl Store) -> Sessions {
    Sessions::builder().store(store).config(SessionConfig::new().deadline(Duration::from_secs(6))).build().unwrap()
}

/// C53: a sweep is many small steps on each store, and no step ends it before everything that expired is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_steps_leave_no_expired_session_behind() {
    let (folder, postgres, redis) = (tempfile::tempdir().unwrap(), Postgres::start(""), Redis::start());
    let stores: [(&str, Arc<dyn Store>); 4] = [
        ("memory", Arc::new(MemoryStore::new())),
        ("SQLite", Arc::new(SqliteStore::open(folder.path().join("sessions.db")).unwrap())),
        ("PostgreSQL", Arc::new(PostgresStore::open(postgres.url()).unwrap())),
        ("Redis", Arc::new(RedisStore::open(redis.url()).unwrap())),
    ];
    for (name, store) in stores {
        fill(&*store, 0, 700, now().before(Duration::from_secs(120))).await;
        fill(&*store, 700, 50, now().after(Duration::from_secs(3600))).await;
        let store = RecordingStore::new(store);
        assert_eq!(sessions(store.clone()).sweep().await.unwrap(), 700, "{name}");
        assert!(store.sweeps() > 2, "{name}: {} steps", store.sweeps());
        assert_eq!(pages::all(&store, 1_000, now()).await.len(), 50, "{name}");
        assert_eq!(store.records().await, 50, "{name}");
    }
}

/// C53: a sweep that finds nothing in a large store in memory walks through all of it, and lets other tasks of the thread
/// run meanwhile.
#[tokio::test]
async fn a_sweep_in_memory_does_not_hold_the_thread() {
    let store = MemoryStore::new();
    fill(&store, 0, 100_000, now().after(Duration::from_secs(3600))).await;
    let (swept, turns) = turns_beside(sessions(store).sweep()).await;
    assert_eq!(swept.unwrap(), 0);
    assert!(turns >= 20, "the other task ran {turns} times beside a sweep of 100,000 sessions");
}

/// C53: the sessions that a sweep removed before its store failed stay removed, and the log has their number.
#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_keeps_what_it_removed_and_logs_the_number() {
    let log = Log::listen();
    let (memory, before) = (MemoryStore::new(), log.here().len());
    fill(&memory, 0, 250, now().before(Duration::from_secs(120))).await;
    let store = RecordingStore::new(memory);
    let sessions = sessions(store.clone());
    store.fail_next("sweep", Fault::Slow(Duration::from_millis(1)));
    store.fail_next("sweep", Fault::Down);
    assert!(sessions.sweep().await.is_err());
    assert_eq!(store.records().await, 150);
    let lines = log.here().split_off(before);
    assert_eq!(lines.iter().filter(|line| line.contains("after it had removed 100 ")).count(), 1, "{lines:?}");
    assert_eq!(sessions.sweep().await.unwrap(), 150, "the next sweep goes on");
}
