//! Work that runs to its end, even if its future is dropped.
//!
//! A server may drop the handler of a client that has left. A save whose patch is on its way would then have an unknown
//! outcome, so the rest of it runs in a task of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Runs the work. If the returned future is dropped after its first poll, the rest of the work runs in a task.
///
/// # Panics
///
/// Outside a tokio runtime.
pub(crate) fn run_to_end<T: 'static>(work: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> + Send {
    ToEnd { work: Some(Box::pin(work)), runtime: None }
}

/// A task is spawned only for a dropped future: in a task from the start, the save of each request would cost two switches
/// between tasks.
struct ToEnd<T: 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// Runtime of the first poll.
    runtime: Option<Handle>,
}

impl<T> Future for ToEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Work that panics is dropped here, and not run again in a task.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.runtime.get_or_insert_with(Handle::current);
            self.work = Some(work);
        }
        polled
    }
}

impl<T> Drop for ToEnd<T> {
    fn drop(&mut self) {
        if let (Some(work), Some(runtime)) = (self.work.take(), &self.runtime) {
            runtime.spawn(async move { drop(work.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;
    use crate::request::saving::Saves;

    /// Work that counts as a save, and then waits for the permission to end.
    fn save(saves: &Arc<Saves>, end: &Arc<Notify>) -> impl Future<Output = ()> + Send + use<> {
        let (saves, end) = (Arc::clone(saves), Arc::clone(end));
        run_to_end(async move {
            let _running = saves.begin();
            end.notified().await;
        })
    }

    async fn poll_once(work: &mut (impl Future<Output = ()> + Unpin)) {
        let polled = tokio::time::timeout(Duration::ZERO, work).await;
        assert!(polled.is_err(), "the work waits");
    }

    #[tokio::test]
    async fn a_save_that_was_dropped_ended_at_once() {
        let (saves, end) = <(Arc<Saves>, Arc<Notify>)>::default();
        let mut work = Box::pin(save(&saves, &end));
        poll_once(&mut work).await;
        drop(work);
        poll_once(&mut Box::pin(saves.settled())).await;
        end.notify_one();
        saves.settled().await;
    }

    #[tokio::test]
    async fn a_save_that_never_began_was_run() {
        let (saves, end) = <(Arc<Saves>, Arc<Notify>)>::default();
        drop(save(&saves, &end));
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&end), 1);
        saves.settled().await;
    }

    #[tokio::test]
    async fn a_wait_for_saves_ended_before_the_last_one() {
        let (saves, end) = <(Arc<Saves>, Arc<Notify>)>::default();
        let mut both = [Box::pin(save(&saves, &end)), Box::pin(save(&saves, &end))];
        for work in &mut both {
            poll_once(work).await;
        }
        let mut settled = Box::pin(saves.settled());
        poll_once(&mut settled).await;
        end.notify_one();
        both[0].as_mut().await;
        poll_once(&mut settled).await;
        end.notify_one();
        both[1].as_mut().await;
        settled.await;
    }
}
