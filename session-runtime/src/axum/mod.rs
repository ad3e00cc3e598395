//! The same sessions on axum: a layer and extractors.
//!
//! ```
//! use axum::extract::Path;
//! use axum::http::StatusCode;
//! use axum::routing::{get, post};
//! use axum::Router;
//! use session_runtime::axum::{Read, Session, SessionLayer};
//! use session_runtime::{SessionConfig, SessionHandle, Sessions};
//!
//! #[derive(Session)]
//! #[session(key = "auth", version = 1)]
//! struct AuthSession {
//!     #[session(renew)]
//!     user: Option<String>,
//! }
//!
//! async fn who(auth: Read<AuthSession>) -> String {
//!     auth.user().clone().unwrap_or_default()
//! }
//!
//! async fn login(Path(user): Path<String>, mut auth: Session<AuthSession>) {
//!     auth.set_user(user);
//! }
//!
//! async fn logout(session: SessionHandle) -> StatusCode {
//!     session.destroy();
//!     StatusCode::NO_CONTENT
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
//! let config = SessionConfig::from_env("SHOP")?;
//! # let config = config.store("memory:");
//! let sessions = Sessions::builder().config(config).schemas::<AuthSession>().build()?;
//! sessions.prepare().await?;
//! let app: Router = Router::new()
//!     .route("/whoami", get(who))
//!     .route("/login/{user}", post(login))
//!     .route("/logout", post(logout))
//!     .layer(SessionLayer::new(sessions));
//! # Ok(()) }
//! ```
//!
//! | extractor | gives |
//! |---|---|
//! | [`Read<S>`](Read) | the values of a schema; defaults without a session |
//! | `Option<Read<S>>` | `None` if nothing of the schema is stored |
//! | [`Session<S>`](struct@Session) | the writable guard; its changes are saved with the response |
//! | [`Peek<S>`](Peek) | the values, without a use of the session |
//! | [`SessionHandle`] | the session as a whole |
//! | [`Recent<MINUTES>`](Recent) | passes after a recent proof of identity |
//!
//! All extractors of a request share one session, which the first of them opens. They are rejected with a
//! [`SessionError`](crate::SessionError), so a handler may take `Result<Read<S>, SessionError>`. The error answers with its
//! status and a short text. A response that reports a failure has the error in its extensions, where an outer layer finds
//! it to build a page of its own.
//!
//! The promises are those of the whole crate: which requests are saved, and which headers a response gets. A few rules are
//! due to axum.
//!
//! # The order of layers
//!
//! A layer that answers in place of the handler, such as a time limit, belongs outside of the [`SessionLayer`]: it is added
//! to the router after it. A handler that is dropped is then never saved.
//!
//! ```text
//! Router::new().route(…).layer(SessionLayer::new(sessions)).layer(TimeoutLayer::with_status_code(…))
//! ```
//!
//! Inside, such a layer drops the handler and its guards, which looks like their end: the changes of guards that the handler
//! had are in the request, complete or not. With the statuses 408 and 499 they are discarded, as with 5xx. With another
//! status, as after `select!` around `next.run(request)`, they are saved.
//!
//! # Clients that leave
//!
//! hyper drops the handler of a client that disconnects. If the handler has not finished, nothing of the request is saved,
//! except by an explicit [`save`](Session::save). A save that has begun runs to its end, in a task of its own if the client
//! leaves meanwhile. At the end of a program, [`Sessions::settled`](crate::Sessions::settled) waits for such saves. A handler
//! that must not be dropped runs its work in `tokio::spawn`.
//!
//! # Panics
//!
//! The layer catches a panic of the handler, discards its changes, carries out [`destroy`](SessionHandle::destroy), and
//! resumes the panic, which ends the connection or is answered by an outer `CatchPanicLayer`. A
//! [`restart`](SessionHandle::restart) ends the session. [`renew`](SessionHandle::renew) has no effect, since no response can
//! carry the new id.
//!
//! # Checks at the start
//!
//! axum does not know which extractors its routes have. A route without the layer, or with a schema that the layer does not
//! have, answers 500 with the reason. [`Sessions::require`](crate::Sessions::require) checks schemas when the program
//! starts, and [`Sessions::prepare`](crate::Sessions::prepare) checks the store.
//! [`Sessions::sweep_in_background`](crate::Sessions::sweep_in_background) removes expired sessions.

mod answer;
mod body;
mod guard;
mod layer;
mod slot;

pub use session_derive::Session;

pub use self::body::Body;
pub use self::guard::{Peek, Read, Session};
pub use self::layer::{SessionLayer, SessionService};
#[doc(inline)]
pub use crate::request::{handle::SessionHandle, recent::Recent};
