//! [`SessionHandle`]: the guard for the whole session, which holds the one visit of a request.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use ::rocket::Request;
use ::rocket::http::Header;

use crate::config::cross_site::{Headers, Verdict};
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::record::expiry::Expiry;
use crate::request::visit::{Ended, Read, Session, Visit};
use crate::schema::Schema;
use crate::sessions::Sessions;

/// Guard for the session as a whole. It never exposes the raw id.
///
/// All guards of one request share one session, loaded once.
///
/// # Examples
///
/// ```
/// use rocket::post;
/// use session_runtime::SessionHandle;
///
/// #[post("/logout")]
/// fn logout(session: &SessionHandle) {
///     session.destroy();
/// }
/// ```
#[derive(Debug)]
pub struct SessionHandle {
    pub(super) visit: Visit,
}

/// Number of live handles. At zero, `opened` skips the request-local cache. That saves 800 of the 57,500 instructions of
/// a response without a session.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Slot of the request-local cache for the handle; empty until a guard opens the session.
#[derive(Default)]
struct HandleSlot(OnceLock<SessionHandle>);

impl HandleSlot {
    fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
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
        Ok(slot.0.get_or_init(|| {
            OPEN.fetch_add(1, Ordering::Relaxed);
            Self { visit: open(sessions, request) }
        }))
    }

    /// Puts a finished visit into a request that no guard has opened yet, so that its response carries the cookie.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn adopt(request: &Request<'_>, visit: Visit) {
        HandleSlot::of(request).0.get_or_init(|| {
            OPEN.fetch_add(1, Ordering::Relaxed);
            Self { visit }
        });
    }

    /// Key of the stored session, for jobs and admin pages. `None` if nothing is stored for this visitor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rocket::get;
    /// # use session_runtime::SessionHandle;
    /// #[get("/support-code")]
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
    /// # use rocket::get;
    /// # use session_runtime::SessionHandle;
    /// #[get("/settings")]
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
    /// # use rocket::{http::Status, post};
    /// # use session_runtime::SessionHandle;
    /// # fn is_right(_password: &str) -> bool { true }
    /// #[post("/enter-password", data = "<password>")]
    /// fn enter_password(password: &str, session: &SessionHandle) -> Status {
    ///     if !is_right(password) {
    ///         return Status::Forbidden;
    ///     }
    ///     session.reauthenticated();
    ///     Status::NoContent
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
    /// # use rocket::post;
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
    /// #[post("/return/<token>")]
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
    /// use rocket::response::stream::{Event, EventStream};
    /// use rocket::tokio::select;
    /// use rocket::tokio::time::{Duration, interval};
    /// use rocket::get;
    /// use session_runtime::SessionHandle;
    ///
    /// #[get("/events")]
    /// fn events(session: &SessionHandle) -> EventStream![] {
    ///     let mut ended = session.ended();
    ///     EventStream! {
    ///         let mut ticks = interval(Duration::from_secs(5));
    ///         loop {
    ///             select! {
    ///                 _ = ticks.tick() => yield Event::data("news"),
    ///                 _ = &mut ended => break,
    ///             }
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
    /// # use rocket::post;
    /// # use session_runtime::SessionHandle;
    /// #[post("/sudo")]
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
    /// # use rocket::post;
    /// use session_runtime::{Session, SessionError, SessionHandle};
    ///
    /// #[derive(Session)]
    /// #[session(key = "notices", version = 1, lasting)]
    /// struct Notices {
    ///     notice: Option<String>,
    /// }
    ///
    /// #[post("/logout")]
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
    /// # use rocket::post;
    /// # use session_runtime::{Session, SessionError, SessionHandle};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// #[post("/cart/discard")]
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
    /// # use rocket::get;
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
    /// #[get("/coupon")]
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
    /// # use rocket::post;
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
    /// #[post("/coupon")]
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
    /// # use rocket::post;
    /// # use session_runtime::SessionHandle;
    /// use session_runtime::Expiry;
    /// use std::time::Duration;
    ///
    /// #[post("/remember-me")]
    /// fn remember_me(session: &SessionHandle) {
    ///     session.set_expiry(Expiry::After(Duration::from_secs(14 * 24 * 60 * 60)));
    /// }
    /// ```
    pub fn set_expiry(&self, expiry: Expiry) {
        self.visit.set_expiry(expiry);
    }

    /// Saves the changes of this request so far. The cookie is sent whatever follows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GuardOpen`] while a writable guard is open, whose changes this handle cannot see; otherwise the
    /// errors of [`Session::save`](crate::Session::save).
    ///
    /// # Examples
    ///
    /// ```
    /// # use rocket::post;
    /// # use session_runtime::{SessionError, SessionHandle};
    /// #[post("/renew")]
    /// async fn renew(session: &SessionHandle) -> Result<(), SessionError> {
    ///     session.renew();
    ///     session.save().await
    /// }
    /// ```
    pub async fn save(&self) -> Result<(), SessionError> {
        match self.visit.open_schema() {
            Some(schema) => Err(SessionError::at_schema(ErrorKind::GuardOpen, schema)),
            None => self.visit.save_now().await,
        }
    }
}

/// Opens the visit, unless the request comes from another site.
fn open(sessions: &Sessions, request: &Request<'_>) -> Visit {
    let mut headers = Headers::default();
    let mut visit = open_with_headers(sessions, request, &mut headers);
    // A route stays where it is as long as the server runs.
    visit.route = request.route().map_or(0, |route| std::ptr::from_ref(route).addr());
    let host = || request.host().map(ToString::to_string);
    let (method, path) = (request.method().as_str(), request.uri().path().as_str());
    match sessions.core.cross_site.check(method, path, host, &headers) {
        Verdict::Allowed => visit,
        Verdict::Anonymous => sessions.open([]),
        Verdict::Refused => {
            report_refusal(headers.origin(), host().as_deref());
            visit.refuse(SessionError::new(ErrorKind::CrossSite));
            visit
        }
    }
}

/// Opens the visit with the raw lines that carry the id, byte for byte. A request without such a line has no id, except
/// from Rocket's local client, whose cookies are in the jar. Collects the headers of the check on the way.
fn open_with_headers<'r>(sessions: &Sessions, request: &'r Request<'_>, headers: &mut Headers<'r>) -> Visit {
    // Iterating over a browser's headers is cheaper than looking one up.
    let all = request.headers().iter().filter_map(owned_by_request);
    let seen = all.inspect(|(name, value)| headers.add(name, value));
    let id = sessions.core.transport.transport().request_header();
    let mut lines = seen.filter_map(|(name, value)| name.eq_ignore_ascii_case(id).then_some(value)).peekable();
    if lines.peek().is_some() {
        return sessions.open(lines);
    }
    drop(lines);
    let cookie = sessions.core.transport.cookie();
    let jar = cookie.and_then(|rules| request.cookies().get(&rules.name));
    let line = jar.map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
    sessions.open(line.as_deref())
}

/// Returns the name and the value of a header that the request owns.
fn owned_by_request(header: Header<'_>) -> Option<(Cow<'_, str>, &str)> {
    match header.value {
        Cow::Borrowed(value) => Some((header.name.into_cow(), value)),
        Cow::Owned(_) => None,
    }
}

/// Logs what an operator needs to tell an attack from a proxy that rewrites `Host`.
fn report_refusal(origin: Option<&str>, host: Option<&str>) {
    tracing::warn!(
        ?origin,
        ?host,
        "a request from another site was refused: if its origin is this application's own or one that may use its \
         sessions, add it to `session.trusted_origins`"
    );
}
