//! [`Recent`] as a guard of routes.

use ::rocket::request::FromRequest;
use ::rocket::{Ignite, Request, Rocket, Sentinel};

use super::guard::{Reading, outcome};
use crate::error::SessionError;
use crate::request::handle::SessionHandle;
use crate::request::recent::Recent;

// Written as `async_trait` would expand it, except that the check is outside the future: the compiler's error then points
// at the handler.
impl<'r, const MINUTES: u32> FromRequest<'r> for Recent<MINUTES> {
    type Error = SessionError;

    fn from_request<'a, 'f>(request: &'r Request<'a>) -> Reading<'f, Self>
    where
        'r: 'f,
        'a: 'f,
        Self: 'f,
    {
        let () = Self::CHECKED;
        Box::pin(async move {
            let check = async { Self::check(&SessionHandle::of(request)?.visit).await };
            outcome(request, check.await)
        })
    }
}

impl<const MINUTES: u32> Sentinel for Recent<MINUTES> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        <&SessionHandle>::abort(rocket)
    }
}
