//! Stores under load, in four sections. Three have a file each. Here are sweeps and bulk upgrades: eight visitors in a
//! closed loop, alone and beside a sweep of 100,000 expired sessions, and beside a bulk upgrade of 10,000. The figures
//! are the share of their adds that the visitors keep, and the slowest adds.

mod large;
mod million;
mod overload;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rocket::futures::future::join_all;
use rocket::tokio;
use rocket::tokio::runtime::Runtime;
use session_runtime::clock::Timestamp;
use session_runtime::migrate::Options;
use session_runtime::record::{Record, Values};
use session_runtime::store::SqliteStore;
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, PostgresStore, RedisStore, SessionError, SessionKey, Sessions, Store};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;

use crate::app::Cart;
use crate::table::{Goal, Table};

const EXPIRED: u32 = 100_000;
const OLD: u32 = 10_000;
const VISITORS: usize = 8;
/// Number of sessions that are stored at once before the measurement.
const AT_ONCE: u32 = 64;
/// Time for which the visitors are alone, before the sweep and after it.
const ALONE: Duration = Duration::from_secs(2);
/// Time after which work that goes on is no longer measured.
const MOST: Duration = Duration::from_secs(10);

mod old {
    #[derive(session_runtime::Session)]
    #[session(key = "prefs", version = 1, layout = "theme:ec0d589b")]
    pub(super) struct Prefs {
        pub(super) theme: Option<String>,
    }
}

mod new {
    #[derive(session_runtime::Session)]
    #[session(key = "prefs", version = 2, was(1 = "theme:ec0d589b"), layout = "theme:ec0d589b note:ec0d589b")]
    pub(super) struct Prefs {
        pub(super) theme: Option<String>,
        note: Option<String>,
    }
}

type Section = fn(&mut Table, &Runtime);

const SECTIONS: [(&str, Section); 4] = [
    ("overload", overload::measure),
    ("background", background),
    ("million", million::measure),
    ("large", large_sessions),
];

pub(crate) fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    // All of them, unless the variable `LOAD` names some.
    let wanted = std::env::var("LOAD").unwrap_or_default();
    for (name, measure) in SECTIONS {
        if wanted.is_empty() || wanted.split(',').any(|word| word == name) {
            measure(table, &runtime);
        }
    }
}

/// Sweeps and bulk upgrades.
fn background(table: &mut Table, runtime: &Runtime) {
    on_each_store(|name, store| {
        runtime.block_on(beside_a_sweep(table, name, store));
        runtime.block_on(beside_an_upgrade(table, name, store));
    });
}

fn large_sessions(table: &mut Table, runtime: &Runtime) {
    on_each_store(|name, store| runtime.block_on(large::measure(table, name, store)));
}

fn on_each_store(mut measure: impl FnMut(&str, &Arc<dyn Store>)) {
    let folder = tempfile::tempdir().expect("a folder");
    let (postgres, redis) = (Postgres::start(""), Redis::start());
    let stores: [(&str, Arc<dyn Store>); 4] = [
        ("memory", Arc::new(MemoryStore::new())),
        ("SQLite", Arc::new(SqliteStore::open(folder.path().join("sessions.db")).expect("a file"))),
        ("Redis", Arc::new(RedisStore::open(redis.url()).expect("a store"))),
        ("PostgreSQL", Arc::new(PostgresStore::open(postgres.url()).expect("a store"))),
    ];
    for (name, store) in &stores {
        measure(name, store);
    }
}

async fn beside_a_sweep(table: &mut Table, name: &str, store: &Arc<dyn Store>) {
    fill(store).await;
    let sessions = Sessions::builder().store(Arc::clone(store)).build().expect("sessions");
    compare(table, (name, "a sweep"), store, sessions.sweep()).await;
}

async fn beside_an_upgrade(table: &mut Table, name: &str, store: &Arc<dyn Store>) {
    let program = || Sessions::builder().store(Arc::clone(store));
    let before = program().schemas::<old::Prefs>().build().expect("sessions of the first version");
    for first in (0..OLD).step_by(AT_ONCE as usize) {
        join_all((first..OLD.min(first + AT_ONCE)).map(|_| create_old(&before))).await;
    }
    let after = program().schemas::<new::Prefs>().build().expect("sessions of the second version");
    let upgrade = async { after.migrate(Options::default()).await.map(|report| report.sessions) };
    compare(table, (name, "a bulk upgrade"), store, upgrade).await;
}

async fn create_old(sessions: &Sessions) {
    let visit = sessions.open([]);
    visit.write::<old::Prefs>().await.expect("settings").set_theme("dark".to_owned());
    assert!(visit.finish(200).await.error.is_none(), "a session of the first version was not saved");
}

/// Measures the visitors alone, beside the work, and alone again. The work returns the number of its sessions.
async fn compare(
    table: &mut Table,
    (name, what): (&str, &str),
    store: &Arc<dyn Store>,
    work: impl Future<Output = Result<u64, SessionError>>,
) {
    let sessions = Sessions::builder().store(Arc::clone(store)).schemas::<Cart>().build().expect("sessions");
    let before = adds_beside(&sessions, tokio::time::sleep(ALONE)).await;
    let mut done = None;
    let during = adds_beside(&sessions, async { done = tokio::time::timeout(MOST, work).await.ok() }).await;
    let after = adds_beside(&sessions, tokio::time::sleep(ALONE)).await;
    let rate = f64::midpoint(before.rate(), after.rate());
    table.line(&format!("{name}: adds a second of {VISITORS} visitors"), rate, 0, Goal::None);
    table.line(&format!("{name}: share of them beside {what}"), during.rate() / rate, 2, Goal::AtLeast(0.6));
    table.line(&format!("{name}: p99 of an add alone, ms"), before.p99(), 3, Goal::None);
    table.line(&format!("{name}: p99 of an add beside {what}, ms"), during.p99(), 3, Goal::None);
    if let Some(done) = done {
        let done = u32::try_from(done.expect("work that succeeds")).map_or(0.0, f64::from);
        let rate = done / during.time.as_secs_f64();
        table.line(&format!("{name}: sessions a second of {what}"), rate, 0, Goal::None);
    }
}

/// Stores the sessions that have expired.
async fn fill(store: &Arc<dyn Store>) {
    let now = Timestamp::from(SystemTime::now());
    for first in (0..EXPIRED).step_by(AT_ONCE as usize) {
        let stored = (first..EXPIRED.min(first + AT_ONCE)).map(|n| async move {
            let values: Values = [("cart", r#"{"v":1}"#), ("cart.items/7", "1")]
                .map(|(name, text)| (name.into(), text.into()))
                .into_iter()
                .collect();
            let mut head = head_at(0);
            head.idle_deadline = now.before(Duration::from_secs(120));
            // Spread as random keys are.
            let key = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            store.create(SessionKey::from_bytes(key.to_be_bytes()), Record::new(head, values)).await
        });
        for created in join_all(stored).await {
            created.expect("a session");
        }
    }
}

/// The adds of all visitors in one measurement.
struct Adds {
    time: Duration,
    /// Time of each, in order.
    times: Vec<Duration>,
}

impl Adds {
    #[expect(clippy::cast_precision_loss, reason = "a count of some hundred thousand")]
    fn rate(&self) -> f64 {
        self.times.len() as f64 / self.time.as_secs_f64()
    }

    /// In milliseconds.
    fn p99(&self) -> f64 {
        self.times.get(self.times.len() * 99 / 100).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    }
}

/// Returns the adds that the visitors make for as long as `work` takes.
async fn adds_beside(sessions: &Sessions, work: impl Future<Output = ()>) -> Adds {
    let over = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let visitors: Vec<_> = (0..VISITORS).map(|_| tokio::spawn(visitor(sessions.clone(), Arc::clone(&over)))).collect();
    work.await;
    over.store(true, Ordering::Relaxed);
    let time = started.elapsed();
    let mut times = Vec::new();
    for visitor in visitors {
        times.extend(visitor.await.expect("a visitor whose adds succeed"));
    }
    times.sort_unstable();
    Adds { time, times }
}

async fn visitor(sessions: Sessions, over: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut cookie = None::<String>;
    while !over.load(Ordering::Relaxed) {
        let started = Instant::now();
        let visit = sessions.open(cookie.as_deref());
        *visit.write::<Cart>().await.expect("a cart").items_mut().entry(7).or_default() += 1;
        let finished = visit.finish(200).await;
        assert!(finished.error.is_none(), "an add failed");
        if let Some(header) = finished.cookie.header() {
            cookie = header.split(';').next().map(str::to_owned);
        }
        times.push(started.elapsed());
        tokio::task::yield_now().await;
    }
    times
}
