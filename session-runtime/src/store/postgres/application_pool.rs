//! The application's own pool. Its connections stay as the application has set them up.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::{Error, Row};

use super::connection::{self, Mode, Param};
use super::fault::Fault;
use super::pooler;
use super::sql::Sql;

/// Statement that fails inside an open transaction and does nothing otherwise: a `DO` block may end only a transaction
/// of its own. If it fails, the statements that follow on the connection fail too.
const REQUIRE_NO_TRANSACTION: &str = "DO 'BEGIN COMMIT; END'";

/// The application's pool. Each operation takes one connection.
pub(super) struct ApplicationPool {
    pool: Pool,
    /// True once `is_pooled` is determined: true if the pool connects through a pooler.
    is_known: AtomicBool,
    is_pooled: AtomicBool,
}

impl ApplicationPool {
    pub(super) const fn new(pool: Pool) -> Self {
        Self { pool, is_known: AtomicBool::new(false), is_pooled: AtomicBool::new(false) }
    }

    /// Maximum number of its connections.
    pub(super) fn max_size(&self) -> usize {
        self.pool.status().max_size
    }

    pub(super) async fn query(&self, sql: &Sql, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        let mut pooled = self.take().await?;
        let outcome = match self.mode(&pooled).await? {
            Mode::Unnamed if sql.statement.is_prepared_only() => Ok(Vec::new()),
            Mode::Unnamed => {
                let work = connection::query_unnamed(pooled.client()?, sql, params);
                after_check(pooled.client()?.batch_execute(REQUIRE_NO_TRANSACTION), work).await
            }
            Mode::Prepared => {
                let client = pooled.client()?;
                let work = async {
                    let statement = client.prepare_typed_cached(&sql.text, sql.statement.types()).await?;
                    client.query(&statement, params).await
                };
                // Prepared first: otherwise the work would be sent before the check.
                match client.prepare_typed_cached(REQUIRE_NO_TRANSACTION, &[]).await {
                    Ok(check) => after_check(client.execute(&check, &[]), work).await,
                    Err(error) => Err(in_transaction(error)),
                }
            }
        };
        // A connection whose statements are no longer valid is closed.
        pooled.is_sound = !outcome.as_ref().is_err_and(|fault| fault.remedy().ends_connection());
        outcome
    }

    pub(super) async fn simple(&self, text: &str) -> Result<Option<String>, Fault> {
        let mut pooled = self.take().await?;
        pooled.client()?.batch_execute(REQUIRE_NO_TRANSACTION).await.map_err(in_transaction)?;
        let outcome = connection::simple(pooled.client()?, text).await;
        pooled.is_sound = true;
        outcome
    }

    async fn take(&self) -> Result<PooledConnection, Fault> {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => Fault::from(error),
            PoolError::Timeout(_) => Fault::Lost("the pool had no connection in time"),
            PoolError::Closed => Fault::Lost("the pool is closed"),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => Fault::Lost("the pool is not set up"),
        })?;
        Ok(PooledConnection { client: Some(client), is_sound: false })
    }

    async fn mode(&self, pooled: &PooledConnection) -> Result<Mode, Fault> {
        if !self.is_known.load(Relaxed) {
            pooled.client()?.batch_execute(REQUIRE_NO_TRANSACTION).await.map_err(in_transaction)?;
            let mode = pooler::mode(pooled.client()?).await?;
            self.is_pooled.store(mode == Mode::Unnamed, Relaxed);
            self.is_known.store(true, Relaxed);
        }
        Ok(if self.is_pooled.load(Relaxed) { Mode::Unnamed } else { Mode::Prepared })
    }
}

/// Sends the check that no transaction is open, and the work behind it, in one round trip. If the check fails, the
/// server runs nothing of the work: the failure has aborted the open transaction.
async fn after_check<C, T>(
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
    if !is_transaction(&fault) {
        return fault;
    }
    tracing::error!(
        "a connection of the application's pool was left inside a transaction: it is closed, and the session store takes \
         another one"
    );
    Fault::InTransaction
}

/// True if [`REQUIRE_NO_TRANSACTION`] failed because a transaction is open.
fn is_transaction(fault: &Fault) -> bool {
    // an invalid end of a transaction, a transaction that has failed
    matches!(fault, Fault::Refused(code) if matches!(code.code(), "2D000" | "25P02"))
}

/// A connection taken from the pool. If it is not sound, for example because its caller stopped waiting for the
/// response, it is closed instead of returned.
struct PooledConnection {
    client: Option<Object>,
    is_sound: bool,
}

impl PooledConnection {
    fn client(&self) -> Result<&Object, Fault> {
        self.client.as_ref().ok_or(Fault::Lost("the pool's connection is gone"))
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && !self.is_sound
        {
            drop(Object::take(client));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_postgres::NoTls;

    use super::super::access::Access;
    use super::super::redacted::Redacted;
    use super::super::sql::Statements;
    use super::super::statement::Statement;
    use super::*;

    /// Login accepted, number and secret of the process, ready for a query.
    const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";

    /// An invalid end of a transaction, and ready for a query.
    const IN_TRANSACTION: &[u8] = b"E\0\0\0\x17SERROR\0C2D000\0Mno\0\0Z\0\0\0\x05I";

    /// Serves one connection that was left inside a transaction. After it the server is gone.
    async fn serve_one(listener: TcpListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        for answer in [GREETING, IN_TRANSACTION] {
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
        }
        // Ends with the connection, whether that is closed or reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    /// The request tried again for seconds, as for a connection of the store's own that is being replaced. It then failed
    /// at its deadline, without the cause.
    #[tokio::test]
    async fn a_pool_without_a_connection_kept_a_request_waiting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("postgres://ada@127.0.0.1:{}/shop", listener.local_addr().unwrap().port());
        let server = tokio::spawn(serve_one(listener));
        let manager = deadpool_postgres::Manager::new(url.parse().unwrap(), NoTls);
        let access = Access::Application(ApplicationPool::new(Pool::builder(manager).max_size(1).build().unwrap()));
        let statements = Statements::new("public", access.lock_timeout());
        let (key, begun) = ([0_u8; 16], Instant::now());
        let failed = access.query(statements.get(Statement::Delete), &[&Redacted(&key[..])]).await;
        assert!(matches!(failed, Err(Fault::Lost("connection refused"))), "{:?}", failed.err());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        server.await.unwrap();
    }
}
