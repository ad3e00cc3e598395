//! Requests from other sites over a raw socket, as browsers send them.

use session_tests::http::Request;

use crate::process::Storage;
use crate::test_app::{TestApp, patient};

/// A page on another port of the same host sends the visitor's cookie along. Its form and its WebSocket are refused.
#[test]
fn a_page_on_another_port_can_neither_post_nor_open_a_websocket() {
    let app = TestApp::launch(Storage::Memory, patient());
    let visitor = app.ask(&Request::post("/job/0")).expect(200).new_cookie();
    let from_other_port = |request: Request| request.cookie(&visitor).header("Origin: http://shop.test:8001");
    app.ask(&from_other_port(Request::post("/job/1"))).expect(403);
    app.ask(&from_other_port(Request::get("/show"))).expect_silent(200);
    let upgrade = |request: Request| request.header("Connection: Upgrade").header("Upgrade: websocket");
    app.ask(&upgrade(from_other_port(Request::get("/show")))).expect(403);
    app.ask(&Request::post("/job/2").cookie(&visitor).header("Origin: http://SHOP.test")).expect_silent(200);
    app.ask(&Request::post("/job/3").cookie(&visitor).header("Sec-Fetch-Site: same-origin")).expect_silent(200);
    let shown: (usize, u64, Vec<u32>, u32) = app.ask(&Request::get("/show").cookie(&visitor)).expect(200).json();
    assert_eq!(shown.1, 3, "two of the three posts of the own pages came after the first");
}
