//! Time limit for all store operations of one request, and panics of foreign code as outcomes.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use crate::sync::{AtomicU64, Instant, deadline};

/// Divisor for the part of a wait after which it first checks that its task is still polled in time. Each further
/// interval is twice as long as the one before, so that a wait is woken at most seven times.
const FIRST_LOOK: u32 = 64;
/// Lateness of a timer that is ignored: the timers of the runtime are this coarse.
const COARSE: Duration = Duration::from_millis(2);

/// Remaining time of a request for store operations.
///
/// A deadline can pass although the store was quick: tasks that compute without yielding occupy the worker threads, and
/// neither the answer of the store nor a timer is then noticed. A timer that fires late reveals this, so the wait for a
/// store counts such time separately.
pub(crate) struct Budget {
    deadline: Duration,
    left: AtomicU64,
    /// Nanoseconds of waiting in which a worker thread was free to notice an answer.
    waited: AtomicU64,
    /// Nanoseconds of waiting in which no worker thread was free.
    blocked: AtomicU64,
}

impl Budget {
    pub(crate) fn new(deadline: Duration) -> Self {
        let left = AtomicU64::new(nanos(deadline));
        Self { deadline, left, waited: AtomicU64::new(0), blocked: AtomicU64::new(0) }
    }

    pub(crate) fn left(&self) -> Duration {
        Duration::from_nanos(self.left.load(Ordering::Relaxed))
    }

    pub(crate) fn spend(&self, time: Duration) {
        self.left.store(nanos(self.left().saturating_sub(time)), Ordering::Relaxed);
    }

    /// Waits for the work within the remaining time; `None` if that is used up.
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = T> + Unpin) -> Option<T> {
        self.wait_at_most(work, self.left()).await
    }

    /// Waits for the work for at most `most`.
    ///
    /// Work that is ready at once, such as that of a store in memory, needs neither a timer nor a reading of the clock.
    pub(crate) async fn wait_at_most<T>(&self, work: impl Future<Output = T>, most: Duration) -> Option<T> {
        let mut work = pin!(work);
        if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return Some(outcome);
        }
        let started = Instant::now();
        let (mut looked, mut pause, mut blocked) = (started, most / FIRST_LOOK, Duration::ZERO);
        let (mut timer, mut was_polled) = (pin!(deadline(started, pause)), true);
        let outcome = loop {
            let outcome = poll_fn(|context| {
                if !std::mem::take(&mut was_polled)
                    && let Poll::Ready(outcome) = work.as_mut().poll(context)
                {
                    return Poll::Ready(Some(outcome));
                }
                timer.as_mut().poll(context).map(|()| None)
            })
            .await;
            let now = Instant::now();
            if outcome.is_some() {
                break outcome;
            }
            blocked += (now - looked).saturating_sub(pause + COARSE);
            let left = most.saturating_sub(now - started);
            if left.is_zero() {
                break None;
            }
            (looked, pause) = (now, (pause * 2).min(left));
            timer.set(deadline(now, pause));
        };
        self.account(started.elapsed(), blocked);
        outcome
    }

    fn account(&self, elapsed: Duration, blocked: Duration) {
        self.spend(elapsed);
        for (sum, time) in [(&self.waited, elapsed.saturating_sub(blocked)), (&self.blocked, blocked)] {
            sum.store(sum.load(Ordering::Relaxed).saturating_add(nanos(time)), Ordering::Relaxed);
        }
    }

    /// Returns the reason why no time is left, for an error message.
    pub(crate) fn used_up(&self) -> String {
        let (waited, deadline) = (self.waited().min(self.deadline), Short(self.deadline));
        let took = format!("the request's deadline is used up: the store took {} of the {deadline}", Short(waited));
        self.suspicion().map_or(took.clone(), |blocked| format!("{took}; {blocked}"))
    }

    /// Returns a hint about blocked worker threads if they took at least half of the deadline.
    pub(crate) fn suspicion(&self) -> Option<String> {
        let blocked = Duration::from_nanos(self.blocked.load(Ordering::Relaxed));
        (blocked * 2 >= self.deadline).then(|| {
            let blocked = Short(blocked);
            format!("for {blocked} no worker thread was free: are they blocked by work such as hashing a password?")
        })
    }

    fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited.load(Ordering::Relaxed))
    }
}

/// A duration in whole milliseconds, or in tenths of a second.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis @ 0..1_000 => write!(f, "{millis} ms"),
            millis if millis.is_multiple_of(1_000) => write!(f, "{} s", millis / 1_000),
            millis => write!(f, "{}.{} s", millis / 1_000, millis % 1_000 / 100),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns the output, or `None` if the work panicked. Rocket does not catch panics of fairings, and a request must end
/// with an answer.
///
/// The work is passed in pinned, so that a future that awaits it does not contain it twice.
pub(crate) fn catch_panic<T>(mut work: impl Future<Output = T> + Unpin) -> impl Future<Output = Option<T>> + Unpin {
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut work).poll(context))) {
        Ok(outcome) => outcome.map(Some),
        Err(_) => Poll::Ready(None),
    })
}
