//! Threads that serve one queue, and the channel on which a caller waits for an answer.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::job_queue::Queue;
use crate::store::{StoreError, StoreErrorKind};

const ENDED: &str = "the store's thread has ended";

/// Sender for the outcome of a job.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Worker threads with their queue. Dropping this waits until they have run all waiting jobs.
pub(super) struct Threads<J> {
    queue: Arc<Queue<J>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static> Threads<J> {
    pub(super) fn new() -> Self {
        Self { queue: Arc::new(Queue::new()), threads: Vec::new() }
    }

    /// Starts another thread, which serves the queue until the queue is closed.
    pub(super) fn spawn(&mut self, serve: impl FnOnce(&Queue<J>) + Send + 'static) -> io::Result<()> {
        let queue = Guard(Arc::clone(&self.queue));
        let thread = thread::Builder::new().name("session-sqlite".to_owned()).spawn(move || serve(&queue.0))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Waits for the answer to a job without blocking. May be cancelled at any time.
    pub(super) async fn ask<T>(&self, during: &'static str, job: impl FnOnce(Answer<T>) -> J) -> Result<T, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.push(job(answer));
        // A job dropped without an answer means that its thread has ended.
        outcome.await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable, during).because(ENDED)))
    }
}

impl<J> Drop for Threads<J> {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Abandons the queue when a thread ends for any reason, so that no caller waits for an answer that will never come.
struct Guard<J>(Arc<Queue<J>>);

impl<J> Drop for Guard<J> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Error for a thread or a connection that could not be created.
pub(super) fn not_set_up(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Setup, "open").because(cause)
}
