//! The conformance kit over one store.

use std::sync::Arc;
use std::time::SystemTime;

use session_runtime::Store;
use session_runtime::clock::Timestamp;
use session_runtime::testing::conformance;

/// Asserts every rule of the contract, with the present time.
///
/// # Panics
///
/// If the store breaks a rule, or a rule did not run.
pub async fn keeps_every_rule(store: impl Store) {
    check(Arc::new(store), SystemTime::now().into()).await;
}

/// Asserts every rule of the contract, with the beginning of time and with the present.
///
/// # Panics
///
/// If the store breaks a rule, or a rule did not run.
pub async fn keeps_every_rule_at_any_time(store: impl Store) {
    let store: Arc<dyn Store> = Arc::new(store);
    check(Arc::clone(&store), Timestamp::from_millis(0)).await;
    check(store, SystemTime::now().into()).await;
}

async fn check(store: Arc<dyn Store>, now: Timestamp) {
    let report = conformance::check(store, now).await;
    report.assert();
    assert_eq!(report.passed().len(), conformance::rules().count());
}
