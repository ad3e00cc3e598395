//! The deadline of jobs: it applies to each round trip to a store, however many an operation takes.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::migrate::Options;
use session_runtime::{MemoryStore, RedisStore, SessionConfig, Sessions, Store};
use session_tests::servers::proxy::Proxy;
use session_tests::servers::redis::Redis;
use session_tests::turns::turns_beside;

use super::sweeps::{fill, now};

const HOUR: Duration = Duration::from_secs(3600);
/// Time that each answer of a slow server takes.
const SLOW: Duration = Duration::from_millis(100);

fn sessions(store: impl Store, deadline: Duration) -> Sessions {
    Sessions::builder().store(store).config(SessionConfig::new().deadline(deadline)).build().unwrap()
}

/// C53: a sweep that finds nothing in a large store took longer than the deadline, and failed each time.
#[tokio::test]
async fn a_sweep_in_memory_may_take_longer_than_the_deadline() {
    let store = Arc::new(MemoryStore::new());
    fill(&*store, 0, 200_000, now().after(HOUR)).await;
    let started = std::time::Instant::now();
    let swept = sessions(Arc::clone(&store), Duration::from_millis(1)).sweep().await;
    assert!(started.elapsed() > Duration::from_millis(2), "too quick for this deadline");
    assert_eq!(swept.unwrap(), 0);
}

/// A page of any size lets other tasks of the thread run.
#[tokio::test]
async fn a_page_in_memory_does_not_hold_the_thread() {
    let store = MemoryStore::new();
    fill(&store, 0, 50_000, now().after(HOUR)).await;
    let (page, turns) = turns_beside(store.scan(None, usize::MAX, now())).await;
    assert_eq!(page.unwrap().sessions.len(), 50_000);
    assert!(turns >= 20, "the other task ran {turns} times beside a page of 50,000 sessions");
}

/// A store on a slow server, and the server.
async fn slow_redis(count: u32, idle_deadline: session_runtime::clock::Timestamp) -> (RedisStore, Proxy, Redis) {
    let server = Redis::start();
    fill(&RedisStore::open(server.url()).unwrap(), 0, count, idle_deadline).await;
    let proxy = Proxy::start(server.address()).await;
    let store = RedisStore::open(format!("redis://{}", proxy.address())).unwrap();
    store.prepare().await.unwrap();
    proxy.delay(SLOW);
    (store, proxy, server)
}

/// A page takes a round trip for names, and more for their records. The deadline was that of the whole page, so that a
/// census of a slow server failed each time.
#[tokio::test]
async fn a_page_of_redis_may_take_longer_than_the_deadline() {
    let (store, _proxy, _server) = slow_redis(300, now().after(HOUR)).await;
    let report = sessions(store, 2 * SLOW + SLOW / 2).census(Options::default()).await.unwrap();
    assert_eq!(report.sessions, 300);
}

/// C53: a step of a sweep takes a round trip for names, and more for the removals.
#[tokio::test]
async fn a_step_of_a_sweep_of_redis_may_take_longer_than_the_deadline() {
    let (store, _proxy, _server) = slow_redis(300, now().before(Duration::from_secs(120))).await;
    assert_eq!(sessions(store, 2 * SLOW + SLOW / 2).sweep().await.unwrap(), 300);
}

/// A round trip that never ends fails at the deadline, after others that ended in time.
#[tokio::test]
async fn a_round_trip_that_never_ends_fails_a_job_at_the_deadline() {
    let (store, proxy, _server) = slow_redis(300, now().after(HOUR)).await;
    let sessions = sessions(store, 4 * SLOW);
    let silence = async {
        tokio::time::sleep(3 * SLOW).await;
        proxy.swallow(true);
    };
    let started = std::time::Instant::now();
    let (census, ()) = tokio::join!(sessions.census(Options::default()), silence);
    let took = started.elapsed();
    assert!(census.is_err() && (5 * SLOW..12 * SLOW).contains(&took), "{census:?} after {took:?}");
}
