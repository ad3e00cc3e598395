//! The stored form of lists that merge and of values that expire.

use std::sync::Arc;
use std::time::Duration;

use session_runtime::clock::Timestamp;
use session_runtime::testing::ManualClock;
use session_runtime::{MemoryStore, Session, Sessions};

use super::{plant, record, texts};

#[derive(Session)]
#[session(key = "values", version = 1)]
struct Kept {
    #[session(merge = append(max = 20), expires_after = "10m")]
    notices: Vec<String>,
    #[session(expires_after = "10m")]
    code: Option<String>,
}

const STORED: &str = include_str!("values-0.1.0.json");

fn sessions(store: &Arc<MemoryStore>, clock: &ManualClock) -> Sessions {
    Sessions::builder().store(store.clone()).clock(clock.clone()).schemas::<Kept>().build().unwrap()
}

/// Everything but the random digits of the ids.
#[tokio::test]
async fn written_values_have_the_stored_form_of_this_release() {
    let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
    let visit = sessions(&store, &clock).open([]);
    {
        let mut kept = visit.write::<Kept>().await.unwrap();
        kept.notices_mut().extend(["Saved.".to_owned(), "Sent.".to_owned()]);
        kept.set_code("7312".to_owned());
    }
    assert!(visit.finish(200).await.error.is_none());
    let record = record(&store, visit.key().unwrap(), &clock).await;
    let fixed = |line: &str| match line.split_once('/') {
        Some((field, rest)) => format!("{field}/{}…{}", &rest[..10], &rest[20..]),
        None => line.to_owned(),
    };
    let lines = |texts: &str| texts.trim().lines().map(fixed).collect::<Vec<_>>();
    assert_eq!(lines(&texts(&record.values)), lines(STORED));
}

#[tokio::test]
async fn the_stored_values_of_every_release_are_read() {
    let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
    let key = plant(&store, STORED, &clock).await;
    for (later, expected) in
        [(0, (2, Some("7312"))), (599_999, (2, Some("7312"))), (600_000, (1, None)), (600_001, (0, None))]
    {
        let at = ManualClock::new();
        at.set(Timestamp::from_millis(clock.timestamp().after(Duration::from_millis(later)).as_millis()));
        let kept = sessions(&store, &at).read::<Kept>(&key).await.unwrap().unwrap();
        assert_eq!((kept.notices().len(), kept.code().as_deref()), expected, "{later}");
    }
    let kept = sessions(&store, &clock).read::<Kept>(&key).await.unwrap().unwrap();
    assert_eq!(*kept.notices(), ["Saved.", "Sent."]);
}
