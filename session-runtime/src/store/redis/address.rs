//! Addresses of servers, built from a URL and certificates, and one attempt to connect. Nothing is retried here.

use std::sync::Arc;
use std::time::Duration;

use ::redis::cluster::{ClusterClient, ClusterClientBuilder};
use ::redis::io::tcp::TcpSettings;
use ::redis::io::tcp::socket2::TcpKeepalive;
use ::redis::{ClientTlsConfig, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};

use super::connection::{Client, Connection};
use super::fault::Fault;
use super::server::{DEAD_AFTER, Server};
use crate::store::server::{Connect, End};
use crate::store::tls::Certificates;

const NO_SOCKET: Fault =
    Fault::setup("write a socket as `redis+unix:///path`, user and password after it as `?user=…&pass=…`");

/// Addresses and settings of a connection.
pub(super) struct Address {
    nodes: Nodes,
    timeouts: Timeouts,
    shown: Box<str>,
}

enum Nodes {
    Server(Box<Server>),
    Cluster(Box<ClusterClient>),
}

/// Timeouts for one node.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

impl Address {
    pub(super) fn parse(url: &str, certificates: Certificates, timeouts: Timeouts) -> Result<Self, Fault> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| Fault::setup("not a URL"))?;
        let (scheme, is_cluster) = match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("redis" | "rediss") => (scheme.to_owned(), false),
            "redis+unix" if !rest.starts_with('/') => return Err(NO_SOCKET),
            scheme @ "redis+unix" if cfg!(unix) => (scheme.to_owned(), false),
            "redis-cluster" => ("redis".to_owned(), true),
            "rediss-cluster" => ("rediss".to_owned(), true),
            _ => return Err(Fault::setup("not a URL of a Redis server")),
        };
        if is_cluster && scheme == "rediss" {
            provide_cryptography();
        }
        let nodes = nodes(rest, &scheme).iter().map(|url| info(url)).collect::<Result<Vec<_>, _>>()?;
        let shown: Vec<String> = nodes.iter().map(|info| info.addr().to_string()).collect();
        let nodes = match &nodes[..] {
            _ if is_cluster => Nodes::Cluster(Box::new(cluster(nodes, certificates, timeouts)?)),
            [info] => Nodes::Server(Box::new(Server::new(info, &certificates)?)),
            _ => return Err(Fault::setup("several hosts need a `redis-cluster:` or `rediss-cluster:` URL")),
        };
        Ok(Self { nodes, timeouts, shown: shown.join(", ").into() })
    }

    /// Hosts and ports, or a path, for the log.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self.nodes, Nodes::Cluster(_))
    }

    /// Time limit of one attempt. A cluster's client first waits for nodes that are down, then tries one of the others.
    fn attempt_timeout(&self) -> Duration {
        match &self.nodes {
            Nodes::Server(_) => self.timeouts.connect,
            Nodes::Cluster(_) => self.timeouts.connect.saturating_mul(3),
        }
    }
}

impl Connect for Address {
    type Connection = Connection;
    type Fault = Fault;

    async fn connect(&self, end: Arc<End>) -> Result<Connection, Fault> {
        let connect = async {
            match &self.nodes {
                Nodes::Server(server) => server.connect(self.timeouts.answer, end).await.map(Client::Server),
                Nodes::Cluster(client) => Ok(Client::Cluster(client.get_async_connection().await?)),
            }
        };
        match tokio::time::timeout(self.attempt_timeout(), connect).await {
            Ok(connected) => connected.map(Connection::from),
            Err(_) => Err(Fault::unavailable("the server did not take the connection in time")),
        }
    }

    fn has_answered(connection: &Connection) -> bool {
        connection.has_answered()
    }

    fn unavailable(why: &'static str) -> Fault {
        Fault::unavailable(why)
    }
}

/// Splits a URL with several hosts, separated by commas, into one URL per host.
fn nodes(rest: &str, scheme: &str) -> Vec<String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let at = if user.is_empty() { "" } else { "@" };
    hosts.split(',').map(|host| format!("{scheme}://{user}{at}{host}{path}")).collect()
}

/// Parses a URL. The protocol is RESP3, unless the URL sets another.
fn info(url: &str) -> Result<ConnectionInfo, Fault> {
    let info = url.into_connection_info().map_err(|_| Fault::setup("not a URL of a Redis server"))?;
    let mut settings = info.redis_settings().clone();
    if !url.contains("protocol=") {
        settings = settings.set_protocol(ProtocolVersion::RESP3);
    }
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp()))
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(DEAD_AFTER).with_interval(DEAD_AFTER / 4);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(DEAD_AFTER);
    settings
}

/// Builds a cluster client that does not retry: it would send a write again whose response was lost. This store itself
/// sends a command again that a server refused.
fn cluster(nodes: Vec<ConnectionInfo>, certificates: Certificates, timeouts: Timeouts) -> Result<ClusterClient, Fault> {
    let mut builder = ClusterClientBuilder::new(nodes).retries(0).tcp_settings(tcp());
    builder = builder.response_timeout(timeouts.answer).connection_timeout(timeouts.connect);
    if certificates.are_some() {
        builder = builder.certs(for_library(certificates));
    }
    Ok(builder.build()?)
}

fn for_library(certificates: Certificates) -> TlsCertificates {
    let client_tls = certificates.client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    TlsCertificates { client_tls, root_cert: certificates.roots }
}

/// Installs a default cryptography provider if the application has chosen none. The TLS of a cluster's client leaves
/// the choice to the application.
fn provide_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread has installed a provider first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_several_nodes() {
        let urls = nodes("ada:pw@a:1,b:2/0?protocol=resp2", "redis");
        assert_eq!(urls, ["redis://ada:pw@a:1/0?protocol=resp2", "redis://ada:pw@b:2/0?protocol=resp2"]);
        assert_eq!(nodes("localhost", "rediss"), ["rediss://localhost"]);
    }
}
