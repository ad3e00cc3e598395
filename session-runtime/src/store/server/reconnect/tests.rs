//! Tests of the state machine with a test server, and with a clock that moves only while all tasks wait.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::time::sleep_until;

use super::*;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_millis(1);

/// Outcome of one attempt to connect.
#[derive(Clone, Copy)]
enum Attempt {
    Refused,
    Open,
    /// The server is slow to accept the connection.
    OpenAfter(Duration),
    /// The server accepts the connection and closes it at once.
    EndsAtOnce,
}

#[derive(Default)]
struct TestServer {
    /// Outcomes of the next attempts; after these, every attempt succeeds.
    attempts: Mutex<VecDeque<Attempt>>,
    count: AtomicUsize,
    alive: Arc<()>,
}

struct TestConnection {
    number: usize,
    has_answered: AtomicBool,
    _alive: Arc<()>,
}

impl TestServer {
    fn with(attempts: &[Attempt]) -> Arc<Self> {
        Arc::new(Self { attempts: Mutex::new(attempts.iter().copied().collect()), ..Self::default() })
    }

    fn handle(self: &Arc<Self>) -> Reconnecting<Self> {
        Reconnecting::new(Arc::clone(self), Backoff::new(FIRST, LONGEST))
    }

    fn count(&self) -> usize {
        self.count.load(Relaxed)
    }
}

impl Connect for TestServer {
    type Connection = TestConnection;
    type Fault = &'static str;

    async fn connect(&self, end: Arc<End>) -> Result<TestConnection, &'static str> {
        let number = self.count.fetch_add(1, Relaxed);
        let attempt = self.attempts.lock().unwrap().pop_front();
        match attempt.unwrap_or(Attempt::Open) {
            Attempt::Refused => return Err("refused"),
            Attempt::Open => {}
            Attempt::OpenAfter(time) => sleep(time).await,
            Attempt::EndsAtOnce => end.report(),
        }
        Ok(TestConnection { number, has_answered: AtomicBool::new(false), _alive: Arc::clone(&self.alive) })
    }

    fn has_answered(connection: &TestConnection) -> bool {
        connection.has_answered.load(Relaxed)
    }

    fn unavailable(why: &'static str) -> &'static str {
        why
    }
}

/// Number of the connection, or the fault.
async fn opened(handle: &Reconnecting<TestServer>) -> Result<usize, &'static str> {
    handle.opened().await.map(|opened| opened.number)
}

/// True during the pause after a failed attempt.
fn is_paused(handle: &Reconnecting<TestServer>) -> bool {
    matches!(*handle.state.borrow(), State::Failed(_))
}

#[tokio::test(start_paused = true)]
async fn nothing_connects_before_the_first_use_and_requests_wait_for_the_attempt() {
    let server = TestServer::with(&[Attempt::OpenAfter(Duration::from_millis(10))]);
    let handle = server.handle();
    sleep(LONGEST).await;
    assert_eq!(server.count(), 0);
    let begun = Instant::now();
    assert!(handle.current().is_none() && !is_paused(&handle));
    assert_eq!(tokio::join!(opened(&handle), opened(&handle)), (Ok(0), Ok(0)));
    assert_eq!((server.count(), begun.elapsed()), (1, Duration::from_millis(10)));
    assert_eq!(handle.current().map(|opened| opened.number), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_fails_requests_at_once_until_the_next_one() {
    let server = TestServer::with(&[Attempt::Refused; 3]);
    let handle = server.handle();
    assert_eq!(opened(&handle).await, Err("refused"));
    let begun = Instant::now();
    assert_eq!(opened(&handle).await, Err("refused"));
    assert!(is_paused(&handle) && begun.elapsed().is_zero() && server.count() == 1);
    // Pauses of 50, 100 and 200 milliseconds.
    for (at, attempts) in [(50, 2), (150, 3), (350, 4)] {
        let at = begun + Duration::from_millis(at);
        sleep_until(at - SOON).await;
        assert_eq!((is_paused(&handle), server.count()), (true, attempts - 1));
        sleep_until(at + SOON).await;
        assert_eq!(server.count(), attempts);
    }
    assert_eq!(opened(&handle).await, Ok(3));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_at_once_pauses() {
    let server = TestServer::with(&[Attempt::EndsAtOnce; 2]);
    let handle = server.handle();
    assert_eq!(opened(&handle).await, Err("the server does not answer"));
    sleep(FIRST / 2).await;
    assert!(is_paused(&handle) && server.count() == 1);
    sleep(FIRST / 2 + SOON).await;
    assert_eq!((is_paused(&handle), server.count()), (true, 2));
    sleep(2 * FIRST).await;
    assert_eq!(opened(&handle).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answered_reconnects_at_once() {
    let server = TestServer::with(&[Attempt::Refused, Attempt::Refused, Attempt::Open, Attempt::Open]);
    let handle = server.handle();
    assert_eq!(opened(&handle).await, Err("refused"));
    sleep(4 * FIRST).await;
    let first = handle.opened().await.unwrap();
    first.has_answered.store(true, Relaxed);
    let begun = Instant::now();
    first.end.report();
    assert!(handle.current().is_none(), "no request takes a connection that has ended");
    assert_eq!(opened(&handle).await, Ok(3));
    assert!(begun.elapsed().is_zero());
    // The answer also reset the pause.
    server.attempts.lock().unwrap().push_back(Attempt::Refused);
    let second = handle.opened().await.unwrap();
    second.has_answered.store(true, Relaxed);
    second.end.report();
    assert_eq!(opened(&handle).await, Err("refused"));
    sleep(FIRST + SOON).await;
    assert_eq!(opened(&handle).await, Ok(5));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ended_while_it_was_idle_reconnects_at_once() {
    let server = TestServer::with(&[]);
    let handle = server.handle();
    let first = handle.opened().await.unwrap();
    sleep(LONGEST + SOON).await;
    first.end.report();
    assert_eq!(opened(&handle).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_any_answer_pauses_however_old_it_is() {
    let server = TestServer::with(&[]);
    let handle = server.handle();
    let first = handle.opened().await.unwrap();
    sleep(LONGEST + SOON).await;
    first.retire();
    assert!(handle.current().is_none());
    assert_eq!(opened(&handle).await, Err("the server does not answer"));
    sleep(FIRST + SOON).await;
    assert_eq!(opened(&handle).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_late_report_does_not_end_the_next_connection() {
    let server = TestServer::with(&[]);
    let handle = server.handle();
    let first = handle.opened().await.unwrap();
    first.has_answered.store(true, Relaxed);
    first.retire();
    assert_eq!(opened(&handle).await, Ok(1));
    first.retire();
    first.end.report();
    sleep(LONGEST).await;
    assert_eq!((opened(&handle).await, server.count()), (Ok(1), 2));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_ends_the_task_and_the_connection() {
    let server = TestServer::with(&[]);
    let handle = server.handle();
    assert_eq!(opened(&handle).await, Ok(0));
    drop(handle);
    sleep(SOON).await;
    assert_eq!((Arc::strong_count(&server), Arc::strong_count(&server.alive)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handle_dropped_during_a_pause_ends_the_task() {
    let server = TestServer::with(&[Attempt::Refused]);
    let handle = server.handle();
    assert_eq!(opened(&handle).await, Err("refused"));
    drop(handle);
    sleep(LONGEST).await;
    assert_eq!((server.count(), Arc::strong_count(&server)), (1, 1));
}

#[test]
fn a_runtime_that_ended_starts_again() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let server = TestServer::with(&[Attempt::Refused, Attempt::Open]);
    let handle = server.handle();
    // The first runtime ends during a pause, the second one with an open connection.
    assert_eq!(runtime().block_on(opened(&handle)), Err("refused"));
    assert!(!is_paused(&handle));
    assert_eq!(runtime().block_on(opened(&handle)), Ok(1));
    assert_eq!(runtime().block_on(opened(&handle)), Ok(2));
}

#[test]
fn a_request_of_another_runtime_fails_when_the_connecting_one_ends() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let server = TestServer::with(&[Attempt::OpenAfter(LONGEST * 1000)]);
    let handle = Arc::new(server.handle());
    let (first, second) = (runtime(), runtime());
    first.block_on(async { assert!(handle.current().is_none()) });
    let waiting = Arc::clone(&handle);
    let waiting = second.spawn(async move { opened(&waiting).await });
    while handle.state.receiver_count() == 0 {
        std::thread::yield_now();
    }
    drop(first);
    let ended = second.block_on(waiting).unwrap();
    assert_eq!(ended, Err("the runtime that kept the connection has ended"));
    assert_eq!(second.block_on(opened(&handle)), Ok(1));
}

/// A request waited for one of the connections and failed with it, while another one opened.
#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_connection_that_opens_first() {
    let slow = TestServer::with(&[Attempt::OpenAfter(LONGEST)]);
    let refused = TestServer::with(&[Attempt::Refused; 2]);
    let quick = TestServer::with(&[Attempt::OpenAfter(SOON)]);
    let handles = [slow.handle(), refused.handle(), quick.handle()];
    let begun = Instant::now();
    assert!(first_opened(&handles).await.is_ok());
    assert_eq!(begun.elapsed(), SOON);
    assert!(handles[2].current().is_some() && handles[0].current().is_none());
    assert!(matches!(first_opened(&handles[1..2]).await, Err("refused")));
}
