//! Pace of work in the background: steps that take a bounded time, and a pause after each.
//!
//! Sweeps and bulk upgrades share the store with requests. The size of a step follows from the time of the step before
//! it, so that a request waits for at most a few milliseconds of other work. The pauses leave most of the store to
//! requests. The work takes the longer for it.
//!
//! An operation of a store may take several round trips, and its caller limits the time of each. So the store notes the
//! end of each round trip in a counter of the thread, which the caller compares before and after it polls the operation.
//! Wrappers of a store need not pass anything on.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::sync::sleep;

/// Sessions in the first step.
const FIRST: usize = 100;
/// Fewest sessions in a step. Smaller steps would consist of round trips to a distant server.
const FEWEST: usize = 16;
/// Most sessions in a step of a sweep.
const MOST_SWEPT: usize = 1_000;

/// Number of sessions in the next step of some work.
pub(crate) struct Pace {
    size: usize,
    most: usize,
    /// Intended time of a step.
    step: Duration,
    /// Length of a pause, as a multiple of the step before it.
    pause: u32,
}

impl Pace {
    /// A sweep: a step is one operation, which requests wait for. A quarter of the time is work. With a third, visitors
    /// beside a sweep of `SqliteStore` kept 0.65 of their adds, close to the goal of 0.6.
    pub(crate) const fn of_sweep() -> Self {
        Self { size: FIRST, most: MOST_SWEPT, step: Duration::from_millis(5), pause: 3 }
    }

    /// A bulk upgrade: a step is a page of at most `most` sessions, and at least one. Requests come between its saves,
    /// so half of the time is work.
    pub(crate) fn of_bulk(most: usize) -> Self {
        let most = most.max(1);
        Self { size: FIRST.min(most), most, step: Duration::from_millis(10), pause: 1 }
    }

    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Adapts the size to the time of the last step, and pauses. Other tasks of the thread run even if the step took no
    /// time.
    pub(crate) async fn pause_after(&mut self, took: Duration) {
        self.adapt(took);
        give_way().await;
        sleep(took.saturating_mul(self.pause)).await;
    }

    /// Doubles the size at most, since the time of a small step varies; a smaller size applies at once.
    fn adapt(&mut self, took: Duration) {
        let fitting = self.step.as_nanos().saturating_mul(self.size as u128) / took.as_nanos().max(1);
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        self.size = fitting.min(self.size.saturating_mul(2)).max(FEWEST).min(self.most);
    }
}

/// Yields to other tasks once. The work before it was a step.
pub(crate) async fn give_way() {
    note_step();
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

thread_local! {
    /// Number of steps that the futures polled on this thread have completed.
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Notes that the future being polled has completed a step, such as a round trip to a server.
pub(crate) fn note_step() {
    STEPS.set(STEPS.get().wrapping_add(1));
}

/// Waits until the work is done; `None` if it has only completed a step, and is to be waited for again.
pub(crate) fn output_or_step<F: Future + Unpin>(work: &mut F) -> impl Future<Output = Option<F::Output>> + Unpin {
    poll_fn(|context| {
        let before = STEPS.get();
        match Pin::new(&mut *work).poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if STEPS.get() == before => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        }
    })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// The sizes after steps that take this long for each session.
    fn sizes(mut pace: Pace, each: Duration, steps: usize) -> Vec<usize> {
        let next = |_| {
            pace.adapt(each * u32::try_from(pace.size()).unwrap());
            pace.size()
        };
        (0..steps).map(next).collect()
    }

    #[test]
    fn steps_grow_until_they_take_the_intended_time() {
        assert_eq!(sizes(Pace::of_sweep(), Duration::from_micros(20), 4), [200, 250, 250, 250]);
        assert_eq!(sizes(Pace::of_sweep(), Duration::ZERO, 5), [200, 400, 800, 1_000, 1_000]);
        assert_eq!(sizes(Pace::of_bulk(300), Duration::from_micros(50), 3), [200, 200, 200]);
        assert_eq!(sizes(Pace::of_bulk(300), Duration::ZERO, 3), [200, 300, 300]);
    }

    #[test]
    fn a_step_that_takes_too_long_makes_the_next_one_small() {
        assert_eq!(sizes(Pace::of_sweep(), Duration::from_micros(250), 2), [20, 20]);
        assert_eq!(sizes(Pace::of_sweep(), Duration::from_secs(1), 2), [FEWEST, FEWEST]);
        assert_eq!(sizes(Pace::of_sweep(), Duration::MAX / 2_000, 1), [FEWEST]);
    }

    #[test]
    fn no_step_is_larger_than_asked_for_or_empty() {
        assert_eq!(sizes(Pace::of_bulk(7), Duration::ZERO, 2), [7, 7]);
        assert_eq!(sizes(Pace::of_bulk(7), Duration::from_secs(1), 2), [7, 7]);
        assert_eq!((Pace::of_bulk(0).size(), Pace::of_bulk(usize::MAX).size()), (1, FIRST));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_uses_a_quarter_of_the_time_and_a_bulk_upgrade_half() {
        for (mut pace, times) in [(Pace::of_sweep(), 3), (Pace::of_bulk(500), 1)] {
            for took in [MILLISECOND, 30 * MILLISECOND, Duration::ZERO] {
                let started = Instant::now();
                pace.pause_after(took).await;
                let paused = started.elapsed();
                assert!((took * times..took * times + 2 * MILLISECOND).contains(&paused), "{paused:?} after {took:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_wait_ends_with_each_step_and_with_the_output() {
        let mut work = Box::pin(async {
            give_way().await;
            tokio::task::yield_now().await;
            give_way().await;
            7
        });
        let mut waits = Vec::new();
        while waits.last().is_none_or(Option::is_none) {
            waits.push(output_or_step(&mut work).await);
        }
        assert_eq!(waits, [None, None, Some(7)]);
    }

    #[tokio::test(start_paused = true)]
    async fn other_tasks_run_after_a_step_that_took_no_time() {
        let other = tokio::spawn(std::future::ready(()));
        Pace::of_sweep().pause_after(Duration::ZERO).await;
        assert!(other.is_finished());
    }
}
