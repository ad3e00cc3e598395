//! Saves of one session inside one process take turns once they meet a conflict.
//!
//! Without that, a session that many requests write at once makes each of them merge and send again many times, and the
//! unlucky ones run out of time. A save that meets no conflict waits for nobody, unless somebody is sending again just now.

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, MutexGuard};

use crate::error::{ErrorKind, SessionError};
use crate::id::{RandomError, SessionKey};
use crate::sessions::Budget;

const QUEUES: usize = 64;
/// Conflicts in a row that others of this process, under way already, can be the reason of.
const OURS: u32 = 2;
/// The longest pause that leaves the store to another process.
const MAX_PAUSE: Duration = Duration::from_millis(2);

/// Queues of saves; which one a save waits in follows from the session's key.
pub(crate) struct Queues([Mutex<()>; QUEUES]);

impl Queues {
    pub(crate) const fn new() -> Self {
        Self([const { Mutex::const_new(()) }; QUEUES])
    }

    /// Lets a save begin: at once, or behind those that are sending again.
    pub(crate) async fn enter(&self, key: SessionKey, budget: &Budget) -> Result<Ticket<'_>, SessionError> {
        let queue = &self.0[usize::from(key.as_bytes()[0]) % QUEUES];
        let mut ticket = Ticket { queue, turn: None, conflicts: 0 };
        if ticket.queue.try_lock().is_err() {
            ticket.wait(budget).await?;
        }
        Ok(ticket)
    }
}

/// A save's place in its queue.
pub(crate) struct Ticket<'q> {
    queue: &'q Mutex<()>,
    turn: Option<MutexGuard<'q, ()>>,
    conflicts: u32,
}

impl Ticket<'_> {
    /// To be called before the patch is sent again.
    pub(crate) async fn after_conflict(&mut self, budget: &Budget) -> Result<(), SessionError> {
        self.conflicts += 1;
        if self.turn.is_none() {
            return self.wait(budget).await;
        }
        if self.conflicts > OURS {
            // Nobody of this process sends for this session now, so it is another one.
            return self.pause(budget).await;
        }
        Ok(())
    }

    async fn wait(&mut self, budget: &Budget) -> Result<(), SessionError> {
        let started = Instant::now();
        let turn = tokio::time::timeout(budget.left(), self.queue.lock()).await;
        budget.spend(started.elapsed());
        self.turn = Some(turn.map_err(|_| out_of_time())?);
        Ok(())
    }

    async fn pause(&mut self, budget: &Budget) -> Result<(), SessionError> {
        let started = Instant::now();
        let mut jitter = [0];
        getrandom::fill(&mut jitter).map_err(|_| RandomError)?;
        let pause = MAX_PAUSE * u32::from(jitter[0]) / 256;
        if budget.left() <= pause {
            return Err(out_of_time());
        }
        tokio::time::sleep(pause).await;
        budget.spend(started.elapsed());
        Ok(())
    }
}

fn out_of_time() -> SessionError {
    SessionError::with(ErrorKind::Unavailable, "conflicts used up the request's deadline")
}
