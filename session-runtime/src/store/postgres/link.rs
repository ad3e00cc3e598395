//! One connection of the store's own, shared by many requests: each is sent when it comes, and the answers come in turn.
//!
//! A caller that gives up leaves its answer to be thrown away, and the connection as good as it was. Unless nothing at all
//! has been answered for a while: then the server, or the way to it, has stopped, and the connection is retired.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OnceCell};
use tokio::task::AbortHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::fault::Fault;
use super::sql::{PLACES, Sql};

/// With nothing answered for so long, a caller that gives up retires the connection.
const STUCK: Duration = Duration::from_millis(500);

/// Of how many answers [`Link::wait`] goes by the average, roughly.
const PACE: u64 = 8;

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Prepared once a connection.
    Prepared,
    /// Parsed each time, since the next statement may meet another server process.
    Unnamed,
}

/// A parameter of a statement.
pub(super) type Param<'p> = &'p (dyn ToSql + Sync);

pub(super) struct Link {
    client: Client,
    mode: Mode,
    prepared: [OnceCell<Statement>; PLACES],
    begun: Instant,
    /// Requests without an answer, those that were given up left out.
    waiting: Arc<AtomicUsize>,
    /// Since when nothing was answered, in microseconds from `begun`, and one more; 0: there is nothing to answer.
    silent_since: AtomicU64,
    /// Microseconds from one answer to the next while there are requests, on the average of the last ones.
    pace: AtomicU64,
    has_answered: AtomicBool,
    is_retired: AtomicBool,
    /// Told when the connection has ended or is retired.
    pub(super) ended: Arc<Notify>,
    task: AbortHandle,
}

impl Link {
    pub(super) fn new(
        client: Client,
        mode: Mode,
        waiting: Arc<AtomicUsize>,
        ended: Arc<Notify>,
        task: AbortHandle,
    ) -> Self {
        Self {
            client,
            mode,
            prepared: Default::default(),
            begun: Instant::now(),
            waiting,
            silent_since: AtomicU64::new(0),
            pace: AtomicU64::new(0),
            has_answered: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            ended,
            task,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !self.client.is_closed() && !self.is_retired.load(Relaxed)
    }

    /// Whether a request was answered since it was opened.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Relaxed)
    }

    /// How long one more request would wait behind the others, by what is known of it.
    pub(super) fn wait(&self) -> Duration {
        let others = self.waiting.load(Relaxed);
        if others == 0 {
            return Duration::ZERO;
        }
        let pace = self.pace.load(Relaxed).max(self.silent_for());
        Duration::from_micros(pace.saturating_mul(others as u64))
    }

    /// New requests go elsewhere; those under way may still be answered.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Relaxed);
        self.ended.notify_one();
    }

    /// Sends a statement and waits for its rows.
    pub(super) async fn query(&self, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        if self.mode == Mode::Unnamed && sql.prepared_only {
            return Ok(Vec::new());
        }
        let mut asked = Asked::new(self);
        let rows = match self.mode {
            Mode::Prepared => {
                let prepare = || self.client.prepare_typed(&sql.text, sql.types);
                let statement = self.prepared[sql.place].get_or_try_init(prepare).await?;
                self.client.query(statement, params).await
            }
            Mode::Unnamed => query_unnamed(&self.client, sql, params).await,
        };
        asked.answered();
        Ok(rows?)
    }

    /// Runs a text of one or more statements, and gives the first column of the first row.
    pub(super) async fn simple(&self, text: &str) -> Result<Option<String>, Fault> {
        let mut asked = Asked::new(self);
        let first = simple(&self.client, text).await;
        asked.answered();
        first
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX - 1) + 1
    }

    /// For how many microseconds nothing was answered. Meaningless if there is nothing to answer.
    fn silent_for(&self) -> u64 {
        self.micros().saturating_sub(self.silent_since.load(Relaxed))
    }
}

/// With nobody left who waits, what is open is closed: at once if an answer is missing, else in good order.
impl Drop for Link {
    fn drop(&mut self) {
        if self.silent_since.load(Relaxed) != 0 {
            self.task.abort();
        }
    }
}

pub(super) async fn query_unnamed(
    client: &Client,
    sql: &Sql,
    params: &[Param<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let typed: Vec<_> = params.iter().copied().zip(sql.types.iter().cloned()).collect();
    client.query_typed(&sql.text, &typed).await
}

pub(super) async fn simple(client: &Client, text: &str) -> Result<Option<String>, Fault> {
    let messages = client.simple_query(text).await?;
    let first = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(first.map(str::to_owned))
}

/// A request under way.
struct Asked<'l> {
    link: &'l Link,
    is_answered: bool,
}

impl<'l> Asked<'l> {
    fn new(link: &'l Link) -> Self {
        link.waiting.fetch_add(1, Relaxed);
        if link.silent_since.load(Relaxed) == 0 {
            link.silent_since.store(link.micros(), Relaxed);
        }
        Self { link, is_answered: false }
    }

    fn answered(&mut self) {
        let (link, now) = (self.link, self.link.micros());
        let others = link.waiting.load(Relaxed) > 1;
        let since = link.silent_since.swap(if others { now } else { 0 }, Relaxed);
        // Whoever was answered in between has taken the time into account.
        let took = if since == 0 { 0 } else { now.saturating_sub(since) };
        let pace = link.pace.load(Relaxed);
        link.pace.store(pace - pace / PACE + took / PACE, Relaxed);
        link.has_answered.store(true, Relaxed);
        self.is_answered = true;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.link.waiting.fetch_sub(1, Relaxed);
        let is_silent = || self.link.silent_since.load(Relaxed) != 0;
        if !self.is_answered && is_silent() && Duration::from_micros(self.link.silent_for()) >= STUCK {
            self.link.retire();
        }
    }
}
