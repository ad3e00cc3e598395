//! A connection that many requests share, reopened in the background when it ends.
//!
//! ```text
//! idle ──first use──▶ connecting ──────▶ open
//!                      ▲  ▲  │             │
//!                      │  │  ▼             │
//!                      │  └ failed ◀───────┤ it ended, and the server never answered
//!                      └───────────────────┘ it ended after an answer
//! ```
//!
//! One task per connection connects and waits for the end of the connection. Requests wait while it connects, within
//! their own deadline. In the state `failed`, during the pause after a failed attempt, they fail at once. The pause
//! doubles with each failure. Nothing is sent again here: a request in flight when the connection ended has an unknown
//! outcome.
//!
//! The task ends with the handle, or with its runtime. In the second case the connection is idle again, and the next
//! use starts a task in the runtime of that use.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::select_ok;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;

/// A server, and the way to connect to it.
pub(in crate::store) trait Connect: Send + Sync + 'static {
    type Connection: Send + Sync + 'static;
    type Fault: Clone + Send + Sync + 'static;

    /// Connects once, within a time limit of its own. The connection reports its own end to `end`.
    fn connect(&self, end: Arc<End>) -> impl Future<Output = Result<Self::Connection, Self::Fault>> + Send;

    /// True if the server has answered a request over this connection.
    fn has_answered(connection: &Self::Connection) -> bool;

    /// Fault of a request for which there is no connection.
    fn unavailable(why: &'static str) -> Self::Fault;
}

/// End of one connection. Both the connection itself and a request may report it.
#[derive(Default)]
pub(in crate::store) struct End {
    has_ended: AtomicBool,
    is_retired: AtomicBool,
    reported: Notify,
}

impl End {
    /// Reports that the connection has ended.
    pub(in crate::store) fn report(&self) {
        self.has_ended.store(true, Relaxed);
        self.reported.notify_one();
    }

    /// Reports that a request found the connection unusable. New requests take another one; requests in flight may
    /// still be answered.
    pub(in crate::store) fn retire(&self) {
        self.is_retired.store(true, Relaxed);
        self.report();
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Relaxed)
    }
}

/// An open connection and its end.
pub(in crate::store) struct Opened<T> {
    connection: T,
    end: Arc<End>,
}

impl<T> Opened<T> {
    /// Reports that a request found this connection unusable. Later connections are not affected.
    pub(in crate::store) fn retire(&self) {
        self.end.retire();
    }
}

impl<T> Deref for Opened<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.connection
    }
}

enum State<C: Connect> {
    /// No task keeps the connection open: none was started, or its runtime has ended.
    Idle,
    Connecting,
    Open(Arc<Opened<C::Connection>>),
    /// The state until the next attempt.
    Failed(C::Fault),
}

impl<C: Connect> State<C> {
    fn connection(&self) -> Option<&Arc<Opened<C::Connection>>> {
        match self {
            Self::Open(opened) if !opened.end.has_ended() => Some(opened),
            _ => None,
        }
    }
}

/// Handle of a connection that a task keeps open.
pub(in crate::store) struct Reconnecting<C: Connect> {
    connector: Arc<C>,
    backoff: Backoff,
    state: Arc<watch::Sender<State<C>>>,
    task: Mutex<Option<AbortHandle>>,
}

impl<C: Connect> Reconnecting<C> {
    /// Creates the handle. Its task starts with the first use.
    pub(in crate::store) fn new(connector: Arc<C>, backoff: Backoff) -> Self {
        let state = Arc::new(watch::Sender::new(State::Idle));
        Self { connector, backoff, state, task: Mutex::default() }
    }

    /// Returns the connection if it is open. On the first use, the task starts to connect.
    pub(in crate::store) fn current(&self) -> Option<Arc<Opened<C::Connection>>> {
        self.start();
        self.state.borrow().connection().cloned()
    }

    /// Returns the connection, and waits while it is being opened. Returns the fault if the attempt fails.
    pub(in crate::store) async fn opened(&self) -> Result<Arc<Opened<C::Connection>>, C::Fault> {
        self.start();
        let mut state = self.state.subscribe();
        let is_decided =
            |state: &State<C>| state.connection().is_some() || matches!(state, State::Failed(_) | State::Idle);
        match state.wait_for(is_decided).await.as_deref() {
            Ok(State::Open(opened)) => Ok(Arc::clone(opened)),
            Ok(State::Failed(fault)) => Err(fault.clone()),
            _ => Err(C::unavailable("the runtime that kept the connection has ended")),
        }
    }

    /// Starts the task, unless one is running.
    fn start(&self) {
        if !matches!(*self.state.borrow(), State::Idle) {
            return;
        }
        let mut task = self.task();
        if matches!(*self.state.borrow(), State::Idle) {
            self.state.send_replace(State::Connecting);
            let kept = Kept(Arc::clone(&self.state));
            *task = Some(tokio::spawn(keep(kept, Arc::clone(&self.connector), self.backoff)).abort_handle());
        }
    }

    fn task(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connect> Drop for Reconnecting<C> {
    fn drop(&mut self) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
    }
}

/// Waits for the connection that opens first; fails if every attempt has failed.
pub(in crate::store) async fn first_opened<C: Connect>(
    connections: &[Reconnecting<C>],
) -> Result<Arc<Opened<C::Connection>>, C::Fault> {
    let opened = select_ok(connections.iter().map(|connection| Box::pin(connection.opened()))).await;
    opened.map(|(opened, _)| opened)
}

/// State of a connection that a task keeps open. Reset to `Idle` when the task ends with its runtime.
struct Kept<C: Connect>(Arc<watch::Sender<State<C>>>);

impl<C: Connect> Drop for Kept<C> {
    fn drop(&mut self) {
        self.0.send_replace(State::Idle);
    }
}

/// Connects, waits for the end, and starts again.
async fn keep<C: Connect>(kept: Kept<C>, connector: Arc<C>, mut backoff: Backoff) {
    loop {
        let fault = match open(&kept, &*connector, &backoff).await {
            Ok(()) => {
                backoff.reset();
                kept.0.send_replace(State::Connecting);
                continue;
            }
            Err(fault) => fault,
        };
        kept.0.send_replace(State::Failed(fault));
        sleep(backoff.next_pause()).await;
        kept.0.send_replace(State::Connecting);
    }
}

/// Opens the connection and returns when it has ended. Fails if it could not be opened, or ended without an answer
/// while it was in use.
async fn open<C: Connect>(kept: &Kept<C>, connector: &C, backoff: &Backoff) -> Result<(), C::Fault> {
    let end = Arc::new(End::default());
    let connection = connector.connect(Arc::clone(&end)).await?;
    let (opened, since) = (Arc::new(Opened { connection, end }), Instant::now());
    kept.0.send_replace(State::Open(Arc::clone(&opened)));
    opened.end.reported.notified().await;
    // Lets requests that were answered right before the end record that.
    yield_now().await;
    // A connection that no request found unusable may end while it is idle. That is no failure, unless it ended at
    // once.
    let was_idle = !opened.end.is_retired.load(Relaxed) && since.elapsed() > backoff.longest();
    if C::has_answered(&opened.connection) || was_idle {
        Ok(())
    } else {
        Err(C::unavailable("the server does not answer"))
    }
}

#[cfg(test)]
mod tests;
