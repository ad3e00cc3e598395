//! Schemas that are kept apart: in hashes of their own, which belong to the session in every other way.

use session_runtime::RedisStore;
use session_runtime::patch::{Deadline, Expected, Patched, Precondition};
use session_runtime::store::{Created, Store, StoreErrorKind, Wanted};
use session_tests::servers::redis::Redis;

use super::fixture::{
    assert_fails, assert_holds, create, key, keys_with_deadlines, load, must_hold, must_patch, name, now, patch,
    record, removing, resting, setting, values,
};

fn store(server: &Redis, lazy: &[&'static str]) -> RedisStore {
    let store = RedisStore::open(server.url()).unwrap();
    store.set_lazy_schemas(lazy);
    store
}

const SESSION: [(&str, &str); 4] = [("cart", "{}"), ("cart.a", "1"), ("history", "{}"), ("history.seen/7", "1")];

#[tokio::test]
async fn a_schema_that_is_kept_apart_has_a_hash_of_its_own() {
    let server = Redis::start();
    let store = store(&server, &["history"]);
    create(&store, 1, &SESSION).await;
    must_hold(&store, 1, &SESSION).await;
    let cart = load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap().unwrap();
    assert_eq!(cart.record.values, values(&SESSION[..2]));
    assert_eq!((cart.bytes, cart.keys), (values(&SESSION).bytes(), 4));
    let both = load(&store, 1, &Wanted::schemas(&["history"])).await.unwrap().unwrap();
    assert_eq!(both.record.values.get("history.seen/7"), Some("1"));
    let names = keys_with_deadlines(&mut server.connect());
    assert_eq!(names, [name(1), format!("{}:history", name(1))]);
    store.delete(key(1)).await.unwrap();
    assert!(keys_with_deadlines(&mut server.connect()).is_empty());
}

#[tokio::test]
async fn the_first_write_of_a_schema_gives_it_its_hash() {
    let server = Redis::start();
    let store = store(&server, &["history"]);
    create(&store, 1, &SESSION[..2]).await;
    must_patch(&store, 1, setting(&SESSION[2..])).await;
    must_hold(&store, 1, &SESSION).await;
    assert_eq!(keys_with_deadlines(&mut server.connect()).len(), 2);
    // It may become empty without becoming a loss.
    must_patch(&store, 1, removing(&["history", "history.seen/7"])).await;
    must_hold(&store, 1, &SESSION[..2]).await;
    let answer = patch(&store, 1, resting(setting(&[("history.seen/7", "3")]), "history.seen/7", "1")).await.unwrap();
    assert!(matches!(answer, Patched::Conflict(_)));
    must_patch(&store, 1, setting(&[("history.seen/7", "2")])).await;
    let all = [SESSION[0], SESSION[1], ("history.seen/7", "2")];
    must_hold(&store, 1, &all).await;
}

#[tokio::test]
async fn the_deadline_moves_on_every_hash() {
    let server = Redis::start();
    let store = store(&server, &["history"]);
    let head = create(&store, 1, &SESSION).await;
    let ttl = |name: String| -> i64 { redis::cmd("PTTL").arg(name).query(&mut server.connect()).unwrap() };
    let before = ttl(name(1));
    let expires = head.idle_deadline.after(std::time::Duration::from_secs(3600));
    let touch = Deadline::Touch { seen: head.idle_deadline, touched: now(), expires };
    must_patch(&store, 1, setting(&[]).deadline(touch)).await;
    for name in [name(1), format!("{}:history", name(1))] {
        assert!(ttl(name.clone()) > before + 3_000_000, "the deadline of `{name}` did not move");
    }
}

/// Old and new programs of a rolling deploy, one of which keeps apart what the other does not.
#[tokio::test]
async fn programs_that_disagree_read_and_write_each_others_sessions() {
    let server = Redis::start();
    let (old, new) = (store(&server, &[]), store(&server, &["history"]));
    create(&old, 1, &SESSION).await;
    create(&new, 2, &SESSION).await;
    for number in [1, 2] {
        for store in [&old, &new] {
            must_hold(store, number, &SESSION).await;
            let history = load(store, number, &Wanted::schemas(&["history"])).await.unwrap().unwrap();
            assert_eq!(history.record.values.get("history.seen/7"), Some("1"));
        }
        must_patch(&old, number, resting(setting(&[("history.seen/7", "2")]), "history.seen/7", "1")).await;
        must_patch(&new, number, resting(setting(&[("history.seen/7", "3")]), "history.seen/7", "2")).await;
        let all = [SESSION[0], SESSION[1], SESSION[2], ("history.seen/7", "3")];
        must_hold(&old, number, &all).await;
        must_hold(&new, number, &all).await;
    }
    assert_eq!(keys_with_deadlines(&mut server.connect()).len(), 3);
    old.delete(key(2)).await.unwrap();
    new.delete(key(1)).await.unwrap();
    assert!(keys_with_deadlines(&mut server.connect()).is_empty());
}

/// Metadata or not: what is in the main hash is found there by a program that would keep it apart.
#[tokio::test]
async fn a_schema_without_metadata_stays_where_it_is() {
    let server = Redis::start();
    let (old, new) = (store(&server, &[]), store(&server, &["history"]));
    create(&old, 1, &[("history.a", "1")]).await;
    must_patch(&new, 1, setting(&[("history.b", "2")])).await;
    must_hold(&new, 1, &[("history.a", "1"), ("history.b", "2")]).await;
    assert_eq!(keys_with_deadlines(&mut server.connect()), [name(1)]);
}

#[tokio::test]
async fn a_hash_that_was_evicted_is_named_and_not_written_over() {
    let server = Redis::start();
    let store = store(&server, &["history"]);
    create(&store, 1, &SESSION).await;
    redis::cmd("DEL").arg(format!("{}:history", name(1))).exec(&mut server.connect()).unwrap();
    for (wanted, read) in [(Wanted::schemas(&["history"]), 0), (Wanted::all(), 2)] {
        let loaded = load(&store, 1, &wanted).await.unwrap().unwrap();
        assert_eq!(loaded.record.values, values(&SESSION[..read]));
        assert_eq!(loaded.unreadable.iter().map(|name| &**name).collect::<Vec<_>>(), ["history"]);
    }
    let absent = Expected::new("history", None);
    let expecting = removing(&["history"]).precondition(Precondition::Values(vec![absent]));
    for refused in [setting(&[("history.seen/8", "1")]), removing(&["history.seen/7"]), expecting] {
        let message = assert_fails(patch(&store, 1, refused).await, StoreErrorKind::Corrupt);
        assert!(message.contains("hash of a lazy schema"), "{message}");
    }
    // The rest is as it was.
    let cart = load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap().unwrap();
    assert_eq!(cart.record.values, values(&SESSION[..2]));
    must_patch(&store, 1, setting(&[("cart.a", "2")])).await;
}

#[tokio::test]
async fn a_lost_hash_is_dropped_by_a_patch_that_removes_its_schema() {
    let server = Redis::start();
    let store = store(&server, &["history", "notes"]);
    create(&store, 1, &[&SESSION[..], &[("notes", "{}"), ("notes.a", "5")]].concat()).await;
    redis::cmd("DEL").arg(format!("{}:history", name(1))).exec(&mut server.connect()).unwrap();
    must_patch(&store, 1, removing(&["history", "history.seen/7"])).await;
    let rest = [SESSION[0], SESSION[1], ("notes", "{}"), ("notes.a", "5")];
    must_hold(&store, 1, &rest).await;
    // The schema begins anew, in a hash of its own.
    must_patch(&store, 1, setting(&[("history.new", "1")])).await;
    must_hold(&store, 1, &[&rest[..], &[("history.new", "1")]].concat()).await;
    assert_eq!(keys_with_deadlines(&mut server.connect()).len(), 3);
}

#[tokio::test]
async fn a_hash_that_was_left_behind_is_not_taken_over() {
    let server = Redis::start();
    let store = store(&server, &["history"]);
    create(&store, 1, &SESSION).await;
    redis::cmd("DEL").arg(name(1)).exec(&mut server.connect()).unwrap();
    assert_eq!(store.create(key(1), record(&SESSION[..2])).await.unwrap(), Created::Done);
    must_hold(&store, 1, &SESSION[..2]).await;
    must_patch(&store, 1, setting(&[("history.new", "1")])).await;
    let loaded = load(&store, 1, &Wanted::all()).await.unwrap().unwrap();
    assert_holds(&loaded, &[SESSION[0], SESSION[1], ("history.new", "1")]);
}
