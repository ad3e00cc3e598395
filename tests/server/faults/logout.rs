//! A logout beside a write that spends a second inside the store's call, in every order.
//!
//! Two applications share the sessions: the way of one is slow, that of the other is not.

use std::thread;
use std::time::Duration;

use session_tests::cookie::Cookie;

use super::app::{App, change, show, slow};
use super::engine::{Engine, Kind, Way};

/// Less than a store waits for an answer.
const HELD: Duration = Duration::from_secs(1);

/// The point at which the slow save waits.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// On the way there: it happens after what the other does.
    Request,
    /// On the way back: it has happened before.
    Answer,
}

struct Pair {
    engine: Engine,
    held: App,
    way: Way,
    quick: App,
}

impl Pair {
    fn start(kind: Kind) -> Self {
        let engine = Engine::start(kind);
        let way = engine.another_way();
        let held = App::patient(&engine.url_by(&way));
        let quick = App::patient(&engine.url());
        Self { engine, held, way, quick }
    }

    /// One request's save is held while the other's whole request is done; gives both answers' statuses.
    fn beside(&self, held: Held, slow_one: &str, quick_one: &str, visitor: &Cookie) -> (u16, u16) {
        let mut asking = self.held.send(&slow(slow_one, visitor));
        self.held.gate.wait_for(1);
        let (delayed, sent) = (self.way.counts(), self.way.counts().to_server);
        match held {
            Held::Request => self.way.hold(HELD),
            Held::Answer => self.way.delay(HELD),
        }
        self.held.gate.open();
        match held {
            Held::Request => self.until(|counts| counts.held > delayed.held),
            Held::Answer => self.until(|counts| counts.to_server > sent && counts.delayed > delayed.delayed),
        }
        let quick = self.quick.ask(&change(quick_one, visitor));
        let slow = asking.receive(false).unwrap();
        self.way.hold(Duration::ZERO);
        self.way.delay(Duration::ZERO);
        if slow_one != "logout" {
            assert!(slow.set_cookies().is_empty(), "the late answer sets no cookie: {slow:?}");
        }
        (slow.status, quick.status)
    }

    fn until(&self, holds: impl Fn(session_tests::servers::proxy::Counts) -> bool) {
        crate::process::poll("the save to be held", || holds(self.way.counts()).then_some(()));
    }

    fn assert_anonymous(&self, visitor: &Cookie) {
        for app in [&self.held, &self.quick] {
            assert_eq!(app.ask(&show(visitor)).expect_silent(200).json::<super::app::Shown>().0, 0);
        }
    }
}

/// C20: handlers that loaded the session before a logout and save after it: nothing comes back, and no cookie.
#[test]
fn a_save_after_a_logout_brings_nothing_back() {
    for kind in Kind::ALL {
        let engine = Engine::start(kind);
        let app = App::patient(&engine.url());
        for what in ["add", "login", "renew", "logout"] {
            let visitor = app.visitor();
            let mut asking = app.send(&slow(what, &visitor));
            app.gate.wait_for(1);
            assert_eq!(engine.sessions(), 1);
            app.ask(&change("logout", &visitor)).expect(200);
            assert_eq!(engine.sessions(), 0, "{kind:?}: the logout comes first");
            app.gate.open();
            let late = asking.receive(false).unwrap();
            // A second logout removes the cookie again. A late answer may do no more to the cookie.
            assert!(late.set_cookies().is_empty() || late.new_cookie().value.is_empty(), "{kind:?}, {what}: {late:?}");
            assert_eq!(engine.sessions(), 0, "{kind:?}: a late {what} brought the session back");
            assert_eq!(app.count(&visitor), 0);
            println!("C20 {kind:?}: a {what} after the logout is answered {}, nothing is left", late.status);
        }
    }
}

/// C20, C22: whichever of the two is held, on its way there or back: the session is gone in the end, and no late answer
/// brings a cookie.
#[test]
fn a_write_held_beside_a_logout_brings_nothing_back() {
    thread::scope(|scope| {
        for kind in Kind::WITH_WAY {
            scope.spawn(move || {
                let pair = Pair::start(kind);
                for held in [Held::Request, Held::Answer] {
                    // After a login or a renewal has happened, a logout with the old id is none.
                    let writes = if matches!(held, Held::Request) { &["add", "login", "renew"][..] } else { &["add"] };
                    for what in writes {
                        let visitor = pair.quick.visitor();
                        let before = pair.way.counts();
                        let (write, logout) = pair.beside(held, what, "logout", &visitor);
                        let after = pair.way.counts();
                        assert!(after.held > before.held || after.delayed > before.delayed);
                        println!("C22 {kind:?}: {what} held ({held:?}) {write}, logout {logout}");
                        assert_eq!(logout, 200);
                        assert!([200, 503].contains(&write), "{write}");
                        assert_eq!(pair.engine.sessions(), 0);
                        pair.assert_anonymous(&visitor);
                    }
                    let visitor = pair.quick.visitor();
                    let (logout, write) = pair.beside(held, "logout", "add", &visitor);
                    println!("C22 {kind:?}: logout held ({held:?}) {logout}, add {write}");
                    // On a busy machine it may have come too late for an error.
                    let again = change("logout", &visitor);
                    assert!(logout == 200 || pair.quick.at_last(&again).status == 200);
                    assert_eq!(write, 200);
                    pair.assert_anonymous(&visitor);
                }
            });
        }
    });
}
