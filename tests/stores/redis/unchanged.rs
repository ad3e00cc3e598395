//! Patches that describe the unchanged record: a short script sets the values, and the full script handles all other
//! cases.

use std::collections::BTreeMap;
use std::time::Duration;

use session_runtime::RedisStore;
use session_runtime::clock::Timestamp;
use session_runtime::id::SecretHash;
use session_runtime::patch::{Deadline, NewSecret, Patch, Patched};
use session_runtime::record::Head;
use session_runtime::store::{Loaded, Store};
use session_runtime::testing::hint::{UnchangedHint, hinted};
use session_tests::servers::redis::Redis;

use super::cost::{assert_ran, reset};
use super::fixture::{create, key, load_all, must_hold, must_patch, now, patch, resting, setting};

const CART: [(&str, &str); 2] = [("cart", "{}"), ("cart.a", "1")];
const SHORT: [(&str, u64); 3] = [("evalsha", 1), ("hget", 1), ("hset", 1)];
/// In vain, and then the script for all patches.
const BOTH: [(&str, u64); 4] = [("evalsha", 2), ("hget", 1), ("hmget", 1), ("hset", 1)];

fn store(server: &Redis, lazy: &[&'static str]) -> RedisStore {
    let store = RedisStore::open(server.url()).unwrap();
    store.set_lazy_schemas(lazy);
    store
}

/// The server has both scripts after that.
async fn warm_up(store: &RedisStore) {
    create(store, 9, &CART).await;
    let loaded = load_all(store, 9).await.unwrap().unwrap();
    for _ in 0..2 {
        must_patch(store, 9, describing(setting(&[("cart.a", "2")]), &loaded)).await;
    }
}

/// Adds to the patch a description of the loaded session.
fn describing(patch: Patch, loaded: &Loaded) -> Patch {
    let Loaded { record, bytes, keys, .. } = loaded;
    let mut values: BTreeMap<&str, &str> = record.values.iter().map(|(name, text)| (&**name, &**text)).collect();
    values.extend(patch.set.iter().map(|(name, text)| (&**name, &**text)));
    let came = values.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>();
    let (bytes, keys) = (bytes + came - record.values.bytes(), keys + values.len() - record.values.len());
    hinted(patch, UnchangedHint { revision: record.head.revision, bytes, keys })
}

#[tokio::test]
async fn a_patch_of_an_unchanged_session_is_one_short_script() {
    let server = Redis::start();
    let store = store(&server, &[]);
    warm_up(&store).await;
    create(&store, 1, &CART).await;
    let loaded = load_all(&store, 1).await.unwrap().unwrap();
    let stats = &mut server.connect();
    reset(stats);
    let patch = describing(resting(setting(&[("cart.a", "22"), ("cart.b", "3")]), "cart.a", "1"), &loaded);
    let head = must_patch(&store, 1, patch).await;
    assert_ran(stats, &SHORT);
    assert_eq!(head, Head { revision: 1, ..loaded.record.head });
    must_hold(&store, 1, &[("cart", "{}"), ("cart.a", "22"), ("cart.b", "3")]).await;
}

#[tokio::test]
async fn a_patch_of_a_changed_session_is_judged_by_its_bases() {
    let server = Redis::start();
    let store = store(&server, &[]);
    warm_up(&store).await;
    create(&store, 1, &CART).await;
    let loaded = load_all(&store, 1).await.unwrap().unwrap();
    let late = |pairs| describing(resting(setting(pairs), "cart.a", "1"), &loaded);
    must_patch(&store, 1, setting(&[("cart.b", "theirs")])).await;
    let stats = &mut server.connect();
    reset(stats);
    assert_eq!(must_patch(&store, 1, late(&[("cart.c", "3")])).await.revision, 2);
    assert_ran(stats, &BOTH);
    must_patch(&store, 1, setting(&[("cart.a", "7")])).await;
    let answer = patch(&store, 1, late(&[("cart.a", "9")])).await.unwrap();
    let Patched::Conflict(current) = answer else { panic!("it was answered {answer:?}") };
    assert_eq!(current.values.get("cart.a"), Some("7"));
    must_hold(&store, 1, &[("cart", "{}"), ("cart.a", "7"), ("cart.b", "theirs"), ("cart.c", "3")]).await;
}

/// The deadline to the millisecond, on both sides of a change of the upper half of the moment.
#[tokio::test]
async fn an_expired_session_is_not_written() {
    let server = Redis::start();
    let store = store(&server, &[]);
    create(&store, 1, &CART).await;
    let far = Timestamp::from_millis((now().as_millis() >> 32 << 32) + (2 << 32));
    for (revision, expires) in
        (0..).zip([far, far.after(Duration::from_millis(1)), far.before(Duration::from_millis(1))])
    {
        let loaded = load_all(&store, 1).await.unwrap().unwrap();
        let choose = Deadline::Choose { expiry: loaded.record.head.expiry, touched: now(), expires };
        let head = must_patch(&store, 1, setting(&[]).deadline(choose)).await;
        assert_eq!((head.idle_deadline, head.revision), (expires, revision));
        let text = format!("{revision} more");
        let late = || describing(setting(&[("cart.a", &text)]), &loaded);
        for late_by in [0, 1, 1 << 32] {
            let answer = store.patch(key(1), late(), expires.after(Duration::from_millis(late_by))).await.unwrap();
            assert!(matches!(answer, Patched::Gone), "{late_by} ms after the end: {answer:?}");
        }
        assert_eq!(load_all(&store, 1).await.unwrap().unwrap().record.values, loaded.record.values);
        let answer = store.patch(key(1), late(), expires.before(Duration::from_millis(1))).await.unwrap();
        assert!(matches!(answer, Patched::Done(_)), "1 ms before the end: {answer:?}");
    }
}

/// A login, a use and a new secret do not raise the revision: the head that is there is kept.
#[tokio::test]
async fn another_request_may_change_the_head_meanwhile() {
    let server = Redis::start();
    let store = store(&server, &[]);
    warm_up(&store).await;
    create(&store, 1, &CART).await;
    let loaded = load_all(&store, 1).await.unwrap().unwrap();
    let Head { secret, idle_deadline: expires, .. } = loaded.record.head.clone();
    let moved = expires.after(Duration::from_secs(60));
    let touch = Deadline::Touch { seen: expires, touched: now(), expires: moved };
    let periodic =
        NewSecret::Periodic { seen: secret, seen_expires: expires, hash: SecretHash::from_bytes([7; 32]), at: now() };
    let theirs = setting(&[]).deadline(touch).secret(periodic);
    let head = must_patch(&store, 1, theirs).await;
    assert_eq!((head.idle_deadline, head.revision), (moved, 0));
    let stats = &mut server.connect();
    reset(stats);
    let after = must_patch(&store, 1, describing(setting(&[("cart.a", "2")]), &loaded)).await;
    assert_ran(stats, &SHORT);
    assert_eq!(after, Head { revision: 1, ..head });

    let loaded = load_all(&store, 1).await.unwrap().unwrap();
    let raise = NewSecret::Raise { hash: SecretHash::from_bytes([9; 32]), at: now() };
    must_patch(&store, 1, setting(&[]).secret(raise)).await;
    let answer = patch(&store, 1, describing(setting(&[("cart.a", "3")]), &loaded)).await.unwrap();
    assert!(matches!(answer, Patched::Renewed), "{answer:?}");
    must_hold(&store, 1, &[("cart", "{}"), ("cart.a", "2")]).await;
}

/// Names of schemas that end or begin like the one that is kept apart are others.
#[tokio::test]
async fn a_schema_kept_apart_does_not_slow_the_others_down() {
    let server = Redis::start();
    let store = store(&server, &["history", "log"]);
    warm_up(&store).await;
    create(&store, 1, &[("cart.a", "1"), ("history", "{}"), ("log.a", "1")]).await;
    let stats = &mut server.connect();
    for name in ["cart.a", "story.a", "hist", "istor", "history2.a", "og.a", "lo"] {
        let loaded = load_all(&store, 1).await.unwrap().unwrap();
        reset(stats);
        must_patch(&store, 1, describing(setting(&[(name, "2")]), &loaded)).await;
        assert_ran(stats, &SHORT);
    }
    let loaded = load_all(&store, 1).await.unwrap().unwrap();
    assert_eq!((loaded.bytes, loaded.keys), (loaded.record.values.bytes(), 9));
    // One command too, of the other kind.
    reset(stats);
    must_patch(&store, 1, describing(setting(&[("history.a", "1")]), &loaded)).await;
    assert_ran(stats, &[("evalsha", 1), ("exists", 1), ("hmget", 2), ("hset", 2)]);
}

/// This program would write into the main hash what another one keeps apart.
#[tokio::test]
async fn a_schema_that_another_program_made_lazy_stays_lazy() {
    let server = Redis::start();
    let (ours, theirs) = (store(&server, &[]), store(&server, &["log", "history"]));
    create(&theirs, 1, &[("cart.a", "1"), ("history", "{}"), ("log.a", "1")]).await;
    for name in ["history", "history.b", "log.a", "log"] {
        let loaded = load_all(&ours, 1).await.unwrap().unwrap();
        must_patch(&ours, 1, describing(setting(&[("cart.a", name), (name, "7")]), &loaded)).await;
        let main: Vec<String> = redis::cmd("HKEYS").arg(super::fixture::name(1)).query(&mut server.connect()).unwrap();
        assert!(main.iter().all(|stored| ["\0", "cart.a"].contains(&&**stored)), "{main:?}");
    }
    let all = [("cart.a", "log"), ("history", "7"), ("history.b", "7"), ("log", "7"), ("log.a", "7")];
    must_hold(&theirs, 1, &all).await;
}
