//! Servers that evict sessions when their memory is full.

use redis::Connection;
use session_runtime::store::Store;
use session_runtime::{RedisStore, Sessions};
use session_tests::log::Log;
use session_tests::servers::cluster::{self, Cluster};
use session_tests::servers::redis::Redis;

/// The warnings about eviction at the launch with a store of this URL.
async fn warnings(url: &str) -> Vec<String> {
    let before = Log::listen().here().len();
    RedisStore::open(url).unwrap().prepare().await.unwrap();
    let lines = Log::listen().here().split_off(before);
    lines.into_iter().filter(|line| line.starts_with("WARN")).collect()
}

fn config(server: &mut Connection, name: &str, value: &str) {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(server).unwrap();
}

/// Under each of them acknowledged sessions vanish without a failed write.
#[tokio::test]
async fn a_policy_that_evicts_is_a_warning_at_the_launch() {
    let server = Redis::start();
    let mut redis = server.connect();
    let policies = ["volatile-ttl", "volatile-lru", "volatile-lfu", "volatile-random", "allkeys-lru", "allkeys-random"];
    for policy in policies {
        config(&mut redis, "maxmemory", "100mb");
        config(&mut redis, "maxmemory-policy", policy);
        let lines = warnings(&server.url()).await;
        let [line] = &lines[..] else { panic!("{policy}: {lines:?}") };
        assert!(line.contains(policy) && line.contains("noeviction") && line.contains("vanish"), "{line}");
        // Without a limit nothing is evicted.
        config(&mut redis, "maxmemory", "0");
        assert!(warnings(&server.url()).await.is_empty(), "{policy}");
    }
    config(&mut redis, "maxmemory", "100mb");
    config(&mut redis, "maxmemory-policy", "noeviction");
    assert!(warnings(&server.url()).await.is_empty());
}

#[tokio::test]
async fn a_user_with_one_command_is_warned_and_others_are_not_refused() {
    let server = Redis::start();
    let mut redis = server.connect();
    config(&mut redis, "maxmemory", "100mb");
    config(&mut redis, "maxmemory-policy", "volatile-ttl");
    for (forbidden, warned) in [(&["-info"][..], 1), (&["-config"], 1), (&["-info", "-config"], 0)] {
        let mut user = redis::cmd("ACL");
        user.arg("SETUSER").arg("app").arg("reset").arg("on").arg(">pw").arg("~*").arg("+@all");
        for rule in forbidden {
            user.arg(*rule);
        }
        user.exec(&mut redis).unwrap();
        let url = server.url().replace("redis://", "redis://app:pw@");
        assert_eq!(warnings(&url).await.len(), warned, "{forbidden:?}");
    }
}

/// One of them evicts.
#[tokio::test]
async fn every_master_of_a_cluster_is_asked() {
    let server = Cluster::start();
    assert!(warnings(&server.url()).await.is_empty());
    for port in server.masters() {
        let mut master = cluster::connect(port);
        config(&mut master, "maxmemory", "100mb");
        config(&mut master, "maxmemory-policy", "volatile-ttl");
        assert_eq!(warnings(&server.url()).await.len(), 1, "the master at {port}");
        config(&mut master, "maxmemory", "0");
    }
}

/// A namespace that is longer than what it names.
#[test]
fn a_namespace_without_bounds_is_refused() {
    let open = |namespace: String| RedisStore::builder("redis://localhost").namespace(namespace).open();
    assert!(open("n".repeat(200)).is_ok() && open("n".repeat(201)).is_err());
    let sessions = |store| Sessions::builder().store(store).build();
    assert!(sessions(open("shop".into()).unwrap()).is_ok());
}
