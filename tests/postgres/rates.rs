//! How fast the store is, beside the bare client on the same connection. No assertion on time: run by hand, in release.

use std::sync::Arc;
use std::time::{Duration, Instant};

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Expected, Patch, Patched, RestsOn};
use session_runtime::record::{Record, Values};
use session_runtime::store::Wanted;
use session_runtime::testing::head_at;
use session_runtime::{PostgresStore, SessionKey, Store};
use session_tests::servers::postgres::{PgBouncer, Postgres};

const TASKS: u8 = 16;
const TIME: Duration = Duration::from_secs(3);
const NOW: Timestamp = Timestamp::from_millis(1_000);

/// One session with a counter and so many keys beside it.
async fn session(store: &PostgresStore, n: u8, keys: usize) -> SessionKey {
    let key = SessionKey::from_bytes([n; 16]);
    let others = (0..keys).map(|n| (format!("other.items/{n:05}").into(), "1".into()));
    let ours = [("cart".into(), r#"{"v":1}"#.into()), ("cart.visits".into(), "0".into())];
    let values: Values = ours.into_iter().chain(others).collect();
    store.delete(key).await.unwrap();
    store.create(key, Record { head: head_at(1_000), values }).await.unwrap();
    key
}

async fn read(store: &PostgresStore, key: SessionKey) -> String {
    let loaded = store.load(key, &Wanted::schemas(&["cart"]), NOW).await.unwrap().unwrap();
    loaded.record.values.get("cart.visits").unwrap().to_owned()
}

async fn add(store: &PostgresStore, key: SessionKey) {
    let visits = read(store, key).await;
    let next = (visits.parse::<u64>().unwrap() + 1).to_string();
    let expected = |name: &str, base: &str| Expected { name: name.into(), base: Some(base.into()), or_ours: false };
    let rests_on = RestsOn::Values(vec![expected("cart", r#"{"v":1}"#), expected("cart.visits", &visits)]);
    let patch = Patch { rests_on, set: vec![("cart.visits".into(), next.into())], ..Patch::on_generation(0) };
    assert!(matches!(store.patch(key, patch, NOW).await.unwrap(), Patched::Done(_)));
}

async fn rate<F: Future<Output = ()> + Send>(what: &str, work: impl Fn(u8) -> F + Clone + Send + Sync + 'static) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let work = work.clone();
            tokio::spawn(async move {
                let (begun, mut done) = (Instant::now(), 0u64);
                while begun.elapsed() < TIME {
                    work(n).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    println!("{what}: {} a second", done / TIME.as_secs());
}

async fn rates(what: &str, store: PostgresStore, keys: usize) {
    let store = Arc::new(store);
    for n in 0..TASKS {
        session(&store, n, keys).await;
    }
    let shared = Arc::clone(&store);
    let reading = move |n| {
        let store = Arc::clone(&shared);
        async move { drop(read(&store, SessionKey::from_bytes([n; 16])).await) }
    };
    rate(&format!("{what}, load"), reading).await;
    let adding = move |n| {
        let store = Arc::clone(&store);
        async move { add(&store, SessionKey::from_bytes([n; 16])).await }
    };
    rate(&format!("{what}, load and patch"), adding).await;
}

/// `cargo test --release -p session-tests --test postgres rates -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes the machine for a while, and says how fast it is"]
async fn rates_of_the_store() {
    let server = Postgres::start("synchronous_commit = on");
    let mut clients = Vec::new();
    for _ in 0..2 {
        let client = server.client().await;
        let statement = client.prepare("SELECT 1").await.unwrap();
        clients.push(Arc::new((client, statement)));
    }
    let bare = move |n: u8| {
        let client = Arc::clone(&clients[usize::from(n % 2)]);
        async move { drop(client.0.query(&client.1, &[]).await.unwrap()) }
    };
    rate("the client alone, SELECT 1", bare).await;
    rates("two connections", PostgresStore::open(server.url()).unwrap(), 0).await;
    rates("two connections, 1,000 other keys", PostgresStore::open(server.url()).unwrap(), 1_000).await;
    let bouncer = PgBouncer::start(&server, 4);
    rates("through PgBouncer", PostgresStore::open(bouncer.url()).unwrap(), 0).await;
}
