//! A request moves the data that it changes, and not the whole session.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Created, Loaded, StoreError, Wanted};
use session_runtime::{MemoryStore, Session, SessionKey, Sessions, Store, async_trait};

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys(sum))]
    items: BTreeMap<u32, u32>,
    coupon: Option<String>,
}

#[derive(Session)]
#[session(key = "history", version = 1, lazy)]
struct History {
    page: String,
}

/// A memory store that records the loaded bytes and the changed keys.
#[derive(Default)]
struct RecordingStore {
    store: MemoryStore,
    moved: Mutex<Vec<String>>,
}

impl RecordingStore {
    fn moved(&self) -> Vec<String> {
        std::mem::take(&mut self.moved.lock().unwrap())
    }
}

#[async_trait]
impl Store for RecordingStore {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.store.create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let loaded = self.store.load(key, wanted, now).await?;
        let bytes = loaded.as_ref().map_or(0, |loaded| loaded.record.values.bytes());
        self.moved.lock().unwrap().push(format!("load {bytes}"));
        Ok(loaded)
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let set: Vec<&str> = patch.set.iter().map(|(name, _)| &**name).collect();
        let removed: Vec<&str> = patch.remove.iter().map(|name| &**name).collect();
        self.moved.lock().unwrap().push(format!("set {set:?} remove {removed:?}"));
        self.store.patch(key, patch, now).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.store.delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.store.sweep(limit, now).await
    }
}

/// A visitor with a thousand lines in the cart and a long history: the store, the sessions, the cookie.
async fn visitor() -> (Arc<RecordingStore>, Sessions, String) {
    let store = Arc::new(RecordingStore::default());
    let sessions = Sessions::builder().store(store.clone()).schemas::<(Cart, History)>().build().unwrap();
    let visit = sessions.open([]);
    visit.write::<Cart>().await.unwrap().set_items((0..1_000).map(|line| (line, 1)).collect());
    visit.write::<History>().await.unwrap().set_page("x".repeat(100_000));
    let finished = visit.finish(200).await;
    let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    store.moved();
    (store, sessions, cookie)
}

#[tokio::test]
async fn one_line_of_a_thousand_is_one_entry() {
    let (store, sessions, cookie) = visitor().await;
    let visit = sessions.open([cookie.as_str()]);
    *visit.write::<Cart>().await.unwrap().items_mut().entry(7).or_default() += 1;
    visit.finish(200).await;
    assert_eq!(store.moved()[1..], [r#"set ["cart.items/7"] remove []"#]);
    let visit = sessions.open([cookie.as_str()]);
    visit.write::<Cart>().await.unwrap().items_mut().remove(&7);
    visit.finish(200).await;
    assert_eq!(store.moved()[1..], [r#"set [] remove ["cart.items/7"]"#]);
}

#[tokio::test]
async fn an_unused_lazy_schema_is_not_moved() {
    let (store, sessions, cookie) = visitor().await;
    let visit = sessions.open([cookie.as_str()]);
    visit.write::<Cart>().await.unwrap().set_coupon("SPRING".into());
    visit.finish(200).await;
    let moved = store.moved();
    let loaded: usize = moved[0].strip_prefix("load ").unwrap().parse().unwrap();
    assert!(loaded < 20_000, "the cart alone is loaded: {moved:?}");
    assert_eq!(moved[1..], [r#"set ["cart.coupon"] remove []"#]);
}
