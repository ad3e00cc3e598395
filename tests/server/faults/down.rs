//! The server of the sessions is not there: at the load, and between the load and the save.

use std::time::Duration;

use session_tests::http::Request;

use super::app::{App, DONE, change, show, slow};
use super::engine::{Engine, Kind};

/// C60: with the store down, a request that needs the session gets 503 and is never taken for anonymous. Routes without
/// a session are not affected. Once the store is up, the visitor has the same session.
#[test]
fn a_store_that_is_down_makes_no_user_anonymous() {
    for kind in Kind::ALL {
        let mut engine = Engine::start(kind);
        let app = App::at(&engine.url());
        let visitor = app.visitor();
        app.ask(&change("add", &visitor)).expect_silent(200);
        engine.stop();
        assert!(engine.is_down());
        let requests = [show(&visitor), change("add", &visitor), change("logout", &visitor), Request::post("/do/add")];
        for request in &requests {
            let answer = app.ask(request).expect_unavailable();
            assert!(answer.text().contains("503") && !answer.text().contains(DONE), "{answer:?}");
            app.assert_others_go_on();
        }
        engine.run();
        let (count, ..) = app.shown_at_last(&visitor);
        assert_eq!(count, 2, "{kind:?}");
        app.at_last(&change("add", &visitor)).expect_silent(200);
        assert_eq!(app.count(&visitor), 3);
        println!("C60 {kind:?}: {} requests, each 503; afterwards the session as it was", requests.len());
    }
}

/// C61: the store goes while handlers wait between load and save: 503, no cookie, nothing of their answers; afterwards
/// every session is as it was, and goes on.
#[test]
fn a_store_that_goes_before_the_save_leaves_the_session_as_it_was() {
    const CHANGES: [&str; 4] = ["add", "login", "renew", "logout"];
    for kind in Kind::ALL {
        let mut engine = Engine::start(kind);
        let app = App::at(&engine.url());
        let visitors = CHANGES.map(|_| app.visitor());
        let mut asking: Vec<_> =
            CHANGES.iter().zip(&visitors).map(|(what, visitor)| app.send(&slow(what, visitor))).collect();
        // A first request, which has loaded nothing and whose cookie would be new.
        asking.push(app.send(&Request::post("/do/add?wait=true")));
        app.gate.wait_for(asking.len());
        engine.stop();
        assert!(engine.is_down());
        app.gate.open();
        for connection in &mut asking {
            let answer = connection.receive(false).unwrap().expect_unavailable();
            assert!(!answer.text().contains(DONE), "{answer:?}");
        }
        engine.run();
        for (what, visitor) in CHANGES.iter().zip(&visitors) {
            let (count, user, _) = app.shown_at_last(visitor);
            assert_eq!((count, user), (1, None), "{kind:?}, {what}");
            app.at_last(&change("add", visitor)).expect_silent(200);
            assert_eq!(app.count(visitor), 2, "{kind:?}, {what}");
        }
        assert_eq!(engine.sessions(), visitors.len() as u64, "{kind:?}: nothing half written");
        println!("C61 {kind:?}: {} saves, each 503; afterwards {} sessions as they were", asking.len(), visitors.len());
    }
}

/// C61: the same where the way is cut and no connection succeeds.
#[test]
fn a_way_that_is_cut_before_the_save_leaves_the_session_as_it_was() {
    for kind in Kind::WITH_WAY {
        let engine = Engine::start(kind);
        let app = App::at(&engine.url());
        let visitor = app.visitor();
        let mut asking = app.send(&slow("add", &visitor));
        app.gate.wait_for(1);
        engine.way().refuse(true);
        engine.way().cut();
        app.gate.open();
        let answer = asking.receive(false).unwrap().expect_unavailable();
        assert!(!answer.text().contains(DONE));
        app.ask(&show(&visitor)).expect_unavailable();
        app.assert_others_go_on();
        std::thread::sleep(Duration::from_millis(100));
        let counts = engine.way().counts();
        assert!(counts.cut > 0 && counts.refused > 0, "{counts:?}");
        engine.way().refuse(false);
        assert_eq!(app.shown_at_last(&visitor).0, 1);
        app.at_last(&change("add", &visitor)).expect_silent(200);
        assert_eq!(app.count(&visitor), 2);
        println!("C61 {kind:?}: {} connections cut, {} refused", counts.cut, counts.refused);
    }
}
