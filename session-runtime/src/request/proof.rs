//! Proof of identity: the time at which the visitor last logged in or proved their identity again.
//!
//! ```text
//! session.proof    {"at":1767225600000,"g":3}    milliseconds since 1970, login generation
//! ```
//!
//! The save of a login, or of [`Visit::reauthenticated`], stores it in the same patch, under the schema key that is
//! reserved for this library. It counts only for the login generation that this save begins, so whatever raises the
//! generation later ends it. A session that starts over is a new record without it.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::load::Purpose;
use super::requested::Requested;
use super::state::{Live, SessionStatus, State};
use super::visit::Visit;
use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::record::{Text, Values, key};
use crate::request::changes::{IdentityChange, identity_change};

#[derive(Deserialize)]
struct Proof {
    /// Milliseconds since 1970-01-01 UTC.
    at: i64,
    /// Login generation for which it counts.
    g: u64,
}

/// Returns the stored key and text of a proof given at this moment, which counts for this generation.
pub(super) fn stored(at: Timestamp, generation: u64) -> (Text, Text) {
    (key::PROOF.into(), format!("{{\"at\":{},\"g\":{generation}}}", at.as_millis()).into())
}

/// Returns the time of the stored proof, and the login generation for which it counts; `None` if it cannot be read.
pub(crate) fn proof_in(values: &Values) -> Option<(Timestamp, u64)> {
    let Proof { at, g } = serde_json::from_str(values.get(key::PROOF)?).ok()?;
    Some((Timestamp::from_millis(at), g))
}

impl Live {
    /// Returns the time of the stored proof. One of an earlier generation, or one that cannot be read, does not count.
    fn authenticated_at(&self) -> Option<Timestamp> {
        let (at, generation) = proof_in(self.values.stored())?;
        (generation == self.head.generation).then_some(at)
    }
}

impl State {
    /// True if the changes of the request apply to a stored session or create one.
    fn may_have_session(&self) -> bool {
        matches!(self.session_status, SessionStatus::Unread(_) | SessionStatus::Live(_))
            || self.requested.changes_values()
    }

    /// True if a save of these changes records a proof of identity.
    fn proves_identity(&self, requested: &Requested) -> bool {
        let is_login = || identity_change(&requested.changes) == IdentityChange::Login;
        requested.reauthenticated || !self.remembered && is_login()
    }
}

impl Visit {
    /// Returns the time at which the visitor last proved their identity in this session: by a login, or as recorded by
    /// [`reauthenticated`](Self::reauthenticated). `None` if nothing is stored or loaded, or if the login was
    /// [`remembered`](Self::remembered).
    ///
    /// A proof counts until the id is renewed other than by `renew_every`. A proof that this request has not saved yet has
    /// the present time.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        let state = self.state();
        if state.may_have_session() && state.proves_identity(&state.requested) {
            return Some(self.core.now().into());
        }
        Some(state.live()?.authenticated_at()?.into())
    }

    /// Records that the visitor has proved their identity again, and gives the session a new id (OWASP ASVS 5.0, 7.2.4).
    /// Creates no session.
    ///
    /// The proof and the new id are saved with the changes of the request, so a 5xx response or a panic discards both. A
    /// login needs no call: it records a proof itself. Setting a `renew` field to the user that it already holds is not a
    /// login.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # use std::time::Duration;
    /// # #[derive(Session)]
    /// # #[session(key = "auth", version = 1)]
    /// # struct Auth { #[session(renew)] user: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Auth>().build()?;
    /// # let visit = sessions.open([]);
    /// # visit.remembered();
    /// # visit.write::<Auth>().await?.set_user("ann".into());
    /// # let cookie = visit.finish(200).await.cookie.header().unwrap().to_owned();
    /// # let line = cookie.split(';').next();
    /// let visit = sessions.open(line);
    /// assert!(visit.authenticated_within(Duration::from_secs(600)).await.is_err());
    /// visit.reauthenticated(); // the password was right
    /// # let cookie = visit.finish(200).await.cookie.header().unwrap().to_owned();
    /// # let line = cookie.split(';').next();
    /// // The next request of this visitor:
    /// let visit = sessions.open(line);
    /// visit.authenticated_within(Duration::from_secs(600)).await?;
    /// # Ok(()) }
    /// ```
    pub fn reauthenticated(&self) {
        self.request_action("reauthenticated", |state| {
            if !state.requested.destroy {
                state.requested.session_wide_mut().reauthenticated = true;
            }
        });
    }

    /// Records that a login of this request comes from a token, such as a "remember me" cookie, and is no proof of
    /// identity. Holds for the whole request, before and after the login is written.
    pub fn remembered(&self) {
        self.request_action("remembered", |state| state.remembered = true);
    }

    /// Loads the session, and fails unless the visitor proved their identity at most `age` ago.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotRecent`] if there is no proof of at most this age; [`ErrorKind::Unavailable`] if the store is
    /// unavailable.
    pub async fn authenticated_within(&self, age: Duration) -> Result<(), SessionError> {
        // The id may have been renewed on another node since a copy was made.
        self.fetch(None, Purpose::Write).await?;
        let at = self.authenticated_at().map(Timestamp::from);
        let is_recent = at.is_some_and(|at| self.now.since(at) <= age);
        if is_recent { Ok(()) } else { Err(SessionError::new(ErrorKind::NotRecent)) }
    }

    /// True if a save of these changes records a proof of identity.
    pub(super) fn proves_identity(&self, requested: &Requested) -> bool {
        self.state().proves_identity(requested)
    }

    /// Returns the values of a new session with the proof of the login that it begins with, if there is one. A session
    /// is not created for a proof alone.
    pub(super) fn with_proof(&self, mut values: Values, requested: &Requested) -> Values {
        if !values.is_empty() && self.proves_identity(requested) {
            let (name, text) = stored(self.core.now(), 0);
            values.set(name, text);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_proof_is_read_again() {
        for (at, generation) in [(0, 0), (1_767_225_600_000, 3), (i64::MIN, u64::MAX), (i64::MAX, 1)] {
            let (name, text) = stored(Timestamp::from_millis(at), generation);
            let Proof { at: read, g } = serde_json::from_str(&text).unwrap();
            assert_eq!((&*name, read, g), (key::PROOF, at, generation));
        }
    }
}
