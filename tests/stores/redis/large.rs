//! Large schemas: in hashes of their own, so that loads of other schemas do not read them.

use session_runtime::RedisStore;
use session_runtime::patch::{Expected, Patch, Precondition};
use session_runtime::store::{Store, Wanted};
use session_runtime::testing::hint::{UnchangedHint, hinted};
use session_tests::servers::redis::Redis;

use super::cost::{assert_ran, reset};
use super::fixture::{create, key, keys_with_deadlines, load, must_hold, must_patch, name, removing, setting};

/// A small cart, and `lines` entries of another schema.
fn session(lines: usize) -> Vec<(String, String)> {
    let mut pairs = vec![("cart".to_owned(), "{}".to_owned()), ("cart.a".to_owned(), "1".to_owned())];
    pairs.extend((0..lines).map(|line| (format!("notes.lines/{line}"), "\"a line\"".to_owned())));
    pairs.push(("notes".to_owned(), "{}".to_owned()));
    pairs
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

fn apart() -> [String; 2] {
    [name(1), format!("{}:notes", name(1))]
}

#[tokio::test]
async fn a_schema_that_is_large_when_it_is_first_stored_is_apart() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    let many = session(600);
    let page = format!("\"{}\"", "x".repeat(100_000));
    let long = [("cart", "{}"), ("notes.page", page.as_str())];
    for pairs in [borrowed(&many), long.to_vec()] {
        create(&store, 1, &pairs).await;
        must_hold(&store, 1, &pairs).await;
        assert_eq!(keys_with_deadlines(&mut server.connect()), apart());
        store.delete(key(1)).await.unwrap();
        create(&store, 1, &[("cart", "{}")]).await;
        must_patch(&store, 1, setting(&pairs)).await;
        must_hold(&store, 1, &pairs).await;
        assert_eq!(keys_with_deadlines(&mut server.connect()), apart());
        store.delete(key(1)).await.unwrap();
        assert!(keys_with_deadlines(&mut server.connect()).is_empty());
    }
}

/// Entry by entry, without a single large write.
#[tokio::test]
async fn a_schema_that_has_become_large_is_moved_with_the_next_write() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    let all = session(700);
    let pairs = borrowed(&all);
    create(&store, 1, &pairs[..2]).await;
    for some in pairs[2..].chunks(100) {
        must_patch(&store, 1, setting(some)).await;
    }
    must_patch(&store, 1, setting(&[("cart.a", "1")])).await;
    must_hold(&store, 1, &pairs).await;
    assert_eq!(keys_with_deadlines(&mut server.connect()), apart());
    // A program that knows nothing of it reads and writes it as before.
    let other = RedisStore::open(server.url()).unwrap();
    must_patch(&other, 1, removing(&["notes.lines/7"])).await;
    let rest: Vec<_> = pairs.iter().copied().filter(|(name, _)| *name != "notes.lines/7").collect();
    must_hold(&other, 1, &rest).await;
    assert_eq!(load(&other, 1, &Wanted::schemas(&["notes"])).await.unwrap().unwrap().record.values.len(), 700);
}

/// The short script, for a session that is unchanged since the load.
fn short(set: &[(&str, &str)], revision: u64, (bytes, keys): (usize, usize)) -> Patch {
    hinted(setting(set), UnchangedHint { revision, bytes, keys })
}

#[tokio::test]
async fn a_small_write_of_a_large_session_is_one_command() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    // Opens all connections.
    store.prepare().await.unwrap();
    let all = session(600);
    create(&store, 1, &borrowed(&all)).await;
    let stats = &mut server.connect();
    let totals = {
        let loaded = load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap().unwrap();
        (loaded.bytes, loaded.keys)
    };
    must_patch(&store, 1, short(&[("cart.a", "2")], 0, totals)).await;
    reset(stats);
    must_patch(&store, 1, short(&[("cart.a", "3")], 1, totals)).await;
    assert_ran(stats, &[("evalsha", 1), ("hget", 1), ("hlen", 1), ("hset", 1)]);
    reset(stats);
    must_patch(&store, 1, short(&[("notes.lines/7", "\"another\"")], 2, (totals.0 + 1, totals.1))).await;
    assert_ran(stats, &[("evalsha", 1), ("exists", 1), ("hget", 1), ("hlen", 1), ("hset", 2)]);
    reset(stats);
    load(&store, 1, &Wanted::schemas(&["cart"])).await.unwrap().unwrap();
    assert_ran(stats, &[("hgetall", 1)]);
    reset(stats);
    let notes = load(&store, 1, &Wanted::schemas(&["notes"])).await.unwrap().unwrap();
    assert_eq!(notes.record.values.get("notes.lines/7"), Some("\"another\""));
    assert_ran(stats, &[("hget", 1), ("hgetall", 2)]);
}

/// A key in each of two hashes: the script that compares decides.
#[tokio::test]
async fn a_write_of_two_hashes_is_not_torn() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    let mut all = session(600);
    create(&store, 1, &borrowed(&all)).await;
    let totals = (borrowed(&all).iter().map(|(name, text)| name.len() + text.len()).sum(), all.len());
    must_patch(&store, 1, short(&[("cart.a", "2"), ("notes", "[]")], 0, totals)).await;
    all[1].1 = "2".to_owned();
    all.last_mut().unwrap().1 = "[]".to_owned();
    must_hold(&store, 1, &borrowed(&all)).await;
}

#[tokio::test]
async fn a_large_hash_that_was_evicted_is_named() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    let all = session(600);
    let head = create(&store, 1, &borrowed(&all)).await;
    redis::cmd("DEL").arg(&apart()[1]).exec(&mut server.connect()).unwrap();
    let notes = load(&store, 1, &Wanted::schemas(&["notes"])).await.unwrap().unwrap();
    assert_eq!(notes.unreadable.iter().map(|name| &**name).collect::<Vec<_>>(), ["notes"]);
    let absent = Expected::new("notes.lines/7", None);
    let write = short(&[("notes.lines/7", "1")], head.revision, (1, 1));
    let refused = store.patch(key(1), write.precondition(Precondition::Values(vec![absent])), head.created).await;
    assert!(refused.is_err(), "the rest of the schema would be lost");
}
