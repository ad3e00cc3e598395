//! Access to the server: the store's own connections or the application's pool, with retries.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio::time::sleep;
use tokio_postgres::{Error, Row};

use super::connection::{self, Mode, Param};
use super::fault::{Fault, Remedy};
use super::pool::Links;
use super::pooler;
use super::sql::{LockTimeout, OUTSIDE, Sql};
use crate::backoff::{Backoff, jittered};

/// Maximum attempts at an operation that conflicts with others. In each round at least one of them succeeds.
const TRIES: u32 = 100;
/// Maximum attempts at a load whose connection ends: all connections may have ended at once.
const READS: u32 = 5;
/// Upper bounds of the first and of the longest pause between two attempts. The store sleeps a random part of it.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(64)];

pub(super) enum Access {
    Own(Links),
    Pool(SharedPool),
}

impl Access {
    pub(super) const fn lock_timeout(&self) -> LockTimeout {
        match self {
            Self::Own(_) => LockTimeout::Connection,
            // A setting would stay on the application's connection.
            Self::Pool(_) => LockTimeout::Statement,
        }
    }

    /// Address of the server, without user and password.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Own(links) => format!("at {}", links.place()),
            Self::Pool(_) => "over the application's pool".to_owned(),
        }
    }

    /// Runs a statement, and repeats it if it had no effect. A write that may have been applied is never sent twice.
    pub(super) async fn query(&self, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let (mut tries, mut backoff) = (0, conflicts());
        loop {
            let outcome = match self {
                Self::Own(links) => own(links, sql, params).await,
                Self::Pool(pool) => pool.query(sql, params).await,
            };
            let Err(fault) = outcome else { return outcome };
            tries += 1;
            match fault.remedy() {
                Remedy::Again | Remedy::Reconnect if tries < TRIES => pause(&mut backoff).await,
                Remedy::Reread if sql.reads && tries < READS => {}
                _ => return Err(fault),
            }
        }
    }

    /// Runs a text of one or more statements and returns the first column of the first row.
    pub(super) async fn simple(&self, text: &str) -> Result<Option<String>, Fault> {
        let (mut tries, mut backoff) = (0, conflicts());
        loop {
            let outcome = match self {
                Self::Own(links) => links.connection().await?.simple(text).await,
                Self::Pool(pool) => pool.simple(text).await,
            };
            tries += 1;
            match outcome {
                Err(Fault::InTransaction) if tries < TRIES => pause(&mut backoff).await,
                outcome => return outcome,
            }
        }
    }
}

async fn own(links: &Links, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
    let connection = links.connection().await?;
    let outcome = connection.query(sql, params).await;
    if let Err(fault) = &outcome
        && matches!(fault.remedy(), Remedy::Reconnect | Remedy::Reread)
    {
        connection.retire();
    }
    outcome
}

fn conflicts() -> Backoff {
    let [first, longest] = PAUSES;
    Backoff::new(first, longest)
}

/// Sleeps for a random part of the next pause, so that conflicting callers do not retry in step.
async fn pause(backoff: &mut Backoff) {
    sleep(jittered(backoff.next_pause())).await;
}

/// The application's pool. Each operation takes one connection.
pub(super) struct SharedPool {
    pool: Pool,
    /// True once `is_pooled` has been determined: whether a pooler is behind the pool.
    is_known: AtomicBool,
    is_pooled: AtomicBool,
}

impl SharedPool {
    pub(super) const fn new(pool: Pool) -> Self {
        Self { pool, is_known: AtomicBool::new(false), is_pooled: AtomicBool::new(false) }
    }

    async fn query(&self, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let mut taken = self.take().await?;
        let outcome = match self.mode(&taken).await? {
            Mode::Unnamed if sql.prepared_only => Ok(Vec::new()),
            Mode::Unnamed => {
                let work = connection::query_unnamed(taken.client()?, sql, params);
                outside(taken.client()?.batch_execute(OUTSIDE), work).await
            }
            Mode::Prepared => {
                let client = taken.client()?;
                let work = async {
                    let statement = client.prepare_typed_cached(&sql.text, sql.types).await?;
                    client.query(&statement, params).await
                };
                // The check is prepared in advance: otherwise the work would be sent before it.
                match client.prepare_typed_cached(OUTSIDE, &[]).await {
                    Ok(check) => outside(client.execute(&check, &[]), work).await,
                    Err(error) => Err(in_transaction(error)),
                }
            }
        };
        // A connection whose statements are no longer valid is closed.
        taken.is_sound =
            outcome.as_ref().err().is_none_or(|fault| !matches!(fault.remedy(), Remedy::Reconnect | Remedy::Reread));
        outcome
    }

    async fn simple(&self, text: &str) -> Result<Option<String>, Fault> {
        let mut taken = self.take().await?;
        taken.client()?.batch_execute(OUTSIDE).await.map_err(in_transaction)?;
        let outcome = connection::simple(taken.client()?, text).await;
        taken.is_sound = true;
        outcome
    }

    async fn take(&self) -> Result<Taken, Fault> {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => Fault::from(error),
            PoolError::Timeout(_) => Fault::Lost("the pool had no connection in time"),
            PoolError::Closed => Fault::Lost("the pool is closed"),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => Fault::Lost("the pool is not set up"),
        })?;
        Ok(Taken { client: Some(client), is_sound: false })
    }

    async fn mode(&self, taken: &Taken) -> Result<Mode, Fault> {
        if !self.is_known.load(Relaxed) {
            taken.client()?.batch_execute(OUTSIDE).await.map_err(in_transaction)?;
            let mode = pooler::mode(taken.client()?).await?;
            self.is_pooled.store(mode == Mode::Unnamed, Relaxed);
            self.is_known.store(true, Relaxed);
        }
        Ok(if self.is_pooled.load(Relaxed) { Mode::Unnamed } else { Mode::Prepared })
    }
}

/// Sends the check that no transaction is open, and the work behind it, in one round trip. If the check fails, the
/// server runs nothing of the work: the failure has aborted the open transaction.
async fn outside<C, T>(
    check: impl Future<Output = Result<C, Error>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Fault> {
    let (mut check, mut work) = (pin!(check), pin!(work));
    let (mut checked, mut done) = (None, None);
    poll_fn(|context| {
        // Polled first, so that it is sent first.
        if checked.is_none() {
            checked = ready_now(check.as_mut(), context);
        }
        if done.is_none() {
            done = ready_now(work.as_mut(), context);
        }
        if checked.is_some() && done.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    match (checked, done) {
        (Some(Err(error)), _) => Err(in_transaction(error)),
        (_, Some(done)) => Ok(done?),
        _ => Err(Fault::Ended("the answer got lost")),
    }
}

fn ready_now<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Option<F::Output> {
    match future.poll(context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Fault of a failed check.
fn in_transaction(error: Error) -> Fault {
    let fault = Fault::from(error);
    if !fault.is_transaction() {
        return fault;
    }
    tracing::error!(
        "a connection of the application's pool was left inside a transaction: it is closed, and the session store takes \
         another one"
    );
    Fault::InTransaction
}

/// A connection taken from the pool. If it is not sound, for example because its caller stopped waiting for the
/// response, it is closed instead of returned.
struct Taken {
    client: Option<Object>,
    is_sound: bool,
}

impl Taken {
    fn client(&self) -> Result<&Object, Fault> {
        self.client.as_ref().ok_or(Fault::Lost("the pool's connection is gone"))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && !self.is_sound
        {
            drop(Object::take(client));
        }
    }
}
