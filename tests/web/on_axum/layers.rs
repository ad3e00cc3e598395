//! The order of layers: what a layer inside or outside of the session layer does to the changes of a handler.

use std::time::Duration;

use ::axum::Router;
use ::axum::extract::Request;
use ::axum::http::{Method, StatusCode, header};
use ::axum::middleware::{Next, from_fn};
use ::axum::response::IntoResponse as _;
use ::axum::routing::{get, post};
use session_runtime::ErrorKind;
use session_runtime::axum::{Read, Session, SessionHandle};
use session_runtime::testing::Fault;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

use super::{App, routes, visits};
use crate::app::Cart;

/// Writes half of its changes, and then takes longer than any limit.
async fn half(mut cart: Session<Cart>) {
    *cart.visits_mut() += 1;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    *cart.visits_mut() += 1;
}

fn limit(status: StatusCode) -> TimeoutLayer {
    TimeoutLayer::with_status_code(status, Duration::from_millis(20))
}

/// C155: in the right order, a handler that took too long stores nothing, whatever the limit answers.
#[tokio::test]
async fn a_limit_outside_stores_nothing() {
    for status in [StatusCode::OK, StatusCode::REQUEST_TIMEOUT, StatusCode::GATEWAY_TIMEOUT] {
        let app = App::around(|layer| routes().route("/half", post(half)).layer(layer).layer(limit(status)));
        let visitor = app.visitor().await;
        app.post("/half", &visitor).await.expect_silent(status.as_u16());
        assert_eq!(app.stored(&visitor).await, "1", "{status}");
    }
}

/// C155: in the wrong order, the statuses of a handler that was dropped discard its changes as 5xx does.
#[tokio::test]
async fn a_limit_inside_that_answers_408_or_499_stores_nothing() {
    for status in [408, 499, 503, 504].map(|status| StatusCode::from_u16(status).unwrap()) {
        let app = App::around(|layer| routes().route("/half", post(half)).layer(limit(status)).layer(layer));
        let visitor = app.visitor().await;
        app.post("/half", &visitor).await.expect_silent(status.as_u16());
        assert_eq!(app.stored(&visitor).await, "1", "{status}");
    }
}

/// C155: with another status, a drop looks like an end, and half of the changes are stored. The documentation of the order
/// states this, so a change of it changes a promise.
#[tokio::test]
async fn a_limit_inside_that_answers_otherwise_stores_half() {
    async fn impatient(request: Request, next: Next) -> ::axum::response::Response {
        tokio::select! {
            response = next.run(request) => response,
            () = tokio::time::sleep(Duration::from_millis(20)) => "gave up".into_response(),
        }
    }
    let app = App::around(|layer| routes().route("/half", post(half)).layer(from_fn(impatient)).layer(layer));
    let visitor = app.visitor().await;
    assert_eq!(app.post("/half", &visitor).await.expect_silent(200).text, "gave up");
    assert_eq!(app.stored(&visitor).await, "2");
}

/// C162: guards of a middleware and of the handler are those of one session, loaded once.
#[tokio::test]
async fn a_middleware_shares_the_session_of_the_handler() {
    async fn count(mut cart: Session<Cart>, request: Request, next: Next) -> ::axum::response::Response {
        *cart.visits_mut() += 10;
        drop(cart);
        next.run(request).await
    }
    let app = App::around(|layer| routes().layer(from_fn(count)).layer(layer));
    let visitor = app.ask(Method::GET, "/visits", None).await;
    assert_eq!(visitor.text, "10");
    let cookie = visitor.cookie().unwrap();
    app.store.take_calls();
    assert_eq!(app.get("/visits", &cookie).await.text, "20");
    assert_eq!(app.store.calls("load"), 1);
}

/// C162: nested, merged, as a fallback, on routes alone, and twice around one route.
#[tokio::test]
async fn the_layer_works_wherever_it_is_put() {
    let app = App::around(|layer| {
        let of_routes = Router::new().route("/alone", get(visits)).route_layer(layer.clone());
        let nested = Router::new().route("/visits", get(visits));
        routes().nest("/nested", nested.layer(layer.clone())).fallback(visits).layer(layer).merge(of_routes)
    });
    let visitor = app.visitor().await;
    for path in ["/visits", "/nested/visits", "/alone", "/nowhere"] {
        let answer = app.get(path, &visitor).await.expect_silent(200);
        assert_eq!((&*answer.text, answer.all("vary")), ("1", vec!["Cookie"]), "{path}");
    }
}

/// C162: an answer compressed by an inner layer is replaced by a short text without its headers.
#[tokio::test]
async fn a_compressed_answer_is_replaced_as_a_whole() {
    async fn add(mut cart: Session<Cart>) -> String {
        *cart.visits_mut() += 1;
        "a text that is long enough to be compressed ".repeat(50)
    }
    let app = App::around(|layer| routes().route("/add", post(add)).layer(CompressionLayer::new()).layer(layer));
    let visitor = app.visitor().await;
    let ask = async || {
        let mut request = super::request(Method::POST, "/add", Some(&visitor));
        request.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
        app.send(request).await
    };
    let answer = ask().await.expect_silent(200);
    assert_eq!(answer.all("content-encoding"), ["gzip"]);
    assert_eq!(answer.all("vary"), ["accept-encoding", "Cookie"]);
    app.store.fail("patch", Fault::Down);
    let answer = ask().await.expect_silent(503);
    assert_eq!(answer.text, "503 Service Unavailable\n");
    assert_eq!(answer.all("content-type"), ["text/plain; charset=utf-8"]);
    assert_eq!((answer.all("retry-after"), answer.all("vary")), (vec!["1"], vec!["Cookie"]));
    assert!(answer.all("content-encoding").is_empty() && answer.error == Some(ErrorKind::Unavailable), "{answer:?}");
}

/// C162: an outer layer finds the error, and answers with a page of its own.
#[tokio::test]
async fn an_outer_layer_builds_its_own_page() {
    async fn page(request: Request, next: Next) -> ::axum::response::Response {
        let mut response = next.run(request).await;
        if response.extensions().get::<session_runtime::SessionError>().is_some() {
            *response.body_mut() = "Please try again.".into();
        }
        response
    }
    let app = App::around(|layer| routes().layer(layer).layer(from_fn(page)));
    let visitor = app.visitor().await;
    app.store.fail("patch", Fault::Down);
    let answer = app.post("/visits", &visitor).await.expect_silent(503);
    assert_eq!((&*answer.text, answer.all("retry-after")), ("Please try again.", vec!["1"]));
}

/// C162: the end of a session is a future that a stream or a socket owns.
#[tokio::test]
async fn the_end_of_a_session_outlives_the_handler() {
    async fn wait(session: SessionHandle, _cart: Read<Cart>) -> ::axum::body::Body {
        let ended = session.ended();
        let end = async move { Ok::<_, std::convert::Infallible>(format!("{:?}", ended.await)) };
        ::axum::body::Body::from_stream(rocket::futures::stream::once(end))
    }
    let app = App::new(Router::new().route("/wait", get(wait)));
    let visitor = app.visitor().await;
    let (waited, _) = tokio::join!(app.get("/wait", &visitor), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        app.post("/logout", &visitor).await
    });
    assert_eq!(waited.text, "Over");
}
