//! A private Redis Cluster: three masters with one replica each.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use redis::Connection;

use super::process::Process;
use super::redis::listens;

const NODES: usize = 6;

/// The longest time in which the nodes may agree.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running cluster. It is stopped when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

#[derive(Debug)]
struct Node {
    port: u16,
    process: Option<Process>,
}

impl Cluster {
    /// Starts six nodes and joins them. They see one that is gone after a second.
    ///
    /// # Panics
    ///
    /// If they do not become a cluster.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same with further command line options for each node.
    ///
    /// # Panics
    ///
    /// If they do not become a cluster.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        loop {
            if let Some(cluster) = Self::try_to_start(options) {
                return cluster;
            }
        }
    }

    /// `None` if another process took one of the ports meanwhile.
    fn try_to_start(options: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let nodes = ports().into_iter().map(|port| Node { port, process: None }).collect();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut cluster = Self { nodes, folder, options };
        let all_run = (0..NODES).all(|at| cluster.run(at));
        all_run.then(|| {
            cluster.join();
            cluster
        })
    }

    /// The URL of the cluster, with two of its nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let [first, .., last] = &self.nodes[..] else { return String::new() };
        format!("redis-cluster://127.0.0.1:{},127.0.0.1:{}", first.port, last.port)
    }

    /// The URLs of the nodes that run, one by one.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.ports().into_iter().map(|port| format!("redis://127.0.0.1:{port}")).collect()
    }

    /// The ports of all nodes that run.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().filter(|node| node.process.is_some()).map(|node| node.port).collect()
    }

    /// The ports of the nodes that are masters now.
    #[must_use]
    pub fn masters(&self) -> Vec<u16> {
        let role = |port: &u16| redis::cmd("ROLE").query::<Vec<redis::Value>>(&mut connect(*port)).ok();
        let is_master = |role: Vec<redis::Value>| role[0] == redis::Value::BulkString(b"master".to_vec());
        self.ports().into_iter().filter(|port| role(port).is_some_and(is_master)).collect()
    }

    /// Kills a node at once, as a crash does.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn kill(&mut self, port: u16) {
        let node = self.nodes.iter_mut().find(|node| node.port == port).expect("a node");
        let process = node.process.take().expect("a running node");
        process.signal("KILL");
    }

    /// Sends a signal to every node that runs, by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        self.nodes.iter().filter_map(|node| node.process.as_ref()).for_each(|process| process.signal(name));
    }

    /// The numbers of the processes of all nodes that run.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| node.process.as_ref()).map(Process::pid).collect()
    }

    /// The ports of all nodes, whether they run or not.
    #[must_use]
    pub fn all_ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// Starts a node again.
    ///
    /// # Panics
    ///
    /// If there is no such node.
    pub fn restart(&mut self, port: u16) {
        let at = self.nodes.iter().position(|node| node.port == port).expect("a node");
        assert!(self.run(at), "another process took the port meanwhile");
    }

    /// Waits until every slot is served, as every node sees it.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait_until_whole(&self) {
        wait("the cluster is whole", || self.ports().into_iter().all(|port| info(port).contains("cluster_state:ok")));
    }

    fn run(&mut self, at: usize) -> bool {
        let port = self.nodes[at].port.to_string();
        let folder = self.folder.path().join(&port);
        std::fs::create_dir_all(&folder).expect("a folder for the node");
        let folder = folder.display().to_string();
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let command = [
            &["redis-server", "--port", &port, "--dir", &folder, "--bind", "127.0.0.1", "--save", ""][..],
            &["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-config-file", "nodes.conf"],
            &["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"],
            &options,
        ];
        let log = self.log(at);
        self.nodes[at].process = Some(Process::start(&command.concat(), &log, "KILL"));
        listens(&log)
    }

    fn join(&self) {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let mut command = Command::new("redis-cli");
        command.args(["--cluster", "create"]).args(hosts).args(["--cluster-replicas", "1", "--cluster-yes"]);
        let output = command.output().expect("redis-cli is installed: `tests/run` does that");
        assert!(output.status.success(), "no cluster: {}", String::from_utf8_lossy(&output.stdout));
        wait("each master has a replica", || {
            let known = |port| info(port).contains("cluster_known_nodes:6") && info(port).contains("cluster_state:ok");
            self.ports().into_iter().all(known) && self.masters().into_iter().all(has_replica)
        });
    }

    fn log(&self, at: usize) -> PathBuf {
        self.folder.path().join(format!("{}.log", self.nodes[at].port))
    }
}

/// A connection of the test's own to a node.
///
/// # Panics
///
/// If it does not answer.
#[must_use]
pub fn connect(port: u16) -> Connection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("a URL");
    client.get_connection().expect("a node that runs")
}

fn info(port: u16) -> String {
    redis::cmd("CLUSTER").arg("INFO").query(&mut connect(port)).unwrap_or_default()
}

fn has_replica(port: u16) -> bool {
    let info: String = redis::cmd("INFO").arg("replication").query(&mut connect(port)).unwrap_or_default();
    info.contains("state=online")
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Free ports whose neighbours for the nodes' own talk, ten thousand above, are free too.
fn ports() -> Vec<u16> {
    let mut ports = Vec::new();
    while ports.len() < NODES {
        let port = super::free_port();
        let port = if port > 50_000 { port - 20_000 } else { port };
        let is_free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if !ports.contains(&port) && is_free(port) && is_free(port + 10_000) {
            ports.push(port);
        }
    }
    ports
}

/// The number of replicas that have every write acknowledged by the master so far. `WAIT` covers the writes of its own
/// connection, so this function writes a key of this master first.
///
/// # Panics
///
/// If the master does not answer.
#[must_use]
pub fn replicas_of(port: u16) -> u64 {
    let master = &mut connect(port);
    let mut keys = 0..10_000;
    assert!(keys.any(|key| redis::cmd("SET").arg(key).arg("x").exec(master).is_ok()), "a master without a slot");
    redis::cmd("WAIT").arg(1).arg(10_000).query(master).expect("an answer of a master")
}
