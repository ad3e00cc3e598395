use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Operations that a fast store runs at once, each for a millisecond. A slow store runs one.
const WIDTH: u32 = 10;
const FAST: Duration = MS;
const SLOW: Duration = Duration::from_millis(5);

/// A store of changing speed.
struct SlowStore {
    lane: Lane,
    threads: Semaphore,
    /// Milliseconds of one operation.
    each: AtomicU64,
}

/// Outcome of an operation, and the time that it took.
type Outcome = (Result<(), StoreErrorKind>, Duration);

impl SlowStore {
    fn new(each: Duration) -> Arc<Self> {
        let store = Self {
            lane: Admission::new(AdmissionConfig::default()).writes,
            threads: Semaphore::new(WIDTH as usize),
            each: AtomicU64::default(),
        };
        store.takes(each);
        Arc::new(store)
    }

    fn takes(&self, each: Duration) {
        self.each.store(u64::try_from(each.as_millis()).unwrap(), Relaxed);
    }

    async fn operate(self: Arc<Self>) -> Outcome {
        let begun = Instant::now();
        let outcome = async {
            let admitted = self.lane.enter("patch").await.map_err(|error| error.kind())?;
            let work = async {
                let each = Duration::from_millis(self.each.load(Relaxed));
                let _thread = self.threads.acquire_many(if each == FAST { 1 } else { WIDTH }).await.unwrap();
                sleep(each).await;
                Ok(())
            };
            admitted.end(work.await)
        };
        (outcome.await, begun.elapsed())
    }

    /// Offers operations for some time. Returns the outcomes of those that began in each second.
    async fn offered(self: &Arc<Self>, per_second: u32, seconds: u32) -> Vec<Vec<Outcome>> {
        let (begun, mut tasks) = (Instant::now(), JoinSet::new());
        for at in 0..per_second * seconds {
            sleep_until(begun + SECOND * at / per_second).await;
            let store = Arc::clone(self);
            tasks.spawn(async move { (at / per_second, store.operate().await) });
        }
        let mut outcomes = vec![Vec::new(); seconds as usize];
        for (second, outcome) in tasks.join_all().await {
            outcomes[second as usize].push(outcome);
        }
        outcomes
    }
}

fn done(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|(outcome, _)| outcome.is_ok()).count()
}

/// Free places and operations in flight add up to the limit.
fn assert_places(lane: &Lane) {
    let flow = lane.flow.lock().unwrap();
    let places = lane.places.available_permits() + lane.in_flight.load(Relaxed);
    assert_eq!((places, lane.waiting.load(Relaxed)), (flow.limit + flow.excess, 0));
}

/// C77: an overloaded store completed nothing in time, since each operation waited until its request gave up.
#[tokio::test(start_paused = true)]
async fn an_overloaded_store_completed_no_operation_in_time() {
    let store = SlowStore::new(SLOW);
    let seconds = store.offered(2_000, 10).await;
    for outcomes in &seconds[1..] {
        assert!((185..=215).contains(&done(outcomes)), "{} of 200 operations", done(outcomes));
        let longest = outcomes.iter().filter(|(outcome, _)| outcome.is_ok()).map(|(_, time)| *time).max().unwrap();
        assert!(longest < 750 * MS, "{longest:?}");
        for (refused, time) in outcomes.iter().filter(|(outcome, _)| outcome.is_err()) {
            assert_eq!((*refused, *time), (Err(StoreErrorKind::Overloaded), Duration::ZERO));
        }
    }
    assert_places(&store.lane);
}

/// C80.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_fast_again_refuses_none_after_a_second() {
    let store = SlowStore::new(SLOW);
    store.offered(2_000, 3).await;
    store.takes(FAST);
    let seconds = store.offered(2_000, 3).await;
    assert_eq!(seconds[1..].iter().map(|outcomes| done(outcomes)).collect::<Vec<_>>(), [2_000, 2_000]);
    // More than the store can do, so that its rate is measured again.
    store.offered(12_000, 1).await;
    let places = store.lane.places.available_permits();
    assert!(places > 400, "{places} places");
    assert_places(&store.lane);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_slows_down_holds_few_operations() {
    let store = SlowStore::new(FAST);
    // In one moment, so that the limit grows.
    let burst: JoinSet<_> = (0..5_000).map(|_| Arc::clone(&store).operate()).collect();
    burst.join_all().await;
    assert!(store.lane.flow.lock().unwrap().limit > 400);
    store.takes(SLOW);
    let offered = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.offered(2_000, 3).await }
    });
    sleep(2 * SECOND).await;
    assert!(store.lane.in_flight.load(Relaxed) <= AdmissionConfig::default().min_in_flight);
    assert!(store.lane.waiting.load(Relaxed) <= 110);
    offered.await.unwrap();
    assert_places(&store.lane);
}

/// C77: in a Redis behind a slow link, each moment without work halved the limit, so that more such moments followed.
#[tokio::test(start_paused = true)]
async fn a_moment_without_work_took_places_away() {
    let lane = Admission::new(AdmissionConfig::default()).writes;
    let _queue = Waiting::new(&lane.waiting);
    let mut flow = lane.busy_flow();
    lane.adapt(&mut flow, MS / 2, 16);
    assert_eq!(flow.limit, 100);
    lane.adapt(&mut flow, 4 * MS, 16);
    assert!(flow.limit >= 60, "{} places", flow.limit);
}

/// C80: a burst that the store completes in time is no overload.
#[tokio::test(start_paused = true)]
async fn a_burst_was_refused_because_little_had_been_asked_of_the_store_before() {
    let store = SlowStore::new(FAST);
    // Twenty at once, 200 in a second: the rate of completions shows the demand.
    for _ in 0..10 {
        let few: JoinSet<_> = (0..20).map(|_| Arc::clone(&store).operate()).collect();
        few.join_all().await;
        sleep(100 * MS).await;
    }
    let burst: JoinSet<_> = (0..3_000).map(|_| Arc::clone(&store).operate()).collect();
    assert_eq!(done(&burst.join_all().await), 3_000);
}

/// C78.
#[tokio::test(start_paused = true)]
async fn an_operation_whose_request_gave_up_in_the_queue_was_sent() {
    let lane = Admission::with_writes(AdmissionConfig { min_in_flight: 1, ..AdmissionConfig::default() }, 1).writes;
    let first = lane.enter("load").await.unwrap();
    assert!(timeout(10 * MS, lane.enter("load")).await.is_err());
    let (second, ()) = tokio::join!(lane.enter("load"), async { drop(first) });
    assert!(second.is_ok() && lane.in_flight.load(Relaxed) == 1);
    drop(second);
    assert_places(&lane);
}

/// C77.
#[tokio::test(start_paused = true)]
async fn requests_waited_for_a_store_that_had_stopped() {
    let store = SlowStore::new(FAST);
    store.offered(2_000, 2).await;
    store.takes(3_600 * SECOND);
    let mut tasks = JoinSet::new();
    for at in 0..2_000 {
        let operate = Arc::clone(&store).operate();
        tasks.spawn(async move { (at, timeout(2 * SECOND, operate).await) });
        sleep(MS).await;
    }
    let outcomes = tasks.join_all().await;
    let refused = |(outcome, time): &Outcome| *outcome == Err(StoreErrorKind::Overloaded) && time.is_zero();
    let late = outcomes.into_iter().filter(|(at, _)| *at >= 1_100);
    let (early, waited): (Vec<_>, Vec<_>) = late.partition(|(_, outcome)| outcome.as_ref().is_ok_and(refused));
    assert!(early.len() > 850 && waited.len() < 50, "{} refused, {} waited", early.len(), waited.len());
    assert_places(&store.lane);
}

/// C79.
#[tokio::test(start_paused = true)]
async fn reads_waited_behind_writes() {
    let admission = Admission::new(AdmissionConfig::default());
    let mut writes = Vec::new();
    while let Ok(Ok(write)) = timeout(MS, admission.writes.enter("patch")).await {
        writes.push(write);
    }
    assert_eq!(writes.len(), FIRST_LIMIT);
    assert!(timeout(MS, admission.reads.enter("load")).await.is_ok_and(|read| read.is_ok()));
}

/// A store that runs reads and writes one after the other.
struct SerialStore {
    admission: Admission,
    turn: Semaphore,
}

impl SerialStore {
    /// A read of a millisecond and a write of twenty. Returns whether both were done.
    async fn request(self: Arc<Self>) -> bool {
        self.run(&self.admission.reads, MS).await && self.run(&self.admission.writes, 20 * MS).await
    }

    async fn run(&self, lane: &Lane, time: Duration) -> bool {
        let Ok(admitted) = lane.enter("load").await else { return false };
        let turn = self.turn.acquire().await.unwrap();
        sleep(time).await;
        drop(turn);
        admitted.end(Ok::<_, StoreError>(())).is_ok()
    }
}

/// C79: the reads of an overloaded store took most of its time, and the writes of most requests were refused.
#[tokio::test(start_paused = true)]
async fn cheap_reads_took_the_time_of_the_writes_that_follow_them() {
    // Long enough for many reads beside sixteen writes.
    let times = AdmissionConfig { in_flight_time: SECOND, max_queue_time: 2 * SECOND, ..AdmissionConfig::default() };
    let store = Arc::new(SerialStore { admission: Admission::new(times), turn: Semaphore::new(1) });
    let (begun, mut tasks, mut done) = (Instant::now(), JoinSet::new(), 0);
    for at in 0..9_400 {
        sleep_until(begun + SECOND * at / 470).await;
        tasks.spawn(Arc::clone(&store).request());
        while let Some(both) = tasks.try_join_next() {
            done += u32::from(both.unwrap());
        }
    }
    assert!(done > 800, "{done} of 940 requests");
}

#[tokio::test(start_paused = true)]
async fn a_lane_with_few_operations_measures_nothing() {
    let store = SlowStore::new(SLOW);
    for _ in 0..10 {
        let few: JoinSet<_> = (0..16).map(|_| Arc::clone(&store).operate()).collect();
        assert_eq!(done(&few.join_all().await), 16);
    }
    let flow = store.lane.flow.lock().unwrap();
    assert_eq!((flow.completed, flow.interval, flow.limit), (0, Duration::ZERO, FIRST_LIMIT));
}

#[cfg(feature = "deadpool-postgres-0-14")]
#[test]
fn writes_leave_connections_of_a_pool_to_reads() {
    let writes = |connections| Admission::to_pool(AdmissionConfig::default(), connections).writes.largest_limit;
    assert_eq!([0, 1, 2, 4, 8, 100].map(writes), [1, 1, 2, 3, 6, 75]);
}

/// The error contains counts and a time, and no data of a visitor.
#[test]
fn a_refusal_names_the_queue() {
    let cause = Overloaded { waiting: 120, most: 500 * MS };
    assert_eq!(cause.to_string(), "operations in the queue: 120; the store needs more than 500 ms for them");
    let error = StoreError::new(StoreErrorKind::Overloaded, "patch");
    assert_eq!(error.to_string(), "session store overloaded, refused `patch`");
}
