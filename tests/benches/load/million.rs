//! Ten thousand sessions beside a million, on each store: reads and adds of eight visitors, each time of another session,
//! and a census of the million.
//!
//! PostgreSQL has room for all sessions in its `shared_buffers`. Without it, each page of a table is copied from the
//! operating system.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rocket::futures::future::join_all;
use rocket::tokio;
use rocket::tokio::runtime::Runtime;
use session_runtime::clock::Timestamp;
use session_runtime::id::SecretHash;
use session_runtime::migrate::Options;
use session_runtime::record::expiry::TouchEvery;
use session_runtime::record::{Record, Values};
use session_runtime::store::{SqliteStore, Wanted};
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, PostgresStore, RedisStore, SessionConfig, SessionKey, Sessions, Store};
use session_tests::base64url;
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use sha2::{Digest as _, Sha256};

use crate::app::Cart;
use crate::table::{Goal, Table, median};

const SMALL: u32 = 10_000;
const LARGE: u32 = 1_000_000;
const VISITORS: u64 = 8;
/// Number of sessions that are stored at once before the measurement.
const AT_ONCE: usize = 256;
const ROUNDS: usize = 7;
/// Time of one measurement.
const TIME: Duration = Duration::from_millis(500);

/// The secret of every visitor.
const SECRET: [u8; 16] = [7; 16];
/// Prefix of the hash of a secret, as in the module `id` of the library.
const PURPOSE: &str = "session-runtime/id/v1:";

/// A store, and the number of its sessions.
type Filled = (Arc<dyn Store>, u32);

/// Lowest share of the rate at ten thousand sessions.
struct Goals {
    reads: f64,
    adds: f64,
}

pub(super) fn measure(table: &mut Table, runtime: &Runtime) {
    runtime.block_on(async {
        in_memory(table).await;
        on_sqlite(table).await;
        on_redis(table).await;
        on_postgres(table).await;
    });
}

async fn in_memory(table: &mut Table) {
    let stores = [filled(MemoryStore::new(), SMALL).await, filled(MemoryStore::new(), LARGE).await];
    compare(table, "memory", &stores, Goals { reads: 0.8, adds: 0.8 }).await;
}

async fn on_sqlite(table: &mut Table) {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |name: &str| SqliteStore::open(folder.path().join(name)).expect("a file");
    let stores = [filled(open("small.db"), SMALL).await, filled(open("large.db"), LARGE).await];
    compare(table, "SQLite", &stores, Goals { reads: 0.85, adds: 0.85 }).await;
}

async fn on_redis(table: &mut Table) {
    let servers = [Redis::start(), Redis::start()];
    let open = |server: &Redis| RedisStore::open(server.url()).expect("a store");
    let stores = [filled(open(&servers[0]), SMALL).await, filled(open(&servers[1]), LARGE).await];
    compare(table, "Redis", &stores, Goals { reads: 0.8, adds: 0.8 }).await;
}

async fn on_postgres(table: &mut Table) {
    let server = Postgres::start("shared_buffers = 1500MB\nmax_wal_size = 2GB");
    let stores = [copied(&server, "small", SMALL).await, copied(&server, "large", LARGE).await];
    compare(table, "PostgreSQL", &stores, Goals { reads: 0.8, adds: 0.8 }).await;
}

/// Stores this many sessions, in the order of their keys: a table that grows at its end is filled in less time.
async fn filled(store: impl Store, count: u32) -> Filled {
    let values = values().await;
    let mut numbers: Vec<u32> = (0..count).collect();
    numbers.sort_by_cached_key(|n| *key(*n).as_bytes());
    for numbers in numbers.chunks(AT_ONCE) {
        let creates = numbers.iter().map(|n| store.create(key(*n), record(*n, &values)));
        for created in join_all(creates).await {
            created.expect("a session");
        }
    }
    (Arc::new(store), count)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Stores one session in tables of its own. The server copies it, in the order of the keys.
async fn copied(server: &Postgres, schema: &str, count: u32) -> Filled {
    let store = PostgresStore::builder(server.url()).schema(schema).open().expect("a store");
    let (store, _) = filled(store, 1).await;
    let (first, secret) = (hex(key(0).as_bytes()), hex(&SECRET));
    let copy = format!(
        "INSERT INTO {schema}.session_record
        SELECT k.key, expires, created, touched, ends, expiry_kind, expiry,
            sha256('{PURPOSE}'::bytea || k.key || '\\x{secret}'), secret_since, previous, previous_until, generation,
            generation_since, revision, bytes, keys
        FROM {schema}.session_record,
            (SELECT substr(sha256(int4send(n)), 1, 16) AS key FROM generate_series(1, {count} - 1) n) k
        ORDER BY k.key;
        INSERT INTO {schema}.session_value
        SELECT r.key, v.schema, v.field, v.content FROM {schema}.session_record r, {schema}.session_value v
        WHERE v.session = '\\x{first}' AND r.key <> v.session ORDER BY r.key"
    );
    server.execute(&copy).await;
    for table in ["session_record", "session_value"] {
        server.execute(&format!("VACUUM (ANALYZE) {schema}.{table}")).await;
    }
    (store, count)
}

/// Prints the share of the rates of few sessions that many sessions reach, and the rate of a census of the many.
async fn compare(table: &mut Table, name: &str, stores: &[Filled; 2], goals: Goals) {
    for (what, add, goal) in [("read", false, goals.reads), ("add", true, goals.adds)] {
        let [few, many] = &rates(stores, add).await;
        table.line(&format!("{name}: {what}s a second, of {SMALL} sessions"), few.visits(), 0, Goal::None);
        let ratios = few.visits.iter().zip(&many.visits).map(|(few, many)| many / few).collect();
        let line = format!("{name}: {what}s of {LARGE} sessions beside them");
        table.line(&line, median(ratios), 2, Goal::AtLeast(goal));
        table.line(&format!("{name}: CPU time of one {what}, of {SMALL} sessions, µs"), few.micros(), 1, Goal::None);
        table.line(&format!("{name}: CPU time of one {what}, of {LARGE} sessions, µs"), many.micros(), 1, Goal::None);
    }
    let started = Instant::now();
    let report = sessions(&stores[1]).census(Options::default()).await.expect("a census");
    assert_eq!(report.sessions, u64::from(LARGE));
    let census = f64::from(LARGE) / started.elapsed().as_secs_f64();
    table.line(&format!("{name}: census of {LARGE}, sessions a second"), census, 0, Goal::None);
}

/// Figures of each round.
#[derive(Default)]
struct Rates {
    /// Visits a second.
    visits: Vec<f64>,
    /// Microseconds of CPU time for each visit.
    micros: Vec<f64>,
}

impl Rates {
    fn visits(&self) -> f64 {
        median(self.visits.clone())
    }

    fn micros(&self) -> f64 {
        median(self.micros.clone())
    }
}

/// Measures both stores in turns. The first turn is not counted, since it fills caches.
async fn rates(stores: &[Filled; 2], add: bool) -> [Rates; 2] {
    let mut rates = [Rates::default(), Rates::default()];
    for round in 0..=ROUNDS {
        for (store, rates) in stores.iter().zip(&mut rates) {
            let (started, cpu) = (Instant::now(), cpu_time());
            let visits = f64::from(visits(store, add).await);
            let (took, cpu) = (started.elapsed(), cpu_time() - cpu);
            if round > 0 {
                rates.visits.push(visits / took.as_secs_f64());
                rates.micros.push(cpu * 1e6 / visits);
            }
        }
    }
    rates
}

/// Visits of all visitors in [`TIME`].
async fn visits(filled: &Filled, add: bool) -> u32 {
    let visitor = |seed| tokio::spawn(visitor(sessions(filled), filled.1, seed, add));
    let visitors: Vec<_> = (0..VISITORS).map(visitor).collect();
    let mut visits = 0;
    for visitor in visitors {
        visits += visitor.await.expect("a visitor whose visits succeed");
    }
    visits
}

/// CPU seconds of this process and of the servers that it has started, as the kernel counts them.
fn cpu_time() -> f64 {
    let mut processes: Vec<Process> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        processes.extend(fs::read_to_string(entry.path().join("stat")).ok().and_then(|text| Process::parse(&text)));
    }
    let (mut ours, mut seconds) = (vec![std::process::id()], 0.0);
    while let Some(id) = ours.pop() {
        seconds += processes.iter().filter(|process| process.id == id).map(|process| process.seconds).sum::<f64>();
        ours.extend(processes.iter().filter(|process| process.parent == id).map(|process| process.id));
    }
    seconds
}

struct Process {
    id: u32,
    parent: u32,
    seconds: f64,
}

impl Process {
    fn parse(stat: &str) -> Option<Self> {
        let (start, end) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = end.split(' ').collect();
        let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
        let id = start.split(' ').next()?.parse().ok()?;
        // A tick is 10 ms on all systems that have `/proc`.
        Some(Self { id, parent: fields.get(1)?.parse().ok()?, seconds: (ticks(11)? + ticks(12)?) / 100.0 })
    }
}

/// Returns the number of visits.
async fn visitor(sessions: Sessions, count: u32, seed: u64, add: bool) -> u32 {
    let (started, mut visits, mut random) = (Instant::now(), 0, seed + 1);
    while started.elapsed() < TIME {
        // Marsaglia's xorshift.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let n = u32::try_from(random % u64::from(count)).expect("the number of a session");
        visit(&sessions, n, add).await;
        visits += 1;
        tokio::task::yield_now().await;
    }
    visits
}

async fn visit(sessions: &Sessions, n: u32, add: bool) {
    let visit = sessions.open([cookie(n).as_str()]);
    if add {
        *visit.write::<Cart>().await.expect("a cart").items_mut().entry(7).or_default() += 1;
    } else {
        assert!(visit.read::<Cart>().await.expect("a cart").items().contains_key(&7), "session {n} is not stored");
    }
    assert!(visit.finish(200).await.error.is_none(), "a visit failed");
}

fn sessions((store, _): &Filled) -> Sessions {
    // No visit is the first one after a pause, which would write the deadlines.
    let config = SessionConfig::new().touch_every(TouchEvery::Period(Duration::from_secs(24 * 3600)));
    let sessions = Sessions::builder().store(Arc::clone(store)).config(config).schemas::<Cart>();
    sessions.build().expect("sessions")
}

/// The values of a cart with one line.
async fn values() -> Values {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let sessions = sessions(&(Arc::clone(&store), 0));
    let visit = sessions.open([]);
    let mut cart = visit.write::<Cart>().await.expect("a cart");
    cart.items_mut().insert(7, 1);
    cart.save().await.expect("a session");
    let key = visit.key().expect("its key");
    let loaded = store.load(key, &Wanted::all(), SystemTime::now().into()).await.expect("a session");
    loaded.expect("the session of the visit").record.values
}

fn record(n: u32, values: &Values) -> Record {
    let now = Timestamp::from(SystemTime::now());
    let mut head = head_at(now.as_millis());
    head.idle_deadline = now.after(Duration::from_secs(12 * 3600));
    let secret = Sha256::new().chain_update(PURPOSE).chain_update(key(n).as_bytes()).chain_update(SECRET);
    head.secret = SecretHash::from_bytes(secret.finalize().into());
    // Texts of its own, as if a request had stored it.
    let values = values.iter().map(|(name, text)| ((**name).into(), (**text).into())).collect();
    Record::new(head, values)
}

/// Spread as random keys are.
fn key(n: u32) -> SessionKey {
    let hash: [u8; 32] = Sha256::digest(n.to_be_bytes()).into();
    SessionKey::from_bytes(*hash.first_chunk().expect("half of a hash"))
}

fn cookie(n: u32) -> String {
    let id = [*key(n).as_bytes(), SECRET].concat();
    format!("__Host-Http-id={}", base64url::encode(&id))
}
