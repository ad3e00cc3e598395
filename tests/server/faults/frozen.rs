//! A server that answers no more, or far too late, and that does answer in the end.

use std::thread;
use std::time::Duration;

use session_tests::cookie::Cookie;

use super::app::{App, BOUNDED, change, show};
use super::engine::{Engine, Kind};
use crate::process::poll;

const REQUESTS: usize = 200;

/// Two hundred requests at once, reads and writes: each gets 503 in bounded time, and routes without a session work
/// beside them. Returns the longest time of one request.
fn all_fail_in_time(app: &App, visitors: &[Cookie]) -> Duration {
    let answers = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            app.at_once(REQUESTS, |at| {
                let visitor = &visitors[at % visitors.len()];
                if at % 2 == 0 { show(visitor) } else { change("add", visitor) }
            })
        });
        for _ in 0..20 {
            app.assert_others_go_on();
        }
        asking.join().unwrap()
    });
    let longest = answers.iter().map(|(_, took)| *took).max().unwrap();
    for (answer, took) in answers {
        answer.expect_unavailable();
        assert!(took < BOUNDED, "{took:?}, far beyond the deadline");
    }
    longest
}

/// With any outcome of the adds in between, acknowledged changes are stored and everything works.
fn all_work_again(app: &App, visitors: &[Cookie]) {
    for visitor in visitors {
        let (before, ..) = app.shown_at_last(visitor);
        assert!((1..=1 + REQUESTS as u64).contains(&before));
    }
    // What the server still had to do may come in between.
    poll("200 requests that all succeed", || {
        let answers = app.at_once(REQUESTS, |at| show(&visitors[at % visitors.len()]));
        answers.iter().all(|(answer, _)| answer.status == 200).then_some(())
    });
    for visitor in visitors {
        app.at_last(&change("add", visitor)).expect_silent(200);
    }
}

fn no_connection_leaks(engine: &Engine, before: usize) -> usize {
    poll("idle connections to be closed", || (engine.connections() <= before).then_some(()));
    engine.connections()
}

/// C63: the server's processes stand still under 200 requests at once.
#[test]
fn a_frozen_store_costs_each_request_its_deadline() {
    for kind in Kind::ALL {
        let engine = Engine::start(kind);
        let app = App::at(&engine.url());
        let visitors: Vec<Cookie> = (0..20).map(|_| app.visitor()).collect();
        app.at_once(REQUESTS, |at| show(&visitors[at % visitors.len()]));
        let before = engine.connections();
        assert!(before > 0);
        engine.freeze();
        let longest = all_fail_in_time(&app, &visitors);
        assert!(engine.is_frozen());
        engine.thaw();
        all_work_again(&app, &visitors);
        let after = no_connection_leaks(&engine, before);
        println!(
            "C63 {kind:?}: 200 of 200 answered 503, the last after {longest:?}; connections {before}, then {after}"
        );
    }
}

/// C63: answers that come after half a minute.
#[test]
fn answers_after_half_a_minute_cost_each_request_its_deadline() {
    for kind in Kind::WITH_WAY {
        let engine = Engine::start(kind);
        let app = App::at(&engine.url());
        let visitors: Vec<Cookie> = (0..20).map(|_| app.visitor()).collect();
        app.at_once(REQUESTS, |at| show(&visitors[at % visitors.len()]));
        let before = engine.connections();
        engine.way().delay(Duration::from_secs(30));
        let longest = all_fail_in_time(&app, &visitors);
        let delayed = engine.way().counts().delayed;
        assert!(delayed > 0);
        engine.way().delay(Duration::ZERO);
        all_work_again(&app, &visitors);
        let after = no_connection_leaks(&engine, before);
        println!(
            "C63 {kind:?}: {delayed} answers held for 30 s, 200 of 200 answered 503, the last after {longest:?}; \
             connections {before}, then {after}"
        );
    }
}
