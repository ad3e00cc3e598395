//! The session as a whole: its key, its deadlines, its renewal and its end.

use std::time::SystemTime;

use super::visit::{Purpose, Requested, State, Visit};
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::record::expiry::Expiry;
use crate::schema::Schema;

impl Visit {
    /// Returns the key of the session, or `None` if nothing is stored.
    #[must_use]
    pub fn key(&self) -> Option<SessionKey> {
        let state = self.state();
        state.live().map(|live| live.id.key)
    }

    /// Returns the time at which the session was created, or `None` if nothing is stored.
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        let state = self.state();
        state.live().map(|live| live.head.created.into())
    }

    /// Returns the time at which the session expires if it is not used again, or `None` if nothing is stored.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        let state = self.state();
        let live = state.live()?;
        let head = &live.head;
        let chosen =
            state.requested.expiry.map(|expiry| self.core.lifetime.idle_deadline(expiry.into(), head.span(), self.now));
        Some(chosen.unwrap_or(head.idle_deadline).into())
    }

    /// Gives the session a new id when the request finishes. Everything else stays. Creates no session.
    pub fn renew(&self) {
        self.request_action("renew", |state| state.requested.session_wide_mut().renew = true);
    }

    /// Destroys the session when the request finishes. Later writes of the request are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// visit.destroy();
    /// assert!(visit.finish(200).await.cookie.header().is_none(), "nothing was ever stored");
    /// # Ok(()) }
    /// ```
    pub fn destroy(&self) {
        self.request_action("destroy", |state| state.requested = Requested::destruction(true));
        self.values_changed();
    }

    /// Ends the session when the request finishes, and begins another with its `lasting` schemas under a new id.
    ///
    /// Takes effect whatever the status of the response, as [`destroy`](Self::destroy) does. Earlier writes of this
    /// request are dropped, except those to `lasting` schemas; later ones go into the new session. If the new session
    /// would be empty, none is created and the cookie is removed. Does nothing after `destroy`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// #[derive(Session)]
    /// #[session(key = "prefs", version = 1, lasting)]
    /// struct Prefs {
    ///     language: Option<String>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<(Cart, Prefs)>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Prefs>().await?.set_language("de".into());
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// visit.restart();
    /// assert_eq!(visit.read::<Cart>().await?.coupon(), &None);
    /// assert_eq!(visit.read::<Prefs>().await?.language().as_deref(), Some("de"));
    /// # Ok(()) }
    /// ```
    pub fn restart(&self) {
        self.request_action("restart", |state| {
            if !state.requested.destroy {
                state.restart(self.core.schemas());
            }
        });
        self.forget_user(None);
    }

    /// Drops the stored section of a schema when the request finishes, without decoding it: fields of any version,
    /// entries, and keys that are unknown to this program. Guards of the schema read defaults from now on. Creates no
    /// session.
    ///
    /// If a `renew` field of the schema holds more than its default, or cannot be read, this is a logout: the session
    /// starts over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GuardOpen`] while a writable guard of the schema is open; [`ErrorKind::TooLate`] after the end of
    /// the request; [`ErrorKind::Unavailable`] if the store is unavailable.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// visit.clear::<Cart>().await?;
    /// assert_eq!(visit.read::<Cart>().await?.coupon(), &None);
    /// # Ok(()) }
    /// ```
    pub async fn clear<S: Schema>(&self) -> Result<(), SessionError> {
        let at = self.core.index_of::<S>()?;
        self.fetch(Some(at), Purpose::Write).await?;
        let starts_over = {
            let mut state = self.state();
            if state.finished {
                return Err(SessionError::at_schema(ErrorKind::TooLate, S::SPEC));
            }
            if state.is_open(at) {
                return Err(SessionError::at_schema(ErrorKind::GuardOpen, S::SPEC));
            }
            state.clear(S::SPEC, &self.core.versions)?
        };
        if starts_over {
            self.forget_user(None);
        }
        *self.carrier(at) = None;
        self.values_changed();
        Ok(())
    }

    /// Sets the expiry of this session. Creates no session, but applies to one that this request creates.
    pub fn set_expiry(&self, expiry: Expiry) {
        self.request_action("set_expiry", |state| state.requested.session_wide_mut().expiry = Some(expiry));
    }

    /// Applies `change` if the response has not gone out yet; otherwise logs an error. Any action is a use of the session.
    pub(super) fn request_action(&self, what: &'static str, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        if state.finished {
            tracing::error!("`{what}` was called after the response was sent; it has no effect");
        } else {
            state.is_used = true;
            change(&mut state);
        }
    }
}
