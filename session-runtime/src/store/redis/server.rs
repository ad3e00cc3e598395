//! One server: connects to its address, and sends commands over the connection of the client library.
//!
//! Commands are sent one behind the other, and responses arrive in the same order. A request that gives up leaves its
//! command in the connection. The connection's task then sends a `PING` behind it: without a response in time, the
//! server is frozen or out of reach, and the connection ends.

#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
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
        let given_up = Arc::new(Notify::new());
        let task = tokio::spawn(drive(driver, connection.clone(), Arc::clone(&given_up), end)).abort_handle();
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
    /// Notified when a request gives up.
    given_up: Arc<Notify>,
    task: AbortHandle,
}

impl ServerConnection {
    /// Sends a command and waits for its response, which may be an error.
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, Fault> {
        let waiting = Waiting(Some(&self.given_up));
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
struct Waiting<'c>(Option<&'c Notify>);

impl Waiting<'_> {
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(given_up) = self.0 {
            given_up.notify_one();
        }
    }
}

/// Runs the connection until it ends or the server no longer answers.
async fn drive(
    driver: impl Future<Output = ()>,
    connection: MultiplexedConnection,
    given_up: Arc<Notify>,
    end: Arc<End>,
) {
    let (driver, watch) = (pin!(driver), pin!(watch(connection, &given_up)));
    // Dropped before the driver, so that no request takes this connection after the driver is gone.
    let _reports = ReportsEnd(end);
    select(driver, watch).await;
}

/// Returns when a command that a request gave up on is overdue.
async fn watch(mut connection: MultiplexedConnection, given_up: &Notify) {
    let ping = ::redis::cmd("PING");
    loop {
        given_up.notified().await;
        // Sent behind that command, and answered after it.
        if connection.send_packed_command(&ping).await.is_err() {
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
