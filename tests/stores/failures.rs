//! The lines in the log about a save that failed.

use std::sync::Arc;

use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{Session, Sessions};
use session_tests::log::Log;

#[derive(Session)]
#[session(key = "order", version = 1)]
struct Order {
    #[session(merge = reject)]
    paid: Option<u32>,
}

/// Runs a request that sets the field, beside one that has its session open. Returns the lines in the log about the
/// first, with their levels left out.
async fn lines_of_a_save(fault: Option<Fault>) -> Vec<String> {
    let log = Log::listen();
    let store = RecordingStore::default();
    let sessions = Sessions::builder().store(Arc::new(store.clone())).schemas::<Order>().build().unwrap();
    let new = sessions.open([]);
    new.write::<Order>().await.unwrap().set_paid(1);
    let finished = new.finish(200).await;
    let cookie = finished.cookie.header().map(|header| header.split(';').next().unwrap().to_owned()).unwrap();
    let visit = sessions.open([cookie.as_str()]);
    visit.write::<Order>().await.unwrap().set_paid(2);
    let other = sessions.open([cookie.as_str()]);
    other.write::<Order>().await.unwrap().set_paid(3);
    assert!(other.finish(200).await.error.is_none());
    if let Some(fault) = fault {
        store.fail("patch", fault);
    }
    let before = log.here().len();
    assert!(visit.finish(200).await.error.is_some());
    log.here().split_off(before)
}

#[tokio::test]
async fn a_save_that_lost_a_race_is_one_line_and_no_fault_of_the_server() {
    let lines = lines_of_a_save(None).await;
    assert!(matches!(&lines[..], [line] if line.contains("this request's changes are refused")), "{lines:#?}");
}

#[tokio::test]
async fn a_save_that_the_store_failed_is_one_line() {
    for fault in [Fault::Down, Fault::LockedOut] {
        let lines = lines_of_a_save(Some(fault)).await;
        assert!(matches!(&lines[..], [line] if line.contains("the session could not be saved")), "{lines:#?}");
    }
}
