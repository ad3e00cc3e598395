//! The stored form of each release: this release writes these texts, and every later release reads them.
//!
//! A file is added with a release, or with a version of an example's schema. It is never edited, because stores in
//! production hold such bytes. `0.1.0.json` holds every kind of value. `cart-N.json` and `upgrade-N.json` hold the cart
//! that version N of the example stored. `values-0.1.0.json` holds a list that merges and a value that expires.

mod programs;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use serde::{Deserialize, Serialize};
use session_runtime::record::{Record, Values};
use session_runtime::store::{Store, Wanted};
use session_runtime::testing::ManualClock;
use session_runtime::{MemoryStore, Session, SessionKey, Sessions};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    sku: String,
    price: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Currency {
    Eur,
    Usd,
}

#[derive(Debug, Session)]
#[session(key = "kinds", version = 1)]
struct Kinds {
    #[session(merge = keys(sum))]
    counts: BTreeMap<u32, i64>,
    #[session(merge = keys)]
    lines: HashMap<String, Line>,
    #[session(merge = keys)]
    tags: BTreeSet<char>,
    plain: HashMap<String, u8>,
    r#type: Option<String>,
    #[session(rename = "curr", default = Currency::Eur)]
    currency: Currency,
    list: Vec<(bool, f64)>,
    wide: u128,
}

const STORED: &str = include_str!("0.1.0.json");

fn fill(kinds: &mut KindsMut) {
    kinds.set_counts([(7, 2), (10, -1)].into());
    let line = Line { sku: "a\"b/c".into(), price: Some(995) };
    kinds.set_lines([(String::new(), line.clone()), ("ü\n/\"%_*".into(), Line { price: None, ..line })].into());
    kinds.set_tags(['x', '"'].into());
    kinds.set_plain([("k".into(), 1)].into());
    kinds.set_type("text".into());
    kinds.set_currency(Currency::Usd);
    kinds.set_list(vec![(true, 0.1), (false, 1e300)]);
    kinds.set_wide(u128::MAX);
}

fn sessions(store: &Arc<MemoryStore>, clock: &ManualClock) -> Sessions {
    Sessions::builder().store(store.clone()).clock(clock.clone()).schemas::<Kinds>().build().unwrap()
}

async fn record(store: &MemoryStore, key: SessionKey, clock: &ManualClock) -> Record {
    store.load(key, &Wanted::all(), clock.timestamp()).await.unwrap().unwrap().record
}

/// The texts in the form of the files here.
fn texts(values: &Values) -> String {
    let texts: BTreeMap<&str, &str> = values.iter().map(|(name, text)| (&**name, &**text)).collect();
    serde_json::to_string_pretty(&texts).unwrap()
}

/// Stores the texts of a file as a session.
async fn plant(store: &MemoryStore, stored: &str, clock: &ManualClock) -> SessionKey {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let stored: BTreeMap<String, String> = serde_json::from_str(stored).unwrap();
    let values: Values = stored.iter().map(|(name, text)| (name.as_str().into(), text.as_str().into())).collect();
    let head = session_runtime::testing::head_at(clock.timestamp().as_millis());
    let key = SessionKey::from_bytes([NEXT.fetch_add(1, Ordering::Relaxed); 16]);
    store.create(key, Record::new(head, values)).await.unwrap();
    key
}

#[tokio::test]
async fn written_sessions_have_the_stored_form_of_this_release() {
    let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
    let visit = sessions(&store, &clock).open([]).into_filled().await;
    let record = record(&store, visit, &clock).await;
    assert_eq!(texts(&record.values).trim(), STORED.trim());
}

/// B68: what an earlier release stored is read by this one, and counts as unchanged.
#[tokio::test]
async fn the_stored_form_of_every_release_is_read() {
    let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::new());
    let sessions = sessions(&store, &clock);
    let key = plant(&store, STORED, &clock).await;
    let read = sessions.read::<Kinds>(&key).await.unwrap().unwrap();
    assert_eq!(read.lines()["ü\n/\"%_*"], Line { sku: "a\"b/c".into(), price: None });
    assert_eq!((read.counts()[&10], *read.wide(), *read.currency()), (-1, u128::MAX, Currency::Usd));
    sessions.update::<Kinds, _>(&key, fill).await.unwrap();
    assert_eq!(record(&store, key, &clock).await.head.revision, 0, "the same values again are no change");
}

trait IntoFilled {
    /// Writes the values of the golden file and gives the session's key.
    async fn into_filled(self) -> SessionKey;
}

impl IntoFilled for session_runtime::Visit {
    async fn into_filled(self) -> SessionKey {
        fill(&mut self.write::<Kinds>().await.unwrap());
        assert!(self.finish(200).await.error.is_none());
        self.key().unwrap()
    }
}
