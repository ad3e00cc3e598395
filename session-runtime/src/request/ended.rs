//! The end of a session as a future, for a response that outlives its request: a WebSocket, a stream of events, a long
//! poll.
//!
//! The process that ends a session wakes its own futures. To notice the ends that other processes cause, one task of the
//! application reads the heads of all watched sessions from the store every `watch_every`. It runs only while sessions
//! are watched.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::state::SessionStatus;
use super::visit::Visit;
use super::watches::{EndReason, Id};
use crate::error::SessionError;
use crate::id::SessionKey;
use crate::record::Head;
use crate::request::backend::Backend;
use crate::request::core::Core;
use crate::sync::{Instant, sleep};

/// Maximum number of sessions that one operation of the store reads.
const AT_ONCE: usize = 500;

/// Future that resolves when the session is over, returned by [`Visit::ended`] and by `SessionHandle::ended`.
///
/// It borrows nothing, so a stream or a task can own it. Its output is the reason; polling it again returns the same
/// reason. If the request had no stored session, it never resolves. Dropping it ends the watch.
///
/// # Examples
///
/// ```
/// use session_runtime::Ended;
///
/// /// Runs `work` until the session is over.
/// async fn while_logged_in(ended: Ended, work: impl Future<Output = ()>) {
///     tokio::select! {
///         () = work => {}
///         reason = ended => match reason {
///             Ended::LoggedOut => println!("logged out"),
///             Ended::Over | Ended::Expired => println!("closed"),
///         },
///     }
/// }
/// ```
#[must_use = "a future does nothing unless it is awaited"]
pub struct Ended(Progress);

enum Progress {
    /// No session is watched.
    Never,
    Watched(Watched),
    Over(EndReason),
}

/// A watch, which ends with this.
struct Watched {
    core: Arc<Core>,
    id: Id,
    receiver: oneshot::Receiver<EndReason>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.core.watches.remove(self.id);
    }
}

/// The reasons, under the name of the future: `match handle.ended().await { Ended::LoggedOut => …`.
#[expect(non_upper_case_globals, reason = "they stand for the variants of `EndReason`")]
impl Ended {
    /// [`EndReason::Over`].
    pub const Over: EndReason = EndReason::Over;
    /// [`EndReason::LoggedOut`].
    pub const LoggedOut: EndReason = EndReason::LoggedOut;
    /// [`EndReason::Expired`].
    pub const Expired: EndReason = EndReason::Expired;
}

impl Future for Ended {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EndReason> {
        match &mut self.0 {
            Progress::Over(reason) => return Poll::Ready(*reason),
            Progress::Never => return Poll::Pending,
            Progress::Watched(watched) => match Pin::new(&mut watched.receiver).poll(context) {
                Poll::Ready(Ok(reason)) => {
                    self.0 = Progress::Over(reason);
                    return Poll::Ready(reason);
                }
                // The list sends a reason whenever it drops a sender, except after the drop of this future.
                Poll::Ready(Err(_)) | Poll::Pending => {}
            },
        }
        Poll::Pending
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").finish_non_exhaustive()
    }
}

impl Visit {
    /// Returns a future that resolves when the session of this visit is over: destroyed, logged out or expired.
    ///
    /// It watches the session that has been loaded or created when it is called, and never resolves if there is none. It
    /// resolves at once if this process ends the session, and within
    /// [`watch_every`](crate::SessionConfig::watch_every) if another process does. A login or a renewal of the same request
    /// resolves it too, so call it after the save of one.
    ///
    /// While the store is unavailable, only the absolute deadline resolves it. For sessions in cookies, only the ends in
    /// this process and the absolute deadline are known.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{EndReason, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// let mut cart = visit.write::<Cart>().await?;
    /// cart.set_coupon("SPRING".into());
    /// cart.save().await?;
    /// let (ended, key) = (visit.ended(), visit.key().unwrap());
    /// sessions.destroy(&key).await?;
    /// assert_eq!(ended.await, EndReason::Over);
    /// # Ok(()) }
    /// ```
    pub fn ended(&self) -> Ended {
        let session_status = self.state().session_status.clone();
        Ended(match session_status {
            SessionStatus::Live(live) => Progress::Watched(watch(&self.core, live.id.key, &live.head)),
            SessionStatus::Ended => Progress::Over(EndReason::Over),
            SessionStatus::Unread(_) | SessionStatus::Anonymous | SessionStatus::Stale => Progress::Never,
        })
    }
}

fn watch(core: &Arc<Core>, key: SessionKey, head: &Head) -> Watched {
    let start = || tokio::spawn(Arc::clone(core).check_watched_forever());
    let (id, receiver) = core.watches.add(key, head, start);
    Watched { core: Arc::clone(core), id, receiver }
}

impl Core {
    /// Checks the watched sessions until the task is aborted. Logs one line for each outage.
    async fn check_watched_forever(self: Arc<Self>) {
        let (every, mut has_failed) = (self.watches.every, false);
        sleep(every).await;
        loop {
            let started = Instant::now();
            let failed = self.check_watched().await.err();
            if let Some(error) = failed.as_ref().filter(|_| !has_failed) {
                tracing::warn!("watched sessions cannot be checked, so their ends go unnoticed: {}", error.chain());
            }
            has_failed = failed.is_some();
            // A check that takes longer than the interval still leaves the store time for other work.
            sleep(every.saturating_sub(started.elapsed()).max(every / 2)).await;
        }
    }

    /// Ends the watches of all sessions that are over.
    async fn check_watched(&self) -> Result<(), SessionError> {
        self.watches.expire(self.now());
        if matches!(self.backend, Backend::Cookie(_)) {
            return Ok(());
        }
        let (keys, next) = self.watches.watched();
        for keys in keys.chunks(AT_ONCE) {
            let now = self.now();
            let heads = self.run_in_steps(self.store().heads(keys, now)).await?;
            for (key, head) in keys.iter().zip(&heads) {
                self.watches.judge(*key, next, head, now);
            }
        }
        Ok(())
    }
}
