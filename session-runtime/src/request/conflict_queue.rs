//! Queues in which saves of one session, inside one process, take turns once they meet a conflict.
//!
//! Without them, many requests that write one session at once would each merge and send again many times, and some
//! would run out of time. A save without a conflict does not wait, unless another save of the same session is being
//! sent again at that moment.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::backoff::jittered;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::request::budget::Budget;
use crate::sync::{AsyncMutex, AtomicUsize, Instant, Mutex, MutexGuard, OwnedMutexGuard, sleep};

/// Maximum number of successive conflicts that saves in flight in this process can cause.
const MOST_OWN_CONFLICTS: u32 = 2;
/// Longest pause before a patch is sent again. The pause lets a save of another process finish.
const MAX_PAUSE: Duration = Duration::from_millis(2);

type Queue = Arc<AsyncMutex<()>>;

/// Queues of the sessions whose saves conflict at the moment; usually none.
#[derive(Default)]
pub(crate) struct Queues {
    contended: Mutex<HashMap<SessionKey, Queue>>,
    /// Number of queues. At zero, no save takes the lock.
    count: AtomicUsize,
}

impl Queues {
    /// Admits a save: at once, or after the saves of the same session that are being sent again.
    pub(crate) async fn enter(&self, key: SessionKey, budget: &Budget) -> Result<Ticket<'_>, SessionError> {
        let mut ticket = Ticket { queues: self, key, queue: None, turn: None, conflicts: 0 };
        if self.count.load(Ordering::Acquire) > 0 {
            ticket.queue = self.lock().get(&key).cloned();
            ticket.wait(budget).await?;
        }
        Ok(ticket)
    }

    fn queue_of(&self, key: SessionKey) -> Queue {
        let mut contended = self.lock();
        let queue = contended.entry(key).or_default().clone();
        self.count.store(contended.len(), Ordering::Release);
        queue
    }

    /// Removes the queue if no other ticket uses it.
    fn leave(&self, key: SessionKey, queue: Queue) {
        let mut contended = self.lock();
        drop(queue);
        if contended.get(&key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            contended.remove(&key);
        }
        self.count.store(contended.len(), Ordering::Release);
    }

    /// Locks the map of queues. Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Queue>> {
        self.contended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Place of a save in its queue.
pub(crate) struct Ticket<'q> {
    queues: &'q Queues,
    key: SessionKey,
    queue: Option<Queue>,
    turn: Option<OwnedMutexGuard<()>>,
    conflicts: u32,
}

impl Ticket<'_> {
    /// Waits for a turn or pauses, before the patch is sent again.
    pub(crate) async fn after_conflict(&mut self, budget: &Budget) -> Result<(), SessionError> {
        self.conflicts += 1;
        if self.turn.is_none() {
            self.queue = Some(self.queues.queue_of(self.key));
            return self.wait(budget).await;
        }
        if self.conflicts > MOST_OWN_CONFLICTS {
            // This save holds the turn of this process, so the conflict comes from another process.
            return Box::pin(pause(budget)).await;
        }
        Ok(())
    }

    async fn wait(&mut self, budget: &Budget) -> Result<(), SessionError> {
        let Some(queue) = self.queue.clone() else { return Ok(()) };
        // A turn only avoids retries. The wait for it is limited: a save that never ends costs the others a part of
        // their time, not all.
        self.turn = Box::pin(budget.wait_at_most(queue.lock_owned(), budget.left() / 4)).await;
        if budget.left().is_zero() { Err(out_of_time()) } else { Ok(()) }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.turn = None;
        if let Some(queue) = self.queue.take() {
            self.queues.leave(self.key, queue);
        }
    }
}

async fn pause(budget: &Budget) -> Result<(), SessionError> {
    let started = Instant::now();
    let pause = jittered(MAX_PAUSE);
    if budget.left() <= pause {
        return Err(out_of_time());
    }
    sleep(pause).await;
    budget.spend(started.elapsed());
    Ok(())
}

fn out_of_time() -> SessionError {
    SessionError::with(ErrorKind::Unavailable, "conflicts used up the request's deadline")
}
