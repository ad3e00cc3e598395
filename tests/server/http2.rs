//! Requests over HTTP/2 with prior knowledge, where `:authority` is the host, and each cookie may be a line of its own.

use h2::client::{Builder, SendRequest};
use http::{Request, Response};
use rocket::tokio::net::TcpStream;
use rocket::tokio::spawn;
use session_tests::cookie::Cookie;
use session_tests::http::Request as Http1Request;

use crate::cross_site::{ROWS, config};
use crate::process::Storage;
use crate::test_app::TestApp;

const AUTHORITY: &str = "shop.test";

/// A connection, and the cookie of a visitor who has left job 0.
struct Visitor {
    app: TestApp,
    client: SendRequest<&'static [u8]>,
    cookie: Cookie,
}

impl Visitor {
    async fn open() -> Self {
        let app = TestApp::launch(Storage::Memory, config());
        let cookie = app.ask(&Http1Request::post("/job/0")).expect(200).new_cookie();
        let stream = TcpStream::connect(app.address()).await.unwrap();
        let (client, connection) = Builder::new().handshake(stream).await.unwrap();
        spawn(connection);
        Self { app, client: client.ready().await.unwrap(), cookie }
    }

    async fn send(&self, request: Request<()>) -> Result<Response<String>, h2::Error> {
        let mut client = self.client.clone().ready().await?;
        let (head, mut body) = client.send_request(request, true)?.0.await?.into_parts();
        let mut text = Vec::new();
        while let Some(chunk) = body.data().await {
            text.extend(chunk?);
        }
        Ok(Response::from_parts(head, String::from_utf8(text).unwrap()))
    }

    /// Sends a request with the cookie; returns the status and the body.
    async fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let request = Request::builder().method(method).uri(url).header("cookie", self.cookie.pair());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.send(request.body(()).unwrap()).await.unwrap();
        (response.status().as_u16(), response.into_body())
    }
}

/// C85: each row of the table, by every method that may change something.
#[tokio::test]
async fn each_row_of_the_table_decides_over_http2() {
    let visitor = Visitor::open().await;
    let url = format!("http://{AUTHORITY}/job/1");
    for (headers, is_allowed) in ROWS {
        visitor.app.store.total_calls();
        let expected = if is_allowed { (200, "") } else { (403, "Some(CrossSite)") };
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let (status, text) = visitor.ask(method, &url, headers).await;
            assert_eq!((status, text.as_str()), expected, "{method} {headers:?}");
        }
        assert_eq!(visitor.app.store.total_calls() > 0, is_allowed, "{headers:?}");
        assert_eq!(visitor.ask("GET", &format!("http://{AUTHORITY}/show"), headers).await.0, 200, "{headers:?}");
    }
}

/// C85: the origin is compared with `:authority`, and a header `Host` beside it counts for nothing.
#[tokio::test]
async fn the_host_is_the_authority() {
    let visitor = Visitor::open().await;
    for (authority, headers, status) in [
        ("shop.test:8000", vec![("origin", "https://shop.test:8000")], 200),
        ("shop.test:8000", vec![("origin", "https://shop.test")], 403),
        ("SHOP.test:443", vec![("origin", "https://shop.test")], 200),
        ("[::1]:8000", vec![("origin", "http://[::1]:8000")], 200),
        ("[::1]:8000", vec![("origin", "http://[::2]:8000")], 403),
        ("shop.test", vec![("origin", "https://evil.example"), ("host", "evil.example")], 403),
        ("shop.test", vec![("origin", "https://shop.test"), ("host", "evil.example")], 200),
    ] {
        let (found, text) = visitor.ask("POST", &format!("http://{authority}/job/1"), &headers).await;
        assert_eq!(found, status, "{authority} {headers:?}: {text}");
    }
}

/// C86: the server offers no extended CONNECT (RFC 8441), by which a browser begins a `WebSocket`, and a tunnel opens no
/// session.
#[tokio::test]
async fn no_websocket_begins_over_http2() {
    let visitor = Visitor::open().await;
    visitor.app.store.total_calls();
    assert!(!visitor.client.is_extended_connect_protocol_enabled(), "check its `Origin` as well");
    let status = visitor.ask("CONNECT", "shop.test:80", &[("sec-fetch-site", "cross-site")]).await.0;
    assert_eq!((status, visitor.app.store.total_calls()), (400, 0));
}

/// C08: HTTP/2 may send each cookie as a line of its own (RFC 9113 section 8.2.3); two of the name are still none.
#[tokio::test]
async fn cookies_in_several_lines_are_one_header() {
    let visitor = Visitor::open().await;
    let url = format!("http://{AUTHORITY}/show");
    let jobs = async |headers: &[(&str, &str)]| {
        let text = visitor.ask("GET", &url, headers).await.1;
        serde_json::from_str::<(usize, u64, Vec<u32>, u32)>(&text).unwrap().1
    };
    let pair = visitor.cookie.pair();
    assert_eq!(jobs(&[("cookie", "theme=dark"), ("cookie", "lang=de")]).await, 1);
    assert_eq!(jobs(&[("cookie", "theme=dark"), ("cookie", &pair)]).await, 0);
}
