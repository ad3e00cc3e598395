//! A program that is stopped while its requests wait for the store.

use super::engine::{Engine, Kind};
use crate::process::{Host, Profile, poll};
use session_tests::cookie::Cookie;
use session_tests::http::{Connection, Request};

/// C74: SIGTERM with 50 adds in flight: each is answered before the process ends, and what was acknowledged is stored.
#[test]
fn a_stop_finishes_the_saves_under_way() {
    const WRITES: usize = 50;
    for kind in Kind::WITH_WAY {
        let engine = Engine::start(kind);
        let host = Host::new();
        let shop = host.open_at(Profile::Debug, &engine.url(), ",deadline=\"20s\"");
        let visitors: Vec<Cookie> = (0..WRITES).map(|_| shop.visitor(7)).collect();
        let mut connections: Vec<Connection> = visitors.iter().map(|_| shop.connect()).collect();
        let reached = || shop.reached("POST /cart/add/7");
        // A line comes here some time after the answer that it is about.
        poll("the requests of the visitors", || (reached() == WRITES).then_some(()));
        engine.freeze();
        for (connection, visitor) in connections.iter_mut().zip(&visitors) {
            connection.send(&Request::post("/cart/add/7").cookie(visitor).bytes()).unwrap();
        }
        poll("all requests to reach the application", || (reached() == 2 * WRITES).then_some(()));
        shop.ask_to_stop();
        poll("the shutdown to begin", || shop.output().contains("Shutdown").then_some(()));
        assert!(engine.is_frozen(), "all of them were in flight");
        engine.thaw();
        let statuses: Vec<u16> =
            connections.iter_mut().map(|connection| connection.receive(false).unwrap().status).collect();
        drop(connections);
        shop.wait_for_its_end();

        let shop = host.open_at(Profile::Debug, &engine.url(), "");
        let mut stored = 0;
        for (status, visitor) in statuses.iter().zip(&visitors) {
            match (status, &*shop.cart(visitor)) {
                (200, cart) => assert_eq!(cart, r#"{"7":2}"#, "acknowledged, and not stored"),
                // On a busy machine the server may have stood still for longer than a store waits.
                (503, cart) => assert!([r#"{"7":1}"#, r#"{"7":2}"#].contains(&cart), "{cart}"),
                (status, _) => panic!("an add was answered with {status}"),
            }
            stored += usize::from(*status == 200);
        }
        assert!(stored > 0);
        println!("C74 {kind:?}: SIGTERM with {WRITES} adds in flight: {stored} acknowledged, all of them stored");
    }
}
