//! The index on Redis: its entries come before the sessions, and leave after them.

use std::fs;
use std::time::{Duration, Instant};

use redis::Connection;
use session_runtime::clock::SystemClock;
use session_runtime::config::ServerConfig;
use session_runtime::record::Text;
use session_runtime::store::{Found, SWEEP_GRACE, Store, StoreErrorKind};
use session_runtime::{ErrorKind, RedisStore, Sessions};
use session_tests::lookups::{Auth, Browser, node, visitor};
use session_tests::servers::proxy::{Piece, Proxy};
use session_tests::servers::redis::Redis;

use super::cost::{assert_ran, commands, reset};
use super::fixture::{assert_fails, create, key, keys_with_deadlines, must_patch, now, record, setting};

const USER: &str = "auth.user";

fn indexed(store: RedisStore) -> RedisStore {
    store.set_indexed_keys(&[Text::from(USER)]);
    store
}

fn open(server: &Redis) -> RedisStore {
    indexed(RedisStore::open(server.url()).unwrap())
}

async fn found(store: &RedisStore, text: &str) -> usize {
    let Found { keys, .. } = store.find(USER, text, None, 100).await.unwrap();
    keys.len()
}

/// Name of the one set of entries.
fn entries(server: &mut Connection) -> Option<String> {
    let names: Vec<String> = redis::cmd("KEYS").arg("*::index").query(server).unwrap();
    assert!(names.len() <= 1, "{names:?}");
    names.into_iter().next()
}

#[tokio::test]
async fn an_entry_leaves_with_its_session() {
    let server = Redis::start();
    let store = open(&server);
    let stats = &mut server.connect();
    create(&store, 1, &[("auth", "{}"), (USER, "1")]).await;
    keys_with_deadlines(stats);
    create(&store, 2, &[("auth", "{}")]).await;
    must_patch(&store, 2, setting(&[(USER, "1")])).await;
    let mut expired = record(&[("auth", "{}"), (USER, "1")]);
    expired.head.idle_deadline = now().before(SWEEP_GRACE * 2);
    store.create(key(3), expired).await.unwrap();
    assert_eq!(found(&store, "1").await, 3);
    store.delete(key(1)).await.unwrap();
    assert_eq!(found(&store, "1").await, 2);
    assert!(store.delete_if(key(2), 0).await.unwrap());
    assert_eq!(found(&store, "1").await, 1);
    assert_eq!(store.sweep(10, now()).await.unwrap(), 1);
    assert_eq!((found(&store, "1").await, entries(stats)), (0, None));
}

/// A session that is deleted by a program without the index, or removed by the engine, leaves its entry behind. A lookup
/// removes it once no `create` of that session can arrive any more.
#[tokio::test]
async fn an_entry_without_a_session_is_removed_when_it_is_old() {
    let server = Redis::start();
    let (store, stats) = (open(&server), &mut server.connect());
    create(&store, 1, &[("auth", "{}"), (USER, "1")]).await;
    create(&store, 2, &[("auth", "{}"), (USER, "1")]).await;
    RedisStore::open(server.url()).unwrap().delete(key(1)).await.unwrap();
    store.forget(USER, "1", &[key(1), key(2)]).await.unwrap();
    assert_eq!(found(&store, "1").await, 2, "a young entry is gone");
    let set = entries(stats).unwrap();
    let members: Vec<Vec<u8>> = redis::cmd("ZRANGE").arg(&set).arg(0).arg(-1).query(stats).unwrap();
    for member in members {
        redis::cmd("ZREM").arg(&set).arg(&member).exec(stats).unwrap();
        let older = [&member[..16], &0_u64.to_be_bytes(), &member[24..]].concat();
        redis::cmd("ZADD").arg(&set).arg(0).arg(older).exec(stats).unwrap();
    }
    store.forget(USER, "1", &[key(1), key(2)]).await.unwrap();
    assert_eq!(store.find(USER, "1", None, 100).await.unwrap().keys, [key(2)], "only the session that is gone leaves");
}

/// The answer of each step of a login is lost in turn. The session is stored with its entry or not at all.
#[tokio::test]
async fn no_session_is_stored_without_its_entry() {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let one = ServerConfig { connections: 1, ..ServerConfig::default() };
    let builder = RedisStore::builder(format!("redis://{}", proxy.address())).server(one);
    let store = indexed(builder.answer_timeout(Duration::from_millis(300)).open().unwrap());
    create(&store, 9, &[("auth", "{}"), (USER, "1")]).await;
    proxy.swallow(true);
    let lost = store.create(key(1), record(&[("auth", "{}"), (USER, "1")])).await;
    assert_fails(lost, StoreErrorKind::Unavailable);
    proxy.swallow(false);
    proxy.cut();
    let direct = open(&server);
    assert_eq!(found(&direct, "1").await, 2, "the entry comes first");
    let session: bool = redis::cmd("EXISTS").arg(super::fixture::name(1)).query(&mut server.connect()).unwrap();
    assert!(!session, "the session came before the answer for its entry");
}

/// A node whose one connection goes through the proxy.
async fn behind(proxy: &Proxy) -> Sessions {
    let one = ServerConfig { connections: 1, ..ServerConfig::default() };
    let store = RedisStore::builder(format!("redis://{}", proxy.address())).server(one);
    let sessions = node(store.answer_timeout(ANSWER_TIMEOUT).open().unwrap(), SystemClock);
    sessions.prepare().await.unwrap();
    sessions
}

/// Sessions that hold the user `ann`, whatever the index has.
fn stored(server: &mut Connection) -> usize {
    let names: Vec<String> = redis::cmd("KEYS").arg("session:*}").query(server).unwrap();
    let user = |name: &String| redis::cmd("HGET").arg(name).arg(USER).query::<Option<String>>(server).unwrap();
    names.iter().map(user).filter(|user| user.as_deref() == Some("\"ann\"")).count()
}

/// C120: the program crashes between two steps of a login, which the loss of its connection stands for: before each
/// command reaches the server, and after it. Whatever is stored then has its entry.
#[tokio::test]
async fn a_crash_between_two_steps_of_a_login_leaves_no_session_without_its_entry() {
    let server = Redis::start();
    let direct = node(RedisStore::open(server.url()).unwrap(), SystemClock);
    // The server knows the scripts after their first use.
    let mut before = Browser::default();
    before.add(&direct).await.unwrap();
    before.log_in(&direct, "ann").await.unwrap();
    for (has_session, steps) in [(false, 2), (true, 3)] {
        for kind in [Piece::Request, Piece::Answer] {
            let crashed = crash_at_each_step(&server, &direct, has_session, kind).await;
            assert_eq!(crashed, steps, "steps of a login, with a session: {has_session}");
        }
    }
    let stored = stored(&mut server.connect()) as u64;
    assert_eq!(direct.destroy_all(Auth::by_user("ann")).await.unwrap(), stored);
}

/// Loses the connection at the first step of a login, then at the second one of another login, and so on until a login
/// has no such step. Returns the number of steps.
async fn crash_at_each_step(server: &Redis, direct: &Sessions, has_session: bool, kind: Piece) -> u64 {
    for step in 0.. {
        let proxy = Proxy::start(server.address()).await;
        let (node, mut browser) = (behind(&proxy).await, Browser::default());
        if has_session {
            browser.add(direct).await.unwrap();
        }
        proxy.lose(kind, step);
        let login = browser.log_in(&node, "ann").await;
        let found = direct.count(Auth::by_user("ann")).await.unwrap();
        assert_eq!(found, stored(&mut server.connect()) as u64, "{kind:?} {step}, with a session: {has_session}");
        if proxy.counts().lost == 0 {
            assert_eq!(login, Ok(()), "{kind:?} {step}");
            return step;
        }
        // The first step of a login with a session is its load, which is sent once more.
        assert_eq!(login.is_ok(), has_session && step == 0, "{kind:?} {step}: {login:?}");
    }
    unreachable!("a login has a last step")
}

/// The longest time for an answer, for logins through a proxy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// C121: the server is suspended between the steps of a login, and goes on after the time in which it accepts the session.
/// The time of the entry in its answer is 118 s earlier, so that two seconds are left of that time, and not two minutes.
#[tokio::test]
async fn a_session_that_a_suspended_server_reads_too_late_is_refused() {
    suspend_between_steps(Duration::from_secs(118), Duration::from_secs(4)).await;
}

/// Suspends the server for this time after it has added the entry of a login, and before it reads the session. Makes the
/// times in its answers earlier by `earlier`.
async fn suspend_between_steps(earlier: Duration, pause: Duration) {
    let server = Redis::start();
    let proxy = Proxy::start(server.address()).await;
    let (node, stats) = (behind(&proxy).await, &mut server.connect());
    visitor(&node, "ann").await;
    proxy.backdate(earlier);
    visitor(&node, "ann").await;
    assert_eq!((stored(stats), entries_of(stats)), (2, 2), "in time, it is accepted");
    reset(stats);
    proxy.hold(ANSWER_TIMEOUT / 4);
    let login = tokio::spawn(async move { Browser::default().log_in(&node, "ann").await });
    until(|| entries_of(stats) == 3).await;
    let suspended = Instant::now();
    server.process().signal("STOP");
    until(|| state_of(server.process().pid()) == 'T').await;
    assert_eq!(login.await.unwrap(), Err(ErrorKind::Unavailable));
    tokio::time::sleep(pause.saturating_sub(suspended.elapsed())).await;
    server.process().signal("CONT");
    // The script of the entry and that of the session each ask for the time.
    until(|| commands(stats).get("time") == Some(&2)).await;
    assert_eq!(commands(stats).get("hset"), None, "the server has stored the session");
    assert_eq!((stored(stats), entries_of(stats)), (2, 3));
    assert_eq!(proxy.counts().backdated > 0, !earlier.is_zero());
}

/// Number of entries of the one value.
fn entries_of(server: &mut Connection) -> usize {
    entries(server).map_or(0, |set| redis::cmd("ZCARD").arg(set).query(server).unwrap())
}

async fn until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never happened");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The state of a process by the kernel's letter; `T` is a suspended one.
fn state_of(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap()
}

/// A write that was given up long ago reaches the server: it is refused, since a lookup may have removed the entry.
#[tokio::test]
async fn a_session_that_comes_too_late_is_refused() {
    let server = Redis::start();
    let connection = &mut server.connect();
    let script = include_str!("../../../session-runtime/src/store/redis/create.lua");
    let (time, _): (i64, i64) = redis::cmd("TIME").query(connection).unwrap();
    let expiry = (time + 3_600) * 1_000;
    for (latest, stored) in [(time - 1, 2), (time + 60, 1)] {
        let mut create = redis::cmd("EVAL");
        create.arg(script).arg(1).arg(super::fixture::name(1)).arg(format!("{expiry}:{}", latest * 1_000));
        let answer: i64 = create.arg("").arg(1).arg("cart").arg("{}").query(connection).unwrap();
        let exists: bool = redis::cmd("EXISTS").arg(super::fixture::name(1)).query(connection).unwrap();
        assert_eq!((answer, exists), (stored, stored == 1));
    }
}

/// The commands of a request that leaves the indexed value alone are those of a program without an index.
#[tokio::test]
async fn a_request_that_leaves_the_user_alone_sends_no_other_command() {
    let server = Redis::start();
    let store = open(&server);
    let stats = &mut server.connect();
    create(&store, 9, &[("auth", "{}"), (USER, "1"), ("cart.a", "0")]).await;
    must_patch(&store, 9, setting(&[("cart.a", "0")])).await;
    store.delete(key(9)).await.unwrap();
    reset(stats);
    create(&store, 1, &[("cart", "{}"), ("cart.a", "1")]).await;
    assert_ran(stats, &[("evalsha", 1), ("exists", 1), ("hset", 1), ("pexpireat", 1)]);
    create(&store, 2, &[("auth", "{}"), (USER, "1"), ("cart.a", "0")]).await;
    reset(stats);
    must_patch(&store, 2, setting(&[("cart.a", "2")])).await;
    assert_ran(stats, &[("evalsha", 1), ("hmget", 1), ("hset", 1)]);
}

/// A login is one round trip more; one of an existing session too, since the request knows its absolute deadline.
#[tokio::test]
async fn a_login_costs_one_round_trip_more() {
    let server = Redis::start();
    let sessions = node(RedisStore::open(server.url()).unwrap(), SystemClock);
    visitor(&sessions, "ann").await;
    let mut browser = Browser::default();
    browser.add(&sessions).await.unwrap();
    let stats = &mut server.connect();
    reset(stats);
    browser.log_in(&sessions, "ann").await.unwrap();
    let info: String = redis::cmd("INFO").arg("commandstats").query(stats).unwrap();
    let calls = |command: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse::<u32>().unwrap())
    };
    assert_eq!((calls("evalsha"), calls("hgetall"), calls("zadd")), (2, 1, 1), "{info}");
    assert_eq!(sessions.count(Auth::by_user("ann")).await.unwrap(), 2);
}

/// Entries of sessions that ended long ago leave with later logins, even if no one looks the user up.
#[tokio::test]
async fn logins_remove_entries_of_ended_sessions() {
    let server = Redis::start();
    let (store, stats) = (open(&server), &mut server.connect());
    create(&store, 1, &[("auth", "{}"), (USER, "1")]).await;
    let set = entries(stats).unwrap();
    for number in 0_u8..100 {
        let ended = [&[number; 16][..], &1_u64.to_be_bytes(), &1_u64.to_be_bytes()].concat();
        redis::cmd("ZADD").arg(&set).arg(0).arg(ended).exec(stats).unwrap();
    }
    for number in 101..=150 {
        create(&store, number, &[("auth", "{}"), (USER, "1")]).await;
    }
    let left: usize = redis::cmd("ZCARD").arg(&set).query(stats).unwrap();
    assert!((51..75).contains(&left), "{left} entries");
}

/// The application gets an error that it can repeat, and the log names no key.
#[tokio::test]
async fn a_lookup_on_a_stopped_server_is_unavailable() {
    let mut server = Redis::start();
    let sessions = node(RedisStore::open(server.url()).unwrap(), SystemClock);
    visitor(&sessions, "ann").await;
    server.stop();
    let failed = sessions.destroy_all(Auth::by_user("ann")).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert!(failed.chain().contains("0 sessions have ended") && !failed.chain().contains("ann"), "{}", failed.chain());
}
