//! Lookups of the sessions of one user: their rate among ten thousand sessions and among a million, ten for each user.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rocket::futures::future::join_all;
use session_runtime::clock::Timestamp;
use session_runtime::record::{Record, Values};
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, PostgresStore, RedisStore, Session, SessionKey, Sessions, SqliteStore, Store};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;

use crate::client::block_on;
use crate::table::{Goal, Table, median};

const SMALL: u32 = 10_000;
const LARGE: u32 = 1_000_000;
/// Sessions of one user.
const OF_A_USER: u32 = 10;
/// Number of sessions that are stored at once before the measurement.
const AT_ONCE: usize = 256;
const ROUNDS: usize = 7;
/// Time of one measurement.
const TIME: Duration = Duration::from_millis(500);

#[derive(Session)]
#[session(key = "auth", version = 1)]
struct Auth {
    #[session(renew, index)]
    user: Option<String>,
}

pub(crate) fn measure(table: &mut Table) {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| Arc::new(SqliteStore::open(folder.path().join(name)).expect("a file"));
        let (redis, postgres) = ([Redis::start(), Redis::start()], Postgres::start("shared_buffers = 1500MB"));
        let on_redis = |at: usize| Arc::new(RedisStore::open(redis[at].url()).expect("a store"));
        let in_schema =
            |name: &str| Arc::new(PostgresStore::builder(postgres.url()).schema(name).open().expect("a store"));
        compare(table, "memory", [Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new())]).await;
        compare(table, "SQLite", [file("small.db"), file("large.db")]).await;
        compare(table, "Redis", [on_redis(0), on_redis(1)]).await;
        compare(table, "PostgreSQL", [in_schema("small"), in_schema("large")]).await;
    });
}

/// Measures both stores in turns. The first turn is not counted, since it fills caches.
async fn compare<S: Store>(table: &mut Table, name: &str, [small, large]: [Arc<S>; 2]) {
    let nodes = [filled(small, SMALL).await, filled(large, LARGE).await];
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (few, many) = (rate(&nodes[0], SMALL).await, rate(&nodes[1], LARGE).await);
        if round > 0 {
            rates.push(few);
            ratios.push(many / few);
        }
    }
    let lookups = format!("{name}: lookups of {OF_A_USER} sessions a second, of {SMALL} sessions");
    table.line(&lookups, median(rates), 0, Goal::None);
    table.line(&format!("{name}: lookups of {LARGE} sessions beside them"), median(ratios), 2, Goal::AtLeast(0.9));
}

/// Returns a node over the store with this many sessions.
async fn filled<S: Store>(store: Arc<S>, count: u32) -> Sessions {
    let sessions = Sessions::builder().store(Arc::clone(&store)).schemas::<Auth>().build().expect("settings");
    sessions.prepare().await.expect("a store that works");
    let now = Timestamp::from(SystemTime::now()).as_millis();
    let numbers: Vec<u32> = (0..count).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let creates = numbers.iter().map(|n| store.create(key(*n), record(*n, now)));
        for created in join_all(creates).await {
            created.expect("a session");
        }
    }
    sessions
}

/// Spread as random keys are.
fn key(n: u32) -> SessionKey {
    let key = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    SessionKey::from_bytes(key.to_be_bytes())
}

fn record(n: u32, now: i64) -> Record {
    let user = format!("\"user {}\"", n / OF_A_USER);
    let values: Values =
        [("auth".into(), r#"{"v":1}"#.into()), ("auth.user".into(), user.into())].into_iter().collect();
    Record::new(head_at(now), values)
}

/// Lookups a second, each of another user.
async fn rate(sessions: &Sessions, count: u32) -> f64 {
    let (started, mut lookups, mut user) = (Instant::now(), 0.0, 0_u32);
    while started.elapsed() < TIME {
        user = user.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let name = format!("user {}", user % (count / OF_A_USER));
        let found = sessions.list(Auth::by_user(name.as_str())).await.expect("a list");
        assert_eq!(found.len(), OF_A_USER as usize, "{name}");
        lookups += 1.0;
    }
    lookups / started.elapsed().as_secs_f64()
}
