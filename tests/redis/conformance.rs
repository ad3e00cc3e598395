//! Every kind of server keeps every rule.

use std::sync::Arc;
use std::time::SystemTime;

use session_runtime::testing::conformance;
use session_runtime::{RedisStore, Store};
use session_tests::servers::redis::Redis;

/// The engine judges by its own clock too, so the present is the real one.
async fn keeps_every_rule(store: impl Store) {
    let report = conformance::check(Arc::new(store), SystemTime::now().into()).await;
    report.assert();
    assert_eq!(report.passed().len(), conformance::rules().count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_keeps_every_rule() {
    let server = Redis::start();
    keeps_every_rule(RedisStore::open(&server.url()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls_keeps_every_rule() {
    let server = Redis::with_tls();
    let store = RedisStore::builder(server.url()).root_certificates(server.authority()).open().unwrap();
    keeps_every_rule(store).await;
}
