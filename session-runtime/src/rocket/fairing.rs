//! The fairing: settings and store at ignition, sweeping while the application runs, and the end of every request.
//!
//! Rocket empties its cookie jar into the response before response fairings run, and a catcher drops what a failed
//! handler put there; so the session's `Set-Cookie` is a header appended here. A failed save replaces the answer.

use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ::rocket::fairing::{Fairing, Info, Kind, Result as Ignition};
use ::rocket::http::ContentType;
use ::rocket::{Build, Orbit, Phase, Request, Response, Rocket, tokio};

use super::config::Settings;
use super::guard::{retry_after, status};
use super::handle::SessionHandle;
use crate::clock::Clock;
use crate::config::SessionConfig;
use crate::cookie::CookieCommand;
use crate::error::{ErrorKind, SessionError};
use crate::schema::{SchemaSpec, Schemas};
use crate::sessions::Sessions;
use crate::store::Store;

/// How often expired sessions are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Loads and saves the sessions of a Rocket application; made by [`Sessions::fairing`].
///
/// Attach it after every other response fairing: what a later one changes is too late for the session. Settings come from
/// the table `session` of Rocket's configuration; what is given here wins.
///
/// # Examples
///
/// ```
/// use rocket::local::blocking::Client;
/// use session_runtime::{MemoryStore, Session, Sessions};
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// let rocket = rocket::build().attach(Sessions::fairing::<Cart>().store(MemoryStore::new()));
/// let client = Client::tracked(rocket).unwrap();
/// ```
pub struct SessionFairing {
    schemas: &'static [&'static SchemaSpec],
    store: Option<Arc<dyn Store>>,
    #[cfg(feature = "cookie")]
    cookie_store: Option<Arc<crate::sealed::CookieStore>>,
    config: Option<SessionConfig>,
    clock: Option<Arc<dyn Clock>>,
}

impl Sessions {
    /// The fairing for one schema, or for a tuple of up to sixteen. Two schemas with one key do not compile.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// let rocket = rocket::build().attach(Sessions::fairing::<Cart>());
    /// ```
    #[must_use]
    pub fn fairing<S: Schemas>() -> SessionFairing {
        let () = S::UNIQUE;
        SessionFairing {
            schemas: S::SPECS,
            store: None,
            #[cfg(feature = "cookie")]
            cookie_store: None,
            config: None,
            clock: None,
        }
    }

    /// The application's sessions, for work outside requests; `None` before ignition or without the fairing.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::Sessions;
    ///
    /// assert!(Sessions::fetch(&rocket::build()).is_none());
    /// ```
    #[must_use]
    pub fn fetch<P: Phase>(rocket: &Rocket<P>) -> Option<&Self> {
        rocket.state()
    }
}

impl SessionFairing {
    /// The store; wins over the configuration.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// let fairing = Sessions::fairing::<Cart>().store(MemoryStore::new());
    /// ```
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        #[cfg(feature = "cookie")]
        {
            self.cookie_store = None;
        }
        self
    }

    /// Sessions in the cookies themselves; wins over the configuration. Read first
    /// [what that cannot do](crate::CookieStore).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{CookieStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// let store = CookieStore::new([CookieStore::random_key()?])?;
    /// let fairing = Sessions::fairing::<Cart>().cookie_store(store);
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    #[cfg(feature = "cookie")]
    #[must_use]
    pub fn cookie_store(mut self, store: crate::sealed::CookieStore) -> Self {
        self.cookie_store = Some(Arc::new(store));
        self.store = None;
        self
    }

    /// The settings, all of them; win over the configuration.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, SessionConfig, Sessions};
    /// # use std::time::Duration;
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// let config = SessionConfig::new().store("memory:").idle(Duration::from_secs(30 * 60));
    /// let fairing = Sessions::fairing::<Cart>().config(config);
    /// ```
    #[must_use]
    pub fn config(mut self, config: SessionConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// The clock, for tests. Default: the operating system's.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, Sessions};
    /// # use std::time::UNIX_EPOCH;
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// let fairing = Sessions::fairing::<Cart>().clock(|| UNIX_EPOCH);
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    fn sessions(&self, rocket: &Rocket<Build>) -> Result<Sessions, SessionError> {
        let settings = Settings::read(rocket.figment())?;
        let mut builder = Sessions::builder().specs(self.schemas).insecure(settings.insecure);
        let mut config = self.config.clone().unwrap_or_else(|| settings.config.clone());
        #[cfg(feature = "cookie")]
        if let Some(store) = &self.cookie_store {
            builder = builder.shared_cookie_store(store.clone());
        }
        if let Some(store) = &self.store {
            builder = builder.shared_store(store.clone());
        } else if !self.has_cookie_store() {
            let store = config.store.take().or_else(|| settings.default_store.clone());
            config.store = Some(store.ok_or_else(|| settings.no_store())?);
        }
        if let Some(clock) = &self.clock {
            builder = builder.shared_clock(clock.clone());
        }
        builder.config(config).build()
    }

    #[cfg_attr(not(feature = "cookie"), expect(clippy::unused_self, reason = "with the feature it looks at it"))]
    fn has_cookie_store(&self) -> bool {
        #[cfg(feature = "cookie")]
        return self.cookie_store.is_some();
        #[cfg(not(feature = "cookie"))]
        false
    }

    /// With the store at hand, or about to come back: then requests that need it fail until it does.
    async fn ready(&self, rocket: &Rocket<Build>) -> Result<Sessions, SessionError> {
        let sessions = self.sessions(rocket)?;
        match sessions.prepare().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                tracing::error!("launched without a session store: {}", error.chain());
                Ok(sessions)
            }
            prepared => prepared.map(|()| sessions),
        }
    }
}

impl std::fmt::Debug for SessionFairing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&str> = self.schemas.iter().map(|schema| schema.key).collect();
        f.debug_struct("SessionFairing").field("schemas", &keys).finish_non_exhaustive()
    }
}

#[::rocket::async_trait]
impl Fairing for SessionFairing {
    fn info(&self) -> Info {
        let kind = Kind::Ignite | Kind::Liftoff | Kind::Response | Kind::Singleton;
        Info { name: "Typed sessions", kind }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> Ignition {
        match self.ready(&rocket).await {
            Ok(sessions) => {
                announce(&sessions);
                if rocket.figment().profile() != ::rocket::Config::DEBUG_PROFILE {
                    warn_of_unpinned(&sessions);
                }
                Ok(rocket.manage(sessions))
            }
            Err(error) => {
                tracing::error!("{}", error.chain());
                Err(rocket)
            }
        }
    }

    async fn on_liftoff(&self, rocket: &Rocket<Orbit>) {
        if let Some(sessions) = Sessions::fetch(rocket)
            && !sessions.are_in_cookies()
        {
            tokio::spawn(sweep(sessions.clone(), rocket.shutdown()));
        }
    }

    // As `async_trait` would write it, but that an answer without a session allocates nothing.
    fn on_response<'r, 'f, 'q, 's, 'o>(
        &'f self,
        request: &'r Request<'q>,
        response: &'s mut Response<'r>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'o>>
    where
        'r: 'o,
        'f: 'o,
        'q: 'o,
        's: 'o,
        Self: 'o,
    {
        match SessionHandle::opened(request) {
            Some(handle) => Box::pin(finish(handle, response)),
            None => Box::pin(Nothing),
        }
    }
}

/// A future without a size, which needs no memory even in a box.
struct Nothing;

impl Future for Nothing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Saves, and has the answer say what came of it.
async fn finish(handle: &SessionHandle, response: &mut Response<'_>) {
    let finished = handle.visit.finish(response.status().code).await;
    match &finished.error {
        Some(error) => *response = plain(error),
        None if response.status().code == 503 && handle.visit.asks_to_retry() => {
            response.set_raw_header("Retry-After", retry_after());
        }
        None => {}
    }
    if let CookieCommand::Set(header) | CookieCommand::Remove(header) = finished.cookie {
        response.adjoin_raw_header("Set-Cookie", header);
        forbid_storing(response);
    }
    vary_on_cookie(response);
}

/// One line at launch about what the cookie is, since that decides who can read it.
fn announce(sessions: &Sessions) {
    let cookie = &sessions.core.cookie;
    if cookie.secure {
        tracing::info!("Sessions: cookie `{}`", cookie.name);
    } else {
        tracing::warn!("Sessions: cookie `{}` is not Secure, for plain HTTP in the debug profile", cookie.name);
    }
}

/// Once it is deployed, a change of the layout should not go unnoticed.
fn warn_of_unpinned(sessions: &Sessions) {
    for schema in sessions.core.schemas().iter().filter(|schema| schema.layout.is_none()) {
        let (key, name) = (schema.key, schema.name);
        if let Some(pin) = (schema.to_paste)() {
            tracing::warn!("session schema `{key}` is not pinned: add `{}` to `{name}`", pin.text());
        } else {
            tracing::warn!(
                "session schema `{key}` is not pinned: derive `SessionValue` for the types in `{name}`, and write \
                 `layout = \"\"` to have the compiler say what to paste"
            );
        }
    }
}

/// Removes expired sessions until shutdown; a run that fails is logged, and the next one happens all the same.
async fn sweep(sessions: Sessions, mut shutdown: ::rocket::Shutdown) {
    loop {
        if let Err(error) = sessions.sweep().await {
            tracing::warn!("expired sessions could not be swept: {}", error.chain());
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = &mut shutdown => return,
        }
    }
}

/// A fresh answer: status and short text, nothing of the one that it replaces.
pub(super) fn plain<'r>(error: &SessionError) -> Response<'r> {
    let status = status(error);
    let text = format!("{status}\n");
    let mut response = Response::build();
    response.status(status).header(ContentType::Plain).sized_body(text.len(), Cursor::new(text));
    if error.retry_after().is_some() {
        response.raw_header("Retry-After", retry_after());
    }
    response.finalize()
}

/// An answer that carries an id may be stored by nobody (RFC 9111 section 5.2.2.5; OWASP session management).
fn forbid_storing(response: &mut Response<'_>) {
    let name = "Cache-Control";
    let forbidden = response.headers().get(name).any(|line| has_token(line, "no-store"));
    if !forbidden {
        response.set_raw_header(name, "no-store");
    }
}

/// An answer that depends on the session depends on the cookie (RFC 9110 section 12.5.5).
fn vary_on_cookie(response: &mut Response<'_>) {
    let name = "Vary";
    // A walk over the few headers of an answer is cheaper than to look one up.
    if !response.headers().iter().any(|header| header.name() == name) {
        response.set_raw_header(name, "Cookie");
        return;
    }
    let lines: Vec<&str> = response.headers().get(name).collect();
    if !lines.iter().any(|line| has_token(line, "cookie") || has_token(line, "*")) {
        let lines = [&lines[..], &["Cookie"]].concat().join(", ");
        response.set_raw_header(name, lines);
    }
}

fn has_token(line: &str, token: &str) -> bool {
    line.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
}
