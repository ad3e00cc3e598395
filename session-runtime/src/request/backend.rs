//! Location of the record of a request: the store of the application, or the cookie that came with the request.

use std::sync::Arc;

use super::visit::Visit;
use crate::clock::Timestamp;
use crate::config::transport::TransportRules;
use crate::cookie::{CookieCommand, Found, Presented};
use crate::error::{ErrorKind, SessionError};
use crate::id::{Random, SessionId};
use crate::record::Head;
use crate::store::cookie::{RequestStore, Sealer};
use crate::store::{ChosenStore, Store};

/// Location of all sessions of an application.
pub(crate) enum Backend {
    /// The records are in a store, and cookies hold their ids.
    Store(Arc<dyn Store>),
    /// The records are in the cookies, sealed. Without the feature `cookie`, no such backend exists.
    Cookie(Arc<Sealer>),
}

impl Backend {
    /// Combines the store with the transport. Sessions in cookies need cookies.
    pub(crate) fn new(chosen: ChosenStore, rules: &TransportRules, random: Random) -> Result<Self, SessionError> {
        match (chosen, rules) {
            (ChosenStore::Store(store), _) => Ok(Self::Store(store)),
            (ChosenStore::Cookie(store), TransportRules::Cookie(rules)) => {
                Ok(Self::Cookie(store.sealer(rules.clone(), random)))
            }
            (ChosenStore::Cookie(_), TransportRules::Bearer) => Err(SessionError::with(
                ErrorKind::Config,
                "`session.transport = \"bearer\"` carries an id, and the cookie store keeps whole sessions in cookies: \
                 choose another store, or leave `transport` out",
            )),
        }
    }

    /// Returns the id that a request presents, and its own store if the record is in its cookie.
    pub(crate) fn open_request(&self, found: Found<'_>, now: Timestamp) -> (Presented, Option<Box<RequestStore>>) {
        match self {
            Self::Store(_) => (found.into(), None),
            Self::Cookie(sealer) => {
                let (presented, request_store) = RequestStore::open(sealer, found, now);
                (presented, Some(request_store))
            }
        }
    }

    /// True if a load of some schemas costs less than a load of all. A cookie holds all of them, and the copies of a
    /// cache should serve every route.
    pub(crate) fn loads_parts(&self) -> bool {
        matches!(self, Self::Store(store) if !store.is_cache())
    }

    /// Returns the store that jobs work on. For sessions in cookies, it supports no operation.
    pub(crate) fn store(&self) -> &dyn Store {
        match self {
            Self::Store(store) => &**store,
            Self::Cookie(sealer) => sealer.store_of_jobs(),
        }
    }
}

impl Visit {
    pub(crate) fn store(&self) -> &dyn Store {
        match &self.request_store {
            Some(request_store) => request_store.as_store(),
            None => self.core.store(),
        }
    }

    /// Returns the command that sends this id, or the record itself, to the browser.
    pub(crate) fn new_cookie(&self, id: SessionId, head: &Head, now: Timestamp) -> CookieCommand {
        match &self.request_store {
            Some(request_store) => request_store.line(),
            None => self.core.transport.set(id, head, now),
        }
    }

    /// True if each change of the record has to reach the browser.
    pub(crate) fn is_in_cookie(&self) -> bool {
        self.request_store.is_some()
    }

    /// Seals the session with the newest key if it is still sealed with an older one, and if the request has used it. A
    /// failure is only logged.
    pub(crate) fn reseal(&self) {
        let Some(request_store) = &self.request_store else { return };
        let is_due = {
            let state = self.state();
            state.is_used && state.session_status.live().is_some()
        };
        if !is_due {
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
