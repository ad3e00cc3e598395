//! Settings with their units, defaults and limits, and the checks that refuse insecure values.
//!
//! Takes the values from an application or its configuration files; gives a checked [`SessionConfig`]. Deliberately
//! absent: file formats. The settings of files and of the environment are read through a figment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cookie::CookieConfig;
use crate::record::expiry::TouchEvery;

mod admission;
mod check;
mod client;
pub(crate) mod cross_site;
mod lifetime;
mod limits;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod near_miss;
mod server;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod settings;
pub(crate) mod transport;

pub use self::admission::AdmissionConfig;
pub use self::cross_site::CrossSite;
pub use self::limits::Limits;
pub use self::server::ServerConfig;
pub use self::transport::Transport;

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

/// Omits the store's URL, which may contain a password.
impl fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SessionConfig");
        fields.field("cookie", &self.cookie).field("lifetime", &self.lifetime()).field("deadline", &self.deadline);
        fields.field("on_save_error", &self.on_save_error).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            store: None,
            transport: Transport::Cookie,
            cookie: CookieConfig::new(),
            idle: None,
            absolute: lifetime::ABSOLUTE,
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

    /// Keeps writing an older version of a schema, so that a fleet can adopt a breaking change in two phases (see
    /// [the guide](crate::guide#two-phases)). Default: the newest version is written.
    ///
    /// A section that is already stored in a version above the held one is written in the newest version. A hold
    /// requires a conversion back, `impl TryFrom<Cart> for CartV2`, unless the change was additive; without it, `build`
    /// fails with [`ErrorKind::Config`](crate::ErrorKind::Config).
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
}
