//! A deadline that passes: the error states the store's share of the time.

use std::time::{Duration, Instant};

use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{SessionConfig, Sessions};
use tokio::runtime::Builder;

use crate::app::Cart;

/// The error of a read on one worker, which other tasks may block. The store answers after two steps of this time.
fn failure(step: Duration, deadline: Duration, others: impl Future<Output = ()> + Send + 'static) -> String {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let work = async move {
        let store = RecordingStore::default().described("a remote store at 192.0.2.1:7");
        store.fail("load", Fault::Slow(2 * step));
        let config = SessionConfig::new().deadline(deadline);
        let sessions = Sessions::builder().store(store).config(config).schemas::<Cart>().build().unwrap();
        let visit = sessions.open([]);
        visit.write::<Cart>().await.unwrap().set_coupon("A".into());
        let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        tokio::spawn(others);
        let read = sessions.open([cookie.as_str()]);
        read.read::<Cart>().await.err().unwrap().chain()
    };
    runtime.block_on(async { tokio::spawn(work).await.unwrap() })
}

/// The part of the message with the store's share of the time.
fn taken(message: &str) -> Duration {
    let (_, rest) = message.split_once("the store took ").unwrap();
    let (number, rest) = rest.split_once(' ').unwrap();
    let unit = rest.split_once(' ').unwrap().0;
    let seconds = number.parse::<f64>().unwrap() * if unit == "ms" { 0.001 } else { 1.0 };
    Duration::from_secs_f64(seconds)
}

/// Hashing passwords on the workers looked like an outage of a healthy store.
#[test]
fn a_deadline_that_passes_on_blocked_workers_asks_about_them() {
    let hashing = async {
        // As a computation that never pauses.
        let until = Instant::now() + Duration::from_millis(1_500);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    };
    let message = failure(Duration::from_millis(5), Duration::from_millis(800), hashing);
    assert!(message.contains("a remote store at 192.0.2.1:7"), "{message}");
    assert!(message.contains("of the 800 ms") && message.contains("are they blocked"), "{message}");
    assert!(taken(&message) < Duration::from_millis(200), "{message}");
}

#[test]
fn an_error_at_the_deadline_names_the_slow_store() {
    let message = failure(Duration::from_secs(60), Duration::from_millis(800), async {});
    assert!(message.contains("the store took 800 ms of the 800 ms") || taken(&message) > Duration::from_millis(500));
    assert!(!message.contains("blocked"), "{message}");
}
