//! Lookups of the sessions of one user: their rate among ten thousand sessions and among a million, ten for each user.
//! Beside those in `SQLite` stand the same statements through `rusqlite` alone, on the same files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rocket::futures::future::join_all;
use rusqlite::{Connection, params};
use session_runtime::clock::Timestamp;
use session_runtime::record::{Record, Values};
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, PostgresStore, RedisStore, Session, SessionKey, Sessions, SqliteStore, Store};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use session_tests::stores::PATIENT_ADMISSION;

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
    // All of them, unless the variable `INDEX` names some.
    let wanted = std::env::var("INDEX").unwrap_or_default();
    for (name, measure) in STORES {
        if wanted.is_empty() || wanted.split(',').any(|word| word == name) {
            measure(table);
        }
    }
}

/// Measures one store.
type Section = (&'static str, fn(&mut Table));

const STORES: [Section; 4] = [("memory", memory), ("sqlite", sqlite), ("redis", redis), ("postgres", postgres)];

fn memory(table: &mut Table) {
    compare(table, "memory", [Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new())]);
}

fn sqlite(table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["small.db", "large.db"].map(|name| folder.path().join(name));
    let file = |path: &PathBuf| SqliteStore::builder(path).admission(PATIENT_ADMISSION).open().expect("a file");
    compare(table, "SQLite", paths.each_ref().map(|path| Arc::new(file(path))));
    compare_plain(table, paths.each_ref().map(|path| Plain::open(path)));
}

fn redis(table: &mut Table) {
    let servers = [Redis::start(), Redis::start()];
    let store =
        |server: &Redis| RedisStore::builder(server.url()).admission(PATIENT_ADMISSION).open().expect("a store");
    compare(table, "Redis", servers.each_ref().map(|server| Arc::new(store(server))));
}

fn postgres(table: &mut Table) {
    let server = Postgres::start("shared_buffers = 1500MB");
    let store = |schema| PostgresStore::builder(server.url()).schema(schema).admission(PATIENT_ADMISSION).open();
    compare(table, "PostgreSQL", ["small", "large"].map(|schema| Arc::new(store(schema).expect("a store"))));
}

/// Measures both stores in turns. The first turn is not counted, since it fills caches.
fn compare<S: Store>(table: &mut Table, name: &str, [small, large]: [Arc<S>; 2]) {
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    block_on(async {
        let nodes = [filled(small, SMALL).await, filled(large, LARGE).await];
        for round in 0..=ROUNDS {
            let (few, many) = (rate(&nodes[0], SMALL).await, rate(&nodes[1], LARGE).await);
            if round > 0 {
                rates.push(few);
                ratios.push(many / few);
            }
        }
    });
    let lookups = format!("{name}: lookups of {OF_A_USER} sessions a second, of {SMALL} sessions");
    table.line(&lookups, median(rates), 0, Goal::None);
    table.line(&format!("{name}: lookups of {LARGE} sessions beside them"), median(ratios), 2, Goal::AtLeast(0.9));
}

/// The statements of a lookup, through `rusqlite` alone.
struct Plain(Connection);

impl Plain {
    const FIND: &str = "SELECT session FROM entry INDEXED BY \"entry_by_auth.user\" WHERE name = 'auth.user' \
        AND content = ?1 AND session > ?2 AND length(session) = 16 ORDER BY session LIMIT ?3";
    const LOAD: &str = "SELECT name, content, expires FROM entry WHERE session = ?1 AND name < x''";

    fn open(path: &Path) -> Self {
        let connection = Connection::open(path).expect("a file");
        // The page cache of the store's own connections.
        connection.pragma_update(None, "cache_size", -2048).expect("a setting");
        Self(connection)
    }

    fn rate(&self, count: u32) -> f64 {
        let mut find = self.0.prepare(Self::FIND).expect("a statement");
        let mut load = self.0.prepare(Self::LOAD).expect("a statement");
        let (started, mut lookups, mut users) = (Instant::now(), 0.0, Users(0));
        while started.elapsed() < TIME {
            let text = format!("\"{}\"", users.next(count));
            let keys = find.query_map(params![text, b"", 500], |row| row.get::<_, Vec<u8>>(0)).expect("keys");
            let keys: Vec<Vec<u8>> = keys.collect::<Result<_, _>>().expect("keys");
            assert_eq!(keys.len(), OF_A_USER as usize, "{text}");
            for key in keys {
                let mut rows = load.query([key]).expect("rows");
                while let Some(row) = rows.next().expect("a row") {
                    std::hint::black_box(row.get_ref(1).expect("a content").as_bytes().expect("bytes"));
                }
            }
            lookups += 1.0;
        }
        lookups / started.elapsed().as_secs_f64()
    }
}

fn compare_plain(table: &mut Table, [small, large]: [Plain; 2]) {
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (few, many) = (small.rate(SMALL), large.rate(LARGE));
        if round > 0 {
            rates.push(few);
            ratios.push(many / few);
        }
    }
    let name = "SQLite without this library: the same statements";
    table.line(&format!("{name} a second, of {SMALL} sessions"), median(rates), 0, Goal::None);
    table.line(&format!("{name} of {LARGE} sessions beside them"), median(ratios), 2, Goal::None);
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

/// Names of users at random.
struct Users(u32);

impl Users {
    fn next(&mut self, count: u32) -> String {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("user {}", self.0 % (count / OF_A_USER))
    }
}

/// Lookups a second, each of another user.
async fn rate(sessions: &Sessions, count: u32) -> f64 {
    let (started, mut lookups, mut users) = (Instant::now(), 0.0, Users(0));
    while started.elapsed() < TIME {
        let name = users.next(count);
        let found = sessions.list(Auth::by_user(name.as_str())).await.expect("a list");
        assert_eq!(found.len(), OF_A_USER as usize, "{name}");
        lookups += 1.0;
    }
    lookups / started.elapsed().as_secs_f64()
}
