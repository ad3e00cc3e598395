//! How long the store may take in one request, all its work counted; and panics of foreign code as outcomes.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use crate::sync::{AtomicU64, Instant, deadline};

/// What is left of a request's time for store work.
pub(crate) struct Budget {
    left: AtomicU64,
}

impl Budget {
    pub(crate) fn new(deadline: Duration) -> Self {
        Self { left: AtomicU64::new(nanos(deadline)) }
    }

    pub(crate) fn left(&self) -> Duration {
        Duration::from_nanos(self.left.load(Ordering::Relaxed))
    }

    pub(crate) fn spend(&self, time: Duration) {
        self.left.store(nanos(self.left().saturating_sub(time)), Ordering::Relaxed);
    }

    /// Waits for the work for as long as there is time; `None` if that is used up.
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = T> + Unpin) -> Option<T> {
        self.wait_at_most(work, self.left()).await
    }

    /// Waits for the work for this long.
    ///
    /// Work that needs no waiting, as that of a store in memory, costs neither a timer nor a look at the clock.
    pub(crate) async fn wait_at_most<T>(&self, work: impl Future<Output = T>, most: Duration) -> Option<T> {
        let mut work = pin!(work);
        if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return Some(outcome);
        }
        let started = Instant::now();
        let (mut timer, mut was_polled) = (pin!(deadline(started, most)), true);
        let outcome = poll_fn(|context| {
            if !std::mem::take(&mut was_polled)
                && let Poll::Ready(outcome) = work.as_mut().poll(context)
            {
                return Poll::Ready(Some(outcome));
            }
            timer.as_mut().poll(context).map(|()| None)
        })
        .await;
        self.spend(started.elapsed());
        outcome
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The output, or `None` if the work panicked: Rocket does not catch panics of fairings, and a request must end with an
/// answer.
///
/// The work comes pinned, so that a future which waits for it does not hold the room of it twice.
pub(crate) fn catch_panic<T>(mut work: impl Future<Output = T> + Unpin) -> impl Future<Output = Option<T>> + Unpin {
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut work).poll(context))) {
        Ok(outcome) => outcome.map(Some),
        Err(_) => Poll::Ready(None),
    })
}
