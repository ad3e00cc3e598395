//! Loads and writes that overlap on one node, each held at the moment when it matters; and writes of unknown outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session_runtime::patch::{NewSecret, Patch, Patched, Precondition};
use session_runtime::store::Wanted;
use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{CachedStore, Store, id::SecretHash};

use super::calls::{KEY, NOW, load, patch, record, setting, text};

/// A bound beyond the test's duration, so that no copy is dropped for its age.
const HOUR: Duration = Duration::from_secs(60 * 60);

async fn node() -> (CachedStore<RecordingStore>, RecordingStore) {
    let store = RecordingStore::default();
    store.create(KEY, record(&[("cart.a", "1")])).await.unwrap();
    store.total_calls();
    (CachedStore::new(store.clone()).bound(HOUR), store)
}

/// C20: a load that read the record before a logout and answers after it puts nothing into the cache.
#[tokio::test]
async fn a_load_in_flight_does_not_bring_back_a_deleted_session() {
    let (node, store) = node().await;
    let (slow, ()) = store.before_answer("load", load(&node), async { node.delete(KEY).await.unwrap() }).await;
    assert!(slow.is_some(), "it did read the record");
    assert!(load(&node).await.is_none());
    assert_eq!(store.calls("load"), 2, "the second one asked the store");
}

/// The same with a write: what it acknowledged is seen by every load that begins after it.
#[tokio::test]
async fn a_load_in_flight_does_not_bring_back_a_replaced_value() {
    let (node, store) = node().await;
    let (slow, ()) = store.before_answer("load", load(&node), patch(&node, setting("cart.a", "2"))).await;
    assert_eq!(slow.unwrap().record.values.get("cart.a"), Some("1"), "it did read the older value");
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("2"));
}

/// The same when a copy was there before.
#[tokio::test]
async fn a_fresh_load_under_way_does_not_undo_a_write() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    let fresh = Wanted::all().fresh();
    let slow = node.load(KEY, &fresh, NOW);
    let (slow, ()) = store.before_answer("load", slow, patch(&node, setting("cart.a", "2"))).await;
    assert_eq!(slow.unwrap().unwrap().record.values.get("cart.a"), Some("1"), "it did read the older value");
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("2"));
}

/// C19: a load that began in the middle of a logout, and saw the record, is over before it; the logout takes it along.
#[tokio::test]
async fn a_copy_loaded_during_a_delete_is_removed_with_it() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    let seen = store.before_answer("delete", node.delete(KEY), async { load(&node).await.is_some() }).await.1;
    assert!(seen, "a logout that is not acknowledged yet may be unseen");
    assert!(load(&node).await.is_none());
}

/// C20: a write that was applied before a logout, and acknowledged after it, brings nothing back.
#[tokio::test]
async fn a_write_in_flight_does_not_bring_back_a_deleted_session() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    let write = node.patch(KEY, setting("cart.a", "2"), NOW);
    let (written, ()) = store.before_answer("patch", write, async { node.delete(KEY).await.unwrap() }).await;
    assert!(matches!(written, Ok(Patched::Done(_))), "it was applied first");
    assert!(load(&node).await.is_none());
}

/// The same with a creation.
#[tokio::test]
async fn a_creation_in_flight_does_not_bring_back_a_deleted_session() {
    let store = RecordingStore::default();
    let node = CachedStore::new(store.clone()).bound(HOUR);
    let create = node.create(KEY, record(&[("cart.a", "1")]));
    store.before_answer("create", create, async { node.delete(KEY).await.unwrap() }).await.0.unwrap();
    assert!(load(&node).await.is_none());
}

/// Two writes whose answers change places leave what the second one made of it.
#[tokio::test]
async fn answers_of_writes_may_change_places() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    let first = node.patch(KEY, setting("cart.a", "2"), NOW);
    store.before_answer("patch", first, patch(&node, setting("cart.a", "3"))).await.0.unwrap();
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("3"));
}

/// C12: a touch that was applied before a login, and is answered after it, does not bring the old secret back.
#[tokio::test]
async fn a_late_answer_does_not_bring_back_an_old_secret() {
    let (node, store) = node().await;
    let old = load(&node).await.unwrap().record.head.secret;
    let secret = NewSecret::Raise { hash: SecretHash::from_bytes([2; 32]), at: NOW };
    let login = patch(&node, Patch::on_generation(0).secret(secret));
    let small = node.patch(KEY, Patch::on_generation(0), NOW);
    store.before_answer("patch", small, login).await.0.unwrap();
    let head = node.load(KEY, &Wanted::all().opened_by(old), NOW).await.unwrap().unwrap().record.head;
    assert_eq!((head.generation, head.secret == old), (1, false));
}

/// The same with a login of another node that was loaded here in between.
#[tokio::test]
async fn a_late_answer_does_not_undo_a_later_load() {
    let (node, store) = node().await;
    let old = load(&node).await.unwrap().record.head.secret;
    let login_elsewhere = async {
        let secret = NewSecret::Raise { hash: SecretHash::from_bytes([2; 32]), at: NOW };
        patch(&store, Patch::on_generation(0).secret(secret)).await;
        node.load(KEY, &Wanted::all().fresh(), NOW).await.unwrap().unwrap().record.head.generation
    };
    let small = node.patch(KEY, Patch::on_generation(0), NOW);
    let (small, generation) = store.before_answer("patch", small, login_elsewhere).await;
    assert!(matches!(small.unwrap(), Patched::Done(head) if head.secret == old) && generation == 1);
    assert_eq!(load(&node).await.unwrap().record.head.generation, 1);
}

/// A conflict shows that the copy is old: the next load asks the store, else trying again would never end.
#[tokio::test]
async fn a_conflict_drops_the_copy() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    patch(&store, setting("cart.a", "2")).await;
    let stale = setting("cart.a", "3").precondition(Precondition::Revision(0));
    assert!(matches!(node.patch(KEY, stale, NOW).await.unwrap(), Patched::Conflict(_)));
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("2"));
}

/// The same with a login and with a logout of another node.
#[tokio::test]
async fn a_refusal_drops_the_copy() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    let secret = NewSecret::Raise { hash: SecretHash::from_bytes([2; 32]), at: NOW };
    patch(&store, Patch::on_generation(0).secret(secret)).await;
    assert!(matches!(node.patch(KEY, setting("cart.a", "3"), NOW).await.unwrap(), Patched::Renewed));
    assert_eq!(load(&node).await.unwrap().record.head.generation, 1);
    store.delete(KEY).await.unwrap();
    assert!(matches!(node.patch(KEY, setting("cart.a", "3"), NOW).await.unwrap(), Patched::Gone));
    assert!(load(&node).await.is_none());
}

/// C61b: after a write whose answer was lost, no load returns the copy from before it.
#[tokio::test]
async fn a_write_of_unknown_outcome_drops_the_copy() {
    for (operation, expected) in [("patch", Some("2")), ("delete", None)] {
        let (node, store) = node().await;
        load(&node).await.unwrap();
        store.fail_next(operation, Fault::ReplyLost);
        let failed = match operation {
            "patch" => node.patch(KEY, setting("cart.a", "2"), NOW).await.is_err(),
            _ => node.delete(KEY).await.is_err(),
        };
        assert!(failed, "the answer of {operation} did get lost");
        assert_eq!(text(&node, "cart.a").await.as_deref(), expected, "{operation}");
    }
}

/// C63: the same with a write that its request gave up when its time was used up.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_given_up_drops_the_copy() {
    let (node, store) = node().await;
    load(&node).await.unwrap();
    store.fail_next("patch", Fault::HangsAfterwards);
    let write = node.patch(KEY, setting("cart.a", "2"), NOW);
    assert!(tokio::time::timeout(Duration::from_secs(2), write).await.is_err(), "it did not answer");
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("2"));
}

/// A slow load of an older revision does not replace what a faster one has found since.
#[tokio::test]
async fn the_later_of_two_loads_stays() {
    let (node, store) = node().await;
    let faster = async {
        patch(&store, setting("cart.a", "2")).await;
        load(&node).await.unwrap()
    };
    let (slow, fast) = store.before_answer("load", load(&node), faster).await;
    assert_eq!(slow.unwrap().record.values.get("cart.a"), Some("1"));
    assert_eq!(fast.record.values.get("cart.a"), Some("2"));
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("2"));
}

/// A load returns every change that was acknowledged before it began, with any number of loads and writes at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn own_writes_are_seen_under_load() {
    const ROUNDS: usize = 500;
    let (node, store) = node().await;
    let (node, acknowledged) = (Arc::new(node), Arc::new(AtomicU64::new(0)));
    let work = |task: usize| {
        let (node, acknowledged) = (Arc::clone(&node), Arc::clone(&acknowledged));
        async move {
            for round in 0..ROUNDS {
                if task == 0 {
                    let written = node.patch(KEY, setting("cart.a", &round.to_string()), NOW).await.unwrap();
                    let Patched::Done(head) = written else { panic!("{written:?}") };
                    acknowledged.fetch_max(head.revision, Ordering::SeqCst);
                    continue;
                }
                let wanted = if round % 3 == 0 { Wanted::all().fresh() } else { Wanted::all() };
                let least = acknowledged.load(Ordering::SeqCst);
                let seen = node.load(KEY, &wanted, NOW).await.unwrap().unwrap().record.head.revision;
                assert!(seen >= least, "revision {seen} after {least} was acknowledged");
            }
        }
    };
    let tasks: Vec<_> = (0..8).map(|task| tokio::spawn(work(task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (patches, loads) = (store.calls("patch"), store.calls("load"));
    println!("{patches} writes, {loads} of {} loads asked the store", 7 * ROUNDS);
    assert!(patches == ROUNDS && loads < 7 * ROUNDS, "some were hits");
}

/// A load that began after the copy was made wins, even if its record is older: after the failover of a server, an
/// undone write is gone.
#[tokio::test]
async fn a_store_that_went_back_is_believed() {
    let (node, store) = node().await;
    patch(&node, setting("cart.a", "2")).await;
    load(&node).await.unwrap();
    store.delete(KEY).await.unwrap();
    store.create(KEY, record(&[("cart.a", "1")])).await.unwrap();
    node.load(KEY, &Wanted::all().fresh(), NOW).await.unwrap().unwrap();
    assert_eq!(text(&node, "cart.a").await.as_deref(), Some("1"));
}
