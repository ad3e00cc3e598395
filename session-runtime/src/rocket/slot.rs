//! The slot of a request for its one session, and the opening of that session by the first guard.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use ::rocket::Request;

use crate::error::{ErrorKind, SessionError};
use crate::request::handle::SessionHandle;
use crate::request::visit::Visit;
use crate::sessions::Sessions;
use crate::sessions::incoming::Incoming;

/// Number of slots with a handle. At zero, `opened` skips the request-local cache. That saves 800 of the 57,500
/// instructions of a response without a session.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Slot of the request-local cache for the handle; empty until a guard opens the session.
#[derive(Default)]
struct HandleSlot(OnceLock<SessionHandle>);

impl HandleSlot {
    fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }

    fn open(&self, visit: impl FnOnce() -> Visit) -> &SessionHandle {
        self.0.get_or_init(|| {
            OPEN.fetch_add(1, Ordering::Relaxed);
            SessionHandle { visit: Arc::new(visit()) }
        })
    }
}

impl Drop for HandleSlot {
    fn drop(&mut self) {
        if self.0.get().is_some() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl SessionHandle {
    /// Returns the handle of this request, if a guard has opened one.
    pub(super) fn opened<'r>(request: &'r Request<'_>) -> Option<&'r Self> {
        if OPEN.load(Ordering::Relaxed) == 0 {
            return None;
        }
        HandleSlot::of(request).0.get()
    }

    /// Returns the handle of this request; the first guard opens it.
    pub(super) fn of<'r>(request: &'r Request<'_>) -> Result<&'r Self, SessionError> {
        let slot = HandleSlot::of(request);
        if let Some(handle) = slot.0.get() {
            return Ok(handle);
        }
        let Some(sessions) = request.rocket().state::<Sessions>() else {
            return Err(SessionError::with(ErrorKind::Config, "`Sessions::fairing` is not attached"));
        };
        Ok(slot.open(|| sessions.open_incoming(request)))
    }

    /// Puts a finished visit into a request that no guard has opened yet, so that its response carries the cookie.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn adopt(request: &Request<'_>, visit: Visit) {
        HandleSlot::of(request).open(|| visit);
    }
}

impl Incoming for Request<'_> {
    fn method(&self) -> &str {
        self.method().as_str()
    }

    fn path(&self) -> &str {
        self.uri().path().as_str()
    }

    fn host(&self) -> Option<String> {
        self.host().map(ToString::to_string)
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        // Iterating over a browser's headers is cheaper than looking one up.
        self.headers().iter().filter_map(|header| match (header.name.into_cow(), header.value) {
            (Cow::Borrowed(name), Cow::Borrowed(value)) => Some((name, value.as_bytes())),
            _ => None,
        })
    }

    /// Rocket's local client puts its cookies into the jar.
    fn cookie_beside_headers(&self, name: &str) -> Option<String> {
        self.cookies().get(name).map(|cookie| format!("{}={}", cookie.name(), cookie.value()))
    }

    /// A route stays where it is as long as the server runs.
    fn route(&self) -> usize {
        self.route().map_or(0, |route| std::ptr::from_ref(route).addr())
    }
}
