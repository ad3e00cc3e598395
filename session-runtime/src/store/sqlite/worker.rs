//! The writer thread and its jobs. A job runs on the writer's connection, keeps its outcome, and sends it on request.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::connection::Db;
use super::fault::{Cause, Fault, caught};
use super::file::{Change, OpenFile};
use super::format::Settings;
use super::readers::Slots;
use super::threads::{Answer, Queue, Threads, not_set_up};
use crate::store::StoreError;

/// The writer's connection, and the file that it has open.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) file: OpenFile,
}

impl Opened {
    /// Checks that the statements fit the tables.
    fn check(&self) -> Result<(), StoreError> {
        Db::new(&self.connection).map(drop).map_err(|error| not_set_up(Cause::of(&error)))
    }
}

/// Settings with the path of the file, and the connections that read it.
pub(super) struct Watched {
    pub(super) settings: Arc<Settings>,
    pub(super) readers: Arc<Slots>,
}

impl Watched {
    /// Closes all connections, the writer last.
    fn close(&self, connection: Connection, change: Change) {
        tracing::error!("`{}`: {}", self.settings.path.display(), log_message(change));
        self.readers.close();
        if change == (Change::OtherLog { is_free: false }) {
            // Otherwise the old log would overwrite data that other processes have stored since.
            let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            if kept.is_err() {
                tracing::error!("the removed log may be written to the SQLite file");
            }
        } else {
            // Writes the log into the old file, wherever that is now. It also empties a log that was left at the path,
            // which `SQLite` would treat as the log of the next file there.
            let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            if emptied.is_err() {
                tracing::warn!("the last changes could not be written to the SQLite file that was moved");
            }
        }
        drop(connection);
    }

    fn open(&self) -> Result<Opened, StoreError> {
        let opened = self.settings.open()?;
        opened.check()?;
        self.readers.reopen();
        Ok(opened)
    }
}

const fn log_message(change: Change) -> &'static str {
    match change {
        Change::Removed => {
            "the file of the sessions was removed or renamed: this program can no longer reach its sessions, and \
             starts with an empty file at the same path"
        }
        Change::Replaced => {
            "the file of the sessions was replaced: this program can no longer reach its sessions, and uses \
             those of the file that is at the path now"
        }
        Change::OtherLog { is_free: true } => {
            "the log (`-wal`, `-shm`) beside the file of the sessions was removed: its contents are written to the \
             file, which is reopened"
        }
        Change::OtherLog { is_free: false } => {
            "the log (`-wal`) beside the file of the sessions was replaced: changes that only the old log held are \
             lost, and the file is reopened"
        }
    }
}

fn chain(error: &StoreError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// Mean time between writes below which writes are collected into groups. A commit costs more than the writes in it.
const DENSE: Duration = Duration::from_micros(50);
/// Time for which writes are collected. The operating system may add as much again. Groups of 1.5 writes became groups
/// of 5 to 8.
const GATHER: Duration = Duration::from_micros(100);
/// Maximum number of writes in one transaction. With more, the first of them would wait too long.
const GROUP: usize = 256;

/// The writer thread. Dropping this waits for writes that have begun.
pub(super) struct Writer(Threads<Box<dyn Job>>);

impl Writer {
    pub(super) fn new(opened: Opened, watched: Watched) -> Result<Self, StoreError> {
        opened.check()?;
        let serve = move |queue: &Queue<_>| serve_all(queue, opened, &watched);
        Ok(Self(Threads::start([serve]).map_err(not_set_up)?))
    }

    /// Runs the work in a transaction.
    pub(super) async fn run<T, W>(&self, during: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Db<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.0.ask(during, |answer| Box::new(Task { during, work, outcome: None, answer })).await
    }
}

type Jobs = Vec<Box<dyn Job>>;

/// Serves the queue with the file at the path, and with the next file whenever that changes.
fn serve_all(queue: &Queue<Box<dyn Job>>, mut opened: Opened, watched: &Watched) {
    let mut jobs = Vec::with_capacity(GROUP);
    loop {
        let Some(change) = serve_file(queue, &opened, &mut jobs) else { return };
        watched.close(opened.connection, change);
        match reopen(queue, watched, &mut jobs) {
            Some(next) => opened = next,
            None => return,
        }
    }
}

fn serve_file(queue: &Queue<Box<dyn Job>>, opened: &Opened, jobs: &mut Jobs) -> Option<Change> {
    match Db::new(&opened.connection) {
        Ok(mut db) => serve(queue, &mut db, &opened.file, jobs),
        // The statements could be prepared when the file was opened, so this is another file.
        Err(_) => Some(Change::Replaced),
    }
}

/// Opens the file at the path, and then answers the jobs that have failed, so that their callers find the store in its
/// new state. While the file cannot be opened, all jobs fail. Returns `None` once the queue is closed.
fn reopen(queue: &Queue<Box<dyn Job>>, watched: &Watched, jobs: &mut Jobs) -> Option<Opened> {
    let mut opened = watched.open();
    jobs.drain(..).for_each(Job::answer);
    if let Err(error) = &opened {
        tracing::error!("sessions are unavailable until the file can be opened: {}", chain(error));
    }
    while opened.is_err() {
        if !queue.take(jobs, GROUP) {
            return None;
        }
        opened = watched.open();
        if opened.is_err() {
            fail(jobs, &Fault::Moved);
            jobs.drain(..).for_each(Job::answer);
        }
    }
    opened.ok()
}

/// Serves the queue, starting with the jobs in `jobs`. Returns the change when the path changes, and `None` when the
/// queue is closed.
fn serve(queue: &Queue<Box<dyn Job>>, db: &mut Db<'_>, file: &OpenFile, jobs: &mut Jobs) -> Option<Change> {
    let mut is_dense = false;
    loop {
        let begun = Instant::now();
        if is_dense {
            thread::sleep(GATHER);
        }
        if jobs.is_empty() && !queue.take(jobs, GROUP) {
            return None;
        }
        let most = DENSE * u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        let change = write(db, file, jobs);
        if change.is_some() {
            return change;
        }
        jobs.clear();
        is_dense = begun.elapsed() < most;
    }
}

/// Runs the jobs in one transaction, and answers after the commit. If a job fails, the transaction is rolled back, and
/// each job then runs in its own. If the file is no longer at the path, all jobs have failed, and are not answered yet.
fn write(db: &mut Db<'_>, file: &OpenFile, jobs: &mut Jobs) -> Option<Change> {
    jobs.retain(|job| job.is_awaited());
    let outcome = transaction(db, jobs);
    let change = file.change();
    match outcome {
        _ if change.is_some() => fail(jobs, &Fault::Moved),
        Err(Undone::AfterBegin) if jobs.len() > 1 => one_by_one(db, file, jobs),
        _ => jobs.drain(..).for_each(Job::answer),
    }
    change
}

fn one_by_one(db: &mut Db<'_>, file: &OpenFile, jobs: &mut Jobs) {
    let mut rest = jobs.drain(..);
    while let Some(mut job) = rest.next() {
        let undone = transaction(db, std::slice::from_mut(&mut job));
        if file.change().is_some() {
            // The next group detects the change too.
            job.fail(&Fault::Moved);
        }
        job.answer();
        if let Err(Undone::BeforeBegin(fault)) = undone {
            // Another process holds the lock. The other jobs fail now instead of waiting for it one after the other.
            return rest.for_each(|mut job| {
                job.fail(&fault);
                job.answer();
            });
        }
    }
}

/// Reason why a transaction was rolled back.
enum Undone {
    /// The lock was not available. All jobs have failed for this reason.
    BeforeBegin(Fault),
    /// A job or the commit failed. Earlier jobs may hold an outcome of success, which must not be sent.
    AfterBegin,
}

fn transaction(db: &mut Db<'_>, jobs: &mut [Box<dyn Job>]) -> Result<(), Undone> {
    if jobs.is_empty() {
        return Ok(());
    }
    if let Err(fault) = db.begin() {
        fail(jobs, &fault);
        return Err(Undone::BeforeBegin(fault));
    }
    // Checked again for each job: its caller may have gone while other jobs of the group ran.
    if !jobs.iter_mut().all(|job| !job.is_awaited() || job.run(db)) {
        db.roll_back();
        return Err(Undone::AfterBegin);
    }
    db.commit().map_err(|fault| {
        db.roll_back();
        fail(jobs, &fault);
        Undone::AfterBegin
    })
}

fn fail(jobs: &mut [Box<dyn Job>], fault: &Fault) {
    for job in jobs {
        job.fail(fault);
    }
}

/// Work on a connection. Runs at least once before it answers, and again if its changes were rolled back.
trait Job: Send {
    /// True while the caller still waits.
    fn is_awaited(&self) -> bool;
    /// Does the work and keeps the outcome; false if it failed.
    fn run(&mut self, db: &mut Db<'_>) -> bool;
    /// Replaces the outcome with a failure.
    fn fail(&mut self, fault: &Fault);
    /// Sends the outcome to the caller.
    fn answer(self: Box<Self>);
}

struct Task<T, W> {
    during: &'static str,
    work: W,
    outcome: Option<Result<T, StoreError>>,
    answer: Answer<T>,
}

impl<T: Send, W: FnMut(&mut Db<'_>) -> Result<T, Fault> + Send> Job for Task<T, W> {
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run(&mut self, db: &mut Db<'_>) -> bool {
        let outcome = caught(|| (self.work)(db)).map_err(|fault| fault.to_error(self.during));
        self.outcome.insert(outcome).is_ok()
    }

    fn fail(&mut self, fault: &Fault) {
        self.outcome = Some(Err(fault.to_error(self.during)));
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // Fails if the caller has gone, which is fine.
            drop(self.answer.send(outcome));
        }
    }
}

// The conformance kit provides the head of a test record.
#[cfg(all(test, feature = "conformance"))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::sync::{Mutex, mpsc};
    use std::time::Duration;

    use super::super::read::Reader;
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::SessionKey;
    use crate::record::{Record, Values};
    use crate::store::{StoreErrorKind, Wanted};
    use crate::testing::head_at;

    fn settings(folder: &tempfile::TempDir) -> Arc<Settings> {
        Arc::new(Settings::new(folder.path().join("sessions.db")))
    }

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let settings = settings(folder);
        let opened = settings.open().unwrap();
        let readers = Arc::new(Slots::open(&settings, 1, 1).unwrap());
        Writer::new(opened, Watched { settings, readers }).unwrap()
    }

    async fn create(writer: &Writer, n: u8) -> bool {
        let record = Record { head: head_at(0), values: Values::new() };
        writer.run("create", move |db| db.create(SessionKey::from_bytes([n; 16]), &record)).await.is_ok()
    }

    fn is_stored(folder: &tempfile::TempDir, n: u8) -> bool {
        let mut reader = Reader::new(settings(folder).connect_reader().unwrap());
        reader.load(SessionKey::from_bytes([n; 16]), &Wanted::all(), Timestamp::from_millis(0)).unwrap().is_some()
    }

    async fn panics(writer: &Writer) -> StoreErrorKind {
        writer.run("patch", |_| -> Result<(), Fault> { panic!("on purpose") }).await.unwrap_err().kind()
    }

    /// Blocks the thread until the sender is dropped, so that jobs sent meanwhile form one group.
    async fn hold(writer: &Writer, gate: mpsc::Receiver<()>) {
        let gate = Mutex::new(gate);
        let wait = move |_: &mut Db<'_>| {
            let _ = gate.lock().unwrap().recv();
            Ok(())
        };
        writer.run("hold", wait).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_fails_one_job_and_the_thread_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        assert_eq!(panics(&writer).await, StoreErrorKind::Unavailable);
        assert!(create(&writer, 1).await && is_stored(&folder, 1));
    }

    #[tokio::test]
    async fn a_job_that_fails_in_a_group_leaves_the_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let (open, gate) = mpsc::channel();
        let rest =
            async { tokio::join!(create(&writer, 1), panics(&writer), create(&writer, 2), async { drop(open) }) };
        let ((), (first, broken, second, ())) = tokio::join!(hold(&writer, gate), rest);
        assert!(first && second && broken == StoreErrorKind::Unavailable);
        assert!(is_stored(&folder, 1) && is_stored(&folder, 2));
    }

    #[tokio::test]
    async fn a_job_whose_caller_has_gone_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let (open, gate) = mpsc::channel();
        let given_up = async {
            let impatient = tokio::time::timeout(Duration::from_millis(20), create(&writer, 1)).await;
            drop(open);
            impatient.is_err()
        };
        let ((), given_up) = tokio::join!(hold(&writer, gate), given_up);
        assert!(given_up && !is_stored(&folder, 1));
    }
}
