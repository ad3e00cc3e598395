//! Handlers and stores that the shop does not have: streams, a thousand requests of one session, stores that panic,
//! clients that leave in the middle.

use std::thread;

use session_runtime::testing::Fault;
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Request};

use crate::process::{Storage, poll};
use crate::test_app::{TestApp, patient};

const STORAGES: [Storage; 2] = [Storage::Memory, Storage::Sqlite];

type Shown = (usize, u64, Vec<u32>, u32);

fn visitor(app: &TestApp) -> Cookie {
    app.ask(&Request::post("/job/0")).expect(200).new_cookie()
}

fn shown(app: &TestApp, cookie: &Cookie) -> Shown {
    app.ask(&Request::get("/show").cookie(cookie)).expect_silent(200).json()
}

/// B54: the cookie of a streamed answer goes out with the head, while the stream still waits.
#[test]
fn a_stream_sends_its_cookie_with_the_head() {
    for storage in STORAGES {
        let app = TestApp::launch(storage, patient());
        let mut connection = app.connect();
        connection.send(&Request::post("/stream").bytes()).unwrap();
        let head = connection.receive(true).unwrap().expect(200);
        let cookie = head.new_cookie();
        assert_eq!(shown(&app, &cookie).1, 1, "stored before the first byte");
        assert_eq!((head.count("cache-control", "no-store"), head.count("vary", "cookie")), (1, 1));
        app.gate.open.notify_one();
    }
}

/// C55: a thousand requests of one session, 250 at a time: each one's own entry is there, the counter is exact, the
/// list holds each once, and the plain field holds the number of one of them.
#[test]
fn a_thousand_requests_of_one_session_lose_nothing() {
    const CLIENTS: u32 = 250;
    const EACH: u32 = 4;
    for storage in STORAGES {
        let app = TestApp::launch(storage, patient());
        let visitor = visitor(&app);
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (app, visitor) = (&app, &visitor);
                scope.spawn(move || {
                    let mut connection = app.connect();
                    for at in 0..EACH {
                        let request = Request::post(format!("/job/{}", 1 + client * EACH + at)).cookie(visitor);
                        connection.ask(&request).unwrap().expect_silent(200);
                    }
                });
            }
        });
        let all = 1 + CLIENTS * EACH;
        let (done, count, mut list, last) = shown(&app, &visitor);
        assert_eq!((done, count), (all as usize, u64::from(all)));
        list.sort_unstable();
        assert_eq!(list, (0..all).collect::<Vec<_>>());
        assert!((1..all).contains(&last), "{last}");
    }
}

/// C73: a store that panics in any operation costs one answer with a body; the connection goes on, and so does the
/// server.
#[test]
fn a_store_that_panics_costs_one_answer() {
    let servers = [Storage::Postgres, Storage::Redis, Storage::Cluster];
    for storage in STORAGES.into_iter().chain(servers) {
        let app = TestApp::launch(storage, patient());
        let visitor = visitor(&app);
        let requests = [
            ("create", Request::post("/job/1")),
            ("load", Request::get("/show").cookie(&visitor)),
            ("load", Request::post("/job/1").cookie(&visitor)),
            ("patch", Request::post("/job/1").cookie(&visitor)),
            ("patch", Request::post("/renew").cookie(&visitor)),
            ("delete", Request::post("/logout").cookie(&visitor)),
        ];
        let mut connection = app.connect();
        for (operation, request) in requests {
            app.store.fail(operation, Fault::Panics);
            let answer = connection.ask(&request).unwrap().expect_silent(500);
            assert!(!answer.text().is_empty(), "{operation}: a body");
            app.store.recover();
            let answer = connection.ask(&Request::get("/show").cookie(&visitor)).unwrap();
            assert_eq!(answer.expect_silent(200).json::<Shown>().1, 1, "{operation}: on the same connection");
        }
    }
}

/// C30, C73: a handler that panics is answered with 500 on a connection that goes on, and nothing of it is stored.
#[test]
fn a_handler_that_panics_stores_nothing() {
    for storage in STORAGES {
        let app = TestApp::launch(storage, patient());
        let visitor = visitor(&app);
        let mut connection = app.connect();
        connection.ask(&Request::post("/crash").cookie(&visitor)).unwrap().expect_silent(500);
        connection.ask(&Request::post("/crash")).unwrap().expect_silent(500);
        assert_eq!(shown(&app, &visitor).1, 1);
        connection.ask(&Request::post("/job/1").cookie(&visitor)).unwrap().expect_silent(200);
    }
}

/// C74: a client that closes its connection while its handler waits takes nothing back.
#[test]
fn a_client_that_leaves_mid_handler_is_saved() {
    for storage in STORAGES {
        let app = TestApp::launch(storage, patient());
        let visitor = visitor(&app);
        let mut connection = app.connect();
        connection.send(&Request::post("/slow").cookie(&visitor).bytes()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(app.gate.reached.notified());
        drop(connection);
        app.gate.open.notify_one();
        poll("the write of the client that left", || (shown(&app, &visitor).1 == 2).then_some(()));
    }
}

/// C20, C30: a logout is effective whatever is answered, over a connection that then asks again.
#[test]
fn a_logout_is_effective_at_once() {
    for storage in STORAGES {
        let app = TestApp::launch(storage, patient());
        let visitor = visitor(&app);
        let mut connection = app.connect();
        let answers: Vec<Answer> = ["/logout", "/job/1"]
            .map(|path| connection.ask(&Request::post(path).cookie(&visitor)).unwrap().expect(200))
            .into();
        assert_eq!(answers[0].new_cookie().value, "");
        assert_ne!(answers[1].new_cookie().key(), visitor.key());
        assert_eq!(shown(&app, &visitor).1, 0);
    }
}
