//! The fairing: opens the store at ignition, sweeps while the application runs, and finishes every request.
//!
//! Rocket writes its cookie jar into the response before response fairings run, and a catcher drops the cookies of a
//! failed handler. The fairing therefore appends the session's `Set-Cookie` header itself. A failed save replaces the
//! response.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::rocket::fairing::{Fairing, Info, Kind, Result as Ignition};
use ::rocket::{Build, Orbit, Phase, Request, Response, Rocket};

use super::answer::{ErrorPage, finish};
use super::config::Settings;
use super::launch;
use crate::clock::Clock;
use crate::config::SessionConfig;
use crate::error::{ErrorKind, SessionError};
use crate::request::handle::SessionHandle;
use crate::schema::Schemas;
use crate::sessions::{Sessions, SessionsBuilder};
use crate::store::Store;

/// Loads and saves the sessions of a Rocket application; created by [`Sessions::fairing`].
///
/// Attach it after every other response fairing: changes that a later one makes are too late for the session. Settings
/// come from the table `session` of Rocket's configuration (see [`SessionConfig`]); values given here take precedence.
///
/// Responses that used the session carry `Vary: Cookie`. Responses that set or remove the cookie also carry
/// `Cache-Control: no-store`, and lose headers that caches obey in its place, such as `CDN-Cache-Control` and
/// `Surrogate-Control`. Another [`Transport`](crate::config::Transport) has the same effect on its own headers.
///
/// The fairing removes expired sessions from the store once a minute, in [small steps](Sessions::sweep). A store that
/// is down does not stop the launch; a wrong password does. During an outage, the log has one line for each request
/// that needs the store, with the host and the port of the store.
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
    builder: SessionsBuilder,
    page: Option<ErrorPage>,
}

impl Sessions {
    /// Creates the fairing for one schema, or for a tuple of up to sixteen. Two schemas with the same key do not
    /// compile. A route that uses a schema which the fairing lacks stops the launch; the log names the schema to add.
    #[must_use]
    pub fn fairing<S: Schemas>() -> SessionFairing {
        // Checked here and not in the builder alone, so that the error points at the caller's tokens.
        let () = S::UNIQUE;
        SessionFairing { builder: Self::builder().specs(S::SPECS), page: None }
    }

    /// Returns the application's sessions, for work outside requests. `None` before ignition or without the fairing.
    #[must_use]
    pub fn fetch<P: Phase>(rocket: &Rocket<P>) -> Option<&Self> {
        rocket.state()
    }
}

impl SessionFairing {
    /// Sets the store. Takes precedence over the configuration.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.builder = self.builder.store(store);
        self
    }

    /// Keeps sessions in the cookies themselves. Takes precedence over the configuration.
    ///
    /// Read about [its limits](crate::CookieStore) first.
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
    pub fn cookie_store(mut self, store: crate::store::cookie::CookieStore) -> Self {
        self.builder = self.builder.cookie_store(store);
        self
    }

    /// Sets all settings at once. Takes precedence over the configuration.
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
        self.builder = self.builder.config(config);
        self
    }

    /// Sets the clock, for tests. Default: the operating system's.
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
        self.builder = self.builder.clock(clock);
        self
    }

    /// Sets the page for a request whose session could not be saved, in place of the status and a short text.
    ///
    /// A save fails after the handler, when catchers no longer run. The page also replaces the response of a handler
    /// that returns the error of `save` or `update_now`. A failed guard calls the catcher of its status, as any guard
    /// does; the catcher gets the reason from [`SessionError::of`].
    ///
    /// A status below 300 is replaced by that of the error, since a success would imply that the session is stored.
    /// `Retry-After` and `Vary` are added. If the function panics, the response is the short text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// use rocket::http::{ContentType, Status};
    /// use rocket::{Request, Response};
    /// use session_runtime::{ErrorKind, SessionError};
    /// use std::io::Cursor;
    ///
    /// fn page<'r>(error: &SessionError, _: &'r Request<'_>) -> Response<'r> {
    ///     let text = match error.kind() {
    ///         ErrorKind::Rejected => "<p>This has been changed in the meantime. Please look again.",
    ///         _ => "<p>This could not be saved. Please try again.",
    ///     };
    ///     let status = Status::new(error.kind().status());
    ///     Response::build()
    ///         .status(status)
    ///         .header(ContentType::HTML)
    ///         .sized_body(text.len(), Cursor::new(text))
    ///         .finalize()
    /// }
    ///
    /// let fairing = Sessions::fairing::<Cart>().on_error(page);
    /// ```
    #[must_use]
    pub fn on_error<F>(mut self, page: F) -> Self
    where
        F: for<'r> Fn(&SessionError, &'r Request<'_>) -> Response<'r> + Send + Sync + 'static,
    {
        self.page = Some(Arc::new(page));
        self
    }

    fn sessions(&self, rocket: &Rocket<Build>) -> Result<Sessions, SessionError> {
        let settings = Settings::read(rocket.figment())?;
        let mut builder = self.builder.clone().insecure(settings.insecure);
        let config = builder.config.get_or_insert_with(|| settings.config.clone());
        if builder.store.is_none() {
            let store = config.store.take().or_else(|| settings.default_store.clone());
            config.store = Some(store.ok_or_else(|| settings.no_store())?);
        }
        builder.build()
    }

    /// Builds the sessions and prepares the store. If the store is unavailable, the launch continues, and requests that
    /// need the store fail until it is back.
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
        let keys: Vec<&str> = self.builder.schemas.iter().map(|schema| schema.key).collect();
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
        launch::warn_of_near_misses(rocket.figment());
        match self.ready(&rocket).await {
            Ok(sessions) => {
                launch::announce(&sessions, rocket.figment().profile() == ::rocket::Config::DEBUG_PROFILE);
                Ok(rocket.manage(sessions))
            }
            Err(error) => {
                tracing::error!("{}", error.chain());
                Err(rocket)
            }
        }
    }

    async fn on_liftoff(&self, rocket: &Rocket<Orbit>) {
        if let Some(sessions) = Sessions::fetch(rocket) {
            sessions.sweep_in_background(rocket.shutdown());
        }
    }

    // Written out as `async_trait` would expand it, except that a response without a session allocates nothing. That
    // saves at least 100 of its 57,000 instructions.
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
            Some(handle) => Box::pin(finish(handle, self.page.as_ref(), request, response)),
            None => Box::pin(Nothing),
        }
    }
}

/// Zero-sized future, so that boxing it allocates nothing.
struct Nothing;

impl Future for Nothing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
