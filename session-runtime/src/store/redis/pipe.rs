//! One connection to one server that many requests share: commands go in one behind the other, and answers come back in
//! the same order.
//!
//! ```text
//! request ──command──▶ outgoing ──▶ driver ──▶ server
//!    ▲                                            │
//!    └──────answer──── waiting ◀── driver ◀───────┘
//! ```
//!
//! Where several ask at once a task of the connection's own, the driver, writes and reads for all of them, after all that
//! are ready have asked: what a packet costs, here and at the server, is more than what a command costs. A request that is
//! alone leads: it writes and reads itself, and no other task is woken. Who leads may be joined by others at any time, and
//! may give up; then the driver takes over.
//!
//! A connection on which an answer is overdue is given up as a whole: those behind it would be overdue as well, and a
//! server that does not answer should not find old commands when it does again. Nothing is ever sent twice.
//!
//! Of our own, since the way there and back through the client library's connection costs more than twice the instructions,
//! and more packets when sixteen visitors ask at once.

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

/// What stands for an answer timeout that no clock can count.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What came back, as it arrived.
type Answer = Result<Vec<u8>, Fault>;

/// A handle of the connection, which ends with the last of them.
#[derive(Clone)]
pub(super) struct Pipe(Arc<Ends>);

impl Pipe {
    /// A connection over the halves of a stream; `lost` is called when it ends, also while nothing is asked.
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

    /// Sends a command and waits for its answer. `None`: the connection had ended before, and nothing was sent.
    pub(super) async fn ask(&self, call: &Call) -> Option<Answer> {
        let shared = &*self.0.0;
        match poll_fn(|context| Poll::Ready(shared.enqueue(call, context))).await? {
            Place::Alone => Some(lead(shared).await),
            Place::Behind(answer) => Some(answer.await.unwrap_or_else(|_| Err(Fault::ended()))),
        }
    }
}

/// The connection ends with it: with the last handle, and with the driver, also if its runtime drops that.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end(&Fault::ended());
    }
}

/// Reads until the answer of who leads is there, for whom else joins too.
async fn lead(shared: &Shared) -> Answer {
    let leading = Leading(shared);
    // Before it wrote it looked whether there is anything to read.
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

/// Until it has its answer, or gives up.
struct Leading<'s>(&'s Shared);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        self.0.stop_leading();
    }
}

/// The connection's task. Its outcome is why the connection is of no more use.
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

/// Writes whatever has come when all that are ready have asked.
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

/// Ends when an answer is overdue. Has the driver look at the stream once more after somebody led, whom the stream would
/// tell otherwise that it has ended.
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
