//! Futures of one task that run at the same time.
//!
//! Each wake polls all of them, which is cheap for the few sessions that a job works on at once. The crates that poll only
//! the woken one are dependencies of the stores on servers, and a program without such a store needs none of them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A set of futures.
pub(crate) struct InFlight<F>(Vec<Pin<Box<F>>>);

impl<F: Future> InFlight<F> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, future: F) {
        self.0.push(Box::pin(future));
    }

    /// Waits for the next future that completes; `None` if there are no more.
    pub(crate) async fn next(&mut self) -> Option<F::Output> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        for at in 0..self.0.len() {
            if let Poll::Ready(output) = self.0[at].as_mut().poll(context) {
                drop(self.0.swap_remove(at));
                return Poll::Ready(Some(output));
            }
        }
        if self.0.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl<F> Default for InFlight<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn futures_complete_in_the_order_of_their_times() {
        let mut in_flight = InFlight::default();
        for millis in [30, 10, 20] {
            in_flight.push(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                millis
            });
        }
        let mut order = Vec::new();
        while let Some(millis) = in_flight.next().await {
            order.push(millis);
        }
        assert_eq!((order, in_flight.len()), (vec![10, 20, 30], 0));
    }
}
