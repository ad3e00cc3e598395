//! One connection to one server that many requests share: commands go in one behind the other, and answers come back in
//! the same order.
//!
//! ```text
//! request ──command──▶ outgoing ──▶ driver ──▶ server
//!    ▲                                            │
//!    └──────answer──── waiting ◀── driver ◀───────┘
//! ```
//!
//! Requests that come one after the other write their commands themselves. Where several come at once the driver does, a
//! task of its own, after all that are ready have asked: what a packet costs, here and at the server, is more than what a
//! command costs. The driver also reads, and watches the clock. A connection on which an answer is overdue is given
//! up as a whole: those behind it would be overdue as well, and a server that does not answer should not find old commands
//! when it does again. Nothing is ever sent twice.
//!
//! Of our own, since a read through the client library's connection costs twice the instructions, and thrice the packets
//! when sixteen visitors ask at once.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::call::Call;
use super::fault::Fault;
use super::resp::{self, Extent, Kind, Malformed};

/// Room for what arrives at once. A buffer that a large answer made four times as large is given back.
const ROOM: usize = 16 * 1024;

/// Bytes to and from a server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// A handle of the connection, which ends with the last of them.
#[derive(Clone)]
pub(super) struct Pipe(Arc<Ends>);

struct Shared(Mutex<State>);

type Writer = Box<dyn AsyncWrite + Send + Unpin>;

struct State {
    /// `None`: the driver has it.
    writer: Option<Writer>,
    /// Commands that the driver has not taken yet.
    outgoing: Vec<u8>,
    /// Whether all that was written has left.
    is_flushed: bool,
    /// Who waits for an answer, in the order of the commands.
    waiting: VecDeque<Waiting>,
    /// How many waited at the most, since nobody did.
    crowd: usize,
    /// The driver, if it waits for commands.
    driver: Option<Waker>,
    /// Why nothing is sent any more.
    ended: Option<Fault>,
}

struct Waiting {
    since: Instant,
    answer: oneshot::Sender<Result<Vec<u8>, Fault>>,
}

impl Pipe {
    /// A connection over a stream; `lost` is called when it ends, also while nothing is asked.
    pub(super) fn over(stream: impl Stream, answer_timeout: Duration, lost: impl FnOnce() + Send + 'static) -> Self {
        let (from, to) = tokio::io::split(stream);
        let shared = Arc::new(Shared::over(Box::new(to)));
        let ends = Ends(Arc::clone(&shared));
        tokio::spawn(async move {
            let fault = drive(from, &ends.0, answer_timeout).await;
            ends.0.end(&fault);
            lost();
        });
        Self(Arc::new(Ends(shared)))
    }

    /// Sends a command and waits for its answer, which comes as it arrived.
    pub(super) async fn ask(&self, call: &Call) -> Result<Vec<u8>, Fault> {
        let answer = self.0.0.enqueue(call)?;
        answer.await.unwrap_or_else(|_| Err(Fault::ended()))
    }
}

/// The connection ends with it: with the last handle, and with the driver, also if its runtime drops that.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end(&Fault::ended());
    }
}

impl Shared {
    fn over(writer: Writer) -> Self {
        let (outgoing, waiting) = (Vec::new(), VecDeque::new());
        let writer = Some(writer);
        Self(Mutex::new(State { writer, outgoing, is_flushed: true, waiting, crowd: 0, driver: None, ended: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, call: &Call) -> Result<oneshot::Receiver<Result<Vec<u8>, Fault>>, Fault> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state();
        if let Some(fault) = &state.ended {
            return Err(fault.clone());
        }
        call.write(&mut state.outgoing);
        let written = state.is_alone() && state.write();
        state.waiting.push_back(Waiting { since: Instant::now(), answer });
        state.crowd = state.crowd.max(state.waiting.len());
        let driver = if written { None } else { state.driver.take() };
        drop(state);
        driver.into_iter().for_each(Waker::wake);
        Ok(receiver)
    }

    /// Waits for commands. Meanwhile the writer is where requests find it.
    fn poll_commands(&self, writer: &mut Option<Writer>, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        state.writer = state.writer.take().or(writer.take());
        if state.outgoing.is_empty() && state.is_flushed {
            state.driver = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Exchanges the commands for an empty buffer.
    fn take_commands(&self, leaving: &mut Vec<u8>) -> Option<Writer> {
        let mut state = self.state();
        state.is_flushed = true;
        std::mem::swap(&mut state.outgoing, leaving);
        state.writer.take()
    }

    /// Hands out the answers that have arrived as a whole, and leaves the rest.
    fn deliver(&self, arrived: &mut Vec<u8>, extent: &mut Extent) -> Result<(), Malformed> {
        let mut read = 0;
        while let Some(length) = extent.of(&arrived[read..])? {
            let answer = &arrived[read..read + length];
            read += length;
            let answer = match resp::kind(answer)? {
                Kind::Value => Ok(answer.to_vec()),
                Kind::Error(code) => Err(Fault::answered(&code)),
                Kind::Push => continue,
            };
            let waiting = self.state().waiting.pop_front().ok_or(Malformed)?;
            // Who waited may have given up.
            let _ = waiting.answer.send(answer);
        }
        arrived.drain(..read);
        Ok(())
    }

    /// Since when the first answer is waited for.
    fn oldest(&self) -> Option<Instant> {
        self.state().waiting.front().map(|waiting| waiting.since)
    }

    fn has_ended(&self) -> Option<Fault> {
        self.state().ended.clone()
    }

    /// Fails who waits and who comes later.
    fn end(&self, fault: &Fault) {
        let mut state = self.state();
        state.ended.get_or_insert_with(|| fault.clone());
        let (waiting, driver) = (std::mem::take(&mut state.waiting), state.driver.take());
        drop(state);
        for waiting in waiting {
            let _ = waiting.answer.send(Err(fault.clone()));
        }
        driver.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Whether nobody waits, and the one before had nobody beside it.
    fn is_alone(&mut self) -> bool {
        self.waiting.is_empty() && std::mem::take(&mut self.crowd) <= 1
    }

    /// Writes what is outgoing, if that goes without waiting. What does not is left to the driver.
    fn write(&mut self) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        // The driver tries again, and is the one who is woken.
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(written)) = Pin::new(&mut *writer).poll_write(&mut context, &self.outgoing) {
            self.outgoing.drain(..written);
            self.is_flushed = matches!(Pin::new(writer).poll_flush(&mut context), Poll::Ready(Ok(())));
        }
        self.outgoing.is_empty() && self.is_flushed
    }
}

/// The connection's task. Its outcome is why the connection is of no more use.
async fn drive(from: impl AsyncRead + Unpin, shared: &Shared, answer_timeout: Duration) -> Fault {
    let (mut writing, mut reading) = (pin!(write(shared)), pin!(read(from, shared)));
    let mut watching = pin!(watch(shared, answer_timeout));
    poll_fn(|context| {
        if let Some(fault) = shared.has_ended() {
            return Poll::Ready(fault);
        }
        if let Poll::Ready(fault) = reading.as_mut().poll(context) {
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
        poll_fn(|context| shared.poll_commands(&mut writer, context)).await;
        tokio::task::yield_now().await;
        writer = shared.take_commands(&mut leaving);
        let Some(to) = &mut writer else { return Fault::ended() };
        if let Err(error) = to.write_all(&leaving).await {
            return error.into();
        }
        if let Err(error) = to.flush().await {
            return error.into();
        }
        empty(&mut leaving);
    }
}

async fn read(mut from: impl AsyncRead + Unpin, shared: &Shared) -> Fault {
    let (mut arrived, mut extent) = (Vec::new(), Extent::default());
    loop {
        arrived.reserve(ROOM);
        match from.read_buf(&mut arrived).await {
            Ok(0) => return Fault::ended(),
            Ok(_) => {}
            Err(error) => return error.into(),
        }
        if let Err(Malformed) = shared.deliver(&mut arrived, &mut extent) {
            return Fault::malformed();
        }
        if arrived.is_empty() {
            empty(&mut arrived);
        }
    }
}

/// Ends when an answer is overdue. Whoever begins to wait wakes the driver, and so this.
async fn watch(shared: &Shared, answer_timeout: Duration) -> Fault {
    loop {
        let since = poll_fn(|_| shared.oldest().map_or(Poll::Pending, Poll::Ready)).await;
        if since.elapsed() >= answer_timeout {
            return Fault::overdue();
        }
        sleep_until(since + answer_timeout).await;
    }
}

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > 4 * ROOM {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests;
