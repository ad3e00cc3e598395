//! How long the store may take in one request, all its work counted; and panics of foreign code as outcomes.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::sync::{AtomicU64, timeout};

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
    ///
    /// Work that needs no waiting, as that of a store in memory, costs neither a timer nor a look at the clock.
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        match at_once(work.as_mut()).await {
            Some(outcome) => Some(outcome),
            None => Box::pin(self.wait_at_most(work, self.left())).await,
        }
    }

    /// Waits for the work for this long.
    pub(crate) async fn wait_at_most<T>(&self, work: impl Future<Output = T>, most: Duration) -> Option<T> {
        let started = Instant::now();
        let outcome = timeout(most, work).await;
        self.spend(started.elapsed());
        outcome.ok()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The outcome, if there is one without waiting.
async fn at_once<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The output, or `None` if the work panicked: Rocket does not catch panics of fairings, and a request must end with an
/// answer.
pub(crate) async fn catch_panic<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    std::future::poll_fn(move |context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
