//! The threads and what they are given: jobs that run on a connection, keep their outcome, and answer when told to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::db::Db;
use super::fault::{Cause, Fault};
use super::queue::Queue;
use crate::store::{StoreError, StoreErrorKind};

/// Writes that may share a transaction. More would keep the first of them waiting.
const GROUP: usize = 256;
/// Reads that a thread takes at a time: under load the others need not be woken for each.
const AT_ONCE: usize = 16;

type Jobs = Queue<Box<dyn Job>>;

/// Threads that serve one queue. Dropping them lets them finish what waits, and waits for that.
pub(super) struct Workers {
    queue: Arc<Jobs>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Has a thread do the work, and waits for the answer without blocking. May be given up at any time.
    pub(super) async fn run<T, W>(&self, during: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&mut Db<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        self.queue.push(Box::new(Task { during, work, outcome: None, answer }));
        // A job that is dropped unanswered means that its thread is gone.
        outcome.await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Unavailable, during).because(ENDED)))
    }
}

const ENDED: &str = "the store's thread has ended";

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Threads that read, one for each connection.
pub(super) fn spawn_readers(connections: Vec<Connection>) -> Result<Workers, StoreError> {
    let mut workers = Workers { queue: Arc::new(Queue::new()), threads: Vec::new() };
    for connection in connections {
        workers.spawn(connection, AT_ONCE, read)?;
    }
    Ok(workers)
}

/// The one thread that writes.
pub(super) fn spawn_writer(connection: Connection) -> Result<Workers, StoreError> {
    let mut workers = Workers { queue: Arc::new(Queue::new()), threads: Vec::new() };
    workers.spawn(connection, GROUP, write)?;
    Ok(workers)
}

type Serve = fn(&mut Db<'_>, &mut Vec<Box<dyn Job>>);

impl Workers {
    fn spawn(&mut self, connection: Connection, most: usize, serve: Serve) -> Result<(), StoreError> {
        let queue = Guard(Arc::clone(&self.queue));
        let (ready, is_ready) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("session-sqlite".to_owned()).spawn(move || {
            let mut db = match Db::new(&connection) {
                Ok(db) => db,
                Err(error) => return drop(ready.send(Err(setup(Cause::of(&error))))),
            };
            // The store may have been given up already; then the queue is closed too.
            drop(ready.send(Ok(())));
            let mut jobs = Vec::with_capacity(most);
            while queue.0.take(&mut jobs, most) {
                serve(&mut db, &mut jobs);
                jobs.clear();
            }
        });
        self.threads.push(thread.map_err(setup)?);
        is_ready.recv().unwrap_or_else(|_| Err(setup(ENDED)))
    }
}

fn setup(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(StoreErrorKind::Setup, "open").because(cause)
}

/// However a thread ends, nobody waits for an answer that will not come.
struct Guard(Arc<Jobs>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn read(db: &mut Db<'_>, jobs: &mut Vec<Box<dyn Job>>) {
    for mut job in jobs.drain(..).filter(|job| job.is_awaited()) {
        job.run(db);
        job.answer();
    }
}

/// Runs the jobs as one transaction, and answers after the commit. One that fails takes the others back with it, so each
/// is then run alone.
fn write(db: &mut Db<'_>, jobs: &mut Vec<Box<dyn Job>>) {
    jobs.retain(|job| job.is_awaited());
    match transaction(db, jobs) {
        Err(Undone::AfterBegin) if jobs.len() > 1 => one_by_one(db, jobs),
        _ => jobs.drain(..).for_each(Job::answer),
    }
}

fn one_by_one(db: &mut Db<'_>, jobs: &mut Vec<Box<dyn Job>>) {
    let mut rest = jobs.drain(..);
    while let Some(mut job) = rest.next() {
        let undone = transaction(db, std::slice::from_mut(&mut job));
        job.answer();
        if let Err(Undone::BeforeBegin(fault)) = undone {
            // The lock is somebody else's. The others do not wait for it one after the other.
            return rest.for_each(|mut job| {
                job.fail(&fault);
                job.answer();
            });
        }
    }
}

/// Why a transaction left nothing behind.
enum Undone {
    /// There was no lock to be had. All jobs have failed by that.
    BeforeBegin(Fault),
    /// A job or the commit failed. Jobs that ran before may hold an outcome of success, which must not be told.
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
    // Asked again for each: the caller may have gone while others of the group ran.
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

/// A piece of work on a connection. Runs at least once before it answers, again if what it did was rolled back.
trait Job: Send {
    /// Whether its caller still waits.
    fn is_awaited(&self) -> bool;
    /// Does the work and keeps the outcome; false if it failed.
    fn run(&mut self, db: &mut Db<'_>) -> bool;
    /// Replaces the outcome.
    fn fail(&mut self, fault: &Fault);
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

struct Task<T, W> {
    during: &'static str,
    work: W,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: FnMut(&mut Db<'_>) -> Result<T, Fault> + Send> Job for Task<T, W> {
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    fn run(&mut self, db: &mut Db<'_>) -> bool {
        // What a panic leaves open on the connection is rolled back before the next job.
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(db))).unwrap_or(Err(Fault::Panicked));
        let outcome = done.map_err(|fault| fault.to_error(self.during));
        self.outcome.insert(outcome).is_ok()
    }

    fn fail(&mut self, fault: &Fault) {
        self.outcome = Some(Err(fault.to_error(self.during)));
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // A caller that has gone does not want to know.
            drop(self.answer.send(outcome));
        }
    }
}

// The head of a test record comes from the conformance kit.
#[cfg(all(test, feature = "conformance"))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::super::Durability;
    use super::super::layout::Settings;
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::SessionKey;
    use crate::record::{Record, Values};
    use crate::store::Wanted;
    use crate::testing::head_at;

    fn writer(folder: &tempfile::TempDir) -> Workers {
        let path = folder.path().join("sessions.db");
        let settings = Settings { path, durability: Durability::Process, busy_timeout: Duration::from_secs(1) };
        spawn_writer(settings.prepare().unwrap()).unwrap()
    }

    async fn create(writer: &Workers, n: u8) -> bool {
        let record = Record { head: head_at(0), values: Values::new() };
        writer.run("create", move |db| db.create(SessionKey::from_bytes([n; 16]), &record)).await.is_ok()
    }

    async fn is_stored(writer: &Workers, n: u8) -> bool {
        let key = SessionKey::from_bytes([n; 16]);
        writer.run("load", move |db| db.load(key, &Wanted::all(), Timestamp::from_millis(0))).await.unwrap().is_some()
    }

    async fn panics(writer: &Workers) -> StoreErrorKind {
        writer.run("patch", |_| -> Result<(), Fault> { panic!("on purpose") }).await.unwrap_err().kind()
    }

    /// Keeps the thread until the sender is dropped, so that what is sent meanwhile becomes one group.
    async fn hold(writer: &Workers, gate: mpsc::Receiver<()>) {
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
        assert!(create(&writer, 1).await && is_stored(&writer, 1).await);
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
        assert!(is_stored(&writer, 1).await && is_stored(&writer, 2).await);
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
        assert!(given_up && !is_stored(&writer, 1).await);
    }
}
