//! [`SessionHandle`]: the guard for the whole session.

use std::sync::Arc;
use std::time::SystemTime;

use super::to_end::run_to_end;
use super::visit::{Ended, Read, Session, Visit};
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::record::expiry::Expiry;
use crate::schema::Schema;

/// Guard for the session as a whole. It never exposes the raw id.
///
/// All guards of one request share one session, loaded once. Handlers of Rocket take `&SessionHandle`, those of axum
/// `SessionHandle`.
///
/// # Examples
///
/// ```
/// use session_runtime::SessionHandle;
///
/// fn logout(session: &SessionHandle) {
///     session.destroy();
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SessionHandle {
    pub(crate) visit: Arc<Visit>,
}

impl SessionHandle {
    /// Key of the stored session, for jobs and admin pages. `None` if nothing is stored for this visitor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::SessionHandle;
    /// fn support_code(session: &SessionHandle) -> Option<String> {
    ///     session.key().map(|key| key.to_string())
    /// }
    /// ```
    #[must_use]
    pub fn key(&self) -> Option<SessionKey> {
        self.visit.key()
    }

    /// Returns whether nothing is stored for this visitor.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.key().is_none()
    }

    /// Time at which the session was created. `None` if nothing is stored.
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        self.visit.created_at()
    }

    /// Time at which the session ends unless it is used again. `None` if nothing is stored.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.visit.expires_at()
    }

    /// Time at which the visitor last proved their identity in this session: by a login, or as recorded by
    /// [`reauthenticated`](Self::reauthenticated). `None` if there was no proof, or if the login was
    /// [`remembered`](Self::remembered).
    ///
    /// A proof ends when the session starts over, and whenever the id is renewed by anything else than `renew_every`: a
    /// change of a `renew(keep)` field and [`renew`](Self::renew) end it. A proof that this request has not saved yet has
    /// the present time. To demand a recent one, use the guard [`Recent`](crate::Recent).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::SessionHandle;
    /// fn settings(session: &SessionHandle) -> &'static str {
    ///     match session.authenticated_at() {
    ///         Some(_) => "the form",
    ///         None => "Please enter your password first.",
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        self.visit.authenticated_at()
    }

    /// Records that the visitor has proved their identity again, and gives the session a new id (OWASP ASVS 5.0, 7.2.4).
    ///
    /// Both are saved with the changes of the request, so a 5xx response or a panic discards them. Does not create a
    /// session.
    ///
    /// A login is a proof by itself. A `renew` field that is set to the user it holds already is no login: a handler that
    /// the visitor may call twice calls this too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::SessionHandle;
    /// # fn is_right(_password: &str) -> bool { true }
    /// fn enter_password(password: &str, session: &SessionHandle) -> &'static str {
    ///     if !is_right(password) {
    ///         return "Please try again.";
    ///     }
    ///     session.reauthenticated();
    ///     "Thank you."
    /// }
    /// ```
    pub fn reauthenticated(&self) {
        self.visit.reauthenticated();
    }

    /// Records that a login of this request comes from a token, such as a "remember me" cookie, and is no proof of
    /// identity: [`authenticated_at`](Self::authenticated_at) stays `None`.
    ///
    /// Holds for the whole request, before and after the login is written. Has no effect without a login.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{Session, SessionHandle};
    ///
    /// #[derive(Session)]
    /// #[session(key = "auth", version = 1)]
    /// struct Auth {
    ///     #[session(renew)]
    ///     user: Option<String>,
    /// }
    ///
    /// # fn user_of(_token: &str) -> Option<String> { None }
    /// fn come_back(token: &str, session: &SessionHandle, mut auth: Session<Auth>) {
    ///     if let Some(user) = user_of(token) {
    ///         session.remembered();
    ///         auth.set_user(user);
    ///     }
    /// }
    /// ```
    pub fn remembered(&self) {
        self.visit.remembered();
    }

    /// Returns a future that resolves when the session is over: destroyed, logged out or expired. For a WebSocket, a stream
    /// of events or a long poll, which outlives its request.
    ///
    /// In this process it resolves at once, elsewhere within
    /// [`watch_every`](crate::SessionConfig::watch_every). It never resolves if nothing is stored. A login or a renewal of
    /// the same request resolves it too, so call it after the [`save`](Self::save) of one. An unavailable store ends
    /// nothing: only the absolute deadline is then enforced.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionHandle;
    ///
    /// /// Sends news until the session is over.
    /// async fn send(session: SessionHandle, mut news: tokio::sync::mpsc::Receiver<String>) {
    ///     let mut ended = session.ended();
    ///     loop {
    ///         tokio::select! {
    ///             Some(news) = news.recv() => println!("{news}"),
    ///             _ = &mut ended => break,
    ///         }
    ///     }
    /// }
    /// ```
    pub fn ended(&self) -> Ended {
        self.visit.ended()
    }

    /// Gives the session a new id and keeps everything else.
    ///
    /// Does not create a session. Takes effect whatever the response status.
    ///
    /// A login through a `renew` field and a change of a `renew(keep)` field do this automatically (OWASP ASVS 5.0,
    /// 7.2.4). Call it after any other change of the visitor's privileges. A proof of identity ends with the old id;
    /// [`reauthenticated`](Self::reauthenticated) records a new one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::SessionHandle;
    /// fn sudo(session: &SessionHandle) {
    ///     session.renew();
    /// }
    /// ```
    pub fn renew(&self) {
        self.visit.renew();
    }

    /// Destroys the session and removes the cookie.
    ///
    /// Takes effect whatever the response status. Later writes of this request are dropped, and no other request brings
    /// the session back (OWASP ASVS 5.0, 7.4.1).
    pub fn destroy(&self) {
        self.visit.destroy();
    }

    /// Ends the session and begins another one under a new id, which keeps the `lasting` schemas.
    ///
    /// This happens when the request finishes or is saved, whatever the response status, as with
    /// [`destroy`](Self::destroy). Earlier writes of this request are dropped, except those to `lasting` schemas; later
    /// ones go into the new session. If the new session would be empty, the cookie is removed. Does nothing after
    /// `destroy`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{Session, SessionError, SessionHandle};
    ///
    /// #[derive(Session)]
    /// #[session(key = "notices", version = 1, lasting)]
    /// struct Notices {
    ///     notice: Option<String>,
    /// }
    ///
    /// async fn logout(session: &SessionHandle) -> Result<(), SessionError> {
    ///     session.restart();
    ///     session.write::<Notices>().await?.set_notice("You are logged out.".into());
    ///     Ok(())
    /// }
    /// ```
    pub fn restart(&self) {
        self.visit.restart();
    }

    /// Removes everything stored for a schema without decoding it, whatever its version.
    ///
    /// Guards of the schema then read defaults. Does not create a session.
    ///
    /// If a `renew` field of the schema holds a value other than its default, or cannot be read, this is a logout: the
    /// session starts over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GuardOpen`] while a writable guard of the schema is open, [`ErrorKind::TooLate`] after the
    /// response, and [`ErrorKind::Unavailable`] if the store is unavailable.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, SessionError, SessionHandle};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// async fn discard(session: &SessionHandle) -> Result<(), SessionError> {
    ///     session.clear::<Cart>().await
    /// }
    /// ```
    pub async fn clear<S: Schema>(&self) -> Result<(), SessionError> {
        self.visit.clear::<S>().await
    }

    /// Reads a schema as the guard `&S` does, for code that is generic over schemas.
    ///
    /// # Errors
    ///
    /// The errors of the guard `&S`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{Schema, Session, SessionError, SessionHandle};
    ///
    /// #[derive(Session)]
    /// #[session(key = "cart", version = 1)]
    /// struct Cart {
    ///     coupon: Option<String>,
    /// }
    ///
    /// async fn shown<S: Schema>(session: &SessionHandle, show: fn(&S) -> String) -> Result<String, SessionError> {
    ///     session.read::<S>().await.map(show)
    /// }
    ///
    /// async fn coupon(session: &SessionHandle) -> Result<String, SessionError> {
    ///     shown::<Cart>(session, |cart| cart.coupon().clone().unwrap_or_default()).await
    /// }
    /// ```
    pub async fn read<S: Schema>(&self) -> Result<&S, SessionError> {
        self.visit.read::<S>().await
    }

    /// Opens the guard [`Read<S>`](crate::Read), for code that chooses the schema or the moment.
    ///
    /// # Errors
    ///
    /// The errors of the guard.
    pub async fn read_entries<S: Schema>(&self) -> Result<Read<'_, S>, SessionError> {
        self.visit.read_entries::<S>().await
    }

    /// Opens the guard [`Session<S>`](Session), for code that is generic over schemas.
    ///
    /// # Errors
    ///
    /// The errors of the guard.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{Schema, Session, SessionError, SessionHandle};
    ///
    /// #[derive(Session)]
    /// #[session(key = "cart", version = 1)]
    /// struct Cart {
    ///     coupon: Option<String>,
    /// }
    ///
    /// async fn change<S: Schema>(session: &SessionHandle, change: fn(&mut S::Mut)) -> Result<(), SessionError> {
    ///     let mut guard = session.write::<S>().await?;
    ///     change(&mut guard);
    ///     guard.save().await
    /// }
    ///
    /// async fn coupon(session: &SessionHandle) -> Result<(), SessionError> {
    ///     change::<Cart>(session, |cart| cart.set_coupon("SPRING".into())).await
    /// }
    /// ```
    pub async fn write<S: Schema>(&self) -> Result<Session<'_, S>, SessionError> {
        self.visit.write::<S>().await
    }

    /// Returns the schema's current values without awaiting, for responders and template helpers.
    ///
    /// `None` if no guard of this request has loaded them, or if they cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{Session, SessionHandle};
    ///
    /// #[derive(Session)]
    /// #[session(key = "prefs", version = 1)]
    /// struct Prefs {
    ///     language: Option<String>,
    /// }
    ///
    /// fn language(session: &SessionHandle) -> &str {
    ///     session.loaded::<Prefs>().and_then(|prefs| prefs.language().as_deref()).unwrap_or("en")
    /// }
    /// ```
    #[must_use]
    pub fn loaded<S: Schema>(&self) -> Option<&S> {
        self.visit.loaded::<S>()
    }

    /// Sets the lifetime of this session; later requests keep it.
    ///
    /// Does not create a session, but applies to one that this request creates.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::SessionHandle;
    /// use session_runtime::Expiry;
    /// use std::time::Duration;
    ///
    /// fn remember_me(session: &SessionHandle) {
    ///     session.set_expiry(Expiry::After(Duration::from_secs(14 * 24 * 60 * 60)));
    /// }
    /// ```
    pub fn set_expiry(&self, expiry: Expiry) {
        self.visit.set_expiry(expiry);
    }

    /// Saves the changes of this request so far. The cookie is sent whatever follows. A save that has begun runs to its
    /// end, even if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GuardOpen`] while a writable guard is open, whose changes this handle cannot see; otherwise the
    /// errors of [`Session::save`](crate::Session::save).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{SessionError, SessionHandle};
    /// async fn renew(session: &SessionHandle) -> Result<(), SessionError> {
    ///     session.renew();
    ///     session.save().await
    /// }
    /// ```
    pub async fn save(&self) -> Result<(), SessionError> {
        if let Some(schema) = self.visit.open_schema() {
            return Err(SessionError::at_schema(ErrorKind::GuardOpen, schema));
        }
        let visit = Arc::clone(&self.visit);
        run_to_end(async move { visit.save_now().await }).await
    }
}
