//! Headers and statuses of answers: the same promises as on Rocket.

use ::axum::Router;
use ::axum::http::{HeaderMap, Method, StatusCode};
use ::axum::routing::post;
use session_runtime::SessionError;
use session_runtime::axum::{Session, SessionHandle};
use session_runtime::testing::Fault;
use session_tests::log::Log;

use super::App;
use crate::app::Cart;

/// C153: a new id comes with `no-store`, in place of what the handler or a cache header had, and `Vary` keeps its items.
#[tokio::test]
async fn an_answer_with_a_cookie_is_not_cached() {
    async fn cached(mut cart: Session<Cart>) -> HeaderMap {
        *cart.visits_mut() += 1;
        let headers = [("cache-control", "public"), ("cdn-cache-control", "max-age=60"), ("vary", "Accept")];
        headers.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }
    let app = App::new(Router::new().route("/cached", post(cached)));
    let answer = app.ask(Method::POST, "/cached", None).await;
    assert_eq!((answer.all("cache-control"), answer.all("vary")), (vec!["no-store"], vec!["Accept", "Cookie"]));
    assert!(answer.all("cdn-cache-control").is_empty());
    let later = app.post("/cached", &answer.cookie().unwrap()).await.expect_silent(200);
    assert_eq!((later.all("cache-control"), later.all("cdn-cache-control")), (vec!["public"], vec!["max-age=60"]));
}

/// C153: 5xx discards the changes; `destroy` takes effect all the same.
#[tokio::test]
async fn a_failed_answer_stores_nothing() {
    async fn fail(mut cart: Session<Cart>) -> StatusCode {
        *cart.visits_mut() += 1;
        StatusCode::INTERNAL_SERVER_ERROR
    }
    async fn log_out_and_fail(session: SessionHandle) -> StatusCode {
        session.destroy();
        StatusCode::BAD_GATEWAY
    }
    let app = App::new(Router::new().route("/fail", post(fail)).route("/out", post(log_out_and_fail)));
    let visitor = app.visitor().await;
    app.post("/fail", &visitor).await.expect_silent(500);
    assert_eq!(app.stored(&visitor).await, "1");
    let answer = app.post("/out", &visitor).await;
    assert_eq!((answer.status, answer.all("set-cookie").len()), (StatusCode::BAD_GATEWAY, 1));
    assert_eq!(app.store.records().await, 0);
}

/// C153: a save that fails after the handler replaces its answer, and is one line in the log.
#[tokio::test]
async fn a_failed_save_replaces_the_answer() {
    let Some(log) = Log::alone("on_axum::answers::a_failed_save_replaces_the_answer") else { return };
    let app = App::new(Router::new());
    let visitor = app.visitor().await;
    app.store.fail("patch", Fault::Down);
    let before = log.here().len();
    let answer = app.post("/visits", &visitor).await.expect_silent(503);
    assert_eq!((&*answer.text, answer.all("retry-after")), ("503 Service Unavailable\n", vec!["1"]));
    assert_eq!(log.here().split_off(before).iter().filter(|line| line.starts_with("ERROR")).count(), 1);
}

/// C153: a handler that returns the error of `save` answers with its status, and the log has one line.
#[tokio::test]
async fn an_error_that_the_handler_returns_is_one_line() {
    async fn save(mut cart: Session<Cart>) -> Result<(), SessionError> {
        *cart.visits_mut() += 1;
        cart.save().await
    }
    let Some(log) = Log::alone("on_axum::answers::an_error_that_the_handler_returns_is_one_line") else { return };
    let app = App::new(Router::new().route("/save", post(save)));
    let visitor = app.visitor().await;
    for (operation, path) in [("patch", "/save"), ("load", "/save")] {
        app.store.fail(operation, Fault::Down);
        let before = log.here().len();
        let answer = app.post(path, &visitor).await.expect_silent(503);
        assert_eq!((&*answer.text, answer.all("retry-after")), ("503 Service Unavailable\n", vec!["1"]), "{operation}");
        let lines = log.here().split_off(before);
        assert_eq!(lines.iter().filter(|line| line.starts_with("ERROR")).count(), 1, "{operation}: {lines:?}");
        app.store.recover();
    }
}
