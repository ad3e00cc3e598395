//! Lines of the log during an outage.

use super::engine::{Engine, Kind};
use crate::process::{Host, Profile};
use session_tests::http::Request;
use session_tests::servers::postgres::PASSWORD;

/// One request logged up to five lines, and none named the server.
#[test]
fn a_request_during_an_outage_is_one_line_with_host_and_port() {
    for kind in Kind::ALL {
        let mut engine = Engine::start(kind);
        let url = engine.url();
        let host = Host::new();
        let shop = host.open_at(Profile::Debug, &url, "");
        let visitor = shop.visitor(7);
        engine.stop();
        assert!(engine.is_down());
        let server = url.split(['@', '/', '?']).rfind(|part| part.contains(':')).unwrap();
        let server = server.split(',').next().unwrap();
        // The page asks for several schemas.
        for request in [Request::get("/"), Request::get("/cart"), Request::post("/cart/add/7")] {
            let before = shop.output().len();
            shop.ask(&request.cookie(&visitor)).expect_unavailable();
            let output = shop.output().split_off(before);
            let ours = ["a session guard failed", "could not be saved", "is unavailable"];
            let lines: Vec<&str> = output
                .lines()
                .filter(|line| ours.iter().any(|words| line.contains(words)) && !line.contains("SessionError {"))
                .collect();
            assert!(lines.len() == 1 && lines[0].contains(server), "{kind:?}, {server}: {lines:?}\n{output}");
            assert!(!lines[0].contains(PASSWORD), "{}", lines[0]);
        }
    }
}
