//! Where the servers are and how to connect to them: from a URL and certificates to connections. Nothing is retried here.

use std::time::Duration;

use ::redis::aio::{ConnectionManager, MultiplexedConnection};
use ::redis::cluster::{ClusterClient, ClusterClientBuilder};
use ::redis::cluster_async::ClusterConnection;
use ::redis::io::tcp::TcpSettings;
use ::redis::io::tcp::socket2::TcpKeepalive;
use ::redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo,
    PushKind, TlsCertificates,
};

use super::fault::Fault;

/// After so long without a sign of life from the machine of the server, the system gives the connection up.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// What a connection is made of.
pub(super) enum Target {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

/// A connection that many requests share.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    /// The application's own.
    Managed(ConnectionManager),
    Cluster(ClusterConnection),
}

/// How long a cluster's client waits for one node.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

/// Certificates, as PEM.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    pub(super) roots: Option<Vec<u8>>,
    /// A certificate and its key.
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Target {
    pub(super) fn parse(url: &str, certificates: Certificates, timeouts: Timeouts) -> Result<Self, Fault> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| Fault::setup("not a URL"))?;
        let (scheme, is_cluster) = match scheme.to_ascii_lowercase().as_str() {
            scheme @ ("redis" | "rediss") => (scheme.to_owned(), false),
            "redis-cluster" => ("redis".to_owned(), true),
            "rediss-cluster" => ("rediss".to_owned(), true),
            _ => return Err(Fault::setup("the URL is of no Redis server")),
        };
        if scheme == "rediss" {
            provide_cryptography();
        }
        let nodes = nodes(rest, &scheme).iter().map(|url| info(url)).collect::<Result<Vec<_>, _>>()?;
        let certificates = certificates.into_library();
        if is_cluster {
            return cluster(nodes, certificates, timeouts).map(|client| Self::Cluster(Box::new(client)));
        }
        let [info] = <[_; 1]>::try_from(nodes).map_err(|_| Fault::setup("several hosts, and no cluster"))?;
        let client = match certificates {
            Some(certificates) => with_tls(info, certificates)?,
            None => Client::open(info)?,
        };
        Ok(Self::Single(Box::new(client)))
    }

    /// How long connecting may take: a cluster's client first waits for nodes that are down, then asks one of the others.
    pub(super) fn patience(&self, timeout: Duration) -> Duration {
        match self {
            Self::Single(_) => timeout,
            Self::Cluster(_) => timeout.saturating_mul(3),
        }
    }

    /// Connects once. `lost` is called when the connection ends, also while nothing is asked.
    pub(super) async fn connect(
        &self,
        timeout: Duration,
        lost: impl Fn() + Send + Sync + 'static,
    ) -> Result<Connection, Fault> {
        match self {
            Self::Single(client) => {
                let mut config = AsyncConnectionConfig::new().set_response_timeout(None);
                config = config.set_connection_timeout(Some(timeout));
                if client.get_connection_info().redis_settings().protocol().supports_resp3() {
                    config = config.set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                        if push.kind == PushKind::Disconnection {
                            lost();
                        }
                        Ok(())
                    });
                }
                Ok(Connection::Single(client.get_multiplexed_async_connection_with_config(&config).await?))
            }
            Self::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }
}

/// A URL for each of the hosts that stand in one, separated by commas.
fn nodes(rest: &str, scheme: &str) -> Vec<String> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
    let at = if user.is_empty() { "" } else { "@" };
    hosts.split(',').map(|host| format!("{scheme}://{user}{at}{host}{path}")).collect()
}

/// RESP3, unless the URL says otherwise: by it a connection that ends says so.
fn info(url: &str) -> Result<ConnectionInfo, Fault> {
    let info = url.into_connection_info().map_err(|_| Fault::setup("the URL is not one of a Redis server"))?;
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

fn with_tls(info: ConnectionInfo, certificates: TlsCertificates) -> Result<Client, Fault> {
    Client::build_with_tls(info, certificates)
        .map_err(|_| Fault::setup("the certificates are unreadable, or no `rediss:`"))
}

/// The library would send a write again whose answer was lost. What a server refuses is sent again by us.
fn cluster(
    nodes: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
    timeouts: Timeouts,
) -> Result<ClusterClient, Fault> {
    let mut builder = ClusterClientBuilder::new(nodes).retries(0).tcp_settings(tcp());
    builder = builder.response_timeout(timeouts.answer).connection_timeout(timeouts.connect);
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    Ok(builder.build()?)
}

impl Certificates {
    fn into_library(self) -> Option<TlsCertificates> {
        let client = self.client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
        (client.is_some() || self.roots.is_some())
            .then_some(TlsCertificates { client_tls: client, root_cert: self.roots })
    }
}

/// The TLS library leaves the choice to the application. Where that made none, it gets one here.
fn provide_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if somebody else was quicker.
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
