//! The store's own connections. Each is [kept open](crate::store::server) by a task of its own.
//!
//! A request takes the first connection on which it will not wait long behind others: queued statements cost the server
//! and this program less than statements sent one by one. While commits are slow or another transaction holds a lock, a
//! short queue already exceeds that wait, and the next connection is taken. Writes may fill all connections that they
//! use, so reads have one more, which is opened once a read would wait. If none is open, a request waits for an attempt
//! in progress. If all are paused after a failed attempt, it fails at once with the cause of that failure.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use tokio::task::{AbortHandle, yield_now};
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::{Connection, Mode, Properties, simple};
use super::fault::Fault;
use super::load_estimate::LoadEstimate;
use super::pooler;
use super::sql::SET_UP;
use crate::backoff::Backoff;
use crate::store::server::{Connect, End, Opened, Reconnecting, first_opened};

/// Longest expected wait behind other requests before the next connection is tried.
/// When it was introduced, the server took 40 µs of CPU time for an add instead of 52.
const SHORT_WAIT: Duration = Duration::from_millis(1);

/// Settings of a connection attempt.
pub(super) struct Connector {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    pub(super) connect_timeout: Duration,
    pub(super) back_off: Duration,
    pub(super) back_off_max: Duration,
}

pub(super) struct ConnectionPool {
    connector: Arc<Connector>,
    connections: Box<[Reconnecting<Connector>]>,
    /// Used by reads alone, while all others are busy.
    for_reads: Reconnecting<Connector>,
}

impl ConnectionPool {
    pub(super) fn new(connector: Connector, connections: usize) -> Self {
        let connector = Arc::new(connector);
        let backoff = Backoff::new(connector.back_off, connector.back_off_max);
        let connection = || Reconnecting::new(Arc::clone(&connector), backoff);
        let connections = std::iter::repeat_with(&connection).take(connections.max(1)).collect();
        let for_reads = connection();
        Self { connector, connections, for_reads }
    }

    /// Hosts and ports or sockets, and the database.
    pub(super) fn address(&self) -> String {
        let config = &self.connector.config;
        let ports = config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
            Host::Tcp(host) => format!("{host}:{}", port(at)),
            #[cfg(unix)]
            Host::Unix(folder) => folder.join(format!(".s.PGSQL.{}", port(at))).display().to_string(),
        });
        let hosts = hosts.collect::<Vec<_>>().join(", ");
        config.get_dbname().map_or(hosts.clone(), |database| format!("{hosts}/{database}"))
    }

    /// Returns an open connection, for a statement that reads or for one that writes.
    pub(super) async fn connection(&self, reads: bool) -> Result<Arc<Opened<Connection>>, Fault> {
        match self.shortest_wait() {
            // Boxed, like the next: inlining these rare paths would grow the future of every request.
            Some((wait, busy)) if reads && wait > SHORT_WAIT => Ok(Box::pin(self.for_a_read(wait, busy)).await),
            Some((_, opened)) => Ok(opened),
            None => Box::pin(first_opened(&self.connections)).await,
        }
    }

    /// Returns the connection for reads if it has the shorter wait. Waits while it is being opened, but no longer than
    /// the read would wait on the busy connection.
    async fn for_a_read(&self, wait: Duration, busy: Arc<Opened<Connection>>) -> Arc<Opened<Connection>> {
        let opened = match self.for_reads.current() {
            Some(opened) => Some(opened),
            None => timeout(wait, self.for_reads.opened()).await.ok().and_then(Result::ok),
        };
        opened.filter(|opened| opened.wait() < wait).unwrap_or(busy)
    }

    /// Returns the first open connection whose wait is short, or else the one with the shortest wait.
    fn shortest_wait(&self) -> Option<(Duration, Arc<Opened<Connection>>)> {
        let mut best: Option<(Duration, Arc<Opened<Connection>>)> = None;
        for opened in self.connections.iter().filter_map(Reconnecting::current) {
            let wait = opened.wait();
            if wait <= SHORT_WAIT {
                return Some((wait, opened));
            }
            if best.as_ref().is_none_or(|(shortest, _)| wait < *shortest) {
                best = Some((wait, opened));
            }
        }
        best
    }
}

impl Connect for Connector {
    type Connection = Connection;
    type Fault = Fault;

    async fn connect(&self, end: Arc<End>) -> Result<Connection, Fault> {
        let connect = async {
            let (client, connection) = self.config.connect(self.tls.clone()).await?;
            let load = Arc::new(LoadEstimate::default());
            let task = tokio::spawn(drive(connection, Arc::clone(&load), Arc::clone(&end))).abort_handle();
            let mut attempt = Attempt { task: task.clone(), is_answered: false };
            let properties = set_up(&client).await;
            // If the server refused, dropping the client ends the connection.
            attempt.is_answered = true;
            let properties = properties.map_err(|fault| load.fault_of_request(fault))?;
            Ok(Connection::new(client, properties, load, end, task))
        };
        timeout(self.connect_timeout, connect).await.unwrap_or(Err(Fault::Lost("connecting took too long")))
    }

    fn has_answered(connection: &Connection) -> bool {
        connection.has_answered()
    }

    fn unavailable(why: &'static str) -> Fault {
        Fault::Lost(why)
    }
}

/// A connection that is being set up. While a response is due, its task does not end with the client: an attempt that
/// runs out of time would leave the connection open for as long as the server is silent.
struct Attempt {
    task: AbortHandle,
    is_answered: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_answered {
            self.task.abort();
        }
    }
}

async fn set_up(client: &Client) -> Result<Properties, Fault> {
    let mode = pooler::mode(client).await?;
    // A pooler keeps the connection however idle it is for the server.
    let idle_limit = match mode {
        Mode::Prepared => simple(client, SET_UP).await?,
        Mode::Unnamed => None,
    };
    let millis = idle_limit.and_then(|millis| millis.parse().ok()).filter(|millis| *millis > 0);
    Ok(Properties { mode, idle_limit: millis.map(Duration::from_millis) })
}

/// Drives a connection until it ends. While several requests wait, it first yields to all tasks that are ready to send,
/// so that their statements share a packet. A packet costs more than a statement, here and at the server. Measured for
/// a load: 41 µs of the CPU time of both sides instead of 44.
async fn drive(connection: impl Future<Output = Result<(), Error>>, load: Arc<LoadEstimate>, end: Arc<End>) {
    let (mut connection, mut others) = (pin!(connection), pin!(yield_now()));
    // Dropped before the connection, and so before the waiting requests fail.
    let _reporting = Reporting(&end);
    let ended = poll_fn(|context| {
        if load.is_shared() {
            ready!(others.as_mut().poll(context));
            others.set(yield_now());
        }
        connection.as_mut().poll(context)
    })
    .await;
    if let Err(error) = ended {
        // Waiting requests receive the error; no other code needs it.
        load.record(&Fault::from(error));
    }
}

/// Reports the end of a connection when its task ends, even if the task is aborted.
struct Reporting<'e>(&'e End);

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        self.0.report();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::store::tls::Certificates;

    /// Far above the time that the test needs.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Login accepted, number and secret of the process, ready for a query.
    const GREETING: &[u8] = b"R\0\0\0\x08\0\0\0\0K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";

    fn connector(port: u16) -> Connector {
        Connector {
            config: format!("postgres://ada@127.0.0.1:{port}/shop?sslmode=disable").parse().unwrap(),
            tls: MakeRustlsConnect::new(Certificates::default().config().unwrap()),
            connect_timeout: Duration::from_millis(200),
            back_off: PATIENCE,
            back_off_max: PATIENCE,
        }
    }

    /// Each attempt left another open connection behind a pooler whose database was down.
    #[tokio::test]
    async fn an_attempt_that_ran_out_of_time_left_its_connection_open() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connector = connector(listener.local_addr().unwrap().port());
        let until_closed = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let login = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(GREETING).await.unwrap();
            let mut queries = Vec::new();
            // Ends with the connection, whether that is closed or reset.
            let _ = stream.read_to_end(&mut queries).await;
            (login, queries.len())
        };
        let (connected, closed) = tokio::join!(connector.connect(Arc::default()), timeout(PATIENCE, until_closed));
        assert!(connected.is_err());
        let (login, queries) = closed.expect("the connection should have been closed");
        assert!(login > 0 && queries > 0, "the server should have got a login and a query");
    }
}
