//! [`SessionsBuilder`]: the store, the settings and the schemas, checked when [`Sessions`] is built.

use std::sync::Arc;

use super::Sessions;
use crate::clock::{Clock, SystemClock};
use crate::config::SessionConfig;
use crate::error::{ErrorKind, SessionError};
use crate::id::Random;
use crate::request::conflict_queue::Queues;
use crate::request::core::Core;
use crate::request::load_set::LoadSets;
use crate::schema::{SchemaSpec, Schemas};
use crate::store::Store;
use crate::version::versioned::Versions;

/// Builder of [`Sessions`].
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, Sessions};
/// use std::time::Duration;
///
/// let config = SessionConfig::new().store("memory:").idle(Duration::from_secs(3600));
/// let sessions = Sessions::builder().config(config).build()?;
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
#[derive(Default)]
pub struct SessionsBuilder {
    store: Option<Arc<dyn Store>>,
    #[cfg(feature = "cookie")]
    cookie_store: Option<Arc<crate::store::cookie::CookieStore>>,
    config: SessionConfig,
    clock: Option<Arc<dyn Clock>>,
    random: Random,
    schemas: Vec<&'static SchemaSpec>,
    insecure: bool,
}

impl SessionsBuilder {
    /// Sets the store. It takes precedence over the URL of the configuration.
    #[must_use]
    pub fn store(self, store: impl Store) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// Keeps sessions in the cookies themselves. This takes precedence over the URL of the configuration. Read about
    /// [its limits](crate::CookieStore) first.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{CookieStore, Sessions};
    ///
    /// let store = CookieStore::new([CookieStore::random_key()?])?;
    /// let sessions = Sessions::builder().cookie_store(store).build()?;
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    #[cfg(feature = "cookie")]
    #[must_use]
    pub fn cookie_store(self, store: crate::store::cookie::CookieStore) -> Self {
        self.shared_cookie_store(Arc::new(store))
    }

    /// Sets the configuration. Default: [`SessionConfig::new`].
    #[must_use]
    pub fn config(mut self, config: SessionConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets the clock. Default: the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Sets the schemas: one, or a tuple of up to sixteen. Two with the same key do not compile.
    #[must_use]
    pub fn schemas<S: Schemas>(mut self) -> Self {
        let () = S::UNIQUE;
        self.schemas = S::SPECS.to_vec();
        self
    }

    /// Checks all settings, and opens the store if the configuration names one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`]: no store, an invalid or insecure setting, or a store that cannot be opened.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, Sessions};
    ///
    /// assert!(Sessions::builder().build().is_err(), "no store");
    /// assert!(Sessions::builder().store(MemoryStore::new()).build().is_ok());
    /// ```
    #[cfg_attr(not(feature = "cookie"), expect(unused_mut, reason = "changed only with the feature `cookie`"))]
    pub fn build(mut self) -> Result<Sessions, SessionError> {
        self.config.check()?;
        self.check_keys()?;
        let cookie = self.config.cookie.resolve(self.insecure)?;
        #[cfg(feature = "cookie")]
        let sealer = self.take_sealer(&cookie)?;
        let store = match (self.store, &self.config.store) {
            (Some(store), _) => store,
            (None, Some(url)) => {
                let store = crate::store::open(url, &self.config.server, self.config.deadline)?;
                crate::store::behind_cache(store, self.config.cache)
            }
            (None, None) => return Err(no_store()),
        };
        let lazy: Vec<&str> = self.schemas.iter().filter(|schema| schema.lazy).map(|schema| schema.key).collect();
        store.set_lazy_schemas(&lazy);
        if !crate::schema::codec::decimals_are_exact() {
            tracing::warn!(
                "a crate of this program switches on `rust_decimal/serde-float`, which writes a `Decimal` as a float: a \
                 field with a known shape that holds one cannot be saved, other fields may lose digits"
            );
        }
        let core = Core {
            store,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            random: self.random,
            lifetime: self.config.lifetime(),
            limits: self.config.limits,
            deadline: self.config.deadline,
            on_save_error: self.config.on_save_error,
            cookie,
            has_user: self.schemas.iter().any(|schema| schema.has_user),
            groups: LoadSets::new(&self.schemas),
            versions: Versions::new(&self.schemas, &self.config.hold)?,
            schemas: self.schemas,
            queues: Queues::default(),
            #[cfg(feature = "cookie")]
            sealer,
        };
        Ok(Sessions { core: Arc::new(core) })
    }

    pub(crate) fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        #[cfg(feature = "cookie")]
        {
            self.cookie_store = None;
        }
        self
    }

    #[cfg(feature = "cookie")]
    pub(crate) fn shared_cookie_store(mut self, store: Arc<crate::store::cookie::CookieStore>) -> Self {
        self.cookie_store = Some(store);
        self.store = None;
        self
    }

    /// Returns the sealer if sessions are kept in cookies. Sets a store that supports nothing, since no session is kept
    /// anywhere else.
    #[cfg(feature = "cookie")]
    fn take_sealer(
        &mut self,
        cookie: &crate::cookie::CookieRules,
    ) -> Result<Option<Arc<crate::store::cookie::Sealer>>, SessionError> {
        use crate::store::cookie::{CookieStore, Sealer, Unsupported, warn_about_limits};
        let of_url = |url: &String| CookieStore::of_url(url, &self.config.keys);
        let store = match (&self.cookie_store, &self.store) {
            (None, None) => self.config.store.as_ref().and_then(of_url).transpose()?,
            (store, _) => store.clone(),
        };
        let Some(store) = store else { return Ok(None) };
        if self.config.cache.is_some() {
            let detail =
                "`session.cache`: sessions in cookies are on no server, so there is nothing to cache; leave it out";
            return Err(SessionError::with(ErrorKind::Config, detail));
        }
        warn_about_limits();
        self.store = Some(Arc::new(Unsupported));
        Ok(Some(Arc::new(Sealer::new(store, cookie.clone(), self.random))))
    }

    #[cfg(feature = "rocket")]
    pub(crate) fn shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    #[cfg(feature = "rocket")]
    pub(crate) fn specs(mut self, specs: &[&'static SchemaSpec]) -> Self {
        self.schemas = specs.to_vec();
        self
    }

    /// Sets whether this is plain HTTP in a debug profile: the cookie is then not `Secure` unless the configuration
    /// demands it.
    #[cfg(feature = "rocket")]
    pub(crate) fn insecure(mut self, insecure: bool) -> Self {
        self.insecure = insecure;
        self
    }

    #[cfg(test)]
    pub(crate) fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Refuses two schemas with one key. The compiler detects them only in a full build.
    fn check_keys(&self) -> Result<(), SessionError> {
        for (at, schema) in self.schemas.iter().enumerate() {
            if let Some(other) = self.schemas[..at].iter().find(|other| other.key == schema.key) {
                let detail = format!("schemas `{}` and `{}` share the key `{}`", other.name, schema.name, schema.key);
                return Err(SessionError::with(ErrorKind::Config, detail));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionsBuilder").finish_non_exhaustive()
    }
}

fn no_store() -> SessionError {
    let detail = "no session store: give one with `store`, or a URL with `SessionConfig::store`";
    SessionError::with(ErrorKind::Config, detail)
}
