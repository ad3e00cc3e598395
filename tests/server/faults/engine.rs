//! A server of sessions and its faults. The way to it leads through a proxy, except for a cluster, whose nodes publish
//! their own addresses.
//!
//! Every acknowledged write outlives a stop: the servers of Redis write a log.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::Duration;

use redis::{Commands as _, Connection};
use session_tests::servers::cluster::{self, Cluster};
use session_tests::servers::postgres::{self, Postgres};
use session_tests::servers::proxy::{Counts, Proxy};
use session_tests::servers::redis::Redis;
use tokio::runtime::Runtime;

use crate::process::poll;

/// Logs each write before it is answered.
const KEEPS: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "no", "--save", ""];

/// On which proxies run, and what asks a server of the tests' own accord.
static BESIDE: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Cluster,
    Postgres,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Redis, Self::Cluster, Self::Postgres];
    /// Those with a way that can be broken.
    pub(crate) const WITH_WAY: [Self; 2] = [Self::Redis, Self::Postgres];
}

/// A running server and the way to it.
pub(crate) struct Engine {
    server: Server,
    proxy: Option<Way>,
}

enum Server {
    Redis(Redis),
    Cluster(Cluster),
    Postgres(Postgres),
}

/// A proxy that can be used where nothing is asynchronous.
pub(crate) struct Way(Proxy);

impl Engine {
    pub(crate) fn start(kind: Kind) -> Self {
        let server = match kind {
            Kind::Redis => Server::Redis(Redis::with(&KEEPS)),
            // The cluster's own options come first.
            Kind::Cluster => Server::Cluster(Cluster::with(&KEEPS[..4])),
            Kind::Postgres => {
                let server = Postgres::start("");
                wait(server.execute("CREATE EXTENSION pg_stat_statements"));
                Server::Postgres(server)
            }
        };
        Self::over(server)
    }

    /// `PostgreSQL` with its tables on a disk of eight mebibytes.
    pub(crate) fn with_small_disk() -> Self {
        let server = Postgres::start_with_small_disk(8);
        let disk = server.small_disk().display().to_string();
        wait(server.execute(&format!("CREATE TABLESPACE small LOCATION '{disk}'")));
        wait(server.execute("ALTER DATABASE sessions SET default_tablespace = small"));
        Self::over(Server::Postgres(server))
    }

    fn over(server: Server) -> Self {
        let mut engine = Self { server, proxy: None };
        engine.proxy = engine.address().map(Way::to);
        engine
    }

    fn address(&self) -> Option<SocketAddr> {
        match &self.server {
            Server::Redis(server) => Some(server.address()),
            Server::Cluster(_) => None,
            Server::Postgres(server) => Some(server.address()),
        }
    }

    /// The URL of the store, through the proxy if there is one.
    pub(crate) fn url(&self) -> String {
        self.proxy.as_ref().map_or_else(|| self.direct_url(), |way| self.url_by(way))
    }

    /// The URL of the store by another way.
    pub(crate) fn url_by(&self, way: &Way) -> String {
        match &self.server {
            Server::Redis(_) => format!("redis://{}", way.0.address()),
            Server::Postgres(_) => postgres::url(way.0.address()),
            Server::Cluster(_) => unreachable!("there is no way to a cluster but its own"),
        }
    }

    pub(crate) fn direct_url(&self) -> String {
        match &self.server {
            Server::Redis(server) => server.url(),
            Server::Cluster(server) => server.url(),
            Server::Postgres(server) => server.url(),
        }
    }

    pub(crate) fn way(&self) -> &Way {
        self.proxy.as_ref().expect("an engine with a proxy in front of it")
    }

    /// Another way to the same server.
    pub(crate) fn another_way(&self) -> Way {
        Way::to(self.address().expect("an engine that a proxy can stand in front of"))
    }

    /// Ends the server, as a crash does where it makes a difference.
    pub(crate) fn stop(&mut self) {
        match &mut self.server {
            Server::Redis(server) => server.stop(),
            Server::Cluster(server) => server.ports().into_iter().for_each(|port| server.kill(port)),
            Server::Postgres(server) => server.stop(),
        }
    }

    pub(crate) fn run(&mut self) {
        match &mut self.server {
            Server::Redis(server) => server.run(),
            Server::Cluster(server) => {
                server.all_ports().into_iter().for_each(|port| server.restart(port));
                server.wait_until_whole();
            }
            Server::Postgres(server) => server.run(),
        }
    }

    /// True if no process listens at the server's address.
    pub(crate) fn is_down(&self) -> bool {
        match &self.server {
            Server::Cluster(server) => server.ports().is_empty(),
            _ => self.address().is_some_and(|address| std::net::TcpStream::connect(address).is_err()),
        }
    }

    /// The processes stand still: connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        poll("the server to stand still", || self.is_frozen().then_some(()));
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
        assert!(!self.is_frozen());
    }

    fn signal(&self, name: &str) {
        match &self.server {
            Server::Redis(server) => server.process().signal(name),
            Server::Cluster(server) => server.signal(name),
            Server::Postgres(server) => server.signal(name),
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        let is_stopped =
            |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "));
        match &self.server {
            Server::Redis(server) => is_stopped(server.process().pid()),
            Server::Cluster(server) => server.processes().into_iter().all(is_stopped),
            Server::Postgres(server) => is_stopped(server.pid()),
        }
    }

    /// Connections of stores, as the server counts them.
    pub(crate) fn connections(&self) -> usize {
        match &self.server {
            Server::Postgres(server) => {
                let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'session-runtime'";
                usize::try_from(wait(server.ask(count))).unwrap()
            }
            _ => self.redises().into_iter().map(|mut redis| connections(&mut redis)).sum(),
        }
    }

    /// Ends every connection of a store from the server's side, and returns their number.
    pub(crate) fn end_connections(&self) -> u64 {
        if let Server::Postgres(server) = &self.server {
            let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE application_name = 'session-runtime'";
            return wait(server.ask(end)).unsigned_abs();
        }
        let end = |mut redis: Connection| -> u64 {
            redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query(&mut redis).unwrap()
        };
        self.redises().into_iter().map(end).sum()
    }

    /// Commands or statements that were sent by a store for a visitor's session, as the server counts them.
    pub(crate) fn commands(&self) -> u64 {
        match &self.server {
            Server::Postgres(server) => statements(server, r"%session\_%"),
            _ => self.redises().into_iter().map(|mut redis| commands(&mut redis)).sum(),
        }
    }

    /// Patches that the short way was not for, where there is one.
    pub(crate) fn long_patches(&self) -> u64 {
        match &self.server {
            Server::Postgres(server) => statements(server, r"SELECT%session\_patch(%"),
            _ => 0,
        }
    }

    /// Sessions that are stored.
    pub(crate) fn sessions(&self) -> u64 {
        match &self.server {
            Server::Postgres(server) => wait(server.ask("SELECT count(*) FROM session_record")).unsigned_abs(),
            Server::Redis(server) => server.connect().keys::<_, Vec<String>>("session:{*}").unwrap().len() as u64,
            Server::Cluster(server) => {
                let count = |port| cluster::connect(port).keys::<_, Vec<String>>("session:{*}").unwrap().len() as u64;
                server.masters().into_iter().map(count).sum()
            }
        }
    }

    fn redises(&self) -> Vec<Connection> {
        match &self.server {
            Server::Redis(server) => vec![server.connect()],
            Server::Cluster(server) => server.ports().into_iter().map(cluster::connect).collect(),
            Server::Postgres(_) => Vec::new(),
        }
    }

    pub(crate) fn redis(&self) -> &Redis {
        match &self.server {
            Server::Redis(server) => server,
            _ => panic!("this is not a single server of Redis"),
        }
    }

    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        match &mut self.server {
            Server::Cluster(server) => server,
            _ => panic!("this is not a cluster"),
        }
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        match &self.server {
            Server::Postgres(server) => server,
            _ => panic!("this is not PostgreSQL"),
        }
    }
}

/// Stores speak the newer protocol, and the tests' own connections do not.
fn connections(redis: &mut Connection) -> usize {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(redis).unwrap();
    list.lines().filter(|line| line.contains("resp=3")).count()
}

/// The number of statements of the sessions whose text is like this, those inside a script not counted.
fn statements(server: &Postgres, like: &str) -> u64 {
    let sum = format!(
        "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
         WHERE toplevel AND query LIKE '{like}' AND query NOT LIKE '%pg_stat%'"
    );
    wait(server.ask(&sum)).unsigned_abs()
}

fn commands(redis: &mut Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(redis).unwrap();
    let calls = info.lines().filter_map(|line| {
        let (command, counts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls: u64 = counts.split(',').next()?.parse().ok()?;
        ["hgetall", "evalsha", "eval", "fcall"].contains(&command).then_some(calls)
    });
    calls.sum()
}

/// Runs to its end what is asynchronous.
pub(crate) fn wait<F: Future>(work: F) -> F::Output {
    BESIDE.block_on(work)
}

impl Way {
    fn to(server: SocketAddr) -> Self {
        Self(wait(Proxy::start(server)))
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.0.refuse(refuses);
    }

    /// Throws answers away, until [`heal`](Self::heal).
    pub(crate) fn swallow(&self, swallows: bool) {
        self.0.swallow(swallows);
    }

    /// Holds answers back.
    pub(crate) fn delay(&self, delay: Duration) {
        self.0.delay(delay);
    }

    /// Holds requests back.
    pub(crate) fn hold(&self, hold: Duration) {
        self.0.hold(hold);
    }

    pub(crate) fn cut(&self) {
        self.0.cut();
    }

    /// Ends every fault. What was open is closed: a stream of which a part is missing does not exist in TCP.
    pub(crate) fn heal(&self) {
        self.refuse(true);
        self.cut();
        std::thread::sleep(Duration::from_millis(50));
        self.swallow(false);
        self.delay(Duration::ZERO);
        self.hold(Duration::ZERO);
        self.refuse(false);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.counts()
    }

    /// Bytes in both directions.
    pub(crate) fn moved(&self) -> u64 {
        let counts = self.counts();
        counts.to_server + counts.from_server
    }
}
