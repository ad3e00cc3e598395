//! [`SessionHandle`]: the session as a whole, and the one visit of a request.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use ::rocket::Request;
use ::rocket::http::Header;

use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::record::expiry::Expiry;
use crate::request::visit::{Session, Visit};
use crate::schema::Schema;
use crate::sessions::Sessions;

/// Guard for the session as a whole; never the raw id.
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

/// Requests of this process that have a handle. None at all means that a request need not look for its own, which would
/// cost more than the rest of an answer without a session.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// A request's place for its handle; empty as long as nobody asked for the session.
#[derive(Default)]
struct Place(OnceLock<SessionHandle>);

impl Place {
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
    /// The handle of this request, if a guard has asked for one.
    pub(super) fn opened<'r>(request: &'r Request<'_>) -> Option<&'r Self> {
        if OPEN.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Place::of(request).0.get()
    }

    /// The handle of this request; the first guard that asks opens it.
    pub(super) fn of<'r>(request: &'r Request<'_>) -> Result<&'r Self, SessionError> {
        let place = Place::of(request);
        if let Some(handle) = place.0.get() {
            return Ok(handle);
        }
        let Some(sessions) = request.rocket().state::<Sessions>() else {
            return Err(SessionError::with(ErrorKind::Config, "`Sessions::fairing` is not attached"));
        };
        Ok(place.0.get_or_init(|| {
            OPEN.fetch_add(1, Ordering::Relaxed);
            Self { visit: open(sessions, request) }
        }))
    }

    /// Names the session for jobs and admin pages. `None`: nothing is stored for this visitor.
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

    /// Whether nothing is stored for this visitor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rocket::get;
    /// # use session_runtime::SessionHandle;
    /// #[get("/welcome")]
    /// fn welcome(session: &SessionHandle) -> &'static str {
    ///     if session.is_new() { "Welcome!" } else { "Welcome back!" }
    /// }
    /// ```
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.key().is_none()
    }

    /// When the session was created. `None`: nothing is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rocket::get;
    /// # use session_runtime::SessionHandle;
    /// #[get("/since")]
    /// fn since(session: &SessionHandle) -> String {
    ///     format!("{:?}", session.created_at())
    /// }
    /// ```
    #[must_use]
    pub fn created_at(&self) -> Option<SystemTime> {
        self.visit.created_at()
    }

    /// When the session ends if it is not used again. `None`: nothing is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rocket::get;
    /// # use session_runtime::SessionHandle;
    /// #[get("/until")]
    /// fn until(session: &SessionHandle) -> String {
    ///     format!("{:?}", session.expires_at())
    /// }
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.visit.expires_at()
    }

    /// Gives the session a new id; everything else stays. Creates nothing. Takes effect whatever the answer.
    ///
    /// A change of a `renew` field does this by itself (OWASP ASVS 5.0, 7.2.4); call it for any other change of what the
    /// visitor may do.
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

    /// Ends the session for good and removes the cookie. Takes effect whatever the answer; what the request writes later
    /// is dropped, and no other request brings the session back (OWASP ASVS 5.0, 7.4.1).
    ///
    /// # Examples
    ///
    /// ```
    /// # use rocket::post;
    /// # use session_runtime::SessionHandle;
    /// #[post("/logout")]
    /// fn logout(session: &SessionHandle) {
    ///     session.destroy();
    /// }
    /// ```
    pub fn destroy(&self) {
        self.visit.destroy();
    }

    /// Ends the session, and begins another with its `lasting` schemas under a new id, all in this request.
    ///
    /// Takes effect whatever the answer, as [`destroy`](Self::destroy) does. Writes that the request made before are
    /// dropped, except those to `lasting` schemas; later ones go into the new session. If it would hold nothing, the
    /// cookie is removed. Does nothing after `destroy`.
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

    /// Drops everything stored of a schema without decoding it, whatever its version. Guards of the schema read defaults
    /// from now on. Creates nothing.
    ///
    /// Where a `renew` field of the schema holds more than its default, or cannot be read, this is a logout: the session
    /// starts over.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GuardOpen`] while a writable guard of the schema is open, [`ErrorKind::TooLate`] after the response;
    /// and if the store is unavailable.
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

    /// The guard `&S`, for code that is generic over schemas.
    ///
    /// # Errors
    ///
    /// As the guard fails.
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

    /// The guard [`Session<S>`](Session), for code that is generic over schemas.
    ///
    /// # Errors
    ///
    /// As the guard fails.
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

    /// The schema's values as they stand, where nothing can be awaited: a responder, a template helper. `None`: no guard of
    /// this request has loaded them, or they cannot be read.
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

    /// Chooses how long this session lives; later requests keep the choice. Creates nothing, but counts if this request
    /// creates a session.
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

    /// Makes what the request did so far durable now; the cookie goes out whatever follows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GuardOpen`] while a writable guard is open, which owns changes that this handle cannot see; else as
    /// [`Session::save`](crate::Session::save).
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

/// The raw header lines count, byte for byte. Only Rocket's local client has none and puts cookies into the jar alone.
fn open(sessions: &Sessions, request: &Request<'_>) -> Visit {
    // A walk over the headers of a browser is cheaper than to look one up.
    let mut lines = request.headers().iter().filter_map(cookie_line).peekable();
    if lines.peek().is_some() {
        return sessions.open(lines);
    }
    let jar = request.cookies().get(sessions.cookie_name());
    let line = jar.map(|cookie| format!("{}={}", cookie.name(), cookie.value()));
    sessions.open(line.as_deref())
}

/// The header's line, if it is one of cookies; the request itself owns it.
fn cookie_line(header: Header<'_>) -> Option<&str> {
    match (header.name() == "cookie", header.value) {
        (true, Cow::Borrowed(line)) => Some(line),
        _ => None,
    }
}
