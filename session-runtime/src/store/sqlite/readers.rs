//! Who reads: the caller itself while that is quick, else a thread.

use rusqlite::Connection;

use super::fault::{Fault, caught};
use super::queue::Queue;
use super::read::Reader;
use super::spot::Spots;
use super::threads::{Answer, Threads, not_set_up};
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::store::{Loaded, StoreError, Wanted};

/// Reads that a thread takes at a time: under load the others need not be woken for each.
const AT_ONCE: usize = 16;

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// Connections that read. Dropping them waits for what was begun.
pub(super) struct Readers {
    spots: Spots,
    threads: Threads<Job>,
}

impl Readers {
    /// With connections for reads on the spot, which do not wait for a lock, and one for each thread, which do.
    pub(super) fn new(spots: Vec<Connection>, threads: Vec<Connection>) -> Result<Self, StoreError> {
        let mut readers = Self { spots: Spots::new(spots), threads: Threads::new() };
        for connection in threads {
            readers.threads.spawn(|queue| serve(queue, Reader::new(connection))).map_err(not_set_up)?;
        }
        Ok(readers)
    }

    pub(super) async fn load(
        &self,
        key: SessionKey,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Option<Loaded>, StoreError> {
        const DURING: &str = "load";
        if let Some(outcome) = self.spots.read(|reader| reader.load(key, wanted, now)) {
            return outcome.map_err(|fault| fault.to_error(DURING));
        }
        let wanted = wanted.clone();
        self.on_a_thread(DURING, move |reader| reader.load(key, &wanted, now)).await
    }

    /// Reads many sessions, so always on a thread.
    pub(super) async fn scan(
        &self,
        from: Option<SessionKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Record)>, StoreError> {
        self.on_a_thread("scan", move |reader| reader.scan(from, limit, now)).await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        during: &'static str,
        work: impl FnOnce(&mut Reader) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let job = |answer: Answer<T>| -> Job {
            Box::new(move |reader| {
                if !answer.is_closed() {
                    let outcome = caught(|| work(reader)).map_err(|fault| fault.to_error(during));
                    // A caller that has gone does not want to know.
                    drop(answer.send(outcome));
                }
            })
        };
        self.threads.ask(during, job).await
    }
}

fn serve(queue: &Queue<Job>, mut reader: Reader) {
    let mut jobs = Vec::with_capacity(AT_ONCE);
    while queue.take(&mut jobs, AT_ONCE) {
        jobs.drain(..).for_each(|job| job(&mut reader));
    }
}
