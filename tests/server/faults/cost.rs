//! The cost of a visitor's request for the store's server, as the server and the proxy count it.

use std::thread;
use std::time::Duration;

use super::app::{App, change, show};
use super::engine::{Engine, Kind};
use session_runtime::SessionConfig;
use session_runtime::config::ServerConfig;
use session_tests::http::Request;

const ROUNDS: u64 = 20;

/// B46: a route without a guard asks nothing of the server; one that reads asks once, and one that writes asks twice.
#[test]
fn a_read_is_one_command_and_a_write_is_two() {
    for kind in Kind::ALL {
        let engine = Engine::start(kind);
        let app = App::patient(&engine.url());
        let visitor = app.visitor();
        // The sweep at the launch is over, and what connections ask at their beginning.
        app.at_once(50, |_| change("add", &visitor));
        thread::sleep(Duration::from_millis(500));
        let long_patches = engine.long_patches();
        let cost = |request: &Request| {
            let before = engine.commands();
            (0..ROUNDS).for_each(|_| drop(app.ask(request).expect_silent(200)));
            engine.commands() - before
        };
        let costs = [Request::get("/ping"), show(&visitor), change("add", &visitor)].map(|request| cost(&request));
        println!(
            "{kind:?}: {ROUNDS} requests: {} commands for /ping, {} to read, {} to add",
            costs[0], costs[1], costs[2]
        );
        assert_eq!(costs, [0, ROUNDS, 2 * ROUNDS], "{kind:?}");
        // None but one that moved the deadline.
        assert!(engine.long_patches() <= long_patches + 1, "{kind:?}: a patch is not the short statement");
    }
}

/// With 100 KB in a lazy schema, requests of another schema move under 2 KB.
#[test]
fn a_lazy_history_stays_where_it_is() {
    for kind in Kind::WITH_WAY {
        let engine = Engine::start(kind);
        let one = ServerConfig { connections: 1, ..ServerConfig::default() };
        let app = App::with(SessionConfig::new().store(engine.url()).server(one));
        let visitor = app.visitor();
        app.ask(&Request::post("/fill/7").cookie(&visitor)).expect_silent(200);
        assert_eq!(app.ask(&Request::get("/history").cookie(&visitor)).expect_silent(200).text(), "102400");
        // So that every statement is known on the connection.
        app.ask(&change("add", &visitor)).expect_silent(200);
        app.ask(&show(&visitor)).expect_silent(200);
        let moved = |request: &Request| {
            let before = engine.way().moved();
            app.ask(request).expect_silent(200);
            engine.way().moved() - before
        };
        let (read, write) = (moved(&show(&visitor)), moved(&change("add", &visitor)));
        let history = moved(&Request::get("/history").cookie(&visitor));
        println!("{kind:?}: a read moves {read} bytes, an add {write}, the history {history}");
        assert!(history > 100 * 1024, "the proxy counts the bytes");
        assert!(read < 2_048 && write < 2_048, "{read} and {write} bytes");
    }
}
