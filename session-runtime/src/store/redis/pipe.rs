//! A connection to one server that many requests share. Commands are sent one behind the other, and responses arrive in
//! the same order.
//!
//! ```text
//! request ──command──▶ outgoing ──▶ driver ──▶ server
//!    ▲                                            │
//!    └──────answer──── waiting ◀── driver ◀───────┘
//! ```
//!
//! When several requests are active, the connection's own task, the driver, writes and reads for all of them. It writes
//! after all ready tasks have queued their commands: a packet costs more than a command, here and at the server. A
//! request that is alone leads: it writes and reads by itself, and no other task is woken. Other requests may join at
//! any time, and the leader may give up; then the driver takes over.
//!
//! A connection with an overdue response is closed as a whole: the responses behind it would be overdue as well, and a
//! server that responds again should not find old commands. Nothing is sent twice.
//!
//! This is not the client library's connection, since a round trip through that one costs more than twice the
//! instructions, and more packets when sixteen visitors send at once.

mod shared;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::sleep_until;

use self::shared::{Place, Shared};
use super::call::Call;
use super::fault::Fault;

/// Bytes from a server.
pub(super) trait Incoming: AsyncRead + Send + Unpin + 'static {}

impl<F: AsyncRead + Send + Unpin + 'static> Incoming for F {}

/// Bytes to a server.
pub(super) trait Outgoing: AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncWrite + Send + Unpin + 'static> Outgoing for T {}

/// Replacement for a response timeout that the clock cannot represent.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// A response as it arrived, or a fault.
type Answer = Result<Vec<u8>, Fault>;

/// Handle of the connection, which ends with the last handle.
#[derive(Clone)]
pub(super) struct Pipe(Arc<Ends>);

impl Pipe {
    /// Creates a connection over the halves of a stream. `lost` is called when it ends, even while it is idle.
    pub(super) fn over(
        (from, to): (impl Incoming, impl Outgoing),
        answer_timeout: Duration,
        lost: impl FnOnce() + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::over(from, to));
        let ends = Ends(Arc::clone(&shared));
        tokio::spawn(async move {
            let fault = drive(&ends.0, answer_timeout).await;
            ends.0.end(&fault);
            lost();
        });
        Self(Arc::new(Ends(shared)))
    }

    /// Sends a command and waits for its response. `None` if the connection had already ended; then nothing was sent.
    pub(super) async fn ask(&self, call: &Call) -> Option<Answer> {
        let shared = &*self.0.0;
        match poll_fn(|context| Poll::Ready(shared.enqueue(call, context))).await? {
            Place::Alone => Some(lead(shared).await),
            Place::Behind(answer) => Some(answer.await.unwrap_or_else(|_| Err(Fault::ended()))),
        }
    }
}

/// Ends the connection when dropped: with the last handle or with the driver, even if its runtime drops the driver.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end(&Fault::ended());
    }
}

/// Reads until the leader has its response, and reads for requests that join.
async fn lead(shared: &Shared) -> Answer {
    let leading = Leading(shared);
    // The leader polled the stream before it wrote.
    let mut has_looked = true;
    poll_fn(|context| {
        leading.0.begin_to_lead();
        if !std::mem::take(&mut has_looked) {
            let _ = leading.0.poll_read_led(context);
        }
        leading.0.poll_led(context)
    })
    .await
}

/// Marks a request as leader until it has its response or gives up.
struct Leading<'s>(&'s Shared);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.stop_leading();
    }
}

/// Runs the connection's task. Returns the fault that ended the connection.
async fn drive(shared: &Shared, answer_timeout: Duration) -> Fault {
    let (mut writing, mut watching) = (pin!(write(shared)), pin!(watch(shared, answer_timeout)));
    poll_fn(|context| {
        if let Some(fault) = shared.begin_to_drive(context) {
            return Poll::Ready(fault);
        }
        if let Poll::Ready(fault) = shared.poll_read(context) {
            return Poll::Ready(fault);
        }
        if let Poll::Ready(fault) = writing.as_mut().poll(context) {
            return Poll::Ready(fault);
        }
        watching.as_mut().poll(context)
    })
    .await
}

/// Writes all queued commands after the ready tasks have queued theirs.
async fn write(shared: &Shared) -> Fault {
    let (mut leaving, mut writer) = (Vec::new(), None);
    loop {
        poll_fn(|_| shared.poll_commands(&mut writer)).await;
        tokio::task::yield_now().await;
        writer = shared.take_commands(&mut leaving);
        let Some(to) = &mut writer else { return Fault::ended() };
        if let Err(error) = to.write_all(&leaving).await {
            return error.into();
        }
        if let Err(error) = to.flush().await {
            return error.into();
        }
        shared::empty(&mut leaving);
    }
}

/// Returns when a response is overdue. After a request led, it makes the driver poll the stream once more: otherwise
/// the stream would report its end only to the task of that request.
async fn watch(shared: &Shared, answer_timeout: Duration) -> Fault {
    loop {
        let since = poll_fn(|_| shared.poll_begun()).await;
        if since.elapsed() >= answer_timeout {
            return Fault::overdue();
        }
        sleep_until(since.checked_add(answer_timeout).unwrap_or(since + LONGEST)).await;
    }
}

#[cfg(test)]
mod tests;
