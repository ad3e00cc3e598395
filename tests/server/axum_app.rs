//! The application of `test_app` on axum: the same routes and answers.

use std::sync::{Arc, mpsc};

use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use rocket::futures::stream::{self, StreamExt as _};
use session_runtime::axum::{Read, Recent, Session, SessionHandle, SessionLayer};
use session_runtime::testing::RecordingStore;
use session_runtime::{SessionConfig, SessionError, Sessions};
use tokio::sync::oneshot;
use tower_http::catch_panic::CatchPanicLayer;

use crate::test_app::{Gate, Started, Work, runtime};

pub(crate) fn launch(store: RecordingStore, config: SessionConfig, gate: &Arc<Gate>) -> Started {
    let sessions = Sessions::builder().store(store).config(config).schemas::<Work>().build().unwrap();
    let router = routes().with_state(Arc::clone(gate)).layer(SessionLayer::new(sessions));
    serve(router.layer(map_response(forbidden)).layer(CatchPanicLayer::new()))
}

/// Serves the router on a free port, from a thread of its own.
pub(crate) fn serve(router: Router) -> Started {
    let (send, receive) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = runtime();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap().port()).unwrap();
            tokio::select! {
                _ = axum::serve(listener, router) => {}
                _ = stopped => {}
            }
        });
        // Streams and connections that are still open have no end.
        runtime.shutdown_background();
    });
    let port = receive.recv().expect("the application should launch");
    Started { port, stop: Box::new(|| drop(stop)), thread }
}

fn routes() -> Router<Arc<Gate>> {
    Router::new()
        .route("/job/{number}", post(work).put(change).patch(change).delete(change))
        .route("/show", get(show).options(async |_: Read<Work>| ()))
        .route("/recent", post(async |_: Recent<10>| ()).get(async |_: Recent<10>| ()))
        .route("/socket", get(socket))
        .route("/watch", get(watch))
        .route("/slow", post(slow))
        .route("/stream", post(stream))
        .route("/login/{user}", post(login))
        .route("/renew", post(async |session: SessionHandle| session.renew()))
        .route("/logout", post(async |session: SessionHandle| session.destroy()))
        .route("/secret/{value}", post(keep_secret))
        .route("/crash", post(crash))
}

async fn work(Path(number): Path<u32>, mut session: Session<Work>) {
    session.done_mut().insert(number);
    *session.count_mut() += 1;
    session.list_mut().push(number);
    session.set_last(number);
}

async fn change(Path(number): Path<u32>, mut session: Session<Work>) {
    session.list_mut().push(number);
}

/// Accepts the upgrade, and speaks no protocol.
async fn socket(_session: Read<Work>) -> (StatusCode, [(&'static str, &'static str); 2]) {
    (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "websocket")])
}

/// A `WebSocket` that closes at the end of the session.
async fn watch(upgrade: WebSocketUpgrade, session: SessionHandle) -> Response {
    let ended = session.ended();
    upgrade.on_upgrade(move |socket| async move {
        ended.await;
        drop(socket);
    })
}

/// Names the reason of a 403.
async fn forbidden(mut response: Response) -> Response {
    let kind = response.extensions().get::<SessionError>().map(SessionError::kind);
    if response.status() == StatusCode::FORBIDDEN {
        let text = format!("{kind:?}");
        response.headers_mut().remove("content-length");
        *response.body_mut() = text.into();
    }
    response
}

async fn show(session: Read<Work>) -> Json<(usize, u64, Vec<u32>, u32)> {
    Json((session.done().len(), *session.count(), session.list().clone(), *session.last()))
}

async fn slow(mut session: Session<Work>, State(gate): State<Arc<Gate>>) {
    *session.count_mut() += 1;
    let _inside = gate.enter();
    gate.reached.notify_one();
    gate.open.notified().await;
}

async fn stream(mut session: Session<Work>, State(gate): State<Arc<Gate>>) -> Body {
    *session.count_mut() += 1;
    let last = async move {
        gate.open.notified().await;
        Ok::<_, std::io::Error>("last")
    };
    Body::from_stream(stream::iter([Ok("first")]).chain(stream::once(last)))
}

async fn login(Path(user): Path<String>, mut session: Session<Work>) {
    session.set_user(user);
}

async fn keep_secret(Path(value): Path<String>, RawQuery(query): RawQuery, mut session: Session<Work>) -> StatusCode {
    session.set_secret(value);
    let status = query.as_deref().and_then(|query| query.strip_prefix("status="));
    status.unwrap_or("200").parse().unwrap()
}

async fn crash(mut session: Session<Work>) {
    *session.count_mut() += 1;
    panic!("the handler panics");
}
