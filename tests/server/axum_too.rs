//! The suites of this target on axum, and the behaviour of a server that drops the handlers of clients that have left.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use session_tests::cookie::Cookie;
use session_tests::http::Request;

use crate::process::{Host, Profile, Program, Shop, Storage, poll};
use crate::test_app::{TestApp, patient};

/// The suites that hold for both programs, with the same assertions.
const SUITES: [&str; 11] = [
    "answers::",
    "application::",
    "connections::",
    "cookies_in::",
    "cross_site::",
    "damaged::",
    "launch::",
    "login_race::",
    "logout::",
    "logout_race::",
    "parallel::",
];

/// Tests of those suites that are about Rocket: its page, its forms, its upgrades, its profiles, and that it never drops a handler.
const OF_ROCKET: [&str; 8] = [
    "answers::the_front_page_is_html",
    "application::a_client_that_leaves_mid_handler_is_saved",
    "connections::a_client_that_hangs_up_does_not_undo_its_write",
    "connections::a_redirect_is_answered_after_the_write",
    // axum gives the unreadable line to the session, where it may hold another id.
    "cookies_in::a_byte_that_is_not_utf8_beside_the_cookie_makes_it_anonymous",
    "cross_site::a_websocket_of_the_own_page_has_the_session",
    // axum answers 405 where Rocket answers 404.
    "cross_site::connect_opens_no_session",
    "launch::an_insecure_cookie_is_refused_in_the_release_profile",
];

/// C153, C160: raw sockets, concurrency, stores that panic, races of login and logout, settings that are refused.
#[test]
fn the_suites_hold_on_axum_too() {
    let test = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new(test);
    command
        .args(SUITES)
        .args(OF_ROCKET.iter().flat_map(|name| ["--skip", name]))
        .args(["--skip", "faults::"])
        .env(Program::VARIABLE, "axum");
    let run = command.output().unwrap();
    let shown = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "on axum:\n{shown}{}", String::from_utf8_lossy(&run.stderr));
    let count = shown.lines().filter(|line| line.starts_with("test ")).count();
    println!("{count} tests of {} suites hold on axum", SUITES.len());
    assert!(count > 60, "{shown}");
}

/// C160: `__` separates a table from its key, and the variables add to one that holds the whole table.
#[test]
fn settings_are_read_from_the_environment() {
    let host = Host::of(Program::Axum);
    let mut command = Program::Axum.command();
    command.env("CART_SESSION__COOKIE__NAME", "sid").env("CART_SESSION__COOKIE__SAME_SITE", "Strict");
    let shop = host.launch(command, "{store=\"memory:\",cookie={persistent=true}}");
    let answer = shop.ask(&Request::post("/cart/add/7")).expect(200);
    let [line] = answer.set_cookies()[..] else { panic!("one cookie: {answer:?}") };
    assert!(line.starts_with("sid=") && line.contains("SameSite=Strict") && line.contains("Max-Age="), "{line}");
}

const STORAGES: [Storage; 3] = [Storage::Memory, Storage::Sqlite, Storage::Redis];

fn visitor(app: &TestApp) -> Cookie {
    app.ask(&Request::post("/job/0")).expect(200).new_cookie()
}

/// The number of changes that are stored: each request leaves its number in every field, so all of them agree.
fn stored(app: &TestApp, cookie: &Cookie) -> usize {
    let answer = app.ask(&Request::get("/show").cookie(cookie)).expect_silent(200);
    let (done, count, list, _): (usize, u64, Vec<u32>, u32) = answer.json();
    assert_eq!((done as u64, list.len()), (count, done), "a part of a request is stored");
    done
}

/// Sends a request and closes the connection after this time, without reading the answer.
fn send_and_leave(app: &TestApp, request: &Request, patience: Duration) {
    let mut connection = app.connect();
    connection.send(&request.bytes()).unwrap();
    std::thread::sleep(patience);
}

/// C154: the server drops the handler, and its changes with it; no guard is left open.
#[test]
fn a_client_that_leaves_mid_handler_is_not_saved() {
    for storage in STORAGES {
        let app = TestApp::launch_on(Program::Axum, storage, patient());
        let visitor = visitor(&app);
        let mut connection = app.connect();
        connection.send(&Request::post("/slow").cookie(&visitor).bytes()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(app.gate.reached.notified());
        assert_eq!(app.gate.inside.load(SeqCst), 1);
        drop(connection);
        poll("the end of the handler", || (app.gate.inside.load(SeqCst) == 0).then_some(()));
        assert_eq!(stored(&app, &visitor), 1);
        app.ask(&Request::post("/job/1").cookie(&visitor)).expect_silent(200);
        assert_eq!(stored(&app, &visitor), 2);
    }
}

/// C161: clients leave at hundreds of moments of a read and of a change. Each change is stored as a whole or not at all.
#[test]
fn clients_that_leave_at_any_moment_store_whole_requests() {
    const CLIENTS: u32 = 300;
    for storage in STORAGES {
        let app = TestApp::launch_on(Program::Axum, storage, patient());
        let visitor = visitor(&app);
        let moment = |client: u32| Duration::from_micros(u64::from(client % 60) * 40);
        for client in 1..=CLIENTS {
            send_and_leave(&app, &Request::post(format!("/job/{client}")).cookie(&visitor), moment(client));
            send_and_leave(&app, &Request::get("/show").cookie(&visitor), moment(client));
        }
        let changes = stored(&app, &visitor) - 1;
        println!("{storage:?}: {changes} of {CLIENTS} changes of clients that left are stored");
        assert!((1..=CLIENTS as usize).contains(&changes), "{storage:?}: {changes}");
        app.ask(&Request::post("/job/9999").cookie(&visitor)).expect_silent(200);
    }
}

/// C161: after a login or a logout whose client left, the old id opens the session as it was, or nothing.
#[test]
fn clients_that_leave_during_a_login_or_a_logout_leave_whole_sessions() {
    for storage in STORAGES {
        let app = TestApp::launch_on(Program::Axum, storage, patient());
        for (path, moments) in [("/login/ann", 40), ("/logout", 40), ("/renew", 20)] {
            let mut outcomes = [0, 0];
            for moment in 0..moments {
                let visitor = visitor(&app);
                send_and_leave(&app, &Request::post(path).cookie(&visitor), Duration::from_micros(moment * 60));
                outcomes[stored(&app, &visitor)] += 1;
            }
            println!("{storage:?}, {path}: {outcomes:?} ended, stayed");
        }
    }
}

/// C161: ten thousand clients that leave cost no memory.
#[test]
fn clients_that_leave_cost_no_memory() {
    const KILOBYTES: u64 = 16 * 1024;
    let host = Host::of(Program::Axum);
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let add = Request::post("/cart/add/7").cookie(&visitor).bytes();
    let leave = |shop: &Shop, clients: u64| {
        for client in 0..clients {
            let mut connection = shop.connect();
            connection.send(&add).unwrap();
            std::thread::sleep(Duration::from_micros(client % 20 * 25));
        }
    };
    leave(&shop, 1_000);
    let before = shop.memory();
    leave(&shop, 9_000);
    let grown = shop.memory().saturating_sub(before);
    println!("10,000 clients that left: the server grew by {grown} kB");
    assert!(grown < KILOBYTES, "{grown} kB");
    assert!(shop.cart(&visitor).starts_with(r#"{"7":"#));
    shop.assert_running();
    shop.stop();
}

/// C162: a `WebSocket` outlives its handler, and closes when the visitor logs out.
#[test]
fn a_websocket_closes_at_the_logout() {
    let app = TestApp::launch_on(Program::Axum, Storage::Memory, patient());
    let visitor = visitor(&app);
    let request = Request::get("/watch").cookie(&visitor).header("Connection: Upgrade").header("Upgrade: websocket");
    let request = request.header("Sec-WebSocket-Version: 13").header("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
    let mut connection = app.connect();
    connection.send(&request.bytes()).unwrap();
    let answer = connection.receive(true).unwrap().expect_silent(101);
    assert_eq!(answer.count("vary", "cookie"), 1);
    app.ask(&Request::post("/logout").cookie(&visitor)).expect(200);
    assert!(connection.line().is_err(), "the connection is closed");
}
