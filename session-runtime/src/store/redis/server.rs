//! One server: connects to its address, and sends commands over the connection of the client library.
//!
//! Commands are sent one behind the other, and responses arrive in the same order. A request that gives up leaves its
//! command in the connection. The connection's task then sends a `PING` behind it: without a response by the time at
//! which that of the command is overdue, the server is frozen or out of reach, and the connection ends.

#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use ::redis::{AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, RedisConnectionInfo, RedisError, Value};
use futures_util::future::select;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::fault::Fault;
use crate::store::server::End;
use crate::store::tls::Certificates;

/// Time without a response from the server's machine after which the operating system ends the connection.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(10);

/// Address of a server, and the settings of a connection to it.
pub(super) struct Server {
    socket: Socket,
    settings: RedisConnectionInfo,
}

enum Socket {
    Tcp {
        host: String,
        port: u16,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    },
    /// A socket in the file system.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Server {
    pub(super) fn new(info: &ConnectionInfo, certificates: &Certificates) -> Result<Self, Fault> {
        let socket = match info.addr() {
            ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) if certificates.are_some() => return Err(NO_TLS),
            ConnectionAddr::Tcp(host, port) => Socket::Tcp { host: host.clone(), port: *port, tls: None },
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Socket::Unix(path.clone()),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
                let name = ServerName::try_from(host.clone()).map_err(|_| Fault::setup("the host is not a name"))?;
                let config = certificates.config().map_err(Fault::setup)?;
                let tls = Some((TlsConnector::from(Arc::new(config)), name));
                Socket::Tcp { host: host.clone(), port: *port, tls }
            }
            _ => return Err(Fault::setup("the URL has an option that is not supported, such as `#insecure`")),
        };
        // `CLIENT SETINFO` would need another right of the user.
        Ok(Self { socket, settings: info.redis_settings().clone().set_skip_set_lib_name() })
    }

    /// Connects once. The connection reports its end, even while it is idle.
    pub(super) async fn connect(&self, answer_timeout: Duration, end: Arc<End>) -> Result<ServerConnection, Fault> {
        match &self.socket {
            #[cfg(unix)]
            Socket::Unix(path) => self.set_up(UnixStream::connect(path).await?, answer_timeout, end).await,
            Socket::Tcp { host, port, tls: None } => {
                self.set_up(connected(host, *port).await?, answer_timeout, end).await
            }
            Socket::Tcp { host, port, tls: Some((tls, name)) } => {
                let stream = tls.connect(name.clone(), connected(host, *port).await?).await?;
                self.set_up(stream, answer_timeout, end).await
            }
        }
    }

    /// Logs in, selects the protocol and the database, and starts the connection's task.
    async fn set_up<S>(&self, stream: S, answer_timeout: Duration, end: Arc<End>) -> Result<ServerConnection, Fault>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(answer_timeout));
        let set_up = MultiplexedConnection::new_with_config(&self.settings, stream, config).await;
        let (connection, driver) = set_up.map_err(refused)?;
        let given_up = Arc::new(GivenUp::default());
        let watch = watch(connection.clone(), Arc::clone(&given_up), answer_timeout);
        let task = tokio::spawn(drive(driver, watch, end)).abort_handle();
        Ok(ServerConnection { connection, given_up, task })
    }
}

const NO_TLS: Fault = Fault::setup("certificates need a `rediss:` URL");
const NO_RESP3: Fault = Fault::setup("the server does not speak RESP3; `?protocol=resp2` may help");
const NO_DATABASE: Fault = Fault::setup("the server has no database of this number");

/// Fault of a connection that the server refused to set up.
fn refused(error: RedisError) -> Fault {
    let detail = error.detail().unwrap_or_default();
    match error.code() {
        Some("ERR") if detail.contains("max number of clients") => {
            Fault::unavailable("the server has no room for another connection")
        }
        // The library returns the refusal of `HELLO` as it is, and one of its own for that of `SELECT`.
        Some("ERR") if std::error::Error::source(&error).is_none() => NO_DATABASE,
        Some("ERR" | "NOPROTO") => NO_RESP3,
        _ => error.into(),
    }
}

/// A connection that many requests share. It ends with this handle.
pub(super) struct ServerConnection {
    connection: MultiplexedConnection,
    given_up: Arc<GivenUp>,
    task: AbortHandle,
}

impl ServerConnection {
    /// Sends a command and waits for its response, which may be an error.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Fault> {
        let waiting = Waiting { given_up: Some(&self.given_up), since: Instant::now() };
        let answered = self.connection.clone().send_packed_command(command).await;
        waiting.end();
        answered.map_err(|error| if error.is_timeout() { Fault::overdue() } else { error.into() })
    }
}

impl Drop for ServerConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that waits for its response.
struct Waiting<'c> {
    given_up: Option<&'c GivenUp>,
    since: Instant,
}

impl Waiting<'_> {
    fn end(mut self) {
        self.given_up = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(given_up) = self.given_up {
            given_up.add(self.since);
        }
    }
}

/// Commands that requests gave up on.
#[derive(Default)]
struct GivenUp {
    /// Time at which the oldest of them was sent; `None` if there is none.
    since: Mutex<Option<Instant>>,
    added: Notify,
}

impl GivenUp {
    fn add(&self, sent: Instant) {
        let mut since = self.since();
        *since = Some(since.map_or(sent, |oldest| oldest.min(sent)));
        drop(since);
        self.added.notify_one();
    }

    /// Waits for such a command, and removes all of them. Returns the time at which the oldest was sent.
    async fn oldest(&self) -> Instant {
        loop {
            let since = self.since().take();
            if let Some(since) = since {
                return since;
            }
            self.added.notified().await;
        }
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the connection until it ends or the server no longer answers.
async fn drive(driver: impl Future<Output = ()>, watch: impl Future<Output = ()>, end: Arc<End>) {
    let (driver, watch) = (pin!(driver), pin!(watch));
    // Dropped before the driver, so that no request takes this connection after the driver is gone.
    let _reports = ReportsEnd(end);
    select(driver, watch).await;
}

/// Returns when a command that a request gave up on is overdue.
async fn watch(mut connection: MultiplexedConnection, given_up: Arc<GivenUp>, answer_timeout: Duration) {
    let ping = ::redis::cmd("PING");
    loop {
        let left = answer_timeout.saturating_sub(given_up.oldest().await.elapsed());
        // Sent behind that command, and answered after it. A busy program needs some time to read a response.
        let answered = timeout(left.max(answer_timeout / 4), connection.send_packed_command(&ping)).await;
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}

/// Reports the end of a connection, even if its task ends with the runtime.
struct ReportsEnd(Arc<End>);

impl Drop for ReportsEnd {
    fn drop(&mut self) {
        self.0.report();
    }
}

/// Connects to a host. The operating system detects a host that is gone, even while the connection is idle.
async fn connected(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(&tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(DEAD_AFTER).with_interval(DEAD_AFTER / 4))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(DEAD_AFTER))?;
    Ok(tcp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    /// Returns a connection to a server that never answers.
    async fn to_a_silent_server(stream: tokio::io::DuplexStream) -> ServerConnection {
        let socket = Socket::Tcp { host: String::new(), port: 0, tls: None };
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        Server { socket, settings }.set_up(stream, TIMEOUT, Arc::default()).await.unwrap()
    }

    /// The response to the `PING` was awaited as long as that of the command, so other requests used the connection for
    /// twice the timeout.
    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_was_kept_for_twice_the_answer_timeout() {
        let (ours, _theirs) = tokio::io::duplex(1024);
        let connection = to_a_silent_server(ours).await;
        let (command, begun) = (::redis::cmd("HGETALL"), Instant::now());
        assert!(timeout(TIMEOUT * 9 / 10, connection.send(&command)).await.is_err());
        // Fails when the connection ends.
        assert!(connection.send(&command).await.is_err());
        assert!((TIMEOUT..TIMEOUT * 5 / 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }

    /// A request that gives up early is no reason to end a connection whose server takes a moment.
    #[tokio::test(start_paused = true)]
    async fn a_connection_stays_until_the_command_of_a_request_that_gave_up_is_overdue() {
        let (ours, _theirs) = tokio::io::duplex(1024);
        let connection = to_a_silent_server(ours).await;
        let (command, begun) = (::redis::cmd("HGETALL"), Instant::now());
        assert!(timeout(TIMEOUT / 10, connection.send(&command)).await.is_err());
        assert!(connection.send(&command).await.is_err());
        assert!((TIMEOUT..TIMEOUT * 5 / 4).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    }
}
