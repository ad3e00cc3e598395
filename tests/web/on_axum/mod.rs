//! Whole requests through the layer and the extractors of axum, without a socket. The sockets are in the target `server`.

mod answers;
mod extractors;
mod layers;
mod left;
mod panics;

use std::convert::Infallible;

use ::axum::Router;
use ::axum::body::{Body, to_bytes};
use ::axum::http::{Method, Request, StatusCode, header};
use ::axum::response::Response;
use ::axum::routing::{get, post};
use session_runtime::axum::{Read, Session, SessionHandle, SessionLayer};
use session_runtime::testing::RecordingStore;
use session_runtime::{SessionConfig, Sessions};
use tower::ServiceExt as _;

use crate::app::{Auth, Cart};
use crate::store::recording_store;

/// The store of an application, and the service that a server would run.
struct App {
    store: RecordingStore,
    sessions: Sessions,
    router: Router,
}

/// The routes that every test of this folder has.
fn routes() -> Router {
    Router::new()
        .route("/ping", get(async || "pong"))
        .route("/visits", get(visits).post(visit))
        .route("/login/{user}", post(login))
        .route("/logout", post(async |session: SessionHandle| session.destroy()))
}

async fn visits(cart: Read<Cart>) -> String {
    cart.visits().to_string()
}

async fn visit(mut cart: Session<Cart>) -> String {
    *cart.visits_mut() += 1;
    cart.visits().to_string()
}

async fn login(::axum::extract::Path(user): ::axum::extract::Path<String>, mut auth: Session<Auth>) {
    auth.set_user(user);
}

impl App {
    /// With these routes beside the usual ones, and the layer around all.
    fn new(more: Router) -> Self {
        Self::around(|layer| routes().merge(more).layer(layer))
    }

    /// With a router that has the layer somewhere.
    fn around(router: impl FnOnce(SessionLayer) -> Router) -> Self {
        Self::with(SessionConfig::new(), router)
    }

    fn with(config: SessionConfig, router: impl FnOnce(SessionLayer) -> Router) -> Self {
        let store = recording_store();
        let sessions = Sessions::builder().store(store.clone()).config(config).schemas::<(Cart, Auth)>();
        let sessions = sessions.build().unwrap();
        let router = router(SessionLayer::new(sessions.clone()));
        Self { store, sessions, router }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let answer: Result<Response, Infallible> = self.router.clone().oneshot(request).await;
        Answer::of(answer.unwrap()).await
    }

    /// Sends a request with this cookie, or without one.
    async fn ask(&self, method: Method, path: &str, cookie: Option<&str>) -> Answer {
        self.send(request(method, path, cookie)).await
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.ask(Method::GET, path, Some(cookie)).await
    }

    async fn post(&self, path: &str, cookie: &str) -> Answer {
        self.ask(Method::POST, path, Some(cookie)).await
    }

    /// The cookie of a new session with one visit.
    async fn visitor(&self) -> String {
        let answer = self.ask(Method::POST, "/visits", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.cookie().expect("a first write gives a cookie")
    }

    /// The number of visits that is stored.
    async fn stored(&self, cookie: &str) -> String {
        let answer = self.get("/visits", cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.text
    }
}

fn request(method: Method, path: &str, cookie: Option<&str>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = cookie.into_iter().fold(request, |request, cookie| request.header(header::COOKIE, cookie));
    request.body(Body::empty()).unwrap()
}

/// A response with its body.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: ::axum::http::HeaderMap,
    text: String,
    /// The kind of the error that the response reports to outer layers.
    error: Option<session_runtime::ErrorKind>,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (head, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap_or_default();
        let error = head.extensions.get::<session_runtime::SessionError>().map(session_runtime::SessionError::kind);
        Self { status: head.status, headers: head.headers, text, error }
    }

    /// The pair of the cookie that this answer sets.
    fn cookie(&self) -> Option<String> {
        let line = self.headers.get(header::SET_COOKIE)?.to_str().unwrap();
        line.split(';').next().map(str::to_owned)
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[track_caller]
    fn expect_silent(self, status: u16) -> Self {
        assert_eq!((self.status.as_u16(), self.cookie()), (status, None), "{self:?}");
        self
    }
}
