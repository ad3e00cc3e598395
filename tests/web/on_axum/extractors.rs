//! The values that extractors give, and their rejections.

use ::axum::Router;
use ::axum::extract::OptionalFromRequestParts;
use ::axum::http::Method;
use ::axum::routing::{get, post};
use session_runtime::axum::{Peek, Read, Recent, Session, SessionHandle, SessionLayer};
use session_runtime::testing::Fault;
use session_runtime::{ErrorKind, MemoryStore, SessionConfig, SessionError, Sessions};
use session_tests::log::Log;

use super::{Answer, App};
use crate::app::{Auth, Cart, History};

async fn who(auth: Option<Read<Auth>>) -> String {
    auth.map_or_else(|| "none".into(), |auth| auth.user().clone().unwrap_or_default())
}

/// C158: `None` means that nothing of the schema is stored, and an error of the store stays an error.
#[tokio::test]
async fn an_optional_read_is_none_only_if_nothing_is_stored() {
    let app = App::new(Router::new().route("/who", get(who)));
    assert_eq!(app.ask(Method::GET, "/who", None).await.expect_silent(200).text, "none");
    let visitor = app.visitor().await;
    assert_eq!(app.get("/who", &visitor).await.text, "none", "another schema is stored");
    let ann = app.post("/login/ann", &visitor).await.cookie().unwrap();
    assert_eq!(app.get("/who", &ann).await.text, "ann");
    assert_eq!(app.get("/who", &visitor).await.text, "none", "the id from before the login");
    app.store.fail("load", Fault::Down);
    let answer = app.get("/who", &ann).await.expect_silent(503);
    assert_eq!((answer.error, answer.all("retry-after")), (Some(ErrorKind::Unavailable), vec!["1"]));
}

/// C158: values that this request has written, and those that it has cleared, count too.
#[tokio::test]
async fn an_optional_peek_sees_the_writes_of_the_request() {
    async fn change(mut cart: Session<Cart>, request: ::axum::extract::Request) -> String {
        let (mut parts, _) = request.into_parts();
        *cart.visits_mut() += 1;
        drop(cart);
        let cart = peek(&mut parts).await;
        format!("{:?}", cart.map(|cart| *cart.visits()))
    }
    async fn peek(parts: &mut ::axum::http::request::Parts) -> Option<Peek<Cart>> {
        <Peek<Cart> as OptionalFromRequestParts<()>>::from_request_parts(parts, &()).await.unwrap()
    }
    let app = App::new(Router::new().route("/change", post(change)));
    assert_eq!(app.ask(Method::POST, "/change", None).await.text, "Some(1)");
}

/// C159: the same error as on Rocket, and nothing of the request is stored.
#[tokio::test]
async fn a_second_writable_guard_is_refused() {
    async fn twice(mut first: Session<Cart>, _second: Session<Cart>) {
        *first.visits_mut() += 1;
    }
    let app = App::new(Router::new().route("/twice", post(twice)));
    let visitor = app.visitor().await;
    let answer = app.post("/twice", &visitor).await.expect_silent(500);
    assert_eq!((answer.error, &*answer.text), (Some(ErrorKind::GuardOpen), "500 Internal Server Error\n"));
    assert_eq!(app.stored(&visitor).await, "1");
}

/// C159: a guard that is moved into a task outlives its handler.
#[tokio::test]
async fn a_guard_that_outlives_its_handler_is_refused() {
    async fn keep(mut cart: Session<Cart>) {
        *cart.visits_mut() += 1;
        tokio::spawn(async move { std::future::pending::<Session<Cart>>().await.set_luck(*cart.luck()) });
    }
    let app = App::new(Router::new().route("/keep", post(keep)));
    let visitor = app.visitor().await;
    assert_eq!(app.post("/keep", &visitor).await.expect_silent(500).error, Some(ErrorKind::GuardOpen));
    assert_eq!(app.stored(&visitor).await, "1");
}

/// C157: the reason is in the answer, since no launch can check the routes.
#[tokio::test]
async fn an_unknown_schema_is_named() {
    let app = App::new(Router::new().route("/history", get(async |_: Read<History>| "never")));
    let answer = app.ask(Method::GET, "/history", None).await.expect_silent(500);
    assert!(answer.text.contains("`history`") && answer.text.contains("add `History`"), "{answer:?}");
    let missing = app.sessions.require::<(Cart, History)>().unwrap_err();
    assert!(missing.kind() == ErrorKind::UnknownSchema && missing.to_string().contains("`History`"), "{missing}");
    assert!(app.sessions.require::<(Cart, Auth)>().is_ok());
}

/// C157: the answer and the log have the line to add.
#[tokio::test]
async fn a_missing_layer_is_named() {
    let Some(log) = Log::alone("on_axum::extractors::a_missing_layer_is_named") else { return };
    let app = App::around(|_| super::routes());
    let answer = app.ask(Method::GET, "/visits", None).await.expect_silent(500);
    assert!(answer.text.contains(".layer(SessionLayer::new(sessions))"), "{answer:?}");
    let lines = log.here();
    assert!(lines.iter().any(|line| line.starts_with("ERROR") && line.contains("SessionLayer::new")), "{lines:?}");
}

/// A handler may take the error and answer in its own way.
#[tokio::test]
async fn a_handler_can_take_the_error() {
    async fn show(cart: Result<Read<Cart>, SessionError>) -> Result<String, (::axum::http::StatusCode, &'static str)> {
        let unavailable = (::axum::http::StatusCode::SERVICE_UNAVAILABLE, "our own page");
        cart.map(|cart| cart.visits().to_string()).map_err(|_| unavailable)
    }
    let app = App::new(Router::new().route("/show", get(show)));
    let visitor = app.visitor().await;
    assert_eq!(app.get("/show", &visitor).await.text, "1");
    app.store.fail("load", Fault::Down);
    let answer = app.get("/show", &visitor).await.expect_silent(503);
    assert_eq!((&*answer.text, answer.all("retry-after")), ("our own page", vec!["1"]));
}

#[tokio::test]
async fn a_recent_login_is_asked_for() {
    let app = App::new(Router::new().route("/password", post(async |_: Recent<10>| "changed")));
    let visitor = app.visitor().await;
    assert_eq!(app.post("/password", &visitor).await.expect_silent(403).error, Some(ErrorKind::NotRecent));
    let ann = app.post("/login/ann", &visitor).await.cookie().unwrap();
    assert_eq!(app.post("/password", &ann).await.expect_silent(200).text, "changed");
}

/// A save in the handler holds, whatever follows.
#[tokio::test]
async fn a_save_in_the_handler_is_stored_before_a_failure() {
    async fn pay(mut cart: Session<Cart>) -> Result<::axum::http::StatusCode, SessionError> {
        *cart.visits_mut() += 1;
        cart.save().await?;
        let visits = cart
            .update_now(|cart| {
                *cart.visits_mut() += 1;
                *cart.visits()
            })
            .await?;
        assert_eq!(visits, 3);
        *cart.visits_mut() += 10;
        Ok(::axum::http::StatusCode::BAD_GATEWAY)
    }
    async fn save_all(session: SessionHandle) -> Result<(), SessionError> {
        session.write::<Cart>().await?.set_luck(8);
        session.save().await
    }
    let app = App::new(Router::new().route("/pay", post(pay)).route("/save", post(save_all)));
    let visitor = app.visitor().await;
    app.post("/pay", &visitor).await.expect_silent(502);
    app.post("/save", &visitor).await.expect_silent(200);
    assert_eq!(app.stored(&visitor).await, "3");
}

/// C153: a route without an extractor asks the store for nothing, and its answer has no header of the session.
#[tokio::test]
async fn a_route_without_an_extractor_has_no_session() {
    let app = App::new(Router::new());
    let visitor = app.visitor().await;
    app.store.take_calls();
    let answer = app.get("/ping", &visitor).await.expect_silent(200);
    assert!(answer.all("vary").is_empty() && answer.all("cache-control").is_empty(), "{answer:?}");
    assert_eq!(app.store.total_calls(), 0);
}

/// C153: several lines of one header, as in HTTP/2, are one; a line that is not UTF-8 may hold another id.
#[tokio::test]
async fn cookies_in_several_lines_are_read() {
    let app = App::new(Router::new());
    let visitor = app.visitor().await;
    let ask = async |lines: &[&[u8]]| -> Answer {
        let mut request = super::request(Method::GET, "/visits", None);
        for line in lines {
            let line = ::axum::http::HeaderValue::from_bytes(line).unwrap();
            request.headers_mut().append(::axum::http::header::COOKIE, line);
        }
        app.send(request).await.expect_silent(200)
    };
    let pair = visitor.as_bytes();
    assert_eq!(ask(&[b"theme=dark", pair]).await.text, "1");
    assert_eq!(ask(&[pair, pair]).await.text, "0", "two of the name are none");
    assert_eq!(ask(&[pair, b"a=\xff"]).await.text, "0");
}

/// C153: the check of other sites sees the path of the client, also in a nested router, and the address of HTTP/2.
#[tokio::test]
async fn a_request_from_another_site_is_refused() {
    let config = SessionConfig::new().cross_site_paths(["/api/callback"]);
    let inner = super::routes().route("/callback", post(super::visits));
    let app = App::with(config, |layer| Router::new().nest("/api", inner).layer(layer));
    let visitor = app.ask(Method::POST, "/api/visits", None).await.cookie().unwrap();
    let ask = async |uri: &str, header: (&str, &str)| {
        let mut request = super::request(Method::POST, uri, Some(&visitor));
        let name = ::axum::http::HeaderName::from_bytes(header.0.as_bytes()).unwrap();
        request.headers_mut().insert(name, header.1.parse().unwrap());
        app.send(request).await
    };
    let cross = ("sec-fetch-site", "cross-site");
    assert_eq!(ask("/api/visits", cross).await.expect_silent(403).error, Some(ErrorKind::CrossSite));
    assert_eq!(ask("/api/callback", cross).await.expect_silent(200).text, "0", "anonymous");
    assert_eq!(ask("/api/visits", ("sec-fetch-site", "same-origin")).await.expect_silent(200).text, "2");
    let own = ("origin", "https://shop.example");
    assert_eq!(ask("https://shop.example/api/visits", own).await.expect_silent(200).text, "3");
    assert_eq!(ask("https://www.example/api/visits", own).await.status, 403);
}

/// Programs with both frameworks import both guards beside the derive.
#[test]
fn both_frameworks_have_their_own_guard_of_one_schema() {
    fn of_rocket(mut cart: session_runtime::Session<'_, Cart>) {
        cart.set_luck(1);
    }
    fn of_axum(mut cart: session_runtime::axum::Session<Cart>) {
        cart.set_luck(1);
    }
    let _ = (of_rocket as fn(session_runtime::Session<'static, Cart>), of_axum as fn(Session<Cart>));
    let sessions = Sessions::builder().store(MemoryStore::new()).build().unwrap();
    let _: Router = Router::new().layer(SessionLayer::new(sessions));
}
