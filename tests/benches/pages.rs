//! Pages of a scan: what one costs, in a store of 30,000 sessions and in a larger one.
//!
//! `PAGES=3000000 cargo bench -p session-tests -- pages` sets the size of the larger one; it is 300,000 unless that is
//! set.

use std::env;
use std::time::{Duration, Instant, SystemTime};

use session_runtime::clock::Timestamp;
use session_runtime::record::{Record, Values};
use session_runtime::testing::head_at;
use session_runtime::{MemoryStore, RedisStore, SessionKey, Store};
use session_tests::servers::redis::Redis;

use crate::client::block_on;
use crate::table::{Goal, Table, median};

const SMALL: u32 = 30_000;
const LARGE: u32 = 300_000;

/// Sessions of one page.
const LIMIT: usize = 500;

/// Pages that are measured.
const PAGES: usize = 50;

pub(crate) fn measure(table: &mut Table) {
    let large = env::var("PAGES").map_or(LARGE, |size| size.parse().expect("PAGES is a number of sessions"));
    let small = [block_on(in_memory(SMALL)), block_on(on_redis(SMALL))];
    let large_ones = [block_on(in_memory(large)), block_on(on_redis(large))];
    for ((name, one), other) in ["memory", "Redis"].into_iter().zip(small).zip(large_ones) {
        for (size, pages) in [(SMALL, &one), (large, &other)] {
            table.line(&format!("{name}: ms of a page of {LIMIT}, of {size} sessions"), pages.millis, 2, Goal::None);
            let longest = format!("{name}: ms of the longest of {PAGES} pages, of {size} sessions");
            table.line(&longest, pages.longest, 2, Goal::None);
            if let Some(commands) = pages.commands {
                let what = format!("{name}: commands of a page of {LIMIT}, of {size} sessions");
                table.line(&what, commands, 1, Goal::AtMost(520.0));
            }
        }
        let ratio = format!("{name}: a page of {large} sessions beside one of {SMALL}");
        table.line(&ratio, other.millis / one.millis, 2, Goal::AtMost(2.0));
    }
}

struct Pages {
    millis: f64,
    longest: f64,
    commands: Option<f64>,
}

async fn in_memory(count: u32) -> Pages {
    let store = MemoryStore::new();
    let now = Timestamp::from(SystemTime::now());
    for n in 0..count {
        store.create(key(n), record(now)).await.expect("a session");
    }
    walk(&store, now).await
}

/// One session is stored, and the server copies it.
async fn on_redis(count: u32) -> Pages {
    const COPIES: u32 = 10_000;
    let server = Redis::start();
    let store = RedisStore::open(server.url()).expect("a store");
    let now = Timestamp::from(SystemTime::now());
    store.create(key(0), record(now)).await.expect("a session");
    let copy = "
        local digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
        for n = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
          local name = ''
          for _ = 1, 21 do
            local digit = n % 64
            n = (n - digit) / 64
            name = name .. string.sub(digits, digit + 1, digit + 1)
          end
          redis.call('COPY', KEYS[1], 'session:{' .. name .. 'A}')
        end";
    let mut connection = server.connect();
    for first in (1..count).step_by(COPIES as usize) {
        let mut command = redis::cmd("EVAL");
        command.arg(copy).arg(1).arg(format!("session:{{{}}}", key(0)));
        command.arg(first).arg(count.min(first + COPIES)).exec(&mut connection).expect("copies");
    }
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut connection).expect("an empty count");
    let pages = walk(&store, now).await;
    #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
    let commands = commands(&mut connection) as f64 / PAGES as f64;
    Pages { commands: Some(commands), ..pages }
}

/// Number of commands that the server has run.
fn commands(connection: &mut redis::Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(connection).expect("counts");
    let calls = info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
    let stores = calls.filter(|(command, _)| !command.starts_with("config"));
    stores.filter_map(|(_, counts)| counts.split(',').next()?.parse::<u64>().ok()).sum()
}

async fn walk(store: &impl Store, now: Timestamp) -> Pages {
    let (mut from, mut times) = (None, Vec::new());
    for _ in 0..PAGES {
        let began = Instant::now();
        let page = store.scan(from.as_ref(), LIMIT, now).await.expect("a page");
        times.push(millis(began.elapsed()));
        assert_eq!(page.sessions.len(), LIMIT, "a page is full while nothing has expired");
        from = page.next;
    }
    let longest = times.iter().copied().fold(0.0, f64::max);
    Pages { millis: median(times), longest, commands: None }
}

fn record(now: Timestamp) -> Record {
    let texts = [("cart", r#"{"v":1}"#), ("cart.items/7", "1")];
    let values: Values = texts.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
    Record::new(head_at(now.as_millis()), values)
}

/// Spread as random keys are.
fn key(n: u32) -> SessionKey {
    let spread = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    SessionKey::from_bytes(spread.to_be_bytes())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
