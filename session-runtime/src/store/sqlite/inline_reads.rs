//! Reads on the caller's own thread. Almost all of a session file is in memory, and reading from memory takes less time
//! than handing the read to another thread. A read adds 29,100 instructions to a route instead of 36,800.
//!
//! A slow disk would block a thread of the runtime, and with it other requests. So reads run inline only while they are
//! fast. If more than one in 17 is slow, reader threads take over for a second; then one inline read is tried again.
//! While an inline read is overdue, no other one starts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::fault::{Fault, caught};
use super::read::Reader;
use super::readers::Slot;

/// Duration above which a read is slow: it had to wait for the disk, or its thread for a core.
const SLOW: Duration = Duration::from_millis(1);
/// Time during which reader threads read after the disk was slow.
const PAUSE: Duration = Duration::from_secs(1);
/// Number of fast reads that make up for a slow one.
const WEIGHT: u64 = 16;
/// Number of slow reads, with no fast ones to make up for them, after which reader threads take over.
const TOO_MANY: u64 = 4;

/// Connections for inline reads, one for each core and at most eight; a read takes any free one.
pub(super) struct InlineReads {
    opened: Instant,
    each: Box<[InlineSlot]>,
    pace: Pace,
}

struct InlineSlot {
    slot: Arc<Slot>,
    /// Start of the read that uses the connection, or [`IDLE`].
    since: AtomicU64,
}

/// No read is in progress.
const IDLE: u64 = u64::MAX;

impl InlineReads {
    pub(super) fn new(slots: Vec<Arc<Slot>>) -> Self {
        let inline_slot = |slot| InlineSlot { slot, since: AtomicU64::new(IDLE) };
        Self { opened: Instant::now(), each: slots.into_iter().map(inline_slot).collect(), pace: Pace::default() }
    }

    /// Runs a read inline. `None` if every connection is in use, reads are slow, or another process holds a lock.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&mut Option<Reader>) -> Result<T, Fault>,
    ) -> Option<Result<T, Fault>> {
        let begun = self.now();
        if self.pace.is_slow(begun) || self.each.iter().any(|slot| slot.is_overdue(begun)) {
            return None;
        }
        let (slot, mut reader) = self.each.iter().find_map(InlineSlot::take)?;
        slot.since.store(begun, Ordering::Relaxed);
        let outcome = caught(|| read(&mut reader));
        slot.since.store(IDLE, Ordering::Relaxed);
        let ended = self.now();
        self.pace.note(ended, ended - begun);
        let is_busy = outcome.as_ref().is_err_and(Fault::is_busy);
        (!is_busy).then_some(outcome)
    }

    /// Microseconds since the store was opened.
    fn now(&self) -> u64 {
        micros(self.opened.elapsed())
    }
}

impl InlineSlot {
    fn take(&self) -> Option<(&Self, MutexGuard<'_, Option<Reader>>)> {
        Some((self, self.slot.try_take()?))
    }

    fn is_overdue(&self, now: u64) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        since != IDLE && now.saturating_sub(since) > micros(SLOW)
    }
}

/// Recent speed of reads. Times are in microseconds since the store was opened.
#[derive(Default)]
struct Pace {
    /// Number of fast reads still needed to make up for the slow ones.
    debt: AtomicU64,
    slow_until: AtomicU64,
}

impl Pace {
    fn is_slow(&self, now: u64) -> bool {
        now < self.slow_until.load(Ordering::Relaxed)
    }

    /// Records the duration of a read. Threads may race here, in which case a read counts not at all, or twice.
    fn note(&self, now: u64, took: u64) {
        let debt = self.debt.load(Ordering::Relaxed);
        if took <= micros(SLOW) {
            if debt > 0 {
                self.debt.store(debt - 1, Ordering::Relaxed);
            }
            return;
        }
        let debt = debt + WEIGHT;
        let is_too_much = debt > (TOO_MANY - 1) * WEIGHT;
        if is_too_much {
            self.slow_until.store(now + micros(PAUSE), Ordering::Relaxed);
        }
        // After the pause, one more slow read is too many.
        self.debt.store(debt.min((TOO_MANY - 1) * WEIGHT), Ordering::Relaxed);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::sync::mpsc;

    use rusqlite::Connection;

    use super::*;
    use crate::clock::Timestamp;

    fn slot(connection: Connection) -> Arc<Slot> {
        Arc::new(Slot::new(Reader::new(connection)))
    }

    fn inline_reads(count: usize) -> InlineReads {
        InlineReads::new((0..count).map(|_| slot(Connection::open_in_memory().unwrap())).collect())
    }

    #[test]
    fn a_read_that_does_not_come_back_is_the_last_read_inline() {
        let reads = inline_reads(2);
        let (begun, has_begun) = mpsc::channel();
        let (answer, disk) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let reads = &reads;
            scope.spawn(move || {
                reads.read(|_| {
                    begun.send(()).unwrap();
                    disk.recv().unwrap();
                    Ok(())
                })
            });
            has_begun.recv().unwrap();
            std::thread::sleep(2 * SLOW);
            assert!(reads.read(|_| Ok(())).is_none());
            answer.send(()).unwrap();
        });
        assert!(reads.read(|_| Ok(())).is_some());
    }

    #[test]
    fn a_read_that_finds_every_connection_in_use_is_left_to_the_threads() {
        let reads = inline_reads(1);
        assert!(reads.read(|_| Ok(reads.read(|_| Ok(())).is_none())).unwrap().unwrap());
    }

    #[test]
    fn a_read_that_finds_a_lock_is_left_to_the_threads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE; CREATE TABLE t (a)").unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        let reads = InlineReads::new(vec![slot(connection)]);
        assert!(reads.read(|reader| reader.as_ref().unwrap().scan(None, 1, Timestamp::from_millis(0))).is_none());
    }

    #[test]
    fn a_panic_while_reading_is_an_error_of_that_read() {
        let reads = inline_reads(1);
        let outcome = reads.read(|_| -> Result<(), Fault> { panic!("on purpose") });
        assert!(matches!(outcome, Some(Err(Fault::Panicked))));
        assert!(reads.read(|_| Ok(())).is_some());
    }

    const QUICK: u64 = 20;
    const LONG: u64 = 5_000;

    #[test]
    fn a_slow_read_now_and_then_is_no_slow_disk() {
        let pace = Pace::default();
        for at in 0..10_000 {
            pace.note(at, if at % 20 == 0 { LONG } else { QUICK });
            assert!(!pace.is_slow(at));
        }
    }

    #[test]
    fn a_slow_disk_is_left_to_the_threads_but_for_one_read_a_second() {
        let pace = Pace::default();
        let (mut now, mut blocked) = (0, 0);
        while now < micros(10 * PAUSE) {
            if pace.is_slow(now) {
                now += QUICK;
            } else {
                now += LONG;
                pace.note(now, LONG);
                blocked += 1;
            }
        }
        assert_eq!(blocked, 13);
    }

    #[test]
    fn a_disk_that_has_become_quick_is_read_read_inline_again() {
        let pace = Pace::default();
        (0..TOO_MANY).for_each(|at| pace.note(at, LONG));
        assert!(pace.is_slow(TOO_MANY));
        let later = TOO_MANY + micros(PAUSE);
        assert!(!pace.is_slow(later));
        (0..WEIGHT).for_each(|_| pace.note(later, QUICK));
        pace.note(later, LONG);
        assert!(!pace.is_slow(later));
    }
}
