//! Faults between the program and one server. Each test proves that its fault happened.

use std::time::{Duration, Instant};

use session_runtime::RedisStore;
use session_runtime::config::ServerConfig;
use session_runtime::patch::Patched;
use session_runtime::store::{Store, StoreErrorKind, Wanted};
use session_tests::servers::proxy::Proxy;
use session_tests::servers::redis::Redis;

use super::fixture::{
    assert_fails, create, eventually, key, keys_with_deadlines, load, load_all, must_hold, must_patch, name, patch,
    resting, setting, text_of,
};

/// Short waits, so that tests need not be long.
fn impatient(url: String) -> RedisStore {
    let server =
        ServerConfig { connections: 1, connect_timeout: Duration::from_millis(500), ..ServerConfig::default() };
    RedisStore::builder(url).server(server).answer_timeout(Duration::from_millis(500)).open().unwrap()
}

fn through(proxy: &Proxy) -> RedisStore {
    impatient(format!("redis://{}", proxy.address()))
}

/// C61b: the answer to a write is lost: the outcome is unknown, and the write happened once.
#[tokio::test]
async fn a_write_whose_answer_is_lost_is_never_sent_again() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let store = through(&proxy);
    create(&store, 1, &[("cart.count", "1")]).await;
    must_patch(&store, 1, setting(&[("cart.other", "1")])).await;
    proxy.swallow(true);
    let lost = patch(&store, 1, resting(setting(&[("cart.count", "2")]), "cart.count", "1")).await;
    assert_fails(lost, StoreErrorKind::Unavailable);
    assert!(proxy.counts().swallowed > 0);
    proxy.swallow(false);
    proxy.cut();
    let loaded = eventually(|| load_all(&store, 1)).await.unwrap();
    assert_eq!(loaded.record.values.get("cart.count"), Some("2"));
    assert_eq!(loaded.record.head.revision, 2, "the write happened more than once");
}

/// Answers that come too late are not taken for those of later requests.
#[tokio::test]
async fn a_late_answer_reaches_no_other_request() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let store = through(&proxy);
    for number in 1..=8 {
        create(&store, number, &[("cart.number", &number.to_string())]).await;
    }
    proxy.delay(Duration::from_millis(700));
    for number in 1..=4 {
        assert_fails(load(&store, number, &Wanted::all()).await, StoreErrorKind::Unavailable);
    }
    assert!(proxy.counts().delayed > 0);
    proxy.delay(Duration::ZERO);
    for number in (1..=8).rev() {
        let loaded = eventually(|| load_all(&store, number)).await.unwrap();
        assert_eq!(loaded.record.values.get("cart.number"), Some(&*number.to_string()));
    }
}

#[tokio::test]
async fn a_cut_connection_is_made_anew() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let store = through(&proxy);
    create(&store, 1, &[("cart.a", "1")]).await;
    for round in 1..=3 {
        proxy.cut();
        let loaded = eventually(|| load_all(&store, 1)).await.unwrap();
        assert_eq!(loaded.record.values.get("cart.a"), Some("1"));
        assert_eq!(proxy.counts().cut, round);
    }
    assert_eq!(proxy.counts().connections, 4);
}

/// C60, C61, C64: a server that is down fails requests at once, and works again without a restart of the program.
#[tokio::test]
async fn a_server_that_is_down_fails_requests_and_no_longer() {
    let mut server = Redis::with(&["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    let store = impatient(server.url());
    create(&store, 1, &[("cart.a", "1")]).await;
    server.stop();
    let refused = eventually_fails(&store).await;
    assert!(refused.contains("connection"), "{refused}");
    assert_fails(patch(&store, 1, setting(&[("cart.a", "2")])).await, StoreErrorKind::Unavailable);
    server.run();
    let loaded = eventually(|| load_all(&store, 1)).await.unwrap();
    assert_eq!(loaded.record.values.get("cart.a"), Some("1"), "an acknowledged change is lost");
    // The scripts are gone with the old process.
    must_patch(&store, 1, setting(&[("cart.a", "3")])).await;
}

async fn eventually_fails(store: &RedisStore) -> String {
    let start = Instant::now();
    loop {
        if let Err(error) = load(store, 1, &Wanted::all()).await {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            return text_of(&error);
        }
        assert!(start.elapsed() < Duration::from_secs(30), "a stopped server still answers");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_never_was_there_is_unavailable() {
    let port = session_tests::servers::free_port();
    let store = impatient(format!("redis://localhost:{port}"));
    assert_fails(store.prepare().await, StoreErrorKind::Unavailable);
    assert_fails(load(&store, 1, &Wanted::all()).await, StoreErrorKind::Unavailable);
}

/// C63: a frozen machine takes connections and answers nothing.
#[tokio::test]
async fn a_frozen_server_costs_no_more_than_the_answer_timeout() {
    let server = Redis::start();
    let store = impatient(server.url());
    create(&store, 1, &[("cart.count", "1")]).await;
    server.process().signal("STOP");
    let change = || resting(setting(&[("cart.count", "2")]), "cart.count", "1");
    assert_fails(patch(&store, 1, change()).await, StoreErrorKind::Unavailable);
    assert_fails(load(&store, 1, &Wanted::all()).await, StoreErrorKind::Unavailable);
    let state = std::fs::read_to_string(format!("/proc/{}/stat", server.process().pid())).unwrap();
    assert!(state.contains(") T "), "the server was not frozen: {state}");
    server.process().signal("CONT");
    let loaded = eventually(|| load_all(&store, 1)).await.unwrap();
    // It was in the server's buffer, and ran after the thaw; never a second time.
    assert!(loaded.record.head.revision <= 1);
    let count = loaded.record.values.get("cart.count").unwrap().to_owned();
    assert_eq!(count == "2", loaded.record.head.revision == 1);
}

/// A full server refuses writes as a whole; what is there can be read and destroyed.
#[tokio::test]
async fn a_full_server_refuses_writes_as_a_whole() {
    let server = Redis::with(&["--save", "", "--maxmemory-policy", "noeviction"]);
    let store = impatient(server.url());
    store.set_lazy_schemas(&["history"]);
    let session = [("cart", "{}"), ("cart.a", "1"), ("history", "{}")];
    create(&store, 1, &session).await;
    create(&store, 2, &session).await;
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut server.connect()).unwrap();
    let refused = assert_fails(
        patch(&store, 1, setting(&[("cart.a", "2"), ("history.b", "3")])).await,
        StoreErrorKind::Unavailable,
    );
    assert!(refused.contains("OOM"), "{refused}");
    let created = store.create(key(3), super::fixture::record(&session)).await;
    assert_fails(created, StoreErrorKind::Unavailable);
    must_hold(&store, 1, &session).await;
    store.delete(key(2)).await.unwrap();
    let names = keys_with_deadlines(&mut server.connect());
    assert_eq!(names, [name(1), format!("{}:history", name(1))]);
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").exec(&mut server.connect()).unwrap();
    must_patch(&store, 1, setting(&[("cart.a", "2")])).await;
}

/// C64: a connection that ends while it is idle is opened again before the next request.
#[tokio::test]
async fn a_connection_that_ends_while_idle_fails_nothing() {
    let server = Redis::start();
    let store = impatient(server.url());
    create(&store, 1, &[("cart.a", "1")]).await;
    let connections = || -> Vec<String> {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut server.connect()).unwrap();
        let id = |line: &str| line.split(' ').next().unwrap().to_owned();
        list.lines().filter(|line| line.contains("resp=3")).map(id).collect()
    };
    let before = connections();
    assert_eq!(before.len(), 1);
    let mut kill = redis::cmd("CLIENT");
    let killed: u64 = kill.arg("KILL").arg("TYPE").arg("normal").query(&mut server.connect()).unwrap();
    assert_eq!(killed, 1);
    let start = Instant::now();
    while connections().is_empty() || connections() == before {
        assert!(start.elapsed() < Duration::from_secs(30), "no connection was opened again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..100 {
        must_hold(&store, 1, &[("cart.a", "1")]).await;
    }
}

/// C64: after a restart the server has room for one connection only. Requests used both in turn, so every second one
/// failed although a connection was open.
#[tokio::test]
async fn a_refused_connection_fails_no_request_while_another_is_open() {
    let server = Redis::start();
    let two = ServerConfig { connections: 2, connect_timeout: Duration::from_millis(500), ..ServerConfig::default() };
    let store = RedisStore::builder(server.url()).server(two).open().unwrap();
    create(&store, 1, &[("cart.a", "1")]).await;
    must_hold(&store, 1, &[("cart.a", "1")]).await;
    let mut admin = server.connect();
    redis::cmd("CONFIG").arg("SET").arg("maxclients").arg(2).exec(&mut admin).unwrap();
    let ended: u64 = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query(&mut admin).unwrap();
    assert_eq!(ended, 2);
    eventually(|| load_all(&store, 1)).await;
    let mut refused = || -> u64 {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut admin).unwrap();
        let count = info.lines().find_map(|line| line.strip_prefix("rejected_connections:"));
        count.unwrap().trim().parse().unwrap()
    };
    let before = refused();
    for _ in 0..100 {
        must_hold(&store, 1, &[("cart.a", "1")]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(refused() > before, "the second connection was not refused");
}

/// C63, C65: two hundred requests share two connections to a server that hangs; each ends in time, and so does the
/// fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_carry_two_hundred_requests() {
    let server = Redis::start();
    let two = ServerConfig { connections: 2, ..ServerConfig::default() };
    let builder = RedisStore::builder(server.url()).server(two).answer_timeout(Duration::from_millis(500));
    let store = std::sync::Arc::new(builder.open().unwrap());
    create(&*store, 1, &[("cart.a", "1")]).await;
    let ask = || {
        let requests = (0..200).map(|_| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move { load_all(&*store, 1).await })
        });
        requests.collect::<Vec<_>>()
    };
    server.process().signal("STOP");
    for request in ask() {
        assert_fails(request.await.unwrap(), StoreErrorKind::Unavailable);
    }
    server.process().signal("CONT");
    eventually(|| load_all(&*store, 1)).await.unwrap();
    for request in ask() {
        assert!(request.await.unwrap().unwrap().is_some());
    }
}

/// A server that became a replica.
#[tokio::test]
async fn a_replica_refuses_writes_and_nothing_is_written() {
    let master = Redis::start();
    let replica = Redis::start();
    let store = impatient(replica.url());
    create(&store, 1, &[("cart.a", "1")]).await;
    let port = master.address().port();
    // It forgets what it had, and reads from its master from now on.
    redis::cmd("REPLICAOF").arg("localhost").arg(port).exec(&mut replica.connect()).unwrap();
    let refused = assert_fails(
        store.create(key(2), super::fixture::record(&[("cart.a", "1")])).await,
        StoreErrorKind::Unavailable,
    );
    assert!(refused.contains("READONLY") || refused.contains("LOADING"), "{refused}");
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut replica.connect()).unwrap();
    eventually(|| store.create(key(2), super::fixture::record(&[("cart.a", "1")]))).await;
}

/// A wrong password stops the launch and is not printed.
#[tokio::test]
async fn a_wrong_password_is_reported_without_the_password() {
    let server = Redis::with_password("right-4711");
    let port = server.address().port();
    for user in [":wrong-0815", "ada:wrong-0815", ""] {
        let at = if user.is_empty() { "" } else { "@" };
        let store = impatient(format!("redis://{user}{at}localhost:{port}"));
        let message = assert_fails(store.prepare().await, StoreErrorKind::Setup);
        assert!(!message.contains("0815") && !message.contains("ada"), "{message}");
        assert!(message.contains("user or password are wrong or missing"), "{message}");
    }
    let store = impatient(format!("redis://:right-4711@localhost:{port}"));
    store.prepare().await.unwrap();
    create(&store, 1, &[("cart.a", "1")]).await;
    assert!(!format!("{store:?}").contains("4711"));
}

/// A user without the right to run scripts is an operator's business.
#[tokio::test]
async fn a_user_without_rights_stops_the_launch() {
    let server = Redis::start();
    redis::cmd("ACL").arg("SETUSER").arg(&["ada", "on", ">pw", "~*", "+hgetall"]).exec(&mut server.connect()).unwrap();
    let store = impatient(format!("redis://ada:pw@localhost:{}", server.address().port()));
    let message = assert_fails(store.prepare().await, StoreErrorKind::Setup);
    assert!(message.contains("NOPERM"), "{message}");
}

/// The rights that the documentation lists are enough.
#[tokio::test]
async fn the_listed_rights_are_enough() {
    let server = Redis::start();
    let rights = "on >pw resetkeys ~session:* resetchannels -@all +evalsha +eval +hgetall +hget +hmget +hset +hdel \
                  +hkeys +hexists +exists +del +unlink +pexpireat +pexpiretime +scan";
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("ada");
    for right in rights.split_whitespace() {
        command.arg(right);
    }
    command.exec(&mut server.connect()).unwrap();
    let store = impatient(format!("redis://ada:pw@localhost:{}", server.address().port()));
    store.set_lazy_schemas(&["history"]);
    store.prepare().await.unwrap();
    create(&store, 1, &[("cart.a", "1")]).await;
    must_patch(&store, 1, setting(&[("history.a", "1")])).await;
    assert_eq!(store.scan(None, 10, super::fixture::now()).await.unwrap().sessions.len(), 1);
    assert_eq!(store.sweep(10, super::fixture::now()).await.unwrap(), 0);
    store.delete(key(1)).await.unwrap();
}

/// A certificate of an unknown authority stops the launch.
#[tokio::test]
async fn an_unknown_certificate_is_not_accepted() {
    let server = Redis::with_tls();
    let message = assert_fails(impatient(server.url()).prepare().await, StoreErrorKind::Setup);
    assert!(message.contains("certificate"), "{message}");
    // One who speaks no TLS is not served either.
    let plain = impatient(server.url().replace("rediss", "redis"));
    assert_fails(plain.prepare().await, StoreErrorKind::Unavailable);
}

/// Scripts that the server forgot are sent again: they were not run.
#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let server = Redis::start();
    let store = impatient(server.url());
    let forget = || redis::cmd("SCRIPT").arg("FLUSH").exec(&mut server.connect()).unwrap();
    forget();
    create(&store, 1, &[("cart.a", "1")]).await;
    forget();
    let patched = patch(&store, 1, resting(setting(&[("cart.a", "2")]), "cart.a", "1")).await.unwrap();
    assert!(matches!(patched, Patched::Done(head) if head.revision == 1));
    forget();
    store.delete(key(1)).await.unwrap();
    forget();
    assert!(load(&store, 1, &Wanted::all()).await.unwrap().is_none());
}

/// C65: a server that has no room for another connection is overloaded, not set up wrongly.
#[tokio::test]
async fn a_server_without_room_for_connections_is_unavailable() {
    let server = Redis::with(&["--save", "", "--maxclients", "2"]);
    let store = impatient(server.url());
    let others = [server.connect(), server.connect()];
    let refused = assert_fails(store.prepare().await, StoreErrorKind::Unavailable);
    assert!(!refused.contains("RESP3"), "{refused}");
    drop(others);
    eventually(|| store.prepare()).await;
}
