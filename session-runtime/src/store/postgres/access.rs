//! Access to the server: the store's own connections or the application's pool, with retries.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::Row;

#[cfg(feature = "deadpool-postgres-0-14")]
use super::application_pool::ApplicationPool;
use super::connection::Param;
use super::connection_pool::ConnectionPool;
use super::fault::{Fault, Remedy};
use super::sql::{LockTimeout, Sql};
use crate::backoff::{Backoff, jittered};

/// Maximum attempts at an operation that conflicts with others. In each round, at least one operation succeeds.
const TRIES: u32 = 100;
/// Maximum attempts at a load whose connection ends: all connections may have ended at once.
const READS: u32 = 5;
/// Upper bounds of the first and of the longest pause between two attempts. The store sleeps a random part of it.
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(64)];

pub(super) enum Access {
    Own(ConnectionPool),
    #[cfg(feature = "deadpool-postgres-0-14")]
    Application(ApplicationPool),
}

impl Access {
    pub(super) const fn lock_timeout(&self) -> LockTimeout {
        match self {
            Self::Own(_) => LockTimeout::Connection,
            // `SET` would stay in effect on the application's connection.
            #[cfg(feature = "deadpool-postgres-0-14")]
            Self::Application(_) => LockTimeout::Statement,
        }
    }

    /// Address of the server, without user and password.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Own(pool) => format!("at {}", pool.address()),
            #[cfg(feature = "deadpool-postgres-0-14")]
            Self::Application(_) => "over the application's pool".to_owned(),
        }
    }

    /// Runs a statement, and repeats it if it had no effect. A write that may have been applied is never sent twice.
    pub(super) async fn query(&self, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let (mut tries, mut backoff, mut reconnects) = (0, conflicts(), false);
        loop {
            let outcome = match self {
                Self::Own(pool) => query_own(pool, sql, params).await,
                #[cfg(feature = "deadpool-postgres-0-14")]
                Self::Application(pool) => pool.query(sql, params).await,
            };
            let Err(fault) = outcome else { return outcome };
            tries += 1;
            let remedy = fault.remedy();
            match remedy {
                Remedy::Again | Remedy::Reconnect if tries < TRIES => pause(&mut backoff).await,
                Remedy::Reread if sql.statement.reads() && tries < READS => {}
                // The server has ended the connection, and the next one is not open yet. Nothing was run: wait for it.
                Remedy::Fail if reconnects && self.is_replacing(&fault) && tries < TRIES => {
                    pause(&mut backoff).await;
                }
                _ => return Err(fault),
            }
            reconnects |= remedy == Remedy::Reconnect;
        }
    }

    /// True if the store's own connections are being replaced. A pool of the application opens its connections itself,
    /// and has waited already.
    const fn is_replacing(&self, fault: &Fault) -> bool {
        matches!(self, Self::Own(_)) && matches!(fault, Fault::Lost(_))
    }

    /// Runs a text of one or more statements and returns the first column of the first row.
    pub(super) async fn simple(&self, text: &str) -> Result<Option<String>, Fault> {
        let (mut tries, mut backoff) = (0, conflicts());
        loop {
            let outcome = match self {
                Self::Own(pool) => pool.connection().await?.simple(text).await,
                #[cfg(feature = "deadpool-postgres-0-14")]
                Self::Application(pool) => pool.simple(text).await,
            };
            tries += 1;
            match outcome {
                Err(Fault::InTransaction) if tries < TRIES => pause(&mut backoff).await,
                outcome => return outcome,
            }
        }
    }
}

async fn query_own(pool: &ConnectionPool, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
    let connection = pool.connection().await?;
    let outcome = connection.query(sql, params).await;
    if let Err(fault) = &outcome
        && fault.remedy().ends_connection()
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
