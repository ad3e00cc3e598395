//! Clocks that jump, nodes whose clocks differ, and the sweep beside everything else.

use std::time::Duration;

use rocket::futures::future::join_all;
use session_runtime::clock::Timestamp;
use session_runtime::record::Record;
use session_runtime::testing::{Fault, ManualClock, RecordingStore};
use session_runtime::{SessionConfig, SessionKey, Sessions, Store};

use crate::app::{App, Browser, patient};
use crate::store::in_memory;

const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

fn config() -> SessionConfig {
    patient().idle(HOUR).absolute(3 * HOUR)
}

async fn head(app: &App, browser: &Browser) -> session_runtime::record::Head {
    app.store.record(app.key(browser).await).await.unwrap().head
}

/// C68: whatever the clock does, loads, writes, renewals and sweeps neither panic nor fail, and no deadline moves past the
/// absolute one.
#[rocket::async_test]
async fn a_jumping_clock_moves_no_deadline_past_the_absolute_one() {
    let (app, mut browser) = (App::with(config().idle(2 * HOUR)).await, Browser::default());
    let start = app.clock.timestamp();
    app.post(&mut browser, "/add/7").await;
    let ends = head(&app, &browser).await.absolute_deadline;
    assert_eq!(ends, start.after(3 * HOUR));
    for moment in [start.before(HOUR), start.after(HOUR / 2), start, start.after(HOUR), start.before(10 * YEAR)] {
        app.clock.set(moment);
        for path in ["/add/7", "/renew", "/expiry/after/86400", "/expiry/default/0"] {
            assert!(app.post(&mut browser, path).await.status < 300, "{path} at {moment:?}");
        }
        let head = head(&app, &browser).await;
        assert!(head.absolute_deadline == ends && head.idle_deadline <= ends, "at {moment:?}: {head:?}");
    }
    for moment in [Timestamp::MAX, Timestamp::from_millis(i64::MIN), Timestamp::from_millis(0), ends] {
        app.clock.set(moment);
        let fresh = &mut Browser::default();
        for path in ["/add/7", "/renew", "/expiry/after/60", "/destroy"] {
            assert!(app.post(fresh, path).await.status < 300, "{path} at {moment:?}");
        }
    }
    app.clock.set(ends);
    assert_eq!(app.get(&mut browser, "/cart").await.body, "{}", "dead at the absolute deadline");
}

/// C68: a sweep removes what is expired by its own clock and a minute; one that runs in the past removes nothing.
#[rocket::async_test]
async fn a_sweep_with_a_jumping_clock_spares_the_living() {
    let (app, mut browser) = (App::with(config()).await, Browser::default());
    let start = app.clock.timestamp();
    app.post(&mut browser, "/add/7").await;
    let sessions = Sessions::fetch(app.client.rocket()).unwrap();
    for moment in [start.before(HOUR), start.before(10 * YEAR), Timestamp::from_millis(i64::MIN), start.after(HOUR)] {
        app.clock.set(moment);
        assert_eq!(sessions.sweep().await.unwrap(), 0, "{moment:?}");
    }
    assert_eq!(app.store.records().await, 1);
    app.clock.set(start.after(10 * YEAR));
    // The fairing's own sweep may come first.
    sessions.sweep().await.unwrap();
    assert_eq!(app.store.records().await, 0);
}

/// C68: two nodes on one store, half a minute apart: the session lives on both, each moves the deadline by its own clock,
/// and neither moves it past the absolute one.
#[rocket::async_test]
async fn nodes_may_be_half_a_minute_apart() {
    let (one, mut browser) = (App::with(config()).await, Browser::default());
    let two = App::on(one.store.clone(), config()).await;
    two.clock.set(one.clock.timestamp().after(Duration::from_secs(30)));
    one.post(&mut browser, "/add/7").await;
    let ends = head(&one, &browser).await.absolute_deadline;
    for round in 0..5 {
        for app in [&two, &one] {
            assert_eq!(app.post(&mut browser, "/add/7").await.status, 200, "{round}");
            let head = head(app, &browser).await;
            assert!(head.idle_deadline <= ends, "{head:?}");
            app.clock.advance(HOUR / 2);
            let sweep = Sessions::fetch(app.client.rocket()).unwrap().sweep().await;
            assert_eq!(sweep.unwrap(), 0, "the other node's clock is no reason to die");
        }
    }
    assert_eq!(one.get(&mut browser, "/cart").await.body, r#"{"7":11}"#);
}

/// C69: an expired record is not served while a sweep runs, and one that is used in the meantime is not swept.
#[rocket::async_test]
async fn a_sweep_beside_loads_serves_no_expired_session_and_spares_used_ones() {
    let app = App::with(config()).await;
    let mut browsers = vec![Browser::default(); 64];
    for browser in &mut browsers {
        app.post(browser, "/add/7").await;
    }
    app.clock.advance(HOUR / 2);
    for browser in &mut browsers[..32] {
        app.get(browser, "/cart").await;
    }
    app.clock.advance(HOUR / 2 + Duration::from_secs(60));
    let sessions = Sessions::fetch(app.client.rocket()).unwrap();
    let sweeps = join_all((0..4).map(|_| async { sessions.sweep().await.unwrap() }));
    let reads = join_all(browsers.iter().map(|browser| async { app.get(&mut browser.clone(), "/cart").await.body }));
    let (swept, read) = rocket::tokio::join!(sweeps, reads);
    assert_eq!(swept.iter().sum::<u64>(), 32, "each once");
    let (alive, dead) = read.split_at(32);
    assert!(alive.iter().all(|cart| cart == r#"{"7":1}"#) && dead.iter().all(|cart| cart == "{}"));
    assert_eq!(app.store.records().await, 32);
}

/// B45, C70: a sweep that fails or panics is not the last one, and the shutdown is.
#[tokio::test(start_paused = true)]
async fn a_failed_sweep_is_followed_by_the_next_until_shutdown() {
    let (store, clock) = (in_memory(), ManualClock::new());
    store.fail_next("sweep", Fault::Down);
    store.fail_next("sweep", Fault::Panics);
    let record = Record::new(session_runtime::testing::head_at(0), session_runtime::record::Values::new());
    store.create(SessionKey::from_bytes([1; 16]), record).await.unwrap();
    let quiet = rocket::Config::figment().merge(("log_level", "off"));
    let fairing = Sessions::fairing::<crate::app::All>().store(store.clone()).clock(clock);
    let rocket = rocket::custom(quiet).attach(fairing);
    let client = rocket::local::asynchronous::Client::untracked(rocket).await.unwrap();
    tokio::time::sleep(Duration::from_secs(130)).await;
    assert_eq!(store.sweeps(), 3, "one at the launch and one a minute");
    assert_eq!(store.records().await, 0);
    client.rocket().shutdown().notify();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(store.sweeps(), 3, "none after the shutdown");
}

/// A store in memory that takes 50 ms for a sweep of any size, with this many expired sessions.
async fn slow_to_sweep(expired: u8) -> RecordingStore {
    let store = in_memory();
    for n in 0..expired {
        let record = Record::new(session_runtime::testing::head_at(0), session_runtime::record::Values::new());
        store.create(SessionKey::from_bytes([n; 16]), record).await.unwrap();
    }
    store.fail("sweep", Fault::Slow(SLOW_STEP));
    store
}

const SLOW_STEP: Duration = Duration::from_millis(50);

/// C53: a sweep took the store from visitors as long as it lasted. Now it pauses after each step, for three times its time.
#[tokio::test(start_paused = true)]
async fn a_sweep_does_not_take_the_store_from_visitors() {
    let store = slow_to_sweep(200).await;
    let config = SessionConfig::new().deadline(2 * SLOW_STEP);
    let sessions = Sessions::builder().store(store.clone()).config(config).clock(ManualClock::new());
    let started = tokio::time::Instant::now();
    let removed = sessions.build().unwrap().sweep().await;
    assert_eq!(removed.unwrap(), 200, "the deadline is that of a step, not of the sweep");
    let steps = u32::try_from(store.sweeps()).unwrap();
    let (least, took) = (SLOW_STEP * steps + 3 * SLOW_STEP * (steps - 1), started.elapsed());
    assert!((least..least + SLOW_STEP).contains(&took), "{steps} steps of {SLOW_STEP:?} in {took:?}");
}

/// C53: after a step of 100 sessions that took ten times too long, steps have 16.
#[tokio::test(start_paused = true)]
async fn a_step_of_a_sweep_is_as_small_as_its_time_asks_for() {
    let store = slow_to_sweep(200).await;
    let sessions = Sessions::builder().store(store.clone()).clock(ManualClock::new()).build().unwrap();
    assert_eq!(sessions.sweep().await.unwrap(), 200);
    assert_eq!(store.sweeps(), 1 + 100_usize.div_ceil(16));
}

/// C70: a sweep that was longer than the time between a signal and the end of the process went on to that end.
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_a_sweep_between_its_steps() {
    let store = slow_to_sweep(200).await;
    let quiet = rocket::Config::figment().merge(("log_level", "off"));
    let fairing = Sessions::fairing::<crate::app::All>().store(store.clone()).clock(ManualClock::new());
    let rocket = rocket::custom(quiet).attach(fairing);
    let client = rocket::local::asynchronous::Client::untracked(rocket).await.unwrap();
    tokio::time::sleep(2 * SLOW_STEP).await;
    assert_eq!((store.sweeps(), store.records().await), (1, 100), "the pause after the first step");
    client.rocket().shutdown().notify();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((store.sweeps(), store.records().await), (1, 100));
}
