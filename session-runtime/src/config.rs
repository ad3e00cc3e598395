//! Settings with their units, defaults and limits, and the checks that refuse what would be insecure.
//!
//! Takes what an application or its configuration files say; gives a [`SessionConfig`] that has been checked. Deliberately
//! absent: file formats. Reading `Rocket.toml` and `ROCKET_SESSION` is the Rocket half's.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::cookie::CookieConfig;
use crate::error::{ErrorKind, SessionError};
use crate::record::Values;
use crate::record::expiry::{Lifetime, TouchEvery};
use crate::record::patch::Patch;

mod check;

/// All settings of the library.
///
/// | setting | default |
/// |---|---|
/// | `store` | none (with Rocket, `sqlite://sessions.db` in the debug profile) |
/// | `idle` | 14 days, or `absolute` if that is shorter |
/// | `absolute` | 30 days |
/// | `remember` | as `absolute` |
/// | `touch_every` | a tenth of `idle` |
/// | `renew_every` | off |
/// | `renew_grace` | 10 seconds |
/// | `deadline` | 2 seconds |
/// | `on_save_error` | fail |
/// | `limits` | 1 MiB and 10,000 keys a record |
/// | `keys` | none; the cookie store needs one |
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
    pub(crate) cookie: CookieConfig,
    /// `None`: the default, which depends on `absolute`.
    pub(crate) idle: Option<Duration>,
    pub(crate) absolute: Duration,
    /// `None`: as `absolute`.
    pub(crate) remember: Option<Duration>,
    pub(crate) touch_every: TouchEvery,
    pub(crate) renew_every: Option<Duration>,
    pub(crate) renew_grace: Duration,
    pub(crate) deadline: Duration,
    pub(crate) on_save_error: OnSaveError,
    pub(crate) limits: Limits,
    /// By schema key.
    pub(crate) hold: BTreeMap<String, u16>,
    pub(crate) server: ServerConfig,
    pub(crate) cache: Option<Duration>,
    #[cfg(feature = "cookie")]
    pub(crate) keys: Keys,
}

/// Texts of keys, shared by all clones of the settings and wiped with the last of them.
#[cfg(feature = "cookie")]
pub(crate) type Keys = std::sync::Arc<[zeroize::Zeroizing<String>]>;

/// What happens to an answer whose session could not be saved.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, config::OnSaveError};
///
/// let config = SessionConfig::new().on_save_error(OnSaveError::Log);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSaveError {
    /// The client gets 503 instead of the answer. The default.
    #[default]
    Fail,
    /// The answer goes out and the loss is logged, unless the request destroyed or renewed its session.
    Log,
}

/// How large a record may become.
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
    /// Bytes of all stored keys and texts of one session. Default: 1,048,576 (1 MiB).
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

    /// Checks a record of this size as the patch would leave it. One that only shrinks always passes, so that a session
    /// over the limit can be made smaller.
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
            // Whatever it replaces, it fits.
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

/// Without the store's URL, which may hold a password.
impl fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SessionConfig");
        fields.field("cookie", &self.cookie).field("lifetime", &self.lifetime()).field("deadline", &self.deadline);
        fields.field("on_save_error", &self.on_save_error).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// How to reach a store that is a server of its own. A store that is built by hand has its own settings.
///
/// # Examples
///
/// ```
/// use session_runtime::config::ServerConfig;
/// use std::time::Duration;
///
/// let server = ServerConfig { connections: 4, ..ServerConfig::default() };
/// assert_eq!(server.connect_timeout, Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Connections that requests share; 2 by default. Each carries many requests at once.
    pub connections: usize,
    /// How long one attempt to connect may take; 1 s by default.
    pub connect_timeout: Duration,
    /// The pause after a failed attempt to connect, doubled after each further one; 50 ms by default.
    pub back_off: Duration,
    /// The longest such pause; 2 s by default.
    pub back_off_max: Duration,
    /// Where the sessions are: a schema of the database (`PostgreSQL`: `public` by default), or what the names of all
    /// keys begin with (Redis: `session` by default).
    pub namespace: Option<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections: 2,
            connect_timeout: Duration::from_secs(1),
            back_off: Duration::from_millis(50),
            back_off_max: Duration::from_secs(2),
            namespace: None,
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const IDLE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            store: None,
            cookie: CookieConfig::new(),
            idle: None,
            absolute: 30 * DAY,
            remember: None,
            touch_every: TouchEvery::TenthOfIdle,
            renew_every: None,
            renew_grace: Duration::from_secs(10),
            deadline: Duration::from_secs(2),
            on_save_error: OnSaveError::Fail,
            limits: Limits::default(),
            hold: BTreeMap::new(),
            server: ServerConfig::default(),
            cache: None,
            #[cfg(feature = "cookie")]
            keys: Keys::default(),
        }
    }
}

impl SessionConfig {
    /// The defaults.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new();
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The store, as a URL: `memory:` or `sqlite://file`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().store("memory:");
    /// ```
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(url.into());
        self
    }

    /// Name and attributes of the cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{CookieConfig, SessionConfig};
    ///
    /// let config = SessionConfig::new().cookie(CookieConfig::new().persistent(true));
    /// ```
    #[must_use]
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        self.cookie = cookie;
        self
    }

    /// How long a session lives without being used. Default: 14 days, or `absolute` if that is shorter (OWASP ASVS 5.0,
    /// 7.3.1). Longer than `absolute` is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().idle(Duration::from_secs(30 * 60));
    /// ```
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// How long a session lives at most, however often it is used. Default: 30 days (OWASP ASVS 5.0, 7.3.2). Only a session
    /// that chose an expiry of its own may live longer, see [`remember`](Self::remember).
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().absolute(Duration::from_secs(12 * 60 * 60));
    /// ```
    #[must_use]
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = absolute;
        self
    }

    /// How long after its creation a session may live that chose [`Expiry::After`](crate::Expiry::After) or
    /// [`Expiry::At`](crate::Expiry::At). Default: as `absolute`. Shorter than `absolute` is refused.
    ///
    /// A session keeps the ceiling of the settings under which it was created, if that is lower.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// // 12 hours for everybody, 90 days for those who tick "remember me".
    /// let config = SessionConfig::new().absolute(DAY / 2).remember(90 * DAY);
    /// ```
    #[must_use]
    pub fn remember(mut self, remember: Duration) -> Self {
        self.remember = Some(remember);
        self
    }

    /// How often a use moves the idle deadline. Default: a tenth of `idle`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SessionConfig, expiry::TouchEvery};
    ///
    /// let config = SessionConfig::new().touch_every(TouchEvery::Off);
    /// ```
    #[must_use]
    pub fn touch_every(mut self, touch_every: TouchEvery) -> Self {
        self.touch_every = touch_every;
        self
    }

    /// How long a secret is used before the session gets a new one. Default: for as long as the session lives.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().renew_every(Duration::from_secs(60 * 60));
    /// ```
    #[must_use]
    pub fn renew_every(mut self, period: Duration) -> Self {
        self.renew_every = Some(period);
        self
    }

    /// How long requests under way are told apart from strangers after a renewal, and how long the secret from before a
    /// periodic renewal stays valid once the new one was presented. Default: 10 seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().renew_grace(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn renew_grace(mut self, grace: Duration) -> Self {
        self.renew_grace = grace;
        self
    }

    /// Goes on writing an older version of a schema, so that a fleet can be upgraded to a breaking change in two phases.
    /// Default: the newest is written.
    ///
    /// What is stored in a version above that already is written in the newest. Needs a way back,
    /// `impl TryFrom<Cart> for CartV2`, unless the change was additive; without it nothing is built.
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

    /// How long all store work of one request may take. Default: 2 seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().deadline(Duration::from_millis(500));
    /// ```
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What happens to an answer whose session could not be saved. Default: fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SessionConfig, config::OnSaveError};
    ///
    /// let config = SessionConfig::new().on_save_error(OnSaveError::Log);
    /// ```
    #[must_use]
    pub fn on_save_error(mut self, on_save_error: OnSaveError) -> Self {
        self.on_save_error = on_save_error;
        self
    }

    /// How large a record may become. Default: 1 MiB and 10,000 keys.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SessionConfig, config::Limits};
    ///
    /// let config = SessionConfig::new().limits(Limits { record_keys: 100, ..Limits::default() });
    /// ```
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How to reach the server that the store's URL names.
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

    /// Puts a cache of this process in front of the store that the URL names: what other nodes do is seen after `bound` at
    /// the latest. Off by default; needs the feature `cache`.
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

    /// The key ring of the [cookie store](crate::CookieStore): the first seals, all of them open. Each is 32 random bytes
    /// as base64url, base64 or hex, as `openssl rand -base64 32` prints them. Default: none.
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

    /// The times with their defaults.
    pub(crate) fn lifetime(&self) -> Lifetime {
        let Self { absolute, touch_every, renew_every, renew_grace, .. } = *self;
        let idle = self.idle.unwrap_or(IDLE.min(absolute));
        Lifetime { idle, absolute, remember: self.remember.unwrap_or(absolute), touch_every, renew_every, renew_grace }
    }
}
