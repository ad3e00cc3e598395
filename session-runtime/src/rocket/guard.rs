//! The guards: `&S`, [`Session<S>`](Session) and `&SessionHandle`, and their sentinels.

use std::pin::Pin;

use ::rocket::http::Status;
use ::rocket::request::{FromRequest, Outcome};
use ::rocket::response::Responder;
use ::rocket::{Ignite, Request, Rocket, Sentinel};

use super::handle::SessionHandle;
use crate::error::{ErrorKind, RETRY_AFTER, SessionError};
use crate::schema::{Newest, Schema};
use crate::sessions::Sessions;
use crate::visit::Session;

/// `&S`: the schema's values as they stand.
#[doc(hidden)]
pub fn read<'f, 'r: 'f, 'a: 'f, S: Schema>(request: &'r Request<'a>) -> Reading<'f, &'r S> {
    Box::pin(async move {
        let read = async { SessionHandle::of(request)?.visit.read::<S>().await };
        outcome(request, read.await)
    })
}

/// A guard on its way.
#[doc(hidden)]
pub type Reading<'f, T> = Pin<Box<dyn Future<Output = Outcome<T, SessionError>> + Send + 'f>>;

#[::rocket::async_trait]
impl<'r, S: Schema<Role: Newest<S>>> FromRequest<'r> for Session<'r, S> {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let write = async { SessionHandle::of(request)?.visit.write::<S>().await };
        outcome(request, write.await)
    }
}

#[::rocket::async_trait]
impl<'r> FromRequest<'r> for &'r SessionHandle {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let load = async {
            let handle = SessionHandle::of(request)?;
            handle.visit.load().await?;
            Ok(handle)
        };
        outcome(request, load.await)
    }
}

impl<S: Schema> Sentinel for Session<'_, S> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        missing::<S>(rocket)
    }
}

impl Sentinel for &SessionHandle {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        let missing = rocket.state::<Sessions>().is_none();
        if missing {
            tracing::error!("a route asks for the session: attach `Sessions::fairing::<(...)>()`");
        }
        missing
    }
}

/// Whether a route asks for a schema that the fairing does not have; says what to add.
#[doc(hidden)]
#[must_use]
pub fn missing<S: Schema>(rocket: &Rocket<Ignite>) -> bool {
    let name = S::NAME;
    let Some(sessions) = rocket.state::<Sessions>() else {
        tracing::error!("a route asks for `{name}`: attach `Sessions::fairing::<{name}>()`");
        return true;
    };
    let missing = !sessions.knows::<S>();
    if missing {
        tracing::error!(
            "a route asks for `{name}`: add it to the schemas of `Sessions::fairing::<(...)>()`, of which there is one per application"
        );
    }
    missing
}

fn outcome<T>(request: &Request<'_>, result: Result<T, SessionError>) -> Outcome<T, SessionError> {
    match result {
        Ok(guard) => Outcome::Success(guard),
        Err(error) => {
            if let Some(handle) = SessionHandle::opened(request) {
                handle.visit.set_retry(&error);
            }
            // A late load after a logout or a login is the visitor's doing and no fault of the server.
            match error.kind() {
                ErrorKind::Gone | ErrorKind::Renewed | ErrorKind::GuardOpen => {}
                _ => tracing::error!("a session guard failed: {}", error.chain()),
            }
            Outcome::Error((status(&error), error))
        }
    }
}

pub(super) fn status(error: &SessionError) -> Status {
    Status::new(error.kind().status())
}

/// What a handler answers when `save` or `update_now` fails and it passes the error on: the status, no more.
impl<'r> Responder<'r, 'static> for SessionError {
    fn respond_to(self, _: &'r Request<'_>) -> ::rocket::response::Result<'static> {
        Ok(super::fairing::plain(&self))
    }
}

pub(super) fn retry_after() -> String {
    RETRY_AFTER.as_secs().to_string()
}
