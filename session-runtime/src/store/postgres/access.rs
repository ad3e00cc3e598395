//! Access to the server: the store's own connections or the application's pool, with retries.

use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::Row;

#[cfg(feature = "deadpool-postgres-0-14")]
use super::application_pool::ApplicationPool;
use super::connection::{Connection, Param};
use super::connection_pool::ConnectionPool;
use super::fault::{Fault, Remedy};
use super::sql::{LockTimeout, Sql};
use crate::backoff::{Backoff, jittered};
use crate::config::AdmissionConfig;
use crate::store::admission::Admission;
use crate::store::server::Opened;

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

    /// Returns the admission to these connections.
    pub(super) fn admission(&self, config: AdmissionConfig) -> Admission {
        match self {
            Self::Own(_) => Admission::new(config),
            #[cfg(feature = "deadpool-postgres-0-14")]
            Self::Application(pool) => Admission::to_pool(config, pool.max_size()),
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
        let mut attempts = Attempts::new();
        loop {
            let outcome = match self {
                Self::Own(pool) => query_own(pool, sql, params).await,
                #[cfg(feature = "deadpool-postgres-0-14")]
                Self::Application(pool) => pool.query(sql, params).await,
            };
            let Err(fault) = outcome else { return outcome };
            if !attempts.allow_another(self, &fault, sql.statement.reads()).await {
                return Err(fault);
            }
        }
    }

    /// Runs a text of one or more statements and returns the first column of the first row. Repeats it if nothing was
    /// run.
    pub(super) async fn simple(&self, text: &str) -> Result<Option<String>, Fault> {
        let mut attempts = Attempts::new();
        loop {
            let outcome = match self {
                Self::Own(pool) => simple_own(pool, text).await,
                #[cfg(feature = "deadpool-postgres-0-14")]
                Self::Application(pool) => pool.simple(text).await,
            };
            let Err(fault) = outcome else { return outcome };
            if !attempts.allow_another(self, &fault, false).await {
                return Err(fault);
            }
        }
    }

    /// True if the store's own connections are being replaced. A pool of the application opens its connections itself,
    /// and has waited already.
    const fn is_replacing(&self, fault: &Fault) -> bool {
        matches!(self, Self::Own(_)) && matches!(fault, Fault::Lost(_))
    }
}

/// Attempts at one operation.
struct Attempts {
    tries: u32,
    backoff: Backoff,
    /// True if nothing was run in an attempt, because its connection had ended.
    reconnects: bool,
}

impl Attempts {
    fn new() -> Self {
        let [first, longest] = PAUSES;
        Self { tries: 0, backoff: Backoff::new(first, longest), reconnects: false }
    }

    /// Returns whether the operation may be tried again after this fault, and pauses before that if necessary.
    async fn allow_another(&mut self, access: &Access, fault: &Fault, reads: bool) -> bool {
        self.tries += 1;
        let remedy = fault.remedy();
        let repeats = match remedy {
            Remedy::Again | Remedy::Reconnect => true,
            Remedy::Reread => return reads && self.tries < READS,
            // The server has ended the connection, and the next one is not open yet.
            Remedy::Fail => self.reconnects && access.is_replacing(fault),
        };
        // A connection that ended before the statement may mean that the server is down.
        self.reconnects |= remedy == Remedy::Reconnect && !matches!(fault, Fault::EndedBefore);
        if !repeats || self.tries >= TRIES {
            return false;
        }
        // A random part of the pause, so that conflicting callers do not retry in step.
        sleep(jittered(self.backoff.next_pause())).await;
        true
    }
}

async fn query_own(pool: &ConnectionPool, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
    let connection = pool.connection(sql.statement.reads()).await?;
    let outcome = connection.query(sql, params).await;
    retire_if_ended(&connection, outcome.as_ref().err());
    outcome
}

async fn simple_own(pool: &ConnectionPool, text: &str) -> Result<Option<String>, Fault> {
    let connection = pool.connection(false).await?;
    let outcome = connection.simple(text).await;
    retire_if_ended(&connection, outcome.as_ref().err());
    outcome
}

fn retire_if_ended(connection: &Opened<Connection>, fault: Option<&Fault>) {
    if fault.is_some_and(|fault| fault.remedy().ends_connection()) {
        connection.retire();
    }
}
