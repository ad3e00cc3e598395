//! Location of the record of a request: the store of the application, or the cookie that came with the request.

use super::visit::Visit;
#[cfg(not(feature = "cookie"))]
use crate::clock::Timestamp;
use crate::cookie::CookieCommand;
use crate::id::SessionId;
use crate::record::Head;
use crate::store::Store;

#[cfg(not(feature = "cookie"))]
#[expect(clippy::unused_self, reason = "used with the feature `cookie`")]
impl Visit {
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.core.store
    }

    /// Returns the command that sends this id to the browser.
    pub(crate) fn new_cookie(&self, id: SessionId, head: &Head, now: Timestamp) -> CookieCommand {
        self.core.cookie.set(&id.to_cookie(), head, now)
    }

    /// True if each change of the record has to reach the browser.
    pub(crate) fn is_in_cookie(&self) -> bool {
        false
    }

    /// Does nothing: only a record in a cookie is sealed.
    pub(crate) fn reseal(&self) {}
}

#[cfg(feature = "cookie")]
mod in_cookie {
    use std::sync::Arc;

    use super::{CookieCommand, Head, SessionId, Store, Visit};
    use crate::clock::Timestamp;
    use crate::cookie::{Found, Presented};
    use crate::error::SessionError;
    use crate::request::core::Core;
    use crate::store::cookie::{RequestStore, Sealer};

    impl Visit {
        /// Creates the visit of a request whose session is in its cookie.
        pub(crate) fn in_cookie(core: Arc<Core>, sealer: Arc<Sealer>, found: Found<'_>, now: Timestamp) -> Self {
            let opened = match found {
                Found::One(value) => sealer.open(value, now),
                Found::Nothing | Found::Several => None,
            };
            if opened.is_none() && !matches!(found, Found::Nothing) {
                tracing::debug!("sealed_cookie: doubled, foreign, damaged or expired: treated as no session");
            }
            let id = opened.as_ref().map(|opened| SessionId::sealed(opened.key));
            let mut visit = Self::new(core, id.map_or(Presented::Nothing, Presented::Id), now);
            visit.request_store = Some(Box::new(RequestStore::new(sealer, opened)));
            visit
        }

        pub(crate) fn store(&self) -> &dyn Store {
            match &self.request_store {
                Some(request_store) => &**request_store,
                None => &*self.core.store,
            }
        }

        /// Returns the command that sends this id, or the record itself, to the browser.
        pub(crate) fn new_cookie(&self, id: SessionId, head: &Head, now: Timestamp) -> CookieCommand {
            match &self.request_store {
                Some(request_store) => request_store.line(),
                None => self.core.cookie.set(&id.to_cookie(), head, now),
            }
        }

        /// True if each change of the record has to reach the browser.
        pub(crate) fn is_in_cookie(&self) -> bool {
            self.request_store.is_some()
        }

        /// Seals the session with the newest key if it is still sealed with an older one. A failure is only logged.
        pub(crate) fn reseal(&self) {
            let Some(request_store) = &self.request_store else { return };
            if self.state().session_status.live().is_none() {
                return;
            }
            match request_store.reseal(self.core.now()) {
                Ok(Some(line)) => self.state().cookie = line,
                Ok(None) => {}
                Err(error) => {
                    let error = SessionError::from(error);
                    tracing::warn!("a session cookie was not sealed with the newest key: {}", error.chain());
                }
            }
        }
    }
}
