//! Guards of routes: `&S`, [`Session<S>`](Session), [`Read<S>`](Read), [`Peek<S>`](Peek) and `&SessionHandle`, with their
//! sentinels.

use std::pin::Pin;

use ::rocket::request::{FromRequest, Outcome};
use ::rocket::{Ignite, Request, Rocket, Sentinel};

use super::answer::status;
use crate::error::SessionError;
use crate::request::handle::SessionHandle;
use crate::request::visit::{Peek, Read, Session};
use crate::schema::{Newest, Schema};
use crate::sessions::Sessions;

/// Runs the guard `&S`, which reads the schema's current values.
#[doc(hidden)]
pub fn read<'f, 'r: 'f, 'a: 'f, S: Schema>(request: &'r Request<'a>) -> Reading<'f, &'r S> {
    Box::pin(async move {
        let read = async { SessionHandle::of(request)?.visit.read::<S>().await };
        outcome(request, read.await)
    })
}

/// Future of a guard.
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
impl<'r, S: Schema<Role: Newest<S>>> FromRequest<'r> for Read<'r, S> {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let read = async { SessionHandle::of(request)?.visit.read_entries::<S>().await };
        outcome(request, read.await)
    }
}

#[::rocket::async_trait]
impl<'r, S: Schema<Role: Newest<S>>> FromRequest<'r> for Peek<'r, S> {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        let peek = async { SessionHandle::of(request)?.visit.peek::<S>().await };
        outcome(request, peek.await)
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

impl<S: Schema> Sentinel for Read<'_, S> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        missing::<S>(rocket)
    }
}

impl<S: Schema> Sentinel for Peek<'_, S> {
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

/// Returns whether the fairing lacks a schema that a route uses, and logs how to add it.
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

pub(super) fn outcome<T>(request: &Request<'_>, result: Result<T, SessionError>) -> Outcome<T, SessionError> {
    match result {
        Ok(guard) => Outcome::Success(guard),
        Err(error) => {
            let error = if let Some(handle) = SessionHandle::opened(request) {
                handle.visit.guard_failed(error)
            } else {
                tracing::error!("a session guard failed: {}", error.chain());
                error.logged()
            };
            Outcome::Error((status(&error), error))
        }
    }
}
