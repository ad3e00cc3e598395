//! Launches without a store, and with one that does not let the program in.

use super::engine::{Engine, Kind};
use crate::process::{Host, Profile, poll};
use session_tests::http::Request;
use session_tests::servers::postgres::PASSWORD;
use session_tests::servers::redis::Redis;

/// C60: a launch while the store is down succeeds, logs one line about it, and works once the store is up.
#[test]
fn a_launch_without_a_store_waits_for_it() {
    for kind in Kind::ALL {
        let mut engine = Engine::start(kind);
        engine.stop();
        assert!(engine.is_down());
        let host = Host::new();
        let mut shop = host.open_at(Profile::Debug, &engine.url(), "");
        let output = shop.output();
        let output_lines: Vec<&str> = output.lines().filter(|line| line.contains("without a session store")).collect();
        assert_eq!(output_lines.len(), 1, "{output}");
        assert!(!output_lines[0].contains(PASSWORD), "{}", output_lines[0]);
        shop.ask(&Request::get("/ping")).expect_silent(200);
        shop.ask(&Request::post("/cart/add/7")).expect_unavailable();
        engine.run();
        let visitor = poll("the store to be used", || {
            let answer = shop.ask(&Request::post("/cart/add/7"));
            (answer.status == 200).then(|| answer.new_cookie())
        });
        assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
        shop.assert_unharmed();
        println!("C60 {kind:?}: launched without its store, `{}`, and used it later", output_lines[0].trim());
    }
}

/// C60, C58: a password that the server refuses stops the launch, and is not printed.
#[test]
fn a_wrong_password_stops_the_launch() {
    let (redis, postgres) = (Redis::with_password("right-4711"), Engine::start(Kind::Postgres));
    let wrong =
        [format!("redis://:wrong-0815@{}", redis.address()), postgres.direct_url().replace(PASSWORD, "wrong-0815")];
    for url in wrong {
        let host = Host::new();
        let refusal = host.refusal(Profile::Debug, &format!("{{store=\"{url}\"}}"));
        assert!(refusal.contains("password"), "{refusal}");
        assert!(!refusal.contains("0815"), "{refusal}");
    }
    let host = Host::new();
    let shop = host.open_at(Profile::Debug, &format!("redis://:right-4711@{}", redis.address()), "");
    shop.visitor(7);
    assert!(!shop.output().contains("4711"), "{}", shop.output());
}
