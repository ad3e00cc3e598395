//! One of the store's own connections, shared by many requests. Statements are sent as they come, and responses arrive
//! in the same order.
//!
//! When a caller gives up, its response is discarded and the connection stays usable. If no request at all has been
//! answered for a while, the server or the network has stopped, and the connection is retired.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::AbortHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::fault::Fault;
use super::load_estimate::{LoadEstimate, UnansweredRequest};
use super::sql::Sql;
use super::statement::Statement;
use crate::store::server::End;

/// Ways to send statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Prepared once per connection.
    Prepared,
    /// Parsed each time, since the next statement may reach another server process.
    Unnamed,
}

/// Properties of a connection, found out while it is set up.
#[derive(Clone, Copy)]
pub(super) struct Properties {
    pub(super) mode: Mode,
    /// Time after which the server ends the connection for being idle; `None` if it never does.
    pub(super) idle_limit: Option<Duration>,
}

/// A parameter of a statement.
pub(super) type Param<'p> = &'p (dyn ToSql + Sync);

pub(super) struct Connection {
    client: Client,
    properties: Properties,
    prepared: [OnceCell<tokio_postgres::Statement>; Statement::ALL.len()],
    load: Arc<LoadEstimate>,
    has_answered: AtomicBool,
    end: Arc<End>,
    task: AbortHandle,
}

impl Connection {
    pub(super) fn new(
        client: Client,
        properties: Properties,
        load: Arc<LoadEstimate>,
        end: Arc<End>,
        task: AbortHandle,
    ) -> Self {
        let (prepared, has_answered) = (Default::default(), AtomicBool::new(false));
        Self { client, properties, prepared, load, has_answered, end, task }
    }

    /// True if the server has answered a request since the connection was opened, or ended it because it was idle.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Relaxed) || self.load.has_ended_idle()
    }

    /// Estimated time that one more request would wait behind the others.
    pub(super) fn wait(&self) -> Duration {
        self.load.wait()
    }

    /// Sends a statement and waits for its rows.
    pub(super) async fn query(&self, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let mode = self.properties.mode;
        if mode == Mode::Unnamed && sql.statement.is_prepared_only() {
            return Ok(Vec::new());
        }
        if !sql.statement.reads() && self.may_have_ended() {
            // Boxed: inlining this rare path would grow the future of every request.
            Box::pin(self.require_answer()).await?;
        }
        self.answer_to(async {
            match mode {
                Mode::Prepared => {
                    let prepare = || self.client.prepare_typed(&sql.text, sql.statement.types());
                    let statement = self.prepared[sql.statement.index()].get_or_try_init(prepare).await?;
                    Ok(self.client.query(statement, params).await?)
                }
                Mode::Unnamed => Ok(query_unnamed(&self.client, sql, params).await?),
            }
        })
        .await
    }

    /// Runs a text of one or more statements and returns the first column of the first row.
    pub(super) async fn simple(&self, text: &str) -> Result<Option<String>, Fault> {
        if self.may_have_ended() {
            self.require_answer().await?;
        }
        self.answer_to(simple(&self.client, text)).await
    }

    /// True if the server may be about to end the connection for being idle, or has just ended it. A write that it
    /// receives at that moment is not run, but the message with the reason can get lost with the connection. Then the
    /// outcome of the write would be unknown.
    fn may_have_ended(&self) -> bool {
        self.properties.idle_limit.is_some_and(|limit| !self.load.has_answered_within(limit / 2))
    }

    /// Waits for an answer to an empty query, with which the server begins to count the idle time anew.
    async fn require_answer(&self) -> Result<(), Fault> {
        let answered = self.answer_to(simple(&self.client, "")).await;
        answered.map(drop).map_err(Fault::before_statement)
    }

    /// Waits for the answer to a request, and counts the request as waiting meanwhile.
    async fn answer_to<T>(&self, request: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let waiting = Waiting { connection: self, request: self.load.join() };
        // Recorded before the request leaves: others that the same end failed look for it then.
        let answer = request.await.map_err(|fault| self.load.fault_of_request(fault));
        waiting.answered();
        match answer {
            // Boxed: inlining this rare path would grow the future of every request.
            Err(fault @ Fault::Ended(_)) => Err(Box::pin(self.load.fault_of_end(fault)).await),
            answer => answer,
        }
    }
}

/// Closes the connection when no request uses it any more: at once if a response is due, otherwise gracefully.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.load.is_response_due() {
            self.task.abort();
        }
    }
}

pub(super) async fn query_unnamed(
    client: &Client,
    sql: &Sql,
    params: &[Param<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let typed: Vec<_> = params.iter().copied().zip(sql.statement.types().iter().cloned()).collect();
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

/// A request in flight. If its caller gives up, it may find that the connection is stuck.
struct Waiting<'c> {
    connection: &'c Connection,
    request: UnansweredRequest<'c>,
}

impl Waiting<'_> {
    fn answered(mut self) {
        self.connection.has_answered.store(true, Relaxed);
        self.request.answered();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.request.give_up() {
            self.connection.end.retire();
        }
    }
}
