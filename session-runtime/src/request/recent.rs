//! [`Recent`]: the guard for routes that ask for a recent proof of identity.

use std::time::Duration;

use super::visit::Visit;
use crate::error::SessionError;

/// Guard that passes if the visitor proved their identity at most this many minutes ago (OWASP ASVS 5.0, 7.5.1).
///
/// A login is a proof, unless the handler calls [`remembered`]. A later proof is recorded with [`reauthenticated`]. See
/// [`authenticated_at`] for when a proof ends.
///
/// Otherwise the guard fails with 403 and [`ErrorKind::NotRecent`](crate::ErrorKind::NotRecent). The catcher can then ask
/// for the password. A request from another site is 403 too, so it asks [`SessionError::of`] for the kind. A visitor who
/// is not logged in has no proof either. A route with `Recent<0>` does not compile.
///
/// [`authenticated_at`]: crate::SessionHandle::authenticated_at
/// [`reauthenticated`]: crate::SessionHandle::reauthenticated
/// [`remembered`]: crate::SessionHandle::remembered
///
/// # Examples
///
#[cfg_attr(feature = "rocket", doc = "```")]
#[cfg_attr(not(feature = "rocket"), doc = "```ignore")]
/// use rocket::response::Redirect;
/// use rocket::{Request, catch, post};
/// use session_runtime::{ErrorKind, Recent, SessionError};
///
/// #[post("/password")]
/// fn change_password(_recent: Recent<10>) -> &'static str {
///     "changed"
/// }
///
/// #[catch(403)]
/// fn forbidden(request: &Request) -> Result<Redirect, &'static str> {
///     match SessionError::of(request).map(SessionError::kind) {
///         Some(ErrorKind::NotRecent) => Ok(Redirect::to("/enter-password")),
///         _ => Err("This is not allowed."),
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Recent<const MINUTES: u32>(());

impl<const MINUTES: u32> Recent<MINUTES> {
    /// Fails the build for no minutes.
    pub(crate) const CHECKED: () =
        assert!(MINUTES > 0, "`Recent<0>` refuses every request: give the age in minutes, as in `Recent<10>`");

    /// Passes if the proof is recent.
    pub(crate) async fn check(visit: &Visit) -> Result<Self, SessionError> {
        visit.authenticated_within(Duration::from_secs(u64::from(MINUTES) * 60)).await.map(|()| Self(()))
    }
}
