//! A single server: connects to its address, and selects user and database.

#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use ::redis::{ConnectionAddr, ConnectionInfo, RedisConnectionInfo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use super::call::Call;
use super::fault::Fault;
use super::pipe::Pipe;
use super::target::DEAD_AFTER;
use crate::store::tls::Certificates;

/// Address of a server, and the settings of its greeting.
pub(super) struct Single {
    address: Address,
    greeting: RedisConnectionInfo,
}

enum Address {
    Tcp {
        host: String,
        port: u16,
        tls: Option<(TlsConnector, ServerName<'static>)>,
    },
    /// A socket in the file system.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Single {
    pub(super) fn new(info: &ConnectionInfo, certificates: &Certificates) -> Result<Self, Fault> {
        let address = match info.addr() {
            ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_) if certificates.are_some() => return Err(NO_TLS),
            ConnectionAddr::Tcp(host, port) => Address::Tcp { host: host.clone(), port: *port, tls: None },
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
                let name = ServerName::try_from(host.clone()).map_err(|_| Fault::setup("the host is not a name"))?;
                let config = certificates.config().map_err(Fault::setup)?;
                let tls = Some((TlsConnector::from(Arc::new(config)), name));
                Address::Tcp { host: host.clone(), port: *port, tls }
            }
            _ => return Err(Fault::setup("the URL has an option that is not supported, such as `#insecure`")),
        };
        Ok(Self { address, greeting: info.redis_settings().clone() })
    }

    /// Connects once. `lost` is called when the connection ends, even while it is idle.
    pub(super) async fn connect(
        &self,
        answer_timeout: Duration,
        lost: impl FnOnce() + Send + 'static,
    ) -> Result<Pipe, Fault> {
        let pipe = match &self.address {
            #[cfg(unix)]
            Address::Unix(path) => Pipe::over(UnixStream::connect(path).await?.into_split(), answer_timeout, lost),
            Address::Tcp { host, port, tls: None } => {
                Pipe::over(connected(host, *port).await?.into_split(), answer_timeout, lost)
            }
            Address::Tcp { host, port, tls: Some((tls, name)) } => {
                let tls = tls.connect(name.clone(), connected(host, *port).await?).await?;
                Pipe::over(tokio::io::split(tls), answer_timeout, lost)
            }
        };
        self.greet(&pipe).await?;
        Ok(pipe)
    }

    async fn greet(&self, pipe: &Pipe) -> Result<(), Fault> {
        let (user, password) = (self.greeting.username(), self.greeting.password());
        if self.greeting.protocol().supports_resp3() {
            let mut hello = Call::new("HELLO", 4, 64);
            hello.arg("3");
            if let Some(password) = password {
                hello.arg("AUTH").arg(user.unwrap_or("default")).arg(password);
            }
            match ask(pipe, &hello).await {
                Err(fault) if fault.is_refusal() => return Err(refused(pipe).await),
                greeted => greeted?,
            }
        } else if let Some(password) = password {
            let mut auth = Call::new("AUTH", 2, 64);
            if let Some(user) = user {
                auth.arg(user);
            }
            ask(pipe, auth.arg(password)).await?;
        }
        if self.greeting.db() != 0 {
            let mut select = Call::new("SELECT", 1, 8);
            select.number(self.greeting.db());
            ask(pipe, &select).await.map_err(|fault| if fault.is_refusal() { NO_DATABASE } else { fault })?;
        }
        Ok(())
    }
}

const NO_TLS: Fault = Fault::setup("certificates need a `rediss:` URL");
const NO_RESP3: Fault = Fault::setup("the server does not speak RESP3; `?protocol=resp2` may help");
const NO_DATABASE: Fault = Fault::setup("the server has no database of this number");

/// Fault of a refused greeting. A server without room for another connection refuses every command, and closes the
/// connection.
async fn refused(pipe: &Pipe) -> Fault {
    match ask(pipe, &Call::new("PING", 0, 0)).await {
        Err(fault) if fault.is_dropped() => Fault::ended(),
        _ => NO_RESP3,
    }
}

async fn ask(pipe: &Pipe, call: &Call) -> Result<(), Fault> {
    pipe.ask(call).await.unwrap_or_else(|| Err(Fault::ended())).map(drop)
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
