//! Requests from other sites over a raw socket, as browsers send them.

use std::pin::Pin;

use rocket::data::{IoHandler, IoStream};
use rocket::tokio::io;
use rocket::{Request as Incoming, Response, Route, catch, delete, get, options, patch, post, put, response, routes};
use session_runtime::{Recent, Session, SessionConfig, SessionError};
use session_tests::cookie::Cookie;
use session_tests::http::Request;

use crate::process::Storage;
use crate::test_app::{TestApp, Work, patient};

/// Headers of a request to `shop.test`, and whether it may use the session. `https://pay.example` is trusted.
pub(crate) type Row = (&'static [(&'static str, &'static str)], bool);

const SITE: &str = "Sec-Fetch-Site";
const ORIGIN: &str = "Origin";

/// The rows of the table, then doubled and malformed headers.
pub(crate) const ROWS: [Row; 36] = [
    (&[(SITE, "same-origin")], true),
    (&[(SITE, "same-origin"), (ORIGIN, "https://shop.test")], true),
    (&[(SITE, "same-origin"), (ORIGIN, "https://evil.example")], true),
    (&[(SITE, "none")], true),
    (&[(SITE, "none"), (ORIGIN, "null")], true),
    (&[(SITE, "cross-site"), (ORIGIN, "https://pay.example")], true),
    (&[(SITE, "same-site"), (ORIGIN, "https://pay.example")], true),
    (&[(SITE, "cross-site"), (ORIGIN, "https://PAY.example:443")], true),
    (&[(SITE, "cross-site")], false),
    (&[(SITE, "same-site")], false),
    (&[(SITE, "cross-site"), (ORIGIN, "https://evil.example")], false),
    (&[(SITE, "cross-site"), (ORIGIN, "null")], false),
    (&[(SITE, "same-site"), (ORIGIN, "https://shop.test")], false),
    (&[(SITE, "cross-site"), (ORIGIN, "http://pay.example")], false),
    (&[(SITE, "of a later standard")], false),
    (&[(SITE, "Same-Origin")], false),
    (&[], true),
    (&[(ORIGIN, "https://shop.test")], true),
    (&[(ORIGIN, "http://shop.test")], true),
    (&[(ORIGIN, "http://SHOP.test:80")], true),
    (&[(ORIGIN, "https://shop.test:443")], true),
    (&[(ORIGIN, "https://pay.example")], true),
    (&[(ORIGIN, "https://evil.example")], false),
    (&[(ORIGIN, "https://pay.example.evil.example")], false),
    (&[(ORIGIN, "https://shop.test.evil.example")], false),
    (&[(ORIGIN, "http://shop.test:8001")], false),
    (&[(ORIGIN, "http://www.shop.test")], false),
    (&[(ORIGIN, "null")], false),
    (&[(ORIGIN, "https://evil.example"), ("X-Forwarded-Host", "evil.example")], false),
    (&[(SITE, "same-origin"), (SITE, "same-origin")], false),
    (&[(SITE, "same-origin"), (SITE, "cross-site")], false),
    (&[(SITE, "same-origin"), (ORIGIN, "https://shop.test"), (ORIGIN, "https://evil.example")], false),
    (&[(ORIGIN, "https://shop.test"), (ORIGIN, "https://shop.test")], false),
    (&[(ORIGIN, "https://shop.test/")], false),
    (&[(ORIGIN, "shop.test")], false),
    (&[(ORIGIN, "https://shop.test, https://evil.example")], false),
];

pub(crate) fn routes() -> Vec<Route> {
    routes![put, patch, delete, options, recent, recent_page, socket]
}

#[put("/job/<number>")]
fn put(number: u32, mut session: Session<Work>) {
    session.list_mut().push(number);
}

#[patch("/job/<number>")]
fn patch(number: u32, mut session: Session<Work>) {
    session.list_mut().push(number);
}

#[delete("/job/<number>")]
fn delete(number: u32, mut session: Session<Work>) {
    session.list_mut().push(number);
}

#[options("/show")]
fn options(_session: &Work) {}

#[post("/recent")]
fn recent(_recent: Recent<10>) {}

#[get("/recent")]
fn recent_page(_recent: Recent<10>) {}

/// Sends back what it receives, after the number of jobs in the session.
struct Echo(u64);

#[rocket::async_trait]
impl IoHandler for Echo {
    async fn io(self: Pin<Box<Self>>, io: IoStream) -> io::Result<()> {
        use rocket::tokio::io::AsyncWriteExt as _;
        let (mut reader, mut writer) = io::split(io);
        writer.write_all(format!("{}:", self.0).as_bytes()).await?;
        io::copy(&mut reader, &mut writer).await.map(drop)
    }
}

impl<'r> response::Responder<'r, 'r> for Echo {
    fn respond_to(self, _: &'r Incoming<'_>) -> response::Result<'r> {
        Response::build().upgrade("websocket", self).ok()
    }
}

#[get("/socket")]
fn socket(session: &Work) -> Echo {
    Echo(*session.count())
}

/// Names the reason of a 403.
#[catch(403)]
pub(crate) fn forbidden(request: &Incoming<'_>) -> String {
    format!("{:?}", SessionError::of(request).map(SessionError::kind))
}

pub(crate) fn config() -> SessionConfig {
    patient().trusted_origins(["https://pay.example"])
}

/// The application, and a visitor who has left job 0.
fn open() -> (TestApp, Cookie) {
    let app = TestApp::launch(Storage::Memory, config());
    let visitor = app.ask(&Request::post("/job/0")).expect(200).new_cookie();
    app.store.total_calls();
    (app, visitor)
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(format!("{name}: {value}")))
}

#[track_caller]
fn jobs(app: &TestApp, visitor: &Cookie) -> Vec<u32> {
    app.ask(&Request::get("/show").cookie(visitor)).expect(200).json::<(usize, u64, Vec<u32>, u32)>().2
}

/// C85: each row of the table, by every method that may change something. What is refused costs the store nothing.
#[test]
fn each_row_of_the_table_decides_over_http1() {
    let (app, visitor) = open();
    let mut expected = vec![0];
    for (at, (headers, is_allowed)) in (1..).zip(ROWS) {
        for (method, number) in [("POST", 4 * at), ("PUT", 4 * at + 1), ("PATCH", 4 * at + 2), ("DELETE", 4 * at + 3)] {
            let request = with(Request::new(method, format!("/job/{number}")).cookie(&visitor), headers);
            let answer = app.ask(&request).expect_silent(if is_allowed { 200 } else { 403 });
            assert_eq!(answer.text(), if is_allowed { "" } else { "Some(CrossSite)" }, "{method} {headers:?}");
            assert_eq!(app.store.total_calls() > 0, is_allowed, "{method} {headers:?}");
            expected.extend(is_allowed.then_some(number));
        }
    }
    assert_eq!(jobs(&app, &visitor), expected);
}

/// C85: a link from another site opens the page with the session of the visitor.
#[test]
fn methods_that_only_read_are_allowed() {
    let (app, visitor) = open();
    for method in ["GET", "HEAD", "OPTIONS"] {
        for (headers, _) in ROWS {
            app.ask(&with(Request::new(method, "/show").cookie(&visitor), headers)).expect_silent(200);
        }
    }
}

/// C85: a page with an origin is refused where the server does not know its own host.
#[test]
fn an_origin_without_a_host_is_refused() {
    let (app, visitor) = open();
    for (host, status) in
        [("", 403), ("Host: shop.test\r\n", 200), ("Host: evil.example\r\n", 403), ("Host: \r\n", 403)]
    {
        let head = format!("POST /job/1 HTTP/1.1\r\n{host}Origin: https://shop.test\r\nContent-Length: 0\r\n");
        let mut connection = app.connect();
        connection.send(format!("{head}Cookie: {}\r\n\r\n", visitor.pair()).as_bytes()).unwrap();
        assert_eq!(connection.receive(false).unwrap().status, status, "{host:?}");
    }
}

/// C86: a page of another origin opened a WebSocket with the cookie of the visitor.
#[test]
fn a_page_of_another_origin_opens_no_websocket() {
    let (app, visitor) = open();
    for (headers, is_allowed) in ROWS {
        for upgrade in ["websocket", "WebSocket", "h2c, websocket"] {
            let request = Request::get("/socket").cookie(&visitor).header("Connection: Upgrade");
            let request = request.header(format!("Upgrade: {upgrade}")).header("Sec-WebSocket-Version: 13");
            let mut connection = app.connect();
            connection.send(&with(request, headers).bytes()).unwrap();
            let answer = connection.receive(true).unwrap();
            assert_eq!(answer.status, if is_allowed { 101 } else { 403 }, "{upgrade} {headers:?}: {answer:?}");
        }
    }
}

/// C86: a connection that is allowed belongs to the visitor.
#[test]
fn a_websocket_of_the_own_page_has_the_session() {
    let (app, visitor) = open();
    let request = Request::get("/socket").cookie(&visitor).header("Connection: Upgrade").header("Upgrade: websocket");
    let mut connection = app.connect();
    connection.send(&request.header("Origin: https://shop.test").bytes()).unwrap();
    assert_eq!(connection.receive(true).unwrap().status, 101);
    connection.send(b"hello\n").unwrap();
    assert_eq!(connection.line().unwrap(), "1:hello");
}

/// C86: a tunnel is no way around the check.
#[test]
fn connect_opens_no_session() {
    let (app, visitor) = open();
    for target in ["shop.test:80", "/show", "/socket"] {
        let request = Request::new("CONNECT", target).cookie(&visitor).header("Sec-Fetch-Site: cross-site");
        let mut connection = app.connect();
        connection.send(&request.bytes()).unwrap();
        let status = connection.receive(true).unwrap().status;
        assert!(matches!(status, 400 | 404), "{target}: {status}");
    }
    assert_eq!(app.store.total_calls(), 0);
}

/// C85: both reasons for a 403 reach the catcher, which asks for a password in one case only.
#[test]
fn a_catcher_distinguishes_an_old_proof_from_another_site() {
    let (app, visitor) = open();
    let foreign = [(SITE, "cross-site")];
    for (request, reason) in [
        (Request::post("/recent"), "Some(NotRecent)"),
        (Request::get("/recent"), "Some(NotRecent)"),
        (with(Request::get("/recent"), &foreign), "Some(NotRecent)"),
        (with(Request::post("/recent"), &foreign), "Some(CrossSite)"),
        (with(Request::post("/job/1"), &foreign), "Some(CrossSite)"),
    ] {
        let request = request.cookie(&visitor);
        assert_eq!(app.ask(&request).expect_silent(403).text(), reason, "{request:?}");
    }
    let anna = app.ask(&Request::post("/login/anna").cookie(&visitor)).expect(200).new_cookie();
    app.ask(&Request::post("/recent").cookie(&anna)).expect_silent(200);
    let answer = app.ask(&with(Request::post("/recent").cookie(&anna), &foreign)).expect_silent(403);
    assert_eq!(answer.text(), "Some(CrossSite)");
}
