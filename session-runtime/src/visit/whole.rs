//! The session as a whole: its name, its times, its end.

use std::time::SystemTime;

use super::{Visit, Wishes};
use crate::expiry::Expiry;
use crate::id::SessionKey;

impl Visit {
    /// The session's key, if something is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// assert!(visit.key().is_none());
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<SessionKey> {
        let state = self.state();
        state.standing.live().filter(|_| !state.wishes.destroy).map(|live| live.id.key)
    }

    /// When the session was created, if something is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// assert!(visit.created_at().is_none());
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        let state = self.state();
        state.standing.live().filter(|_| !state.wishes.destroy).map(|live| live.head.created.into())
    }

    /// When the session expires if it is not used again, if something is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// assert!(visit.expires_at().is_none());
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        let state = self.state();
        let live = state.standing.live().filter(|_| !state.wishes.destroy)?;
        let head = &live.head;
        let chosen = state.wishes.expiry.map(|expiry| self.core.lifetime.expires(expiry.into(), head.span(), self.now));
        Some(chosen.unwrap_or(head.expires).into())
    }

    /// Gives the session a new id when the request finishes; everything else stays. Creates nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.renew();
    /// assert!(visit.finish(200).await.cookie.header().is_none(), "there is nothing to renew");
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    pub fn renew(&self) {
        self.wish("renew", |wishes| wishes.renew = true);
    }

    /// Ends the session for good when the request finishes. Later writes of the request are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// visit.destroy();
    /// assert!(visit.finish(200).await.cookie.header().is_none(), "nothing was ever stored");
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    pub fn destroy(&self) {
        self.wish("destroy", |wishes| *wishes = Wishes { destroy: true, ..Wishes::default() });
        self.values_changed();
    }

    /// Chooses how long this session lives. Creates nothing, but counts if this request creates a session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Expiry, MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.set_expiry(Expiry::BrowserClose);
    /// # let _ = Expiry::Default;
    /// # Ok(()) }
    /// ```
    pub fn set_expiry(&self, expiry: Expiry) {
        self.wish("set_expiry", |wishes| wishes.expiry = Some(expiry));
    }

    /// What comes when the request is over, from a stream perhaps, comes too late, and somebody has to be told.
    fn wish(&self, what: &'static str, change: impl FnOnce(&mut Wishes)) {
        let mut state = self.state();
        if state.finished {
            tracing::error!("`{what}` was called after the session's response had gone out; it does nothing");
        } else {
            change(&mut state.wishes);
        }
    }
}
