//! The keys and bytes that a push moves to the store, over the wire and into the file.

use std::sync::Mutex;

use session_runtime::config::ServerConfig;
use session_runtime::patch::{Patch, Patched};
use session_runtime::record::Record;
use session_runtime::store::{Created, Loaded, StoreError};
use session_runtime::{MemoryStore, PostgresStore, RedisStore, async_trait};
use session_tests::servers::postgres::{Postgres, url};
use session_tests::servers::proxy::Proxy;
use session_tests::servers::redis::Redis;

use super::*;

#[derive(Session)]
#[session(key = "log", version = 1)]
struct Log {
    #[session(merge = append(max = 1000))]
    merged: Vec<String>,
    whole: Vec<String>,
    #[session(expires_after = "10m")]
    code: Option<String>,
}

/// Keys that a patch sets, removes and expects, and the bytes of its names and texts.
type Moved = (usize, usize, usize, usize);

/// A memory store that keeps what the last patch moved.
#[derive(Clone, Default)]
struct Weighing(Arc<(MemoryStore, Mutex<Moved>)>);

#[async_trait]
impl Store for Weighing {
    async fn create(&self, key: SessionKey, record: Record) -> Result<Created, StoreError> {
        self.0.0.create(key, record).await
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        self.0.0.load(key, wanted, now).await
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let set: usize = patch.set.iter().map(|(name, text)| name.len() + text.len()).sum();
        let removed: usize = patch.remove.iter().map(|name| name.len()).sum();
        // A store across a network sends a hash in place of the text.
        let expected: usize = patch.expected().iter().map(|expected| expected.name.len() + 8).sum();
        let moved = (patch.set.len(), patch.remove.len(), patch.expected().len(), set + removed + expected);
        *self.0.1.lock().unwrap() = moved;
        self.0.0.patch(key, patch, now).await
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        self.0.0.delete(key).await
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.0.0.sweep(limit, now).await
    }
}

/// Returns what the patch moved that a change of a session with two lists of this length makes.
async fn moved_by(length: usize, change: fn(&mut LogMut)) -> Moved {
    let (store, config) = (Weighing::default(), SessionConfig::new());
    let builder = Sessions::builder().store(store.clone()).config(config).schemas::<Log>();
    let sessions = builder.build().unwrap();
    let visit = sessions.open([]);
    {
        let mut log = visit.write::<Log>().await.unwrap();
        let elements = (0..length).map(|at| format!("Your order {at:04} was sent."));
        log.set_merged(elements.clone().collect());
        log.set_whole(elements.collect());
    }
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let visit = sessions.open([cookie.as_str()]);
    change(&mut visit.write::<Log>().await.unwrap());
    assert!(visit.finish(200).await.error.is_none());
    *store.0.1.lock().unwrap()
}

/// C104: a push sets one key, and moves as many bytes for a list of 999 elements as for one of ten.
#[tokio::test]
async fn a_push_moves_one_element_whatever_the_length() {
    let push: fn(&mut LogMut) = |log| log.merged_mut().push("Your invoice is ready.".to_owned());
    let push_whole: fn(&mut LogMut) = |log| log.whole_mut().push("Your invoice is ready.".to_owned());
    let (short, long) = (moved_by(10, push).await, moved_by(999, push).await);
    assert_eq!(short, long);
    assert_eq!((short.0, short.1, short.2), (1, 0, 1), "one key, on the metadata of its schema");
    assert!(short.3 < 80, "{short:?}");
    for (length, merged) in [(10, short), (999, long)] {
        let whole = moved_by(length, push_whole).await;
        println!("a push to {length} elements moves {} bytes, to the list stored whole {}", merged.3, whole.3);
        assert!(whole.3 > 25 * length);
    }
}

/// C105: an edit in place moves one element, and a removal its name.
#[tokio::test]
async fn an_edit_and_a_removal_move_one_element() {
    let edited = moved_by(999, |log| log.merged_mut()[500].push('!')).await;
    assert_eq!((edited.0, edited.1, edited.2), (1, 0, 2), "the metadata, and the element itself");
    let removed = moved_by(999, |log| _ = log.merged_mut().remove(500)).await;
    assert_eq!((removed.0, removed.1, removed.2), (0, 1, 1));
    let set = moved_by(10, |log| log.set_code("7312".to_owned())).await;
    assert_eq!((set.0, set.1, set.2), (2, 0, 1), "the value and its deadline");
}

const SHORT: usize = 10;
const LONG: usize = 990;

fn push(log: &mut LogMut) {
    log.merged_mut().push("Your invoice is ready.".to_owned());
}

fn push_whole(log: &mut LogMut) {
    log.whole_mut().push("Your invoice is ready.".to_owned());
}

/// Returns how much the second of two changes adds to a count. The first one brings the statement or script to the
/// server.
async fn added(store: impl Store, length: usize, change: fn(&mut LogMut), count: impl Fn() -> u64) -> u64 {
    let sessions = Sessions::builder().store(store).schemas::<Log>().clock(clock()).build().unwrap();
    let visit = sessions.open([]);
    {
        let mut log = visit.write::<Log>().await.unwrap();
        let elements = (0..length).map(|at| format!("Your order {at:04} was sent."));
        log.set_merged(elements.clone().collect());
        log.set_whole(elements.collect());
    }
    let cookie = visit.finish(200).await.cookie.header().unwrap().split(';').next().unwrap().to_owned();
    let mut before = 0;
    for _ in 0..2 {
        let visit = sessions.open([cookie.as_str()]);
        change(&mut visit.write::<Log>().await.unwrap());
        before = count();
        assert!(visit.finish(200).await.error.is_none());
    }
    count() - before
}

/// Bytes of a page in the log of a file, with its head.
const PAGE: u64 = 4_120;

/// Measures a push to a short and to a long list, each merged and stored whole. `measure` returns the bytes of one, and
/// `more` is how many more the long one may take.
async fn compare<F: Future<Output = u64>>(store: &str, more: u64, measure: impl Fn(usize, fn(&mut LogMut)) -> F) {
    let (short, long) = (measure(SHORT, push).await, measure(LONG, push).await);
    let (short_whole, long_whole) = (measure(SHORT, push_whole).await, measure(LONG, push_whole).await);
    println!(
        "{store}: a push to {SHORT} elements moves {short} bytes, to {LONG} elements {long}; stored whole {short_whole} \
         and {long_whole}"
    );
    assert!(long <= short + more, "{store}: {short} {long}");
    assert!(long_whole > 4 * long, "{store}: {long} {long_whole}");
}

/// C138: the bytes on their way to a server.
#[tokio::test]
async fn a_push_sends_one_element_to_a_server_whatever_the_length() {
    let one = ServerConfig { connections: 1, ..ServerConfig::default() };
    let (redis, postgres) = (Redis::start(), Postgres::start(""));
    let (to_redis, to_postgres) = (Proxy::start(redis.address()).await, Proxy::start(postgres.address()).await);
    compare("redis", 16, |length, change| {
        let store = RedisStore::builder(format!("redis://{}", to_redis.address())).server(one.clone()).open().unwrap();
        added(store, length, change, || to_redis.counts().to_server)
    })
    .await;
    compare("postgres", 16, |length, change| {
        let store = PostgresStore::builder(url(to_postgres.address())).connections(1).open().unwrap();
        added(store, length, change, || to_postgres.counts().to_server)
    })
    .await;
}

/// C138: the pages that are appended to the log of the file. A long list has the record and the element in two of them.
#[tokio::test]
async fn a_push_writes_one_element_to_the_file_whatever_the_length() {
    compare("sqlite", PAGE, async |length, change| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.db");
        let log = file.with_extension("db-wal");
        let store = SqliteStore::open(file).unwrap();
        added(store, length, change, || std::fs::metadata(&log).map_or(0, |log| log.len())).await
    })
    .await;
}
