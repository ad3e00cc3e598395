//! The slot of a request for its one session, and the opening of that session by the first extractor.

use std::sync::{Arc, OnceLock};

use ::axum::extract::{MatchedPath, OriginalUri};
use ::axum::http::header::HOST;
use ::axum::http::request::Parts;
use ::axum::http::uri::Authority;
use ::axum::http::{Extensions, Uri};

use crate::error::{ErrorKind, SessionError};
use crate::request::visit::Visit;
use crate::sessions::Sessions;
use crate::sessions::incoming::Incoming;

/// Slot in the extensions of a request; empty until an extractor opens the session.
#[derive(Clone)]
pub(super) struct Slot(Arc<Inner>);

struct Inner {
    sessions: Sessions,
    visit: OnceLock<Arc<Visit>>,
}

impl Slot {
    /// Puts an empty slot into the extensions. `None`: an outer layer of the same sessions has done so.
    pub(super) fn insert(sessions: &Sessions, extensions: &mut Extensions) -> Option<Self> {
        let is_of = |slot: &Self| Arc::ptr_eq(&slot.0.sessions.core, &sessions.core);
        if extensions.get::<Self>().is_some_and(is_of) {
            return None;
        }
        let slot = Self(Arc::new(Inner { sessions: sessions.clone(), visit: OnceLock::new() }));
        extensions.insert(slot.clone());
        Some(slot)
    }

    /// Returns the visit, if an extractor has opened it.
    pub(super) fn opened(&self) -> Option<Arc<Visit>> {
        self.0.visit.get().cloned()
    }
}

/// Returns the visit of a request; the first extractor opens it.
pub(super) fn visit(parts: &Parts) -> Result<Arc<Visit>, SessionError> {
    let Some(Slot(slot)) = parts.extensions.get() else { return Err(missing_layer()) };
    Ok(Arc::clone(slot.visit.get_or_init(|| Arc::new(slot.sessions.open_incoming(parts)))))
}

fn missing_layer() -> SessionError {
    let detail = "the route has no session layer: add `.layer(SessionLayer::new(sessions))` to its router";
    let error = SessionError::with(ErrorKind::Config, detail);
    tracing::error!("a session guard failed: {}", error.chain());
    error.logged()
}

impl Incoming for Parts {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        uri(self).path()
    }

    /// The address in the request line takes precedence over `Host` (RFC 9112 section 3.2.2).
    fn host(&self) -> Option<String> {
        let authority = uri(self).authority().map(Authority::as_str);
        let mut lines = self.headers.get_all(HOST).iter();
        let line = || lines.next().filter(|_| lines.next().is_none())?.to_str().ok();
        authority.or_else(line).map(str::to_owned)
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }

    /// Hash of the path as the router has it, and of the method.
    fn route(&self) -> usize {
        let Some(path) = self.extensions.get::<MatchedPath>() else { return 0 };
        let bytes = path.as_str().bytes().chain(self.method.as_str().bytes());
        // FNV-1a: a dozen bytes, of which the application chose all.
        bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ usize::from(byte)).wrapping_mul(0x0100_0193))
    }
}

/// Returns the address as the client sent it. A nested router removes the beginning of its own.
fn uri(parts: &Parts) -> &Uri {
    parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri)
}
