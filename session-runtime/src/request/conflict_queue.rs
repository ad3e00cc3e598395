//! Saves of one session inside one process take turns once they meet a conflict.
//!
//! Without that, a session that many requests write at once makes each of them merge and send again many times, and the
//! unlucky ones run out of time. A save that meets no conflict waits for nobody, unless somebody is sending again for the
//! same session just now.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::error::{ErrorKind, SessionError};
use crate::id::{RandomError, SessionKey};
use crate::request::budget::Budget;
use crate::sync::{AsyncMutex, AtomicUsize, Instant, Mutex, MutexGuard, OwnedMutexGuard, sleep};

/// Conflicts in a row that others of this process, under way already, can be the reason of.
const OURS: u32 = 2;
/// The longest pause that leaves the store to another process.
const MAX_PAUSE: Duration = Duration::from_millis(2);

type Queue = Arc<AsyncMutex<()>>;

/// The queues of those sessions whose saves conflict at the moment; usually none.
#[derive(Default)]
pub(crate) struct Queues {
    contended: Mutex<HashMap<SessionKey, Queue>>,
    /// How many there are, so that nobody takes the lock when there is none.
    count: AtomicUsize,
}

impl Queues {
    /// Lets a save begin: at once, or behind those that are sending again for the same session.
    pub(crate) async fn enter(&self, key: SessionKey, budget: &Budget) -> Result<Ticket<'_>, SessionError> {
        let mut ticket = Ticket { queues: self, key, seat: None, turn: None, conflicts: 0 };
        if self.count.load(Ordering::Acquire) > 0 {
            ticket.seat = self.lock().get(&key).cloned();
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

    /// Forgets a queue that nobody stands in any more.
    fn leave(&self, key: SessionKey, seat: Queue) {
        let mut contended = self.lock();
        drop(seat);
        if contended.get(&key).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            contended.remove(&key);
        }
        self.count.store(contended.len(), Ordering::Release);
    }

    /// Nothing panics while the lock is held.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Queue>> {
        self.contended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A save's place in its queue.
pub(crate) struct Ticket<'q> {
    queues: &'q Queues,
    key: SessionKey,
    seat: Option<Queue>,
    turn: Option<OwnedMutexGuard<()>>,
    conflicts: u32,
}

impl Ticket<'_> {
    /// To be called before the patch is sent again.
    pub(crate) async fn after_conflict(&mut self, budget: &Budget) -> Result<(), SessionError> {
        self.conflicts += 1;
        if self.turn.is_none() {
            self.seat = Some(self.queues.queue_of(self.key));
            return self.wait(budget).await;
        }
        if self.conflicts > OURS {
            // Nobody of this process sends for this session now, so it is another one.
            return Box::pin(pause(budget)).await;
        }
        Ok(())
    }

    async fn wait(&mut self, budget: &Budget) -> Result<(), SessionError> {
        let Some(seat) = self.seat.clone() else { return Ok(()) };
        // Turns only save tries. Somebody who keeps one without ending costs the others a part of their time, not all.
        self.turn = Box::pin(budget.wait_at_most(seat.lock_owned(), budget.left() / 4)).await;
        if budget.left().is_zero() { Err(out_of_time()) } else { Ok(()) }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.turn = None;
        if let Some(seat) = self.seat.take() {
            self.queues.leave(self.key, seat);
        }
    }
}

async fn pause(budget: &Budget) -> Result<(), SessionError> {
    let started = Instant::now();
    let mut jitter = [0];
    getrandom::fill(&mut jitter).map_err(|_| RandomError)?;
    let pause = MAX_PAUSE * u32::from(jitter[0]) / 256;
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
