//! Threads that serve one queue, and the channel on which a caller waits for an answer.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::pace::note_step;
use crate::store::{StoreError, StoreErrorKind};

const ENDED: &str = "the store's thread has ended";

/// Sender for the outcome of a job.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Worker threads with their queue. Dropping this closes the queue, and waits until the threads have run all waiting
/// jobs.
pub(super) struct Threads<J> {
    // Dropped before the threads are joined, in the order of the fields.
    jobs: UnboundedSender<J>,
    threads: Joined,
}

impl<J: Send + 'static> Threads<J> {
    /// Starts a thread for each function, which serves the queue until the queue is closed.
    pub(super) fn start<F>(serve_each: impl IntoIterator<Item = F>) -> io::Result<Self>
    where
        F: FnOnce(&Queue<J>) + Send + 'static,
    {
        let (jobs, receiver) = unbounded_channel();
        let queue = Arc::new(Queue(Mutex::new(receiver)));
        let mut threads = Self { jobs, threads: Joined(Vec::new()) };
        for serve in serve_each {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new().name("session-sqlite".to_owned()).spawn(move || serve(&queue))?;
            threads.threads.0.push(thread);
        }
        Ok(threads)
    }

    /// Waits for the answer to a job without blocking. May be cancelled at any time.
    pub(super) async fn ask<T>(&self, during: &'static str, job: impl FnOnce(Answer<T>) -> J) -> Result<T, StoreError> {
        let (answer, outcome) = oneshot::channel();
        // Fails if no thread is left, and drops the job.
        drop(self.jobs.send(job(answer)));
        // A job dropped without an answer means that its thread has ended.
        let outcome = outcome.await;
        note_step();
        outcome.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable, during).because(ENDED)))
    }
}

/// Receiving end of the jobs, shared by the threads. When the last thread ends, for any reason, the waiting jobs are
/// dropped, so that no caller waits for an answer that will never come.
pub(super) struct Queue<J>(Mutex<UnboundedReceiver<J>>);

impl<J> Queue<J> {
    /// Waits for jobs and takes up to `most`; false once the queue is closed and empty.
    pub(super) fn take(&self, into: &mut Vec<J>, most: usize) -> bool {
        // Ignores poisoning: nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv_many(into, most) > 0
    }
}

/// Threads that a drop waits for.
struct Joined(Vec<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Error for a thread or a connection that could not be created.
pub(super) fn not_set_up(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Setup, "open").because(cause)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let (jobs, receiver) = unbounded_channel();
        let queue = Queue(Mutex::new(receiver));
        (1..=3).for_each(|job| jobs.send(job).unwrap());
        drop(jobs);
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, 2) && taken == [1, 2]);
        assert!(queue.take(&mut taken, 2) && taken == [1, 2, 3]);
        assert!(!queue.take(&mut taken, 2));
    }

    #[test]
    fn every_job_is_taken_once_by_one_of_many_threads() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let serve = |taken: Arc<Mutex<Vec<u32>>>| {
            move |queue: &Queue<u32>| {
                let mut jobs = Vec::new();
                while queue.take(&mut jobs, 3) {
                    taken.lock().unwrap().append(&mut jobs);
                }
            }
        };
        let threads = Threads::start((0..4).map(|_| serve(Arc::clone(&taken)))).unwrap();
        (0..10_000).for_each(|job| threads.jobs.send(job).unwrap());
        drop(threads);
        let mut taken = taken.lock().unwrap().clone();
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..10_000));
    }

    #[tokio::test]
    async fn a_job_without_a_thread_fails() {
        let threads = Threads::start([|queue: &Queue<Answer<()>>| {
            queue.take(&mut Vec::new(), 1);
        }])
        .unwrap();
        for _ in 0..2 {
            let failed = threads.ask("patch", |answer| answer).await;
            assert_eq!(failed.unwrap_err().kind(), StoreErrorKind::Unavailable);
        }
    }
}
