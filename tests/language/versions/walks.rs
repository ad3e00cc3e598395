//! Walks over all sessions, on every kind of store: expired and unreadable sessions do not end them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use session_runtime::clock::Timestamp;
use session_runtime::migrate::{Options, Outcome};
use session_runtime::store::{Damage, StoreErrorKind, Wanted};
use session_runtime::testing::ManualClock;
use session_runtime::{Expiry, MemoryStore, PostgresStore, RedisStore, SessionKey, Sessions, SqliteStore, Store};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;
use session_tests::turns::turns_beside;

use super::bulk::{fill, small_batches};
use super::program::{plant, program};
use super::shop::{v1, v3};

/// A store, and the way past it to what it holds.
struct Engine {
    name: &'static str,
    store: Arc<dyn Store>,
    raw: Raw,
}

enum Raw {
    Memory,
    Sqlite { file: PathBuf, _folder: tempfile::TempDir },
    Postgres(Box<Postgres>),
    Redis(Redis),
}

fn engines() -> Vec<Engine> {
    let folder = tempfile::tempdir().unwrap();
    let (file, postgres, redis) = (folder.path().join("sessions.db"), Postgres::start(""), Redis::start());
    let on_redis = RedisStore::open(redis.url()).unwrap();
    on_redis.set_lazy_schemas(&["history"]);
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (sqlite, on_postgres) = (SqliteStore::open(&file).unwrap(), PostgresStore::open(postgres.url()).unwrap());
    vec![
        Engine { name: "memory", store: memory, raw: Raw::Memory },
        Engine { name: "SQLite", store: Arc::new(sqlite), raw: Raw::Sqlite { file, _folder: folder } },
        Engine { name: "PostgreSQL", store: Arc::new(on_postgres), raw: Raw::Postgres(Box::new(postgres)) },
        Engine { name: "Redis", store: Arc::new(on_redis), raw: Raw::Redis(redis) },
    ]
}

/// Expired sessions that were not swept make a page of a scan short, and that page is not the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_sessions_on_a_page_do_not_end_a_walk() {
    for Engine { name, store, raw: _raw } in engines() {
        let clock = ManualClock::new();
        clock.set(Timestamp::from(SystemTime::now()));
        let built = || Sessions::builder().store(Arc::clone(&store)).clock(clock.clone());
        let (old, new) =
            (built().schemas::<v1::Cart>().build().unwrap(), built().schemas::<v3::Cart>().build().unwrap());
        for n in 0..600 {
            let visit = old.open([]);
            visit.write::<v1::Cart>().await.unwrap().set_coupon(format!("C{n}"));
            if n % 100 == 7 {
                visit.set_expiry(Expiry::After(Duration::from_secs(5)));
            }
            assert!(visit.finish(200).await.error.is_none());
        }
        clock.advance(Duration::from_secs(30));
        for batch in [7, 500, 10_000] {
            let report = new.census(Options { batch, ..small_batches() }).await.unwrap();
            assert_eq!((report.sessions, report.count(Outcome::Upgraded)), (594, 594), "{name}, {batch} a page");
        }
        let report = new.migrate(Options { batch: 500, ..small_batches() }).await.unwrap();
        assert_eq!((report.sessions, report.count(Outcome::Upgraded)), (594, 594), "{name}");
        let report = new.census(small_batches()).await.unwrap();
        assert_eq!(report.counts[&("cart", 3, Outcome::Current)], 594, "{name}");
    }
}

impl Engine {
    /// Damages the head of one session and a text of another; on Redis a hash of a third is lost. Gives what is
    /// damaged.
    async fn damage(&self, keys: &[SessionKey]) -> Vec<(SessionKey, Damage)> {
        let hex = |key: SessionKey| format!("{:032x}", u128::from_be_bytes(*key.as_bytes()));
        let (head, value) = (hex(keys[3]), hex(keys[5]));
        let mut damaged = vec![(keys[3], Damage::Head), (keys[5], Damage::Value)];
        match &self.raw {
            Raw::Memory => damaged.clear(),
            Raw::Sqlite { file, .. } => {
                let file = rusqlite::Connection::open(file).unwrap();
                let sql = format!(
                    "UPDATE entry SET content = x'01' WHERE name = 0 AND session = x'{head}';
                     UPDATE entry SET content = x'31' WHERE name = 'cart.coupon' AND session = x'{value}'"
                );
                file.execute_batch(&sql).unwrap();
            }
            Raw::Postgres(server) => {
                server.execute(&format!("UPDATE session_record SET secret = 'short' WHERE key = '\\x{head}'")).await;
                let text = "UPDATE session_value SET content = '\\xff' WHERE field = '.coupon' AND session";
                server.execute(&format!("{text} = '\\x{value}'")).await;
            }
            Raw::Redis(server) => {
                let (mut server, name) = (server.connect(), |key| format!("session:{{{key}}}"));
                redis::cmd("HSET").arg(name(keys[3])).arg("\0").arg("short").exec(&mut server).unwrap();
                redis::cmd("HSET").arg(name(keys[5])).arg("cart.coupon").arg(b"\xff").exec(&mut server).unwrap();
                plant(&self.store, keys[7], "history.seen", "1").await;
                redis::cmd("DEL").arg(format!("{}:history", name(keys[7]))).exec(&mut server).unwrap();
                damaged.push((keys[7], Damage::Missing));
            }
        }
        damaged.sort_unstable_by_key(|(key, _)| *key);
        damaged
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_session_is_counted_and_named_and_the_walk_goes_on() {
    for engine in engines() {
        let (name, store) = (engine.name, &engine.store);
        let keys = fill(store, 20).await;
        let damaged = engine.damage(&keys).await;
        let sound = 20 - u64::try_from(damaged.len()).unwrap();
        let new = program::<v3::Cart>(store);
        for dry_run in [true, false] {
            let report = new.migrate(Options { dry_run, ..small_batches() }).await.unwrap();
            let mut named = report.unreadable_keys.clone();
            named.sort_unstable_by_key(|(key, _)| *key);
            assert_eq!(named, damaged, "{name}: {report}");
            assert_eq!((report.sessions, report.count(Outcome::Upgraded)), (sound, sound), "{name}: {report}");
            for (key, damage) in &damaged {
                assert_eq!(report.unreadable[damage], 1, "{name}: {report}");
                assert!(report.to_string().contains(&format!("{damage}  1\n  {key}\n")), "{name}: {report}");
            }
        }
        for (key, _) in damaged {
            let left = store.load(key, &Wanted::all(), Timestamp::from_millis(0)).await;
            let is_left = match &left {
                Ok(found) => found.as_ref().is_some_and(|found| !found.unreadable.is_empty()),
                Err(error) => error.kind() == StoreErrorKind::Corrupt,
            };
            assert!(is_left, "{name}: a damaged session was changed");
        }
    }
}

/// A walk in parts, each by a program of its own that knows the text of the cursor alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_in_parts_reads_every_session_once() {
    for Engine { name, store, raw: _raw } in engines() {
        fill(&store, 100).await;
        let (mut after, mut parts, mut upgraded) = (None::<String>, 0, 0);
        loop {
            let after_text = after.map(|text| text.parse().unwrap());
            let options = Options { most: Some(20), after: after_text, ..small_batches() };
            let report = program::<v3::Cart>(&store).migrate(options).await.unwrap();
            parts += 1;
            upgraded += report.count(Outcome::Upgraded);
            assert_eq!(report.count(Outcome::Current), 0, "{name}: a session was read again");
            after = report.next.map(|next| next.to_string());
            if after.is_none() {
                break;
            }
        }
        assert_eq!(upgraded, 100, "{name}");
        assert!((4..=6).contains(&parts), "{name}: {parts} parts");
    }
}

/// A store in memory answers at once, and its walk lets other tasks of the thread run all the same.
#[tokio::test]
async fn a_census_in_memory_does_not_hold_the_thread() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    fill(&store, 5_000).await;
    let (report, turns) = turns_beside(program::<v3::Cart>(&store).census(small_batches())).await;
    assert_eq!(report.unwrap().sessions, 5_000);
    assert!(turns > 1_000, "the other task ran {turns} times beside a census of 5,000 sessions");
}
