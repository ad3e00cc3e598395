//! Calls of the store: the loads that cost one, and the hits that cost none.

use std::time::Duration;

use session_runtime::id::SecretHash;
use session_runtime::patch::{Deadline, Patch};
use session_runtime::store::{Created, Wanted};
use session_runtime::testing::RecordingStore;
use session_runtime::{CachedStore, SessionKey, Store};
use tokio::time::advance;

use super::calls::{KEY, NOW, load, patch, record, setting, text};

/// A bound that passes only by moving the clock by hand.
const BOUND: Duration = Duration::from_secs(60 * 60);
/// A millisecond less.
const ALMOST: Duration = Duration::from_millis(60 * 60 * 1000 - 1);

/// A node with a record that it knows only by its key.
async fn node() -> (CachedStore<RecordingStore>, RecordingStore) {
    let store = RecordingStore::default();
    store.create(KEY, record(&[("cart", "{}"), ("cart.a", "1"), ("prefs.b", "2")])).await.unwrap();
    store.total_calls();
    (CachedStore::new(store.clone()).bound(BOUND), store)
}

/// B81: a hit costs no call, and the record is whole.
#[tokio::test(start_paused = true)]
async fn a_hit_costs_no_call() {
    let (node, store) = node().await;
    let first = load(&node).await.unwrap();
    assert_eq!(store.total_calls(), 1);
    for _ in 0..100 {
        let hit = load(&node).await.unwrap();
        assert_eq!((hit.record.values, hit.record.head), (first.record.values.clone(), first.record.head.clone()));
        assert_eq!((hit.bytes, hit.keys), (first.bytes, first.keys));
    }
    assert_eq!(store.total_calls(), 0);
}

/// The default bound is the documented one.
#[test]
fn the_default_bound_is_a_second() {
    let shown = format!("{:?}", CachedStore::new(RecordingStore::default()));
    assert!(shown.contains("bound: 1s,"), "{shown}");
}

/// Up to the bound a copy is served, from then on the store is asked.
#[tokio::test(start_paused = true)]
async fn a_copy_is_served_for_the_bound() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    patch(&store, setting("cart.a", "5")).await;
    advance(ALMOST).await;
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("1"));
    advance(Duration::from_millis(1)).await;
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("5"));
    assert_eq!(store.calls("load"), 2);
}

/// The age counts from before the store was asked, not from when it answered.
#[tokio::test(start_paused = true)]
async fn a_slow_load_counts_as_age() {
    let (node, store) = node().await;
    let elsewhere = async {
        patch(&store, setting("cart.a", "5")).await;
        advance(ALMOST).await;
    };
    let (slow, ()) = store.before_answer("load", load(&node), elsewhere).await;
    assert_eq!(slow.unwrap().record.values.get("cart.a"), Some("1"));
    advance(Duration::from_millis(1)).await;
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("5"));
}

/// The moment that a request passes in has no part in the bound, so no clock that jumps makes a copy older or younger.
#[tokio::test(start_paused = true)]
async fn a_jumping_clock_does_not_move_the_bound() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    patch(&store, setting("cart.a", "5")).await;
    advance(BOUND).await;
    let late = node.load(KEY, &Wanted::all(), NOW.before(24 * BOUND)).await.unwrap().unwrap();
    assert_eq!(late.record.values.get("cart.a"), Some("5"), "a day back is no rejuvenation");
    assert_eq!(store.calls("load"), 2);
    let deadline = load(&store).await.unwrap().record.head.idle_deadline;
    store.total_calls();
    node.load(KEY, &Wanted::all(), deadline.before(Duration::from_millis(1))).await.unwrap().unwrap();
    assert_eq!(store.calls("load"), 0, "an hour on is no ageing");
}

/// C69: deadlines are judged for hits too, and a copy that seems expired may have been used elsewhere.
#[tokio::test(start_paused = true)]
async fn an_expired_copy_is_not_served() {
    let (node, store) = node().await;
    let head = load(&node).await.unwrap().record.head;
    assert!(node.load(KEY, &Wanted::all(), head.idle_deadline).await.unwrap().is_none());
    load(&node).await.unwrap();
    let later = head.idle_deadline.after(Duration::from_secs(1));
    let expires = later.after(Duration::from_secs(1));
    let touch = Deadline::Touch { seen: head.idle_deadline, touched: NOW, expires };
    patch(&store, Patch::on_generation(0).deadline(touch)).await;
    assert!(node.load(KEY, &Wanted::all(), later).await.unwrap().is_some());
}

/// A visitor without a session may get one from another node at any moment, so absence is not cached.
#[tokio::test(start_paused = true)]
async fn an_absent_key_is_asked_for_each_time() {
    let store = RecordingStore::default();
    let node = CachedStore::new(store.clone()).bound(BOUND);
    for _ in 0..3 {
        assert!(load(&node).await.is_none());
    }
    assert_eq!(store.calls("load"), 3);
    store.create(KEY, record(&[("cart.a", "1")])).await.unwrap();
    assert!(load(&node).await.is_some());
}

/// C13: a wrong secret is looked up in the store. The known secret costs no call.
#[tokio::test(start_paused = true)]
async fn an_unknown_secret_is_asked_for_each_time() {
    let (node, store) = node().await;
    let head = load(&node).await.unwrap().record.head;
    store.total_calls();
    let known = Wanted::all().opened_by(head.secret);
    let unknown = Wanted::all().opened_by(SecretHash::from_bytes([9; 32]));
    for _ in 0..3 {
        node.load(KEY, &known, NOW).await.unwrap().unwrap();
    }
    assert_eq!(store.calls("load"), 0);
    for _ in 0..3 {
        node.load(KEY, &unknown, NOW).await.unwrap().unwrap();
    }
    assert_eq!(store.calls("load"), 3);
}

/// A fresh load comes from the store, and later hits return it.
#[tokio::test(start_paused = true)]
async fn a_fresh_load_asks_and_is_kept() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    patch(&store, setting("cart.a", "5")).await;
    let fresh = node.load(KEY, &Wanted::all().fresh(), NOW).await.unwrap().unwrap();
    assert_eq!(fresh.record.values.get("cart.a"), Some("5"));
    store.total_calls();
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("5"));
    assert_eq!(store.total_calls(), 0);
}

/// A part is no whole; two parts of one revision are.
#[tokio::test(start_paused = true)]
async fn a_hit_needs_everything_that_is_wanted() {
    let (node, store) = node().await;
    let cart = Wanted::schemas(&["cart"]);
    for wanted in [&cart, &cart, &Wanted::schemas(&["prefs"]), &Wanted::schemas(&["prefs", "cart"])] {
        let loaded = node.load(KEY, wanted, NOW).await.unwrap().unwrap();
        let values = &loaded.record.values;
        assert!(!wanted.wants("cart") || values.get("cart.a") == Some("1"));
        assert!(!wanted.wants("prefs") || values.get("prefs.b") == Some("2"));
        assert_eq!((loaded.bytes, loaded.keys), (21, 3), "the totals are those of the whole record");
    }
    assert_eq!(store.calls("load"), 2);
    load(&node).await.unwrap();
    assert_eq!(store.calls("load"), 1, "there may be schemas that were not named");
}

/// Parts of two revisions are not put together.
#[tokio::test(start_paused = true)]
async fn parts_of_two_revisions_do_not_mix() {
    let (node, store) = node().await;
    node.load(KEY, &Wanted::schemas(&["cart"]), NOW).await.unwrap().unwrap();
    patch(&store, setting("cart.a", "5")).await;
    node.load(KEY, &Wanted::schemas(&["prefs"]), NOW).await.unwrap().unwrap();
    let both = node.load(KEY, &Wanted::schemas(&["cart", "prefs"]), NOW).await.unwrap().unwrap();
    assert_eq!(both.record.values.get("cart.a"), Some("5"));
    assert_eq!(store.calls("load"), 3);
}

/// A younger part of the same copy does not extend the life of an older part.
#[tokio::test(start_paused = true)]
async fn each_part_is_served_for_the_bound() {
    let (node, store) = node().await;
    let (cart, prefs) = (Wanted::schemas(&["cart"]), Wanted::schemas(&["prefs"]));
    node.load(KEY, &cart, NOW).await.unwrap().unwrap();
    advance(ALMOST).await;
    node.load(KEY, &prefs, NOW).await.unwrap().unwrap();
    node.load(KEY, &cart, NOW).await.unwrap().unwrap();
    assert_eq!(store.calls("load"), 2);
    advance(Duration::from_millis(1)).await;
    for _ in 0..3 {
        node.load(KEY, &cart, NOW).await.unwrap().unwrap();
    }
    assert_eq!(store.calls("load"), 1, "and the reloaded part is a hit");
}

/// Own writes are seen at once, and the read after one is a hit, with the right totals.
#[tokio::test(start_paused = true)]
async fn a_read_after_an_own_write_is_a_hit() {
    let store = RecordingStore::default();
    let node = CachedStore::new(store.clone()).bound(BOUND);
    assert_eq!(node.create(KEY, record(&[("cart.a", "1")])).await.unwrap(), Created::Done);
    for n in 10..20 {
        patch(&node, setting("cart.a", &n.to_string())).await;
        patch(&node, setting(&format!("cart.{n}"), "x").remove(["cart.b"])).await;
        let (hit, stored) = (load(&node).await.unwrap(), load(&store).await.unwrap());
        assert_eq!((hit.record.values, hit.record.head), (stored.record.values, stored.record.head));
        assert_eq!((hit.bytes, hit.keys), (stored.bytes, stored.keys));
    }
    assert_eq!(store.calls("load"), 10, "those of this test only");
}

/// A write between two others of another node cannot be followed by heart.
#[tokio::test(start_paused = true)]
async fn a_write_beside_another_nodes_drops_the_copy() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    patch(&store, setting("prefs.b", "9")).await;
    patch(&node, setting("cart.a", "5")).await;
    let loaded = load(&node).await.unwrap();
    assert_eq!((loaded.record.values.get("cart.a"), loaded.record.values.get("prefs.b")), (Some("5"), Some("9")));
}

/// A write to what is not in the copy drops it: its totals cannot be known.
#[tokio::test(start_paused = true)]
async fn a_write_beside_the_copy_drops_it() {
    let (node, store) = node().await;
    node.load(KEY, &Wanted::schemas(&["cart"]), NOW).await.unwrap().unwrap();
    patch(&node, setting("prefs.b", "123456")).await;
    let (hit, stored) = (load(&node).await.unwrap(), load(&store).await.unwrap());
    assert_eq!((hit.bytes, hit.keys), (stored.bytes, stored.keys));
}

/// The memory that copies take is bounded; what has no room costs calls and is right.
#[tokio::test(start_paused = true)]
async fn the_copies_take_no_more_than_they_may() {
    let store = RecordingStore::default();
    let node = CachedStore::new(store.clone()).bound(BOUND).capacity(64 * 1024);
    let large = "x".repeat(8 * 1024);
    for n in 0..100 {
        node.create(SessionKey::from_bytes([n; 16]), record(&[("cart.a", &large)])).await.unwrap();
    }
    for round in 0..3 {
        store.total_calls();
        for n in 0..100 {
            let loaded = node.load(SessionKey::from_bytes([n; 16]), &Wanted::all(), NOW).await.unwrap();
            assert_eq!(loaded.unwrap().record.values.get("cart.a").map(str::len), Some(large.len()));
        }
        let hits = 100 - store.calls("load");
        assert!(hits <= 64, "{hits} hits of {} bytes in round {round}", large.len());
    }
}

/// A scan reads the store and not the copies.
#[tokio::test(start_paused = true)]
async fn a_scan_sees_everything() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    patch(&store, setting("cart.a", "5")).await;
    let all = node.scan(None, 10, NOW).await.unwrap().sessions;
    assert_eq!((all.len(), all[0].1.values.get("cart.a")), (1, Some("5")));
    assert_eq!(store.calls("scan"), 1);
}
