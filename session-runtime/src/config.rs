//! Settings with their units, defaults and limits, and the checks that refuse insecure values.
//!
//! Takes the values from an application or its configuration files; gives a checked [`SessionConfig`]. Deliberately
//! absent: file formats. The settings of files and of the environment are read through a figment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cookie::CookieConfig;
use crate::error::{ErrorKind, SessionError};
use crate::record::Values;
use crate::record::expiry::{Lifetime, TouchEvery};
use crate::record::patch::Patch;

mod admission;
mod check;
pub(crate) mod cross_site;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod near_miss;
mod server;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod settings;
pub(crate) mod transport;

pub use self::admission::AdmissionConfig;
pub use self::cross_site::CrossSite;
use self::cross_site::CrossSiteRules;
pub use self::server::ServerConfig;
pub use self::transport::Transport;
use self::transport::TransportRules;

/// All settings of the library.
///
/// | setting | default |
/// |---|---|
/// | `store` | none (with Rocket, `sqlite://sessions.db` in the debug profile; see `from_env` for axum) |
/// | `idle` | 14 days, or `absolute` if that is shorter |
/// | `absolute` | 30 days |
/// | `remember` | as `absolute` |
/// | `touch_every` | a tenth of `idle` |
/// | `renew_every` | off |
/// | `renew_grace` | 10 seconds |
/// | `deadline` | 2 seconds |
/// | `watch_every` | 1 second |
/// | `on_save_error` | fail (in `Rocket.toml` `"fail"` or `"log"`) |
/// | `limits` | 1 MiB and 10,000 keys a record (in `Rocket.toml` `limits.record` and `limits.keys`) |
/// | `server` | 2 connections, 1 second for each attempt, pauses of 50 ms to 2 seconds; see [`ServerConfig`] |
/// | `admission` | 50 ms in flight, 500 ms in the queue, at least 16 operations; see [`AdmissionConfig`] |
/// | `cache` | off |
/// | `keys` | none; the cookie store needs one |
/// | `hold` | the newest version of each schema (in `Rocket.toml` `hold.cart = 2`) |
/// | `cross_site` | refuse (in `Rocket.toml` `"refuse"` or `"allow"`) |
/// | `trusted_origins`, `cross_site_paths` | none |
/// | `clear_site_data` | off (in `Rocket.toml` `true` or `false`) |
/// | `transport` | cookie (in `Rocket.toml` `"cookie"` or `"bearer"`); see [`Transport`] |
/// | `cookie` | see [`CookieConfig`] |
///
/// The keys of `cookie` in `Rocket.toml` are `name`, `path`, `domain`, `same_site` (`"Strict"`, `"Lax"` or `"None"`),
/// `secure` and `persistent`. Those of `server` and `admission` have the names of the fields of [`ServerConfig`] and
/// [`AdmissionConfig`].
///
/// # Settings in `Rocket.toml`
///
/// With Rocket, the settings are the table `[default.session]` of `Rocket.toml`, or that of another profile, such as
/// `[release.session]`. A bare `[session]` is a profile of that name and stops the launch. The environment variable
/// `ROCKET_SESSION` holds the whole table.
///
/// ```toml
/// [release.session]
/// store = "sqlite:///var/lib/shop/sessions.db"
/// idle = "30m"
/// limits.record = "64KiB"
/// cookie = { same_site = "Strict", persistent = true }
/// ```
///
/// ```console
/// $ ROCKET_SESSION='{idle="30m"}' cargo run
/// ```
///
/// Durations have a unit (`"500ms"`, `"30m"`, `"14d"`). `touch_every`, `renew_every` and `cache` also take `"off"`. An
/// unknown key, an insecure combination, or an `idle` longer than `absolute` stops the launch with the reason.
/// `ROCKET_SESSION_STORE`, `[default.sessions]` and the like are not read, and the launch warns of them. It also logs
/// where sessions are stored and when they end.
///
/// An application can set a default that all of these override:
/// `Config::figment().join(Serialized::default("session.store", "sqlite://sessions.db"))`. A bare pair in `join` would
/// be a value for all profiles and override `Rocket.toml`.
///
/// # Examples
///
/// ```
/// use session_runtime::SessionConfig;
/// use std::time::Duration;
///
/// let config = SessionConfig::new().idle(Duration::from_secs(30 * 60)).absolute(Duration::from_secs(12 * 60 * 60));
/// ```
#[derive(Clone)]
pub struct SessionConfig {
    pub(crate) store: Option<String>,
    pub(crate) transport: Transport,
    pub(crate) cookie: CookieConfig,
    /// `None` means the default, which depends on `absolute`.
    pub(crate) idle: Option<Duration>,
    pub(crate) absolute: Duration,
    /// `None` means the same as `absolute`.
    pub(crate) remember: Option<Duration>,
    pub(crate) touch_every: TouchEvery,
    pub(crate) renew_every: Option<Duration>,
    pub(crate) renew_grace: Duration,
    pub(crate) deadline: Duration,
    pub(crate) watch_every: Duration,
    pub(crate) on_save_error: OnSaveError,
    pub(crate) limits: Limits,
    /// Versions to write for now, by schema key.
    pub(crate) hold: BTreeMap<String, u16>,
    pub(crate) server: ServerConfig,
    pub(crate) admission: AdmissionConfig,
    pub(crate) cache: Option<Duration>,
    pub(crate) cross_site: CrossSite,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) cross_site_paths: Vec<String>,
    pub(crate) clear_site_data: bool,
    /// Sealing keys, shared by all clones of the settings and wiped when the last clone is dropped.
    pub(crate) keys: Arc<[KeyText]>,
    /// True if plain HTTP is the default and allowed.
    pub(crate) insecure: bool,
    /// Error for a missing store, with the way to name one in the place of these settings.
    pub(crate) no_store: Option<String>,
}

/// Returns the store of a program whose settings name none: a file while it is developed.
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) fn default_store(debug: bool) -> Option<String> {
    (debug && cfg!(feature = "sqlite")).then(|| "sqlite://sessions.db".to_owned())
}

#[cfg(feature = "cookie")]
pub(crate) type KeyText = zeroize::Zeroizing<String>;
/// Text of a sealing key. In a build without the cookie store, the check refuses settings with a key.
#[cfg(not(feature = "cookie"))]
pub(crate) type KeyText = Box<str>;

/// Response to a request whose session could not be saved.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, config::OnSaveError};
///
/// let config = SessionConfig::new().on_save_error(OnSaveError::Log);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnSaveError {
    /// Sends 503 in place of the handler's response. The default.
    #[default]
    Fail,
    /// If the store is unavailable, sends the handler's response and logs the loss, unless the request destroyed,
    /// restarted or renewed its session, or was a login or a logout. Other errors still replace the response.
    Log,
}

/// Maximum size of a record.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, config::Limits};
///
/// let config = SessionConfig::new().limits(Limits { record_bytes: 64 * 1024, ..Limits::default() });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all stored keys and JSON texts of one session. Default: 1,048,576 (1 MiB).
    pub record_bytes: usize,
    /// Number of stored keys of one session. Default: 10,000.
    pub record_keys: usize,
}

impl Limits {
    pub(crate) fn check(self, bytes: usize, keys: usize) -> Result<(), SessionError> {
        if bytes <= self.record_bytes && keys <= self.record_keys {
            return Ok(());
        }
        let Self { record_bytes, record_keys } = self;
        let detail = format!("{bytes} bytes in {keys} keys, allowed are {record_bytes} bytes in {record_keys} keys");
        Err(SessionError::with(ErrorKind::TooLarge, detail))
    }

    /// Checks the size that a record of `bytes` and `keys` has after the patch. A patch that only shrinks the record
    /// always passes, so that a session over the limit can be made smaller.
    pub(crate) fn check_patch(
        self,
        patch: &Patch,
        values: &Values,
        bytes: usize,
        keys: usize,
    ) -> Result<(), SessionError> {
        let came = patch.set.iter().fold((0, 0), |came, (name, text)| (came.0 + name.len() + text.len(), came.1 + 1));
        let (most_bytes, most_keys) = (bytes.saturating_add(came.0), keys.saturating_add(came.1));
        if most_bytes <= self.record_bytes && most_keys <= self.record_keys {
            // Fits even if the patch replaces nothing.
            return Ok(());
        }
        let have = |name: &str| values.get(name).map_or((0, 0), |text| (name.len() + text.len(), 1));
        let mut went = (0, 0);
        for name in patch.set.iter().map(|(name, _)| name).chain(&patch.remove) {
            let (bytes, keys) = have(name);
            went = (went.0 + bytes, went.1 + keys);
        }
        if came.0 <= went.0 && came.1 <= went.1 {
            return Ok(());
        }
        self.check(most_bytes.saturating_sub(went.0), most_keys.saturating_sub(went.1))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 1024 * 1024, record_keys: 10_000 }
    }
}

/// Omits the store's URL, which may contain a password.
impl fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SessionConfig");
        fields.field("cookie", &self.cookie).field("lifetime", &self.lifetime()).field("deadline", &self.deadline);
        fields.field("on_save_error", &self.on_save_error).field("limits", &self.limits).finish_non_exhaustive()
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const IDLE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            store: None,
            transport: Transport::Cookie,
            cookie: CookieConfig::new(),
            idle: None,
            absolute: 30 * DAY,
            remember: None,
            touch_every: TouchEvery::TenthOfIdle,
            renew_every: None,
            renew_grace: Duration::from_secs(10),
            deadline: Duration::from_secs(2),
            watch_every: Duration::from_secs(1),
            on_save_error: OnSaveError::Fail,
            limits: Limits::default(),
            hold: BTreeMap::new(),
            server: ServerConfig::default(),
            admission: AdmissionConfig::default(),
            cache: None,
            cross_site: CrossSite::Refuse,
            trusted_origins: Vec::new(),
            cross_site_paths: Vec::new(),
            clear_site_data: false,
            keys: Arc::default(),
            insecure: false,
            no_store: None,
        }
    }
}

impl SessionConfig {
    /// Returns the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the store by its URL: `memory:`, `sqlite://file`, `postgres://host/database`, `redis://host`,
    /// `rediss://host`, `redis+unix:///socket`, `redis-cluster://host`, `rediss-cluster://host` or `cookie:`, each if
    /// its feature is on. Default with Rocket: `sqlite://sessions.db` in the debug profile, if the feature `sqlite` is
    /// on. Other profiles must name a store.
    ///
    /// The path in `sqlite://sessions.db` is relative to the folder in which the program starts, and that in
    /// `sqlite:///var/lib/shop/sessions.db` is absolute. The folder must exist. Spaces in the path stand as they are;
    /// parameters (`?`, `#`) are refused.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(url.into());
        self
    }

    /// Sets the transport of the id between client and server. Default: [`Transport::Cookie`].
    ///
    /// [`Transport::Bearer`] is refused together with the cookie store, and with settings that have no effect without
    /// cookies: those of the cookie, `trusted_origins` and `cross_site_paths`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, SessionConfig, Sessions, config::Transport};
    ///
    /// let config = SessionConfig::new().transport(Transport::Bearer);
    /// let sessions = Sessions::builder().store(MemoryStore::new()).config(config).build()?;
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Sets the name and the attributes of the cookie.
    #[must_use]
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        self.cookie = cookie;
        self
    }

    /// Sets the idle time: how long a session lives without being used. Default: 14 days, or `absolute` if that is
    /// shorter (OWASP ASVS 5.0, 7.3.1). A value longer than `absolute` is refused.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Sets the maximum lifetime of a session, however often it is used. Default: 30 days (OWASP ASVS 5.0, 7.3.2). Only
    /// a session that chose an expiry of its own may live longer, see [`remember`](Self::remember).
    #[must_use]
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = absolute;
        self
    }

    /// Sets the maximum lifetime of a session that chose [`Expiry::After`](crate::Expiry::After) or
    /// [`Expiry::At`](crate::Expiry::At), counted from its creation. Default: the same as `absolute`. A value shorter
    /// than `absolute` is refused.
    ///
    /// A session keeps the limit of the settings under which it was created, if that is lower.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// // 12 hours by default, 90 days for visitors who tick "remember me".
    /// let config = SessionConfig::new().absolute(DAY / 2).remember(90 * DAY);
    /// ```
    #[must_use]
    pub fn remember(mut self, remember: Duration) -> Self {
        self.remember = Some(remember);
        self
    }

    /// Sets how often a use extends the idle deadline. Default: at most once in a tenth of `idle`.
    #[must_use]
    pub fn touch_every(mut self, touch_every: TouchEvery) -> Self {
        self.touch_every = touch_every;
        self
    }

    /// Sets the age at which a secret is replaced by a new one. Default: never.
    #[must_use]
    pub fn renew_every(mut self, period: Duration) -> Self {
        self.renew_every = Some(period);
        self
    }

    /// Sets the grace period after a renewal. Default: 10 seconds.
    ///
    /// After a login or an explicit renewal, requests that still present the old secret are recognised as overtaken for
    /// this long; later they count as unknown. After a periodic renewal, the old secret stays valid for this long once
    /// the new one was presented.
    #[must_use]
    pub fn renew_grace(mut self, grace: Duration) -> Self {
        self.renew_grace = grace;
        self
    }

    /// Keeps writing an older version of a schema, so that a fleet can adopt a breaking change in two phases (see
    /// [the guide](crate::guide#two-phases)). Default: the newest version is written.
    ///
    /// A section that is already stored in a version above the held one is written in the newest version. A hold
    /// requires a conversion back, `impl TryFrom<Cart> for CartV2`, unless the change was additive; without it, `build`
    /// fails with [`ErrorKind::Config`].
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().hold("cart", 2);
    /// ```
    #[must_use]
    pub fn hold(mut self, schema: impl Into<String>, version: u16) -> Self {
        self.hold.insert(schema.into(), version);
        self
    }

    /// Sets the time limit for all store operations of one request. Default: 2 seconds. Less than 60 seconds if a schema
    /// has an `index`.
    ///
    /// The same limit holds for each round trip to the store in [`sweep`](crate::Sessions::sweep) and
    /// [`migrate`](crate::Sessions::migrate). With a store that is not of this crate, that is each call.
    ///
    /// If the time limit passes, the log states how much of it the store took. If that was little, blocked worker
    /// threads are the likely cause: hash passwords in `tokio::task::spawn_blocking`.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the time between two checks of the store for the ends of [watched](crate::Ended) sessions. Default: 1 second.
    /// An end that another process causes is noticed after this time at the latest.
    ///
    /// A check costs one operation of the store for each 500 watched sessions. Without watched sessions there are none.
    #[must_use]
    pub fn watch_every(mut self, period: Duration) -> Self {
        self.watch_every = period;
        self
    }

    /// Sets the response to a request whose session could not be saved. Default: [`OnSaveError::Fail`].
    #[must_use]
    pub fn on_save_error(mut self, on_save_error: OnSaveError) -> Self {
        self.on_save_error = on_save_error;
        self
    }

    /// Sets the maximum size of a record. Default: 1 MiB and 10,000 keys.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how to connect to the server that the store's URL names.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SessionConfig, config::ServerConfig};
    ///
    /// let server = ServerConfig { namespace: Some("shop".into()), ..ServerConfig::default() };
    /// let config = SessionConfig::new().store("redis://localhost").server(server);
    /// ```
    #[must_use]
    pub fn server(mut self, server: ServerConfig) -> Self {
        self.server = server;
        self
    }

    /// Sets the limits for a store that has more work than it can do in time. They hold for a store that is opened by its
    /// URL; a store that is built by hand has its own.
    #[must_use]
    pub fn admission(mut self, admission: AdmissionConfig) -> Self {
        self.admission = admission;
        self
    }

    /// Puts an in-process cache in front of the store that the URL names. Changes by other nodes become visible after
    /// `bound` at the latest. Default: off. Needs the feature `cache`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().store("redis://localhost").cache(Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn cache(mut self, bound: Duration) -> Self {
        self.cache = Some(bound);
        self
    }

    /// Sets the handling of requests that come from another site. Default: [`CrossSite::Refuse`].
    ///
    /// Browsers state where a request comes from in `Sec-Fetch-Site` (W3C Fetch Metadata) and `Origin` (RFC 6454). The
    /// first session guard of a request reads them, before anything is loaded. A request with neither header does not
    /// come from a browser and is allowed. GET, HEAD, OPTIONS and TRACE are allowed, except a GET that opens a WebSocket.
    ///
    /// # Security
    ///
    /// A GET handler that changes something is not protected.
    #[must_use]
    pub fn cross_site(mut self, cross_site: CrossSite) -> Self {
        self.cross_site = cross_site;
        self
    }

    /// Sets the origins of other sites whose pages may use the session, such as `https://pay.example`. Default: none.
    ///
    /// An origin has a scheme, a host, and a port if it is not the default. Behind a proxy that rewrites `Host`, the
    /// application's own origin belongs here.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().trusted_origins(["https://shop.example", "https://admin.shop.example"]);
    /// ```
    #[must_use]
    pub fn trusted_origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.trusted_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the paths on which a request from another site is anonymous instead of refused, for payment and identity
    /// providers that answer with a POST. A path that ends in `/` covers all paths below it. Default: none. [The
    /// guide](crate::guide::visitors#other-sites) shows a way that needs no such path.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().cross_site_paths(["/callback/", "/paid"]);
    /// ```
    #[must_use]
    pub fn cross_site_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.cross_site_paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether [`destroy`](crate::Visit::destroy) also sends `Clear-Site-Data: "cache"`. Default: no.
    ///
    /// The browser then empties its cache of this origin, so that its back button shows no page of the visitor (W3C
    /// Clear Site Data, section 3.1; OWASP session management). Browsers obey it over HTTPS only. Every other page
    /// and image of the origin has to be fetched again. The end of a session in another way, such as
    /// [`restart`](crate::Visit::restart), sends no such header.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().clear_site_data(true);
    /// ```
    #[must_use]
    pub fn clear_site_data(mut self, clear_site_data: bool) -> Self {
        self.clear_site_data = clear_site_data;
        self
    }

    /// Sets the key ring of the [cookie store](crate::CookieStore): the first key seals, and all of them open. Each key
    /// is 32 random bytes as base64url, base64 or hex, such as the output of `openssl rand -base64 32`. Default: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{CookieStore, SessionConfig, Sessions};
    ///
    /// let config = SessionConfig::new().store("cookie:").keys([CookieStore::random_key()?]);
    /// let sessions = Sessions::builder().config(config).build()?;
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    #[cfg(feature = "cookie")]
    #[must_use]
    pub fn keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.keys = keys.into_iter().map(|key| key.into().into()).collect();
        self
    }

    /// Returns the checked transport. `insecure` is true where plain HTTP is the default and allowed.
    pub(crate) fn transport_rules(&self, insecure: bool) -> Result<TransportRules, SessionError> {
        match self.transport {
            Transport::Cookie => self.cookie.resolve(insecure || self.insecure).map(TransportRules::Cookie),
            Transport::Bearer => Ok(TransportRules::Bearer),
        }
    }

    /// Returns the checked rules for requests from other sites. Without cookies, a browser sends no id by itself.
    pub(crate) fn cross_site_rules(&self) -> Result<CrossSiteRules, SessionError> {
        let cross_site = match self.transport {
            Transport::Cookie => self.cross_site,
            Transport::Bearer => CrossSite::Allow,
        };
        CrossSiteRules::new(cross_site, &self.trusted_origins, &self.cross_site_paths)
    }

    /// Returns the times, with the defaults filled in.
    pub(crate) fn lifetime(&self) -> Lifetime {
        let Self { absolute, touch_every, renew_every, renew_grace, .. } = *self;
        let idle = self.idle.unwrap_or(IDLE.min(absolute));
        Lifetime { idle, absolute, remember: self.remember.unwrap_or(absolute), touch_every, renew_every, renew_grace }
    }
}
