//! Dispatch of reads: to the caller's own thread while reads are fast, else to a reader thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault::{Fault, caught};
use super::format::Settings;
use super::inline_reads::InlineReads;
use super::read::Reader;
use super::threads::{Answer, Queue, Threads, not_set_up};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Text;
use crate::store::{Found, Loaded, LoadedHead, Page, StoreError, Wanted};

/// Maximum number of reads that a thread takes at a time. Under load, this saves waking another thread for each read.
const AT_ONCE: usize = 16;

type Job = Box<dyn FnOnce(&Slot) + Send>;

/// Connections and threads that read. Dropping this waits for reads that have begun.
pub(super) struct Readers {
    settings: Arc<Settings>,
    slots: Arc<Slots>,
    inline: InlineReads,
    threads: Threads<Job>,
}

/// All connections that read, for the writer to close.
pub(super) struct Slots {
    inline: Box<[Arc<Slot>]>,
    threads: Box<[Arc<Slot>]>,
    /// True while the file is gone and no connection may be opened.
    are_closed: AtomicBool,
}

/// A connection that is opened on use.
#[derive(Default)]
pub(super) struct Slot(Mutex<Option<Reader>>);

impl Slot {
    pub(super) fn new(reader: Reader) -> Self {
        Self(Mutex::new(Some(reader)))
    }

    /// Locks the connection; `None` if it is in use.
    pub(super) fn try_take(&self) -> Option<MutexGuard<'_, Option<Reader>>> {
        match self.0.try_lock() {
            Ok(reader) => Some(reader),
            // Panics are caught before they reach the lock. Even after one, the connection would be usable.
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    fn take(&self) -> MutexGuard<'_, Option<Reader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Opens connections for inline reads, which do not wait for a lock, and one for each thread, which do.
    pub(super) fn open(settings: &Settings, inline: usize, threads: usize) -> Result<Self, StoreError> {
        let inline_slot = |_| settings.connect_inline().map(|connection| Arc::new(Slot::new(Reader::new(connection))));
        let thread = |_| settings.connect_reader().map(|connection| Arc::new(Slot::new(Reader::new(connection))));
        Ok(Self {
            inline: (0..inline).map(inline_slot).collect::<Result<_, _>>()?,
            threads: (0..threads).map(thread).collect::<Result<_, _>>()?,
            are_closed: AtomicBool::new(false),
        })
    }

    /// Closes all connections after their current reads. From then on, reads fail.
    pub(super) fn close(&self) {
        self.are_closed.store(true, Ordering::SeqCst);
        for slot in self.inline.iter().chain(&self.threads) {
            drop(slot.take().take());
        }
    }

    /// Allows reads to open connections to the file that is now at the path.
    pub(super) fn reopen(&self) {
        self.are_closed.store(false, Ordering::SeqCst);
    }

    /// Runs a read on the connection of a slot, and opens the connection if necessary.
    fn read<T>(
        &self,
        slot: &mut Option<Reader>,
        open: impl FnOnce() -> Result<rusqlite::Connection, StoreError>,
        read: impl FnOnce(&mut Reader) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let reader = match slot {
            Some(reader) => reader,
            None if self.are_closed.load(Ordering::SeqCst) => return Err(Fault::Moved),
            None => slot.insert(Reader::new(open().map_err(|_| Fault::Moved)?)),
        };
        read(reader)
    }
}

impl Readers {
    pub(super) fn new(settings: &Arc<Settings>, slots: &Arc<Slots>) -> Result<Self, StoreError> {
        let serve_slot = |slot: &Arc<Slot>| {
            let slot = Arc::clone(slot);
            move |queue: &Queue<Job>| serve(queue, &slot)
        };
        let threads = Threads::start(slots.threads.iter().map(serve_slot)).map_err(not_set_up)?;
        let inline = InlineReads::new(slots.inline.iter().map(Arc::clone).collect());
        Ok(Self { settings: Arc::clone(settings), slots: Arc::clone(slots), inline, threads })
    }

    pub(super) async fn load(
        &self,
        key: SessionKey,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Option<Loaded>, StoreError> {
        const DURING: &str = "load";
        let read_inline = |slot: &mut Option<Reader>| {
            self.slots.read(slot, || self.settings.connect_inline(), |reader| reader.load(key, wanted, now))
        };
        if let Some(outcome) = self.inline.read(read_inline) {
            return outcome.map_err(|fault| fault.to_error(DURING));
        }
        let wanted = wanted.clone();
        self.on_a_thread(DURING, move |reader| reader.load(key, &wanted, now)).await
    }

    /// Reads a page of sessions, always on a reader thread because of their number.
    pub(super) async fn scan(
        &self,
        from: Option<SessionKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.on_a_thread("scan", move |reader| reader.scan(from, limit, now)).await
    }

    /// Reads several heads, on a reader thread because of their number.
    pub(super) async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        let keys = keys.to_vec();
        self.on_a_thread("heads", move |reader| keys.iter().map(|key| reader.head(*key, now)).collect()).await
    }

    /// Finds the sessions with this text under a stored key; `None` if there is no index of the key.
    pub(super) async fn find(
        &self,
        name: Text,
        text: Text,
        after: Option<SessionKey>,
        limit: usize,
    ) -> Result<Option<Found>, StoreError> {
        self.on_a_thread("find", move |reader| reader.find(&name, &text, after, limit)).await
    }

    pub(super) async fn on_a_thread<T: Send + 'static>(
        &self,
        during: &'static str,
        work: impl FnOnce(&mut Reader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (slots, settings) = (Arc::clone(&self.slots), Arc::clone(&self.settings));
        let job = |answer: Answer<T>| -> Job {
            Box::new(move |slot| {
                if !answer.is_closed() {
                    let mut reader = slot.take();
                    let read = || slots.read(&mut reader, || settings.connect_reader(), work);
                    let outcome = caught(read).map_err(|fault| fault.to_error(during));
                    // Fails if the caller has gone, which is fine.
                    drop(answer.send(outcome));
                }
            })
        };
        self.threads.ask(during, job).await
    }
}

fn serve(queue: &Queue<Job>, slot: &Slot) {
    let mut jobs = Vec::with_capacity(AT_ONCE);
    while queue.take(&mut jobs, AT_ONCE) {
        jobs.drain(..).for_each(|job| job(slot));
    }
}
