//! The store keeps every rule of the kit, whichever way it reaches its server.

use std::sync::Arc;
use std::time::SystemTime;

use session_runtime::clock::Timestamp;
use session_runtime::testing::conformance;
use session_runtime::{PostgresStore, Store};
use session_tests::servers::postgres::Postgres;

pub(crate) async fn keeps_every_rule(store: impl Store) {
    let store: Arc<dyn Store> = Arc::new(store);
    for now in [Timestamp::from_millis(0), SystemTime::now().into()] {
        let report = conformance::check(Arc::clone(&store), now).await;
        report.assert();
        assert_eq!(report.passed().len(), conformance::rules().count());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn by_url() {
    let server = Postgres::start("");
    keeps_every_rule(PostgresStore::open(server.url()).unwrap()).await;
}
