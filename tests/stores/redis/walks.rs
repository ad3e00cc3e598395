//! Scans and sweeps: over many keys, those of others among them.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use session_runtime::clock::Timestamp;
use session_runtime::record::Head;
use session_runtime::store::{Cursor, Damage, Store};
use session_runtime::{RedisStore, SessionKey};
use session_tests::pages;
use session_tests::servers::redis::Redis;

use super::fixture::{create, eventually, key, name, now, record};

/// Keys of others are not sessions.
#[tokio::test]
async fn a_scan_leaves_out_keys_that_are_no_sessions() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    store.set_lazy_schemas(&["history"]);
    let other = RedisStore::builder(server.url()).namespace("other").open().unwrap();
    for number in 0..40 {
        create(&store, number, &[("cart.n", "1"), ("history.n", "1")]).await;
        create(&other, number, &[("cart.n", "2")]).await;
    }
    let stray = ["session:{short}", "session:{}", "session:", "session", "xsession:{AAAAAAAAAAAAAAAAAAAAAA}"];
    for name in stray {
        redis::cmd("HSET").arg(name).arg("a").arg("b").exec(&mut server.connect()).unwrap();
    }
    let all = pages::all(&store, 9, now()).await;
    assert_eq!(all.len(), 40);
    for (number, (found, record)) in (0..40).zip(all) {
        assert_eq!(found, key(number));
        assert_eq!(record.values, super::fixture::values(&[("cart.n", "1"), ("history.n", "1")]));
    }
}

/// A session that is destroyed between two pages is missing on the second and does not end the walk.
#[tokio::test]
async fn a_scan_goes_on_past_deleted_sessions() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    for number in 0..20 {
        create(&store, number, &[]).await;
    }
    let page = store.scan(None, 5, now()).await.unwrap();
    let mut found: BTreeSet<_> = page.sessions.into_iter().map(|(key, _)| key).collect();
    assert_eq!(found.len(), 5);
    let doomed: Vec<_> = (0..20).map(key).filter(|key| !found.contains(key)).take(10).collect();
    for key in &doomed {
        store.delete(*key).await.unwrap();
    }
    found.extend(rest(&store, page.next).await);
    assert_eq!(found, (0..20).map(key).filter(|key| !doomed.contains(key)).collect());
}

/// All sessions behind this place, while the server may be restarting.
async fn rest(store: &RedisStore, mut from: Option<Cursor>) -> Vec<SessionKey> {
    let mut found = Vec::new();
    while let Some(cursor) = from {
        let page = eventually(|| store.scan(Some(&cursor), 5, now())).await;
        found.extend(page.sessions.into_iter().map(|(key, _)| key));
        from = page.next;
    }
    found
}

/// The cursor of a server means nothing to its next run, whose tables have another order.
#[tokio::test]
async fn a_scan_misses_nothing_when_the_server_is_restarted_between_two_pages() {
    let mut server = Redis::with(&["--save", "", "--appendonly", "yes"]);
    let store = RedisStore::open(server.url()).unwrap();
    for number in 0..200 {
        create(&store, number, &[]).await;
    }
    let page = store.scan(None, 50, now()).await.unwrap();
    assert_eq!(page.sessions.len(), 50);
    let mut found: BTreeSet<_> = page.sessions.into_iter().map(|(key, _)| key).collect();
    server.stop();
    server.run();
    found.extend(rest(&store, page.next).await);
    assert_eq!(found.len(), 200);
}

/// A page asks for what it returns, not for all names: where most belong to others, pages are short.
#[tokio::test]
async fn a_page_does_not_look_at_all_names() {
    let server = Redis::start();
    let fill = "for n = 1, tonumber(ARGV[1]) do redis.call('HSET', 'other:' .. n, 'a', 'b') end";
    redis::cmd("EVAL").arg(fill).arg(0).arg(60_000).exec(&mut server.connect()).unwrap();
    let store = RedisStore::open(server.url()).unwrap();
    for number in 0..20 {
        create(&store, number, &[]).await;
    }
    let (mut from, mut found, mut most) = (None, BTreeSet::new(), 0);
    loop {
        let before = scans(&server);
        let page = store.scan(from.as_ref(), 500, now()).await.unwrap();
        most = most.max(scans(&server) - before);
        found.extend(page.sessions.into_iter().map(|(key, _)| key));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!((1..=8).contains(&most), "a page took {most} steps");
    assert_eq!(found, (0..20).map(key).collect());
}

/// A name that is a session's and holds something else is named as unreadable.
#[tokio::test]
async fn a_scan_reports_a_value_of_another_type_as_unreadable() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    create(&store, 1, &[]).await;
    redis::cmd("SET").arg(name(2)).arg("text").exec(&mut server.connect()).unwrap();
    let (sessions, unreadable) = pages::all_and_unreadable(&store, 1, now()).await;
    assert_eq!((sessions[0].0, unreadable), (key(1), vec![(key(2), Damage::Head)]));
}

/// A sweep looks at so many names and no more, and the next one goes on there.
#[tokio::test]
async fn a_sweep_is_bounded_and_the_next_goes_on() {
    const OTHERS: usize = 60_000;
    let server = Redis::start();
    let fill = "for n = 1, tonumber(ARGV[1]) do redis.call('HSET', 'other:' .. n, 'a', 'b') end";
    redis::cmd("EVAL").arg(fill).arg(0).arg(OTHERS).exec(&mut server.connect()).unwrap();
    let store = RedisStore::open(server.url()).unwrap();
    let long_ago: Timestamp = (SystemTime::now() - Duration::from_secs(120)).into();
    for number in 0..30 {
        let mut expired = record(&[("cart.n", "1")]);
        expired.head = Head { idle_deadline: long_ago, ..expired.head };
        store.create(key(number), expired).await.unwrap();
    }
    create(&store, 99, &[("cart.n", "1")]).await;
    let (mut removed, mut sweeps) = (0, 0);
    while removed < 30 {
        let before = scans(&server);
        removed += store.sweep(1_000, now()).await.unwrap();
        sweeps += 1;
        let steps = scans(&server) - before;
        assert!(steps <= 10, "a sweep looked {steps} times");
        assert!(sweeps < 50, "{removed} of 30 were removed after {sweeps} sweeps");
    }
    assert!(sweeps > 1, "one sweep looked at everything");
    assert_eq!(pages::all(&store, 100, now()).await.len(), 1);
}

/// A sweep of a few sessions looked at 10,000 names, and so held the connection as long as a sweep of many.
#[tokio::test]
async fn a_sweep_of_few_sessions_does_not_look_at_all_names() {
    const OTHERS: u64 = 20_000;
    const LIMIT: u64 = 16;
    let server = Redis::start();
    let fill = "for n = 1, tonumber(ARGV[1]) do redis.call('HSET', 'other:' .. n, 'a', 'b') end";
    redis::cmd("EVAL").arg(fill).arg(0).arg(OTHERS).exec(&mut server.connect()).unwrap();
    let store = RedisStore::open(server.url()).unwrap();
    let mut expired = record(&[("cart.n", "1")]);
    expired.head.idle_deadline = (SystemTime::now() - Duration::from_secs(120)).into();
    let (mut found_after, rounds) = (0, 2 * OTHERS / (100 * LIMIT));
    store.create(key(1), expired).await.unwrap();
    for sweep in 1..=rounds {
        let before = scans(&server);
        let removed = store.sweep(LIMIT.try_into().unwrap(), now()).await.unwrap();
        let steps = scans(&server) - before;
        assert!(steps <= 8, "a sweep looked {steps} times, of 1,600 names in steps that double from 16");
        found_after = if removed == 1 { sweep } else { found_after };
    }
    assert!(found_after > 0, "not found in {rounds} sweeps");
}

fn scans(server: &Redis) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connect()).unwrap();
    let count = info.lines().find_map(|line| line.strip_prefix("cmdstat_scan:calls="));
    count.map_or(0, |count| count.split(',').next().unwrap().parse().unwrap())
}
