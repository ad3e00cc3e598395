//! The answer to a save is lost on its way back: what was sent has happened, and is not sent again.

use session_runtime::SessionConfig;
use session_runtime::config::ServerConfig;
use session_tests::cookie::Cookie;
use session_tests::http::Request;

use super::app::{App, DONE, change, slow};
use super::engine::{Engine, Kind};
use crate::process::poll;

/// An engine and an application of which every kind of request has been there, so that the server knows every script
/// and statement: else what is lost may be the answer that it does not.
fn begin(kind: Kind) -> (Engine, App) {
    let engine = Engine::start(kind);
    let one = ServerConfig { connections: 1, ..ServerConfig::default() };
    let app = App::with(SessionConfig::new().store(engine.url()).server(one));
    for _ in 0..2 {
        let visitor = app.visitor();
        app.ask(&change("add", &visitor)).expect_silent(200);
        let renewed = app.ask(&change("renew", &visitor)).expect(200).new_cookie();
        app.ask(&change("logout", &renewed)).expect(200);
    }
    (engine, app)
}

/// The way in which an answer is lost.
#[derive(Clone, Copy, Debug)]
enum Lost {
    /// With its connection, at once: a client that sends again would have the time to.
    Cut,
    /// Without a word, until the request's deadline.
    Silently,
}

impl Lost {
    const BOTH: [Self; 2] = [Self::Cut, Self::Silently];

    /// Has one change saved and its answer lost.
    fn lose(self, engine: &Engine, app: &App, request: &Request) {
        let before = engine.way().counts();
        let mut asking = app.send(request);
        app.gate.wait_for(1);
        engine.way().swallow(true);
        app.gate.open();
        poll("the answer to be lost", || (engine.way().counts().swallowed > before.swallowed).then_some(()));
        if matches!(self, Self::Cut) {
            engine.way().cut();
            poll("the connection to be cut", || (engine.way().counts().cut > before.cut).then_some(()));
            // New connections stay possible, so a client could send again.
            engine.way().swallow(false);
        }
        let answer = asking.receive(false).unwrap().expect_unavailable();
        assert!(!answer.text().contains(DONE), "{answer:?}");
        if matches!(self, Self::Silently) {
            engine.way().heal();
        }
    }
}

/// C61b: 503, since the outcome is unknown. The write happened, and it happened once.
#[test]
fn an_add_whose_answer_is_lost_counts_once() {
    const ROUNDS: u64 = 3;
    for kind in Kind::WITH_WAY {
        for how in Lost::BOTH {
            let (engine, app) = begin(kind);
            let visitor = app.visitor();
            for round in 1..=ROUNDS {
                how.lose(&engine, &app, &slow("add", &visitor));
                let (count, ..) = app.shown_at_last(&visitor);
                assert_eq!(count, 2 * round, "{kind:?}, {how:?}: {round} adds were sent and not answered");
                // On the new connection, which learns the statement by it.
                app.at_last(&change("add", &visitor)).expect_silent(200);
            }
            assert_eq!(app.count(&visitor), 1 + 2 * ROUNDS);
            println!("C61b {kind:?}: {ROUNDS} adds whose answers were lost ({how:?}), {ROUNDS} counted");
        }
    }
}

/// C61b: a first save whose answer is lost sets no cookie, so no browser has the session. The next request makes
/// another.
#[test]
fn a_first_save_whose_answer_is_lost_gives_no_cookie() {
    for kind in Kind::WITH_WAY {
        for how in Lost::BOTH {
            let (engine, app) = begin(kind);
            how.lose(&engine, &app, &Request::post("/do/add?wait=true"));
            let answer = app.at_last(&Request::post("/do/add")).expect(200);
            assert_eq!(app.count(&answer.new_cookie()), 1);
            assert_eq!(engine.sessions(), 2, "the lost one stays until it expires, and no browser has it");
        }
    }
}

/// C61b: a login whose answer is lost logs no browser in: no cookie was set, and the old id opens nothing new.
#[test]
fn a_login_whose_answer_is_lost_logs_no_user_in() {
    for kind in Kind::WITH_WAY {
        for (what, how) in [("login", Lost::Cut), ("login", Lost::Silently), ("renew", Lost::Cut)] {
            let (engine, app) = begin(kind);
            let visitor = app.visitor();
            how.lose(&engine, &app, &slow(what, &visitor));
            let (count, user, _) = app.shown_at_last(&visitor);
            assert_eq!(user, None, "{kind:?}, {what}: the old id is logged in");
            assert_eq!(count, 0, "{kind:?}, {what}: the old id is dead, the save did happen");
            // It cannot push a new id out of the browser either.
            app.at_last(&change("add", &visitor)).expect_silent(409);
            assert_eq!(engine.sessions(), 1);
            println!("C61b {kind:?}: after a {what} whose answer was lost ({how:?}) the old id opens nothing");
        }
    }
}

/// C61b: a logout whose answer is lost is a logout. A repeated request confirms it.
#[test]
fn a_logout_whose_answer_is_lost_ends_the_session() {
    for kind in Kind::WITH_WAY {
        for how in Lost::BOTH {
            let (engine, app) = begin(kind);
            let visitor = app.visitor();
            how.lose(&engine, &app, &slow("logout", &visitor));
            poll("the session to end", || (engine.sessions() == 0).then_some(()));
            assert_eq!(app.shown_at_last(&visitor).0, 0, "{kind:?}");
            app.at_last(&change("logout", &visitor)).expect(200);
            assert_eq!(engine.sessions(), 0);
            println!("C61b {kind:?}: after a logout whose answer was lost ({how:?}) no session is left");
        }
    }
}

/// C61b, C63: the server stands still with saves in flight, which it may find in its connections afterwards: each
/// counts once or not at all, and the next one once.
#[test]
fn adds_under_way_in_a_frozen_server_count_at_most_once() {
    const VISITORS: usize = 20;
    for kind in Kind::ALL {
        let engine = Engine::start(kind);
        let app = App::at(&engine.url());
        let visitors: Vec<Cookie> = (0..VISITORS).map(|_| app.visitor()).collect();
        for visitor in &visitors {
            app.ask(&change("add", visitor)).expect_silent(200);
        }
        let asking: Vec<_> = visitors.iter().map(|visitor| app.send(&slow("add", visitor))).collect();
        app.gate.wait_for(VISITORS);
        engine.freeze();
        app.gate.open();
        for mut connection in asking {
            connection.receive(false).unwrap().expect_unavailable();
        }
        assert!(engine.is_frozen());
        engine.thaw();
        let mut happened = 0;
        for visitor in &visitors {
            app.at_last(&change("add", visitor)).expect_silent(200);
            let (count, ..) = app.shown_at_last(visitor);
            assert!((3..=4).contains(&count), "{kind:?}: {count} of 2, one under way and one more");
            happened += count - 3;
        }
        println!(
            "C61b {kind:?}: {VISITORS} adds under way in a frozen server, {happened} of them happened, none twice"
        );
    }
}
