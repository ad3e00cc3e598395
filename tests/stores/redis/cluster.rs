//! Faults of a cluster: nodes that die, and slots that move.

use std::time::Duration;

use session_runtime::config::ServerConfig;
use session_runtime::expiry::StoredExpiry;
use session_runtime::patch::Deadline;
use session_runtime::store::{Store, StoreErrorKind, Wanted};
use session_runtime::{RedisStore, SessionKey};
use session_tests::pages;
use session_tests::servers::cluster::{Cluster, connect, replicas_of};

use super::fixture::{
    assert_fails, create, eventually, keys_with_deadlines, load, load_all, must_hold, must_patch, name, now, patch,
    setting,
};

fn store(cluster: &Cluster) -> RedisStore {
    let server = ServerConfig { connections: 1, ..ServerConfig::default() };
    let store = RedisStore::builder(cluster.url()).server(server).open().unwrap();
    store.set_lazy_schemas(&["history"]);
    store
}

/// A master is killed: its replica takes over, the store finds it, and what was replicated is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_master_is_replaced() {
    let mut cluster = Cluster::start();
    let store = store(&cluster);
    for number in 1..=12 {
        create(&store, number, &[("cart.number", &number.to_string()), ("history", "{}")]).await;
    }
    let masters = cluster.masters();
    assert_eq!(masters.len(), 3);
    let dead = masters[0];
    for port in &masters {
        assert_eq!(replicas_of(*port), 1, "the writes were not replicated");
    }
    cluster.kill(dead);
    for number in 1..=12 {
        let loaded = eventually(|| load_all(&store, number)).await.expect("an acknowledged session is lost");
        assert_eq!(loaded.record.values.get("cart.number"), Some(&*number.to_string()));
        let text = format!("{number}0");
        eventually(|| patch(&store, number, setting(&[("cart.number", &text)]))).await;
    }
    cluster.wait_until_whole();
    assert!(!cluster.masters().contains(&dead));
    assert_eq!(cluster.masters().len(), 3, "no replica took over");
    cluster.restart(dead);
    cluster.wait_until_whole();
    for number in 1..=12 {
        let loaded = eventually(|| load_all(&store, number)).await.unwrap();
        assert_eq!(loaded.record.values.get("cart.number"), Some(&*format!("{number}0")));
        assert_eq!(loaded.record.head.revision, 1, "a write was sent twice");
    }
}

/// A slot on its way to another node, with half a session here and half there, and after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_is_followed() {
    let cluster = Cluster::start();
    let store = store(&cluster);
    create(&store, 1, &[("cart.a", "1"), ("history", "{}")]).await;
    let move_ = Move::of(&cluster, 1);
    move_.begin();
    // Nothing has moved: the old node answers.
    must_patch(&store, 1, setting(&[("cart.a", "2")])).await;
    move_.key(&name(1));
    move_.key(&format!("{}:history", name(1)));
    // All slots have moved, and the old node redirects.
    let (asked_before, _) = move_.redirects();
    let loaded = load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap().unwrap();
    assert_eq!(loaded.record.values.get("cart.a"), Some("2"));
    must_patch(&store, 1, setting(&[("cart.a", "3"), ("history.x", "1")])).await;
    let (asked, _) = move_.redirects();
    assert!(asked >= asked_before + 2, "the old node never answered ASK");
    move_.end();
    must_patch(&store, 1, setting(&[("cart.a", "4")])).await;
    must_hold(&store, 1, &[("cart.a", "4"), ("history", "{}"), ("history.x", "1")]).await;
    let (_, moved) = move_.redirects();
    assert!(moved > 0, "the old node never answered MOVED");
    assert_eq!(load_all(&store, 1).await.unwrap().unwrap().record.head.revision, 3);
}

/// A slot of which one hash has moved and the other not: what asks waits until they are together again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_session_is_waited_for() {
    let cluster = Cluster::start();
    let store = std::sync::Arc::new(store(&cluster));
    for number in [1, 2] {
        create(&*store, number, &[("cart.a", "1"), ("history", "{}")]).await;
        let half = Move::of(&cluster, number);
        half.begin();
        let (main, apart) = (name(number), format!("{}:history", name(number)));
        let (first, second) = if number == 1 { (main, apart) } else { (apart, main) };
        half.key(&first);
        // The touch is of both hashes: it is done on both, or on none.
        let expires = now().after(Duration::from_secs(9_000));
        let choose = Deadline::Choose { expiry: StoredExpiry::Default, touched: now(), expires };
        let change = setting(&[("cart.a", "2"), ("history.x", "1")]).deadline(choose);
        let work = |patches: bool| {
            let (store, change) = (std::sync::Arc::clone(&store), change.clone());
            tokio::spawn(async move {
                if patches {
                    patch(&*store, number, change).await.map(drop)
                } else {
                    load_all(&*store, number).await.map(drop)
                }
            })
        };
        let (load, patch) = (work(false), work(true));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!load.is_finished() && !patch.is_finished(), "half a session was enough");
        half.key(&second);
        half.end();
        load.await.unwrap().unwrap();
        patch.await.unwrap().unwrap();
        must_hold(&*store, number, &[("cart.a", "2"), ("history", "{}"), ("history.x", "1")]).await;
    }
    for port in cluster.masters() {
        keys_with_deadlines(&mut connect(port));
    }
}

/// Without a majority there is no cluster, and no answer that pretends otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_a_majority_is_unavailable() {
    let mut cluster = Cluster::start();
    let store = store(&cluster);
    create(&store, 1, &[("cart.a", "1")]).await;
    let masters = cluster.masters();
    for port in cluster.ports() {
        if port != masters[0] {
            cluster.kill(port);
        }
    }
    let failed = async {
        while load_all(&store, 1).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), failed).await.expect("a lost cluster still answers");
    assert_fails(load_all(&store, 1).await, StoreErrorKind::Unavailable);
}

/// All nodes are asked, whatever the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_goes_over_all_masters() {
    let cluster = Cluster::start();
    let store = store(&cluster);
    for number in 0..60 {
        create(&store, number, &[("cart.number", &number.to_string())]).await;
    }
    let found: Vec<_> = pages::all(&store, 7, now()).await.into_iter().map(|(key, _)| key).collect();
    let all: Vec<SessionKey> = (0..60).map(super::fixture::key).collect();
    assert_eq!(found, all);
}

/// A master dies between two pages, and its replica takes over: the cursor of the dead master means nothing to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_misses_nothing_when_a_master_is_replaced() {
    let mut cluster = Cluster::start();
    let store = store(&cluster);
    for number in 0..60 {
        create(&store, number, &[("cart.number", &number.to_string())]).await;
    }
    for port in cluster.masters() {
        assert_eq!(replicas_of(port), 1, "the writes were not replicated");
    }
    let first = store.scan(None, 7, now()).await.unwrap();
    let mut found: std::collections::BTreeSet<_> = first.sessions.into_iter().map(|(key, _)| key).collect();
    // The walk begins with the master of the first slot.
    let dead = cluster.masters().into_iter().find(|port| owns_first_slot(*port)).unwrap();
    cluster.kill(dead);
    let mut from = first.next;
    while let Some(cursor) = from {
        let page = eventually(|| store.scan(Some(&cursor), 7, now())).await;
        found.extend(page.sessions.into_iter().map(|(key, _)| key));
        from = page.next;
    }
    assert_eq!(found.len(), 60, "sessions are missing");
}

fn owns_first_slot(port: u16) -> bool {
    let text: String = redis::cmd("CLUSTER").arg("NODES").query(&mut connect(port)).unwrap();
    text.lines().any(|line| line.contains("myself,master") && line.split(' ').any(|word| word.starts_with("0-")))
}

/// A slot on its way from one master to another.
struct Move {
    slot: u16,
    from: u16,
    to: u16,
}

impl Move {
    fn of(cluster: &Cluster, number: u8) -> Self {
        let masters = cluster.masters();
        let mut command = redis::cmd("CLUSTER");
        let slot = command.arg("KEYSLOT").arg(name(number)).query(&mut connect(masters[0])).unwrap();
        let owns = |port: &u16| {
            let count: i64 = redis::cmd("EXISTS").arg(name(number)).query(&mut connect(*port)).unwrap_or(0);
            count == 1
        };
        let from = *masters.iter().find(|port| owns(port)).unwrap();
        let to = *masters.iter().find(|port| **port != from).unwrap();
        Self { slot, from, to }
    }

    fn begin(&self) {
        self.set(self.to, "IMPORTING", &id(self.from));
        self.set(self.from, "MIGRATING", &id(self.to));
    }

    fn key(&self, name: &str) {
        let mut command = redis::cmd("MIGRATE");
        command.arg("127.0.0.1").arg(self.to).arg(name).arg(0).arg(5_000).exec(&mut connect(self.from)).unwrap();
    }

    fn end(&self) {
        for port in [self.to, self.from] {
            self.set(port, "NODE", &id(self.to));
        }
    }

    fn set(&self, port: u16, state: &str, node: &str) {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SETSLOT").arg(self.slot).arg(state).arg(node).exec(&mut connect(port)).unwrap();
    }

    /// The number of `ASK` and `MOVED` answers of the old node.
    fn redirects(&self) -> (u64, u64) {
        let info: String = redis::cmd("INFO").arg("errorstats").query(&mut connect(self.from)).unwrap();
        let count = |code: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(&format!("errorstat_{code}:count=")));
            line.map_or(0, |count| count.trim().parse().unwrap())
        };
        (count("ASK"), count("MOVED"))
    }
}

fn id(port: u16) -> String {
    redis::cmd("CLUSTER").arg("MYID").query(&mut connect(port)).unwrap()
}
