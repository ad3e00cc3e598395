//! Records that another program has changed: an error, never a panic, and never an empty session instead.

use redis::Connection;
use session_runtime::RedisStore;
use session_runtime::store::{Created, LoadedHead, Store, StoreErrorKind, Wanted};
use session_tests::servers::redis::Redis;

use super::fixture::{
    assert_fails, create, key, load, load_all, must_hold, must_patch, name, now, patch, record, removing, setting,
    values,
};

struct Broken {
    server: Redis,
    store: RedisStore,
}

async fn damaged(damage: impl Fn(&mut Connection, &str)) -> Broken {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    create(&store, 1, &[("cart", "{}"), ("cart.a", "1")]).await;
    create(&store, 2, &[("cart", "{}")]).await;
    damage(&mut server.connect(), &name(1));
    Broken { server, store }
}

impl Broken {
    /// Neither read nor written, and the others are as they were. It can be destroyed, and its key is taken till then.
    async fn must_be_unreadable(&self) {
        let Self { store, .. } = self;
        assert_fails(load_all(store, 1).await, StoreErrorKind::Corrupt);
        let heads = store.heads(&[key(1), key(2), key(3)], now()).await.unwrap();
        assert!(matches!(heads[..], [LoadedHead::Unreadable, LoadedHead::Alive(_), LoadedHead::Absent]), "{heads:?}");
        assert_fails(patch(store, 1, setting(&[("cart.a", "2")])).await, StoreErrorKind::Corrupt);
        assert_eq!(store.create(key(1), record(&[])).await.unwrap(), Created::Taken);
        assert_eq!(store.sweep(10, now()).await.unwrap(), 0);
        assert!(load_all(store, 2).await.unwrap().is_some());
        store.delete(key(1)).await.unwrap();
        assert!(load_all(store, 1).await.unwrap().is_none());
        let left: bool = redis::cmd("EXISTS").arg(name(1)).query(&mut self.server.connect()).unwrap();
        assert!(!left);
    }
}

fn set(server: &mut Connection, name: &str, field: &str, value: &[u8]) {
    redis::cmd("HSET").arg(name).arg(field).arg(value).exec(server).unwrap();
}

fn head(server: &mut Connection, name: &str) -> Vec<u8> {
    redis::cmd("HGET").arg(name).arg("\0").query(server).unwrap()
}

#[tokio::test]
async fn a_session_without_its_head_is_unreadable() {
    let broken = damaged(|server, name| redis::cmd("HDEL").arg(name).arg("\0").exec(server).unwrap()).await;
    broken.must_be_unreadable().await;
}

#[tokio::test]
async fn a_short_head_is_unreadable() {
    for length in [0, 1, 17, 163] {
        let broken = damaged(|server, name| {
            let head = head(server, name);
            set(server, name, "\0", &head[..length]);
        });
        broken.await.must_be_unreadable().await;
    }
}

#[tokio::test]
async fn a_head_of_another_layout_is_unreadable() {
    let broken = damaged(|server, name| {
        let mut head = head(server, name);
        head[0] = 2;
        set(server, name, "\0", &head);
    });
    broken.await.must_be_unreadable().await;
}

/// C62: a value of another type under the key of a session.
#[tokio::test]
async fn a_value_of_another_type_is_unreadable() {
    let broken = damaged(|server, name| redis::cmd("SET").arg(name).arg("text").exec(server).unwrap()).await;
    broken.must_be_unreadable().await;
}

/// Bytes that are no text are an error where they are wanted, and nowhere else.
#[tokio::test]
async fn a_value_that_is_no_text_is_unreadable() {
    let broken = damaged(|server, name| set(server, name, "cart.a", b"\xff")).await;
    let loaded = load_all(&broken.store, 1).await.unwrap().unwrap();
    assert_eq!(loaded.unreadable.iter().map(|name| &**name).collect::<Vec<_>>(), ["cart.a"]);
    assert_eq!(loaded.record.values, values(&[("cart", "{}")]));
    let loaded = load(&broken.store, 1, &Wanted::schemas(&["prefs"])).await.unwrap().unwrap();
    assert!(loaded.record.values.is_empty() && loaded.unreadable.is_empty());
    must_patch(&broken.store, 1, removing(&["cart.a"])).await;
    must_hold(&broken.store, 1, &[("cart", "{}")]).await;
}

/// Every byte of a head turned over: it is read, or it is an error; and the totals stay numbers.
#[tokio::test]
async fn a_head_with_wrong_bytes_never_panics() {
    let broken = damaged(|_, _| {}).await;
    let whole = head(&mut broken.server.connect(), &name(1));
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut wrong = whole.clone();
            wrong[at] ^= flip;
            set(&mut broken.server.connect(), &name(1), "\0", &wrong);
            let _ = load_all(&broken.store, 1).await;
            let _ = patch(&broken.store, 1, setting(&[("cart.a", "3")])).await;
            let _ = load_all(&broken.store, 1).await;
        }
    }
    assert_eq!(load_all(&broken.store, 2).await.unwrap().unwrap().keys, 1);
}

/// A list of schemas that names what is not there.
#[tokio::test]
async fn a_list_of_schemas_that_are_not_there_is_noticed() {
    let broken = damaged(|server, name| {
        let head = [&head(server, name)[..], b"history\0"].concat();
        set(server, name, "\0", &head);
    })
    .await;
    let loaded = load_all(&broken.store, 1).await.unwrap().unwrap();
    assert_eq!(loaded.unreadable.iter().map(|name| &**name).collect::<Vec<_>>(), ["history"]);
    assert!(load(&broken.store, 1, &Wanted::schemas(&["cart"])).await.unwrap().unwrap().unreadable.is_empty());
}

/// A name that only this store may use is refused before anything is written.
#[tokio::test]
async fn a_stored_key_cannot_be_the_head() {
    let broken = damaged(|_, _| {}).await;
    assert_fails(patch(&broken.store, 1, setting(&[("\0", "1")])).await, StoreErrorKind::Unsupported);
    assert_fails(broken.store.create(key(3), record(&[("\0x", "1")])).await, StoreErrorKind::Unsupported);
    assert!(load_all(&broken.store, 1).await.unwrap().is_some());
    assert!(load_all(&broken.store, 3).await.unwrap().is_none());
}
