//! Queue of jobs for threads: one lock, one wake-up per job, and no wake-up while every thread is busy.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
}

struct State<T> {
    jobs: VecDeque<T>,
    /// Number of sleeping threads that have not been woken yet.
    idle: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State { jobs: VecDeque::new(), idle: 0, closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new() }
    }

    /// Appends a job. A closed queue drops it, and its caller receives an error.
    pub(super) fn push(&self, job: T) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.jobs.push_back(job);
        let wake = state.idle > 0;
        state.idle -= usize::from(wake);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
    }

    /// Waits for jobs and takes up to `most`; false once the queue is closed and empty.
    pub(super) fn take(&self, into: &mut Vec<T>, most: usize) -> bool {
        let mut state = self.lock();
        loop {
            if !state.jobs.is_empty() {
                let count = most.min(state.jobs.len());
                into.extend(state.jobs.drain(..count));
                return true;
            }
            if state.closed {
                return false;
            }
            state.idle += 1;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Rejects new jobs; the waiting ones are still taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Drops all waiting jobs and rejects new ones.
    pub(super) fn abandon(&self) {
        self.close();
        let jobs = std::mem::take(&mut self.lock().jobs);
        drop(jobs);
    }

    /// Ignores poisoning: nothing panics under the lock, and a panic would still leave the jobs whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let queue = Queue::new();
        queue.push(1);
        queue.push(2);
        queue.push(3);
        queue.close();
        queue.push(4);
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, 2) && taken == [1, 2]);
        assert!(queue.take(&mut taken, 2) && taken == [1, 2, 3]);
        assert!(!queue.take(&mut taken, 2));
    }

    #[test]
    fn every_job_is_taken_once_by_one_of_many_threads() {
        let queue = Queue::new();
        let taken = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut jobs = Vec::new();
                    while queue.take(&mut jobs, 3) {
                        taken.lock().unwrap().append(&mut jobs);
                    }
                });
            }
            (0..10_000).for_each(|job| queue.push(job));
            queue.close();
        });
        let mut taken = taken.into_inner().unwrap();
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..10_000));
    }
}
