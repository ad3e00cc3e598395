//! Few connections and many requests: every request waits for a bounded time, and no change is lost.

use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use session_runtime::config::ServerConfig;
use session_runtime::{PostgresStore, SessionConfig};
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Request};
use tokio_postgres::NoTls;

use super::app::{App, BOUNDED, change};
use super::engine::{Engine, Kind};

const REQUESTS: usize = 200;

fn pool(url: &str, connections: usize) -> Pool {
    Pool::builder(Manager::new(url.parse().unwrap(), NoTls)).max_size(connections).build().unwrap()
}

/// Every answer came in time: the change, or the word that it may not have happened. Gives how many of each.
fn judge(answers: Vec<(Answer, Duration)>) -> (u64, u64, Duration) {
    let longest = answers.iter().map(|(_, took)| *took).max().unwrap();
    assert!(longest < BOUNDED, "{longest:?}, far beyond the deadline");
    let (mut stored, mut unknown) = (0, 0);
    for (answer, _) in answers {
        if answer.status == 200 {
            answer.expect_silent(200);
            stored += 1;
        } else {
            answer.expect_unavailable();
            unknown += 1;
        }
    }
    (stored, unknown, longest)
}

/// Every acknowledged change is counted once. The next requests succeed.
fn assert_counts(app: &App, visitors: &[Cookie], stored: u64, unknown: u64) {
    let count: u64 = visitors.iter().map(|visitor| app.shown_at_last(visitor).0 - 1).sum();
    assert!((stored..=stored + unknown).contains(&count), "{count} of {stored} + {unknown}");
    for visitor in visitors {
        app.at_last(&change("add", visitor)).expect_silent(200);
    }
    app.assert_others_go_on();
}

/// C65: 200 writes at once over two connections on which every answer takes its time.
#[test]
fn two_connections_carry_two_hundred_slow_requests() {
    let two = ServerConfig { connections: 2, ..ServerConfig::default() };
    // On a pool one connection carries one request at a time: the longer delay is more than two of them can bear.
    let rows =
        [(Kind::Redis, false, 5), (Kind::Postgres, false, 5), (Kind::Postgres, true, 2), (Kind::Postgres, true, 50)];
    for (kind, pooled, delay) in rows {
        let engine = Engine::start(kind);
        let app = if pooled {
            let pool = pool(&engine.url(), 2);
            let store = PostgresStore::from_pool(pool.clone(), "public");
            App::sharing(pool, store, SessionConfig::new())
        } else {
            App::with(SessionConfig::new().store(engine.url()).server(two.clone()))
        };
        let visitors: Vec<Cookie> = (0..REQUESTS).map(|_| app.visitor()).collect();
        engine.way().delay(Duration::from_millis(delay));
        let answers = app.at_once(REQUESTS, |at| change("add", &visitors[at]));
        let delayed = engine.way().counts().delayed;
        assert!(delayed > 0);
        engine.way().delay(Duration::ZERO);
        let (stored, unknown, longest) = judge(answers);
        assert_counts(&app, &visitors, stored, unknown);
        println!(
            "C65 {kind:?}, application's pool {pooled}: {delayed} answers of {delay} ms; {stored} adds stored, {unknown} answered \
             503, the last after {longest:?}"
        );
    }
}

/// C65: handlers that hold connections of the pool from which the store takes its own, while they save: with all of
/// them held there is a bounded wait and no deadlock.
#[test]
fn handlers_that_hold_the_pools_connections_do_not_lock_it() {
    const HOLDERS: usize = 16;
    let engine = Engine::start(Kind::Postgres);
    let pool = pool(&engine.url(), 2);
    let store = PostgresStore::from_pool(pool.clone(), "public");
    let config = SessionConfig::new().deadline(Duration::from_millis(500));
    let app = App::sharing(pool.clone(), store, config);
    let visitor = app.visitor();
    let holding = Request::post("/holding").cookie(&visitor);
    // One at a time there is a connection for the save.
    app.at_last(&holding).expect_silent(200);
    let before = app.count(&visitor) - 1;
    let (stored, unknown, longest) = judge(app.at_once(HOLDERS, |_| holding.clone()));
    assert!(unknown > 0, "the pool was never empty");
    assert_counts(&app, std::slice::from_ref(&visitor), before + stored, unknown);
    app.at_last(&holding).expect_silent(200);
    let status = pool.status();
    assert!(status.size <= 2 && status.waiting == 0, "{status:?}");
    println!(
        "C65: {HOLDERS} holders of a pool of two: {stored} stored, {unknown} answered 503, the last after {longest:?}"
    );
}
