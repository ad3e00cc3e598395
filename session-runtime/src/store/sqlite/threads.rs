//! Threads that serve one queue, and how a caller waits for what one of them answers.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::job_queue::Queue;
use crate::store::{StoreError, StoreErrorKind};

const ENDED: &str = "the store's thread has ended";

/// Where a job leaves its outcome.
pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Dropping them lets them finish what waits, and waits for that.
pub(super) struct Threads<J> {
    queue: Arc<Queue<J>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static> Threads<J> {
    pub(super) fn new() -> Self {
        Self { queue: Arc::new(Queue::new()), threads: Vec::new() }
    }

    /// One thread more, which serves the queue until that is closed.
    pub(super) fn spawn(&mut self, serve: impl FnOnce(&Queue<J>) + Send + 'static) -> io::Result<()> {
        let queue = Guard(Arc::clone(&self.queue));
        let thread = thread::Builder::new().name("session-sqlite".to_owned()).spawn(move || serve(&queue.0))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Waits for the answer to a job without blocking. May be given up at any time.
    pub(super) async fn ask<T>(&self, during: &'static str, job: impl FnOnce(Answer<T>) -> J) -> Result<T, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.queue.push(job(answer));
        // A job that is dropped unanswered means that its thread is gone.
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

/// However a thread ends, nobody waits for an answer that will not come.
struct Guard<J>(Arc<Queue<J>>);

impl<J> Drop for Guard<J> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// A thread or its connection could not be made.
pub(super) fn not_set_up(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Setup, "open").because(cause)
}
