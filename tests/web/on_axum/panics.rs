//! Handlers that panic: what is stored, and that the panic goes on.

use std::panic::AssertUnwindSafe;

use ::axum::Router;
use ::axum::http::Method;
use ::axum::routing::post;
use rocket::futures::FutureExt as _;
use session_runtime::axum::{Session, SessionHandle};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;

use super::{App, routes};
use crate::app::Cart;

fn crashes() -> Router {
    Router::new()
        .route("/crash", post(crash))
        .route("/crash/after", post(crash_after))
        .route("/crash/logout", post(crash_after_logout))
        .route("/crash/restart", post(crash_after_restart))
        .route("/crash/renew", post(crash_after_renewal))
}

async fn crash(mut cart: Session<Cart>) {
    *cart.visits_mut() += 1;
    panic!("the handler panics under its guard");
}

async fn crash_after(mut cart: Session<Cart>) {
    *cart.visits_mut() += 1;
    drop(cart);
    panic!("the handler panics after its guard");
}

async fn crash_after_logout(session: SessionHandle) {
    session.destroy();
    panic!("the handler panics after a logout");
}

async fn crash_after_restart(session: SessionHandle) {
    session.restart();
    panic!("the handler panics after a restart");
}

async fn crash_after_renewal(session: SessionHandle) {
    session.renew();
    panic!("the handler panics after a renewal");
}

/// Sends a request whose handler panics: with an outer layer that answers, or into the test.
async fn post_panicking(app: &App, has_outer_layer: bool, path: &str, cookie: &str) {
    if has_outer_layer {
        app.post(path, cookie).await.expect_silent(500);
        return;
    }
    let request = super::request(Method::POST, path, Some(cookie));
    let panic = AssertUnwindSafe(app.router.clone().oneshot(request)).catch_unwind().await.unwrap_err();
    let message = panic.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(message.starts_with("the handler panics"), "the panic of the handler goes on: {message}");
}

fn app(has_outer_layer: bool) -> App {
    App::around(|layer| {
        let router = routes().merge(crashes()).layer(layer);
        if has_outer_layer { router.layer(CatchPanicLayer::new()) } else { router }
    })
}

/// C156: under a guard, and after one that was dropped before.
#[tokio::test]
async fn the_changes_of_a_handler_that_panics_are_discarded() {
    for has_outer_layer in [true, false] {
        let app = app(has_outer_layer);
        let visitor = app.visitor().await;
        for path in ["/crash", "/crash/after"] {
            post_panicking(&app, has_outer_layer, path, &visitor).await;
            assert_eq!(app.stored(&visitor).await, "1", "{path}");
        }
        assert_eq!(app.post("/visits", &visitor).await.text, "2", "no guard is left open");
    }
}

/// C156: a logout and the end of a session take effect without an answer.
#[tokio::test]
async fn a_logout_before_a_panic_is_carried_out() {
    for has_outer_layer in [true, false] {
        for path in ["/crash/logout", "/crash/restart"] {
            let app = app(has_outer_layer);
            let visitor = app.visitor().await;
            post_panicking(&app, has_outer_layer, path, &visitor).await;
            assert_eq!((app.store.records().await, &*app.stored(&visitor).await), (0, "0"), "{path}");
        }
    }
}

/// C156: no answer can carry the new id, so the old one stays.
#[tokio::test]
async fn a_renewal_before_a_panic_is_dropped() {
    for has_outer_layer in [true, false] {
        let app = app(has_outer_layer);
        let visitor = app.visitor().await;
        post_panicking(&app, has_outer_layer, "/crash/renew", &visitor).await;
        assert_eq!(app.stored(&visitor).await, "1");
    }
}
