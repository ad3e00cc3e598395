//! Scans and sweeps: over many keys, those of others among them.

use std::time::{Duration, SystemTime};

use session_runtime::RedisStore;
use session_runtime::clock::Timestamp;
use session_runtime::record::Head;
use session_runtime::store::Store;
use session_tests::servers::redis::Redis;

use crate::fixture::{create, key, now, record};

/// Page by page, in order, although the server knows no order; keys of others are not sessions.
#[tokio::test]
async fn a_scan_leaves_out_what_is_not_a_session_of_its_own() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    store.keep_apart(&["history"]);
    let other = RedisStore::builder(server.url()).namespace("other").open().unwrap();
    for number in 0..40 {
        create(&store, number, &[("cart.n", "1"), ("history.n", "1")]).await;
        create(&other, number, &[("cart.n", "2")]).await;
    }
    let stray = ["session:{short}", "session:{}", "session:", "session", "xsession:{AAAAAAAAAAAAAAAAAAAAAA}"];
    for name in stray {
        redis::cmd("HSET").arg(name).arg("a").arg("b").exec(&mut server.connect()).unwrap();
    }
    let (mut from, mut pages) = (None, Vec::new());
    loop {
        let page = store.scan(from, 9, now()).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        from = Some(*last);
        pages.push(page);
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [9, 9, 9, 9, 4]);
    for (number, (found, record)) in (0..40).zip(pages.into_iter().flatten()) {
        assert_eq!(found, key(number));
        assert_eq!(record.values, crate::fixture::values(&[("cart.n", "1"), ("history.n", "1")]));
    }
}

/// What is destroyed between two pages is left out of the second, and does not end the walk.
#[tokio::test]
async fn a_scan_goes_on_over_what_has_gone() {
    let server = Redis::start();
    let store = RedisStore::open(server.url()).unwrap();
    for number in 0..20 {
        create(&store, number, &[]).await;
    }
    let page = store.scan(None, 5, now()).await.unwrap();
    assert_eq!(page.len(), 5);
    for number in 5..15 {
        store.delete(key(number)).await.unwrap();
    }
    let rest = store.scan(Some(page[4].0), 5, now()).await.unwrap();
    assert_eq!(rest.iter().map(|(found, _)| *found).collect::<Vec<_>>(), (15..20).map(key).collect::<Vec<_>>());
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
        expired.head = Head { expires: long_ago, ..expired.head };
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
    assert_eq!(store.scan(None, 100, now()).await.unwrap().len(), 1);
}

fn scans(server: &Redis) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connect()).unwrap();
    let count = info.lines().find_map(|line| line.strip_prefix("cmdstat_scan:calls="));
    count.map_or(0, |count| count.split(',').next().unwrap().parse().unwrap())
}
