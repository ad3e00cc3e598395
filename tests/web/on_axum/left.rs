//! Clients that leave: the future of their request is dropped at every point at which it waits.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use ::axum::Router;
use ::axum::http::{Method, StatusCode};
use ::axum::routing::post;
use session_runtime::SessionError;
use session_runtime::axum::{Session, SessionHandle};
use session_runtime::testing::Fault;
use tower::ServiceExt as _;

use super::{App, routes};
use crate::app::{Auth, Cart};

/// Two changes with a pause between them, as a handler that asks another service has.
async fn slow(mut cart: Session<Cart>) -> StatusCode {
    *cart.visits_mut() += 1;
    tokio::task::yield_now().await;
    *cart.visits_mut() += 1;
    StatusCode::NO_CONTENT
}

async fn saving(mut cart: Session<Cart>) -> Result<StatusCode, SessionError> {
    *cart.visits_mut() += 2;
    cart.save().await?;
    tokio::task::yield_now().await;
    *cart.visits_mut() += 2;
    cart.save().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enter(mut auth: Session<Auth>, mut cart: Session<Cart>) -> StatusCode {
    auth.set_user("ann".into());
    tokio::task::yield_now().await;
    *cart.visits_mut() += 2;
    StatusCode::NO_CONTENT
}

async fn leave(session: SessionHandle) -> StatusCode {
    session.destroy();
    tokio::task::yield_now().await;
    StatusCode::NO_CONTENT
}

fn app() -> App {
    let more = Router::new().route("/slow", post(slow)).route("/saving", post(saving));
    let more = more.route("/enter", post(enter)).route("/leave", post(leave));
    App::around(|layer| routes().merge(more).layer(layer))
}

impl App {
    /// Sends a request, polls it this often, and drops it. Returns whether it was complete by then.
    async fn send_and_leave(&self, path: &str, cookie: &str, polls: usize) -> bool {
        let method = if path == "/visits" { Method::GET } else { Method::POST };
        let mut answer = pin!(self.router.clone().oneshot(super::request(method, path, Some(cookie))));
        for _ in 0..polls {
            if answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return true;
            }
            // The threads of a store work meanwhile.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        false
    }
}

/// C161: a session is as it was or as the whole request leaves it, the store holds no other, and the next request works.
#[tokio::test]
async fn a_client_that_leaves_at_any_point_leaves_nothing_half_stored() {
    for path in ["/visits", "/slow", "/saving", "/enter", "/leave"] {
        let app = app();
        let (mut polls, mut outcomes) = (0, Vec::new());
        loop {
            let visitor = app.visitor().await;
            for operation in ["load", "patch", "delete"] {
                app.store.fail(operation, Fault::Slow(Duration::from_millis(2)));
            }
            let is_complete = app.send_and_leave(path, &visitor, polls).await;
            app.sessions.settled().await;
            app.store.recover();
            let visits = app.stored(&visitor).await;
            let allowed: &[&str] = match path {
                "/visits" => &["1"],
                "/saving" => &["1", "3", "5"],
                // The answer that would have carried the new id, or ended the session, is lost.
                "/enter" | "/leave" => &["1", "0"],
                _ => &["1", "3"],
            };
            assert!(allowed.contains(&&*visits), "{path} after {polls} polls: {visits}");
            app.post("/visits", &visitor).await;
            outcomes.push(visits);
            if is_complete {
                break;
            }
            polls += 1;
        }
        outcomes.dedup();
        assert!(polls >= 2, "{path}: {polls} polls");
        assert_eq!(outcomes.len(), if path == "/visits" { 1 } else { outcomes.len().max(2) }, "{path}: {outcomes:?}");
    }
}

/// C154: nothing is saved before the handler has finished.
#[tokio::test]
async fn a_client_that_leaves_before_the_handler_ends_is_not_saved() {
    let app = app();
    let visitor = app.visitor().await;
    app.store.take_calls();
    let mut answer = Box::pin(app.router.clone().oneshot(super::request(Method::POST, "/slow", Some(&visitor))));
    let mut poll = || answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
    // Up to the load, and then to the pause of the handler.
    while poll() && app.store.calls("load") == 0 {}
    assert!(poll(), "the handler waits");
    drop(answer);
    app.sessions.settled().await;
    assert_eq!(app.stored(&visitor).await, "1");
}

/// C154: a save that has begun runs to its end, and `settled` waits for it.
#[tokio::test]
async fn a_save_that_has_begun_runs_to_its_end() {
    let app = app();
    let visitor = app.visitor().await;
    app.store.fail("patch", Fault::Slow(Duration::from_millis(50)));
    let request = super::request(Method::POST, "/slow", Some(&visitor));
    let mut answer = Box::pin(app.router.clone().oneshot(request));
    app.store.take_calls();
    tokio::select! {
        _ = &mut answer => panic!("the save takes longer"),
        () = async { while app.store.calls("patch") == 0 { tokio::time::sleep(Duration::from_millis(1)).await } } => {}
    }
    drop(answer);
    app.sessions.settled().await;
    app.store.recover();
    assert_eq!(app.stored(&visitor).await, "3");
}
