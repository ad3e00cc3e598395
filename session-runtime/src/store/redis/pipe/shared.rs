//! State that the driver and the requests of a connection share: the stream, and the waiting requests.
//!
//! There are two locks. The reader's is taken before the state's, never after it. The stream wakes the task that read
//! last, so a task that stops reading while others wait wakes the driver, which then reads.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::call::Call;
use super::super::fault::Fault;
use super::super::resp::{self, Extent, Kind, Malformed};
use super::{Answer, Incoming, Outgoing};

/// Bytes reserved for one read. A buffer that a large response has grown beyond four times this size is freed.
const ROOM: usize = 16 * 1024;

pub(super) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

pub(super) struct Shared {
    reader: Mutex<Reader>,
    state: Mutex<State>,
}

struct Reader {
    from: Box<dyn AsyncRead + Send + Unpin>,
    /// Received bytes of incomplete responses.
    arrived: Vec<u8>,
    extent: Extent,
}

struct State {
    /// `None` while the driver has it.
    writer: Option<Writer>,
    /// Commands that are not written yet.
    outgoing: Vec<u8>,
    /// True if all written bytes have been flushed.
    is_flushed: bool,
    /// Requests waiting for a response, in the order of their commands.
    waiting: VecDeque<Waiting>,
    /// Largest number of requests that waited at once since none did.
    crowd: usize,
    leader: Option<Leader>,
    /// True if a request has led since the driver last looked.
    was_led: bool,
    driver: Driver,
    /// Fault because of which nothing is sent any more.
    ended: Option<Fault>,
}

#[derive(Default)]
struct Driver {
    waker: Option<Waker>,
    /// True while the driver waits for commands.
    is_idle: bool,
    /// True if the driver will check the time.
    is_timed: bool,
}

struct Waiting {
    since: Instant,
    /// `None` for the leader.
    answer: Option<oneshot::Sender<Answer>>,
}

#[derive(Default)]
struct Leader {
    waker: Option<Waker>,
    answer: Option<Answer>,
}

/// Position of a request.
pub(super) enum Place {
    Alone,
    Behind(oneshot::Receiver<Answer>),
}

impl Shared {
    pub(super) fn over(from: impl Incoming, to: impl Outgoing) -> Self {
        let reader = Reader { from: Box::new(from), arrived: Vec::new(), extent: Extent::default() };
        let state = State {
            writer: Some(Box::new(to)),
            outgoing: Vec::new(),
            is_flushed: true,
            waiting: VecDeque::new(),
            crowd: 0,
            leader: None,
            was_led: false,
            driver: Driver::default(),
            ended: None,
        };
        Self { reader: Mutex::new(reader), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a command, and writes it if no other request is active. `None` if the connection has ended.
    pub(super) fn enqueue(&self, call: &Call, context: &mut Context<'_>) -> Option<Place> {
        // Only a read reveals that the stream has ended.
        let looked = self.state().is_alone();
        if looked {
            let _ = self.poll_read(context);
        }
        let mut state = self.state();
        if state.ended.is_some() {
            return None;
        }
        call.write(&mut state.outgoing);
        let leads = looked && state.is_alone() && state.write();
        let place = state.push(leads);
        let driver = if leads { !state.driver.is_timed } else { state.driver.is_idle || looked };
        state.wake_driver_if(driver);
        Some(place)
    }

    /// Delivers received responses while there are more. Ready when the connection has ended.
    pub(super) fn poll_read(&self, context: &mut Context<'_>) -> Poll<Fault> {
        self.poll_read_while(context, |_| true)
    }

    /// Variant of `poll_read` for the leader, which stops reading once its response is there.
    pub(super) fn poll_read_led(&self, context: &mut Context<'_>) -> Poll<Fault> {
        self.poll_read_while(context, |state| state.leader.as_ref().is_some_and(|leader| leader.answer.is_none()))
    }

    fn poll_read_while(&self, context: &mut Context<'_>, goes_on: impl Fn(&State) -> bool) -> Poll<Fault> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = ready!(self.read_while(&mut reader, context, goes_on));
        // Before another task reads the rest of the stream.
        self.end(&fault);
        Poll::Ready(fault)
    }

    fn read_while(
        &self,
        reader: &mut Reader,
        context: &mut Context<'_>,
        goes_on: impl Fn(&State) -> bool,
    ) -> Poll<Fault> {
        loop {
            match reader.poll(context) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Fault::ended()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                Poll::Pending => return Poll::Pending,
            }
            if let Err(Malformed) = reader.deliver(|answer| self.state().deliver(answer)) {
                return Poll::Ready(Fault::malformed());
            }
            if !goes_on(&self.state()) {
                return Poll::Pending;
            }
        }
    }

    /// Removes the leader's waker, which a leader that reads does not need.
    pub(super) fn begin_to_lead(&self) {
        if let Some(leader) = &mut self.state().leader {
            leader.waker = None;
        }
    }

    pub(super) fn poll_led(&self, context: &Context<'_>) -> Poll<Answer> {
        let mut state = self.state();
        let Some(leader) = &mut state.leader else { return Poll::Ready(Err(Fault::ended())) };
        if let Some(answer) = leader.answer.take() {
            return Poll::Ready(answer);
        }
        leader.waker = Some(context.waker().clone());
        Poll::Pending
    }

    pub(super) fn stop_leading(&self) {
        let mut state = self.state();
        (state.leader, state.was_led) = (None, true);
        // Other requests joined, or the response is still due.
        let joined = !state.waiting.is_empty();
        state.wake_driver_if(joined);
    }

    pub(super) fn begin_to_drive(&self, context: &Context<'_>) -> Option<Fault> {
        let mut state = self.state();
        if !state.driver.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.driver.waker = Some(context.waker().clone());
        }
        state.ended.clone()
    }

    /// Waits for commands. Meanwhile the writer is available to requests.
    pub(super) fn poll_commands(&self, writer: &mut Option<Writer>) -> Poll<()> {
        let mut state = self.state();
        state.writer = state.writer.take().or(writer.take());
        state.driver.is_idle = state.outgoing.is_empty() && state.is_flushed;
        if state.driver.is_idle { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Swaps the queued commands for an empty buffer, and takes the writer.
    pub(super) fn take_commands(&self, leaving: &mut Vec<u8>) -> Option<Writer> {
        let mut state = self.state();
        state.is_flushed = true;
        std::mem::swap(&mut state.outgoing, leaving);
        state.writer.take()
    }

    /// Returns when the wait for the first response began, or the current time if a request led.
    pub(super) fn poll_begun(&self) -> Poll<Instant> {
        let mut state = self.state();
        let was_led = std::mem::take(&mut state.was_led);
        let first = state.waiting.front().map(|waiting| waiting.since);
        let begun = first.or_else(|| was_led.then(Instant::now));
        state.driver.is_timed = begun.is_some();
        begun.map_or(Poll::Pending, Poll::Ready)
    }

    /// Fails all waiting requests and all later ones.
    pub(super) fn end(&self, fault: &Fault) {
        let mut state = self.state();
        state.ended.get_or_insert_with(|| fault.clone());
        while !state.waiting.is_empty() {
            state.deliver(Err(fault.clone()));
        }
        state.writer = None;
        state.wake_driver_if(true);
    }
}

impl State {
    /// True if no request waits, the last leader has taken its response, and no request had joined it.
    fn is_alone(&self) -> bool {
        self.waiting.is_empty() && self.leader.is_none() && self.crowd <= 1
    }

    /// Writes the queued commands if that does not block, and leaves the rest to the driver. Returns whether all were
    /// sent.
    fn write(&mut self) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        // The driver tries again and is the task to be woken.
        let mut context = Context::from_waker(Waker::noop());
        let written = match Pin::new(&mut *writer).poll_write(&mut context, &self.outgoing) {
            Poll::Ready(Ok(written)) => written,
            Poll::Pending => return false,
            Poll::Ready(Err(_)) => return self.lose_writer(),
        };
        let flushed = Pin::new(writer).poll_flush(&mut context);
        self.outgoing.drain(..written);
        self.is_flushed = flushed.is_ready();
        if let Poll::Ready(Err(_)) = flushed {
            return self.lose_writer();
        }
        if self.outgoing.is_empty() {
            empty(&mut self.outgoing);
        }
        self.outgoing.is_empty() && self.is_flushed
    }

    /// Drops the writer, because the number of sent commands is unknown. The driver finds no writer and ends the
    /// connection.
    fn lose_writer(&mut self) -> bool {
        (self.writer, self.is_flushed) = (None, false);
        false
    }

    fn push(&mut self, leads: bool) -> Place {
        if self.waiting.is_empty() {
            self.crowd = 0;
        }
        let (place, answer) = if leads {
            self.leader = Some(Leader::default());
            (Place::Alone, None)
        } else {
            let (answer, receiver) = oneshot::channel();
            (Place::Behind(receiver), Some(answer))
        };
        self.waiting.push_back(Waiting { since: Instant::now(), answer });
        self.crowd = self.crowd.max(self.waiting.len());
        place
    }

    /// Passes a response to its request, unless that one has given up. False if no request waits.
    fn deliver(&mut self, answer: Answer) -> bool {
        match self.waiting.pop_front() {
            None => return false,
            Some(Waiting { answer: Some(sender), .. }) => drop(sender.send(answer)),
            Some(Waiting { answer: None, .. }) => {
                if let Some(leader) = &mut self.leader {
                    leader.answer = Some(answer);
                    leader.waker.take().into_iter().for_each(Waker::wake);
                }
            }
        }
        true
    }

    fn wake_driver_if(&mut self, needed: bool) {
        if needed && let Some(driver) = &self.driver.waker {
            self.driver.is_idle = false;
            driver.wake_by_ref();
        }
    }
}

impl Reader {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        self.arrived.reserve(ROOM);
        pin!(self.from.read_buf(&mut self.arrived)).poll(context)
    }

    /// Delivers the complete responses, and keeps the rest.
    fn deliver(&mut self, mut give: impl FnMut(Answer) -> bool) -> Result<(), Malformed> {
        let mut read = 0;
        while let Some(length) = self.extent.of(&self.arrived[read..])? {
            let answer = &self.arrived[read..read + length];
            read += length;
            let answer = match resp::kind(answer)? {
                Kind::Value => Ok(answer.to_vec()),
                Kind::Error(code) => Err(Fault::answered(&code)),
                Kind::Push => continue,
            };
            if !give(answer) {
                return Err(Malformed);
            }
        }
        self.arrived.drain(..read);
        if self.arrived.is_empty() {
            empty(&mut self.arrived);
        }
        Ok(())
    }
}

/// Empties a buffer, and frees it if it has become large.
pub(super) fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > 4 * ROOM {
        *buffer = Vec::new();
    }
}
