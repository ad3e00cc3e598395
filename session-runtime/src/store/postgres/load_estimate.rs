//! Load estimate of one connection: how long one more request would wait, and whether the connection has stopped
//! responding.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::fault::Fault;

/// Time without any response after which a connection counts as stuck if a caller gives up.
const STUCK: Duration = Duration::from_millis(500);

/// Time after which an abandoned statement counts as answered, since a statement waits at most this long for a lock. If
/// it is still running, the next caller finds the connection stuck.
const LONGEST_STATEMENT: Duration = Duration::from_secs(1);

/// Longest time until all requests of a connection that has ended have recorded their faults.
const LONGEST_END: Duration = Duration::from_millis(100);

/// Approximate number of responses over which the interval between responses is averaged.
const AVERAGED: u32 = 8;

#[derive(Default)]
pub(super) struct LoadEstimate {
    state: Mutex<State>,
    /// The server ended the connection because it was idle, so it did not read the requests that are unanswered.
    has_ended_idle: AtomicBool,
    has_ended: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Unanswered requests, without those that were given up.
    waiting: u32,
    /// Start of the time without a response; `None` if no response is due.
    silent_since: Option<Instant>,
    /// Time at which the last request was answered or failed; `None` before the first.
    answered: Option<Instant>,
    /// Average time from one response to the next while requests wait.
    interval: Duration,
}

impl LoadEstimate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a fault that ends the connection, or decides the outcome of unanswered requests.
    pub(super) fn record(&self, fault: &Fault) {
        if fault.remedy().ends_connection() {
            self.has_ended.store(true, Relaxed);
        }
        if fault.is_idle_end() {
            self.has_ended_idle.store(true, Relaxed);
        }
    }

    pub(super) fn has_ended_idle(&self) -> bool {
        self.has_ended_idle.load(Relaxed)
    }

    /// Returns the fault of a request, given all recorded faults of its connection.
    pub(super) fn fault_of_request(&self, fault: Fault) -> Fault {
        self.record(&fault);
        match fault {
            Fault::Ended(_) if self.has_ended_idle() => Fault::idle_end(),
            fault => fault,
        }
    }

    /// Returns the fault of a request that the end of its connection has failed. The server reports the reason of the
    /// end to one request alone, so this waits until all others have recorded their faults.
    pub(super) async fn fault_of_end(&self, fault: Fault) -> Fault {
        let since = Instant::now();
        // Polled: a notification would cost every request, and this is rare.
        while self.state().waiting > 0 && since.elapsed() < LONGEST_END {
            sleep(Duration::from_millis(1)).await;
        }
        self.fault_of_request(fault)
    }

    /// Estimates how long one more request would wait behind the others.
    pub(super) fn wait(&self) -> Duration {
        let state = self.state();
        let Some(since) = state.silent_since else { return Duration::ZERO };
        let silence = since.elapsed();
        match state.waiting {
            0 if silence > LONGEST_STATEMENT => Duration::ZERO,
            0 => silence,
            others => silence.max(state.interval).saturating_mul(others),
        }
    }

    /// True if a response has arrived in this time, and the connection has not ended.
    pub(super) fn has_answered_within(&self, time: Duration) -> bool {
        let answered = self.state().answered;
        answered.is_some_and(|answered| answered.elapsed() < time) && !self.has_ended.load(Relaxed)
    }

    /// True if several requests wait.
    pub(super) fn is_shared(&self) -> bool {
        self.state().waiting > 1
    }

    /// True if a response is due.
    pub(super) fn is_response_due(&self) -> bool {
        self.state().silent_since.is_some()
    }

    /// Counts a request that is sent now.
    pub(super) fn join(&self) -> UnansweredRequest<'_> {
        let now = Instant::now();
        let mut state = self.state();
        state.waiting += 1;
        state.silent_since.get_or_insert(now);
        UnansweredRequest { load: self, since: now, has_left: false }
    }
}

/// A request that waits for its response. It stops waiting once.
pub(super) struct UnansweredRequest<'l> {
    load: &'l LoadEstimate,
    since: Instant,
    has_left: bool,
}

impl UnansweredRequest<'_> {
    pub(super) fn answered(&mut self) {
        self.has_left = true;
        let now = Instant::now();
        let mut state = self.load.state();
        state.waiting -= 1;
        // Only the time since this request was sent counts.
        let begun = state.silent_since.map_or(self.since, |since| since.max(self.since));
        state.interval = state.interval * (AVERAGED - 1) / AVERAGED + now.saturating_duration_since(begun) / AVERAGED;
        state.silent_since = (state.waiting > 0).then_some(now);
        state.answered = Some(now);
    }

    /// Leaves without a response. Returns whether the connection is stuck.
    pub(super) fn give_up(&mut self) -> bool {
        if std::mem::replace(&mut self.has_left, true) {
            return false;
        }
        let mut state = self.load.state();
        state.waiting -= 1;
        state.silent_since.is_some_and(|since| since.elapsed() >= STUCK)
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(5);

    #[test]
    fn an_idle_connection_has_no_wait() {
        let load = LoadEstimate::default();
        assert_eq!(load.wait(), Duration::ZERO);
        let mut request = load.join();
        sleep(MOMENT);
        assert!(load.wait() >= MOMENT && load.is_response_due() && !load.is_shared());
        request.answered();
        assert_eq!((load.wait(), load.is_response_due()), (Duration::ZERO, false));
    }

    #[test]
    fn each_waiting_request_adds_the_average_interval() {
        let load = LoadEstimate::default();
        let mut first = load.join();
        let _others = [load.join(), load.join()];
        sleep(MOMENT * 8);
        first.answered();
        // The average holds an eighth of the time of the first request.
        assert!(load.wait() >= MOMENT * 2 && load.is_shared());
    }

    #[test]
    fn an_idle_hour_does_not_count_as_waiting_time() {
        let load = LoadEstimate::default();
        load.join().give_up();
        load.state.lock().unwrap().silent_since = Instant::now().checked_sub(Duration::from_secs(3600));
        assert_eq!(load.wait(), Duration::ZERO, "the next request tries the connection");
        load.join().answered();
        assert!(load.state.lock().unwrap().interval < Duration::from_secs(1));
    }

    #[test]
    fn a_response_is_recent_until_its_time_has_passed() {
        let load = LoadEstimate::default();
        assert!(!load.has_answered_within(MOMENT), "none has arrived");
        load.join().answered();
        assert!(load.has_answered_within(MOMENT * 1_000));
        sleep(MOMENT);
        assert!(!load.has_answered_within(MOMENT));
        load.join().give_up();
        assert!(!load.has_answered_within(MOMENT), "a request that gave up got no response");
    }

    /// The end of a connection was taken for a response by the request behind the one that it failed.
    #[test]
    fn the_end_of_a_connection_is_no_response() {
        let load = LoadEstimate::default();
        let mut request = load.join();
        load.record(&Fault::Ended("closed"));
        request.answered();
        assert!(!load.has_answered_within(MOMENT * 1_000));
    }

    #[test]
    fn a_connection_without_answers_is_stuck_and_avoided() {
        let load = LoadEstimate::default();
        let (mut first, mut second) = (load.join(), load.join());
        assert!(!first.give_up() && !first.give_up());
        load.state.lock().unwrap().silent_since = Instant::now().checked_sub(STUCK);
        assert!(load.wait() >= STUCK && second.give_up());
        assert!(load.wait() >= STUCK, "the requests that were given up may still be running");
        load.join().answered();
        assert_eq!(load.wait(), Duration::ZERO);
    }

    /// A server that ends an idle connection works, and did not read the unanswered requests.
    #[test]
    fn a_connection_ended_for_being_idle_decides_the_fault_of_its_requests() {
        let load = LoadEstimate::default();
        assert!(!load.fault_of_request(Fault::Ended("closed")).is_idle_end() && !load.has_ended_idle());
        load.record(&Fault::idle_end());
        assert!(load.fault_of_request(Fault::Ended("closed")).is_idle_end() && load.has_ended_idle());
    }

    /// A write failed although the server had not read it: the request to which the server reported the idle end had not
    /// recorded that yet.
    #[tokio::test]
    async fn a_request_learns_of_an_idle_end_from_another_that_is_slower() {
        let load = LoadEstimate::default();
        let (mut told, mut other) = (load.join(), load.join());
        other.answered();
        let slower = async {
            tokio::time::sleep(MOMENT).await;
            load.record(&Fault::idle_end());
            told.answered();
        };
        let (fault, ()) = tokio::join!(load.fault_of_end(Fault::Ended("closed")), slower);
        assert!(fault.is_idle_end());
    }
}
