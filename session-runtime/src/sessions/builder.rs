//! [`SessionsBuilder`]: the store, the settings and the schemas, checked when [`Sessions`] is built.

use std::sync::Arc;
use std::time::Duration;

use super::Sessions;
use crate::clock::{Clock, SystemClock};
use crate::config::SessionConfig;
use crate::error::{ErrorKind, SessionError};
use crate::id::Random;
use crate::record::Text;
use crate::request::backend::Backend;
use crate::request::conflict_queue::Queues;
use crate::request::core::Core;
use crate::request::load_set::LoadSets;
use crate::request::saving::Saves;
use crate::request::watches::Watches;
use crate::schema::lookup::indexed_names;
use crate::schema::{SchemaSpec, Schemas};
use crate::store::{Capability, ChosenStore, SWEEP_GRACE, Store};
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
#[derive(Clone, Default)]
pub struct SessionsBuilder {
    pub(crate) store: Option<ChosenStore>,
    pub(crate) config: Option<SessionConfig>,
    clock: Option<Arc<dyn Clock>>,
    random: Random,
    pub(crate) schemas: Vec<&'static SchemaSpec>,
    insecure: bool,
}

impl SessionsBuilder {
    /// Sets the store. It takes precedence over the URL of the configuration.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(ChosenStore::Store(Arc::new(store)));
        self
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
    pub fn cookie_store(mut self, store: crate::store::cookie::CookieStore) -> Self {
        self.store = Some(ChosenStore::Cookie(Arc::new(store)));
        self
    }

    /// Sets the configuration. Default: [`SessionConfig::new`].
    #[must_use]
    pub fn config(mut self, config: SessionConfig) -> Self {
        self.config = Some(config);
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
    pub fn schemas<S: Schemas>(self) -> Self {
        let () = S::UNIQUE;
        self.specs(S::SPECS)
    }

    pub(crate) fn specs(mut self, specs: &[&'static SchemaSpec]) -> Self {
        self.schemas = specs.to_vec();
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
    pub fn build(self) -> Result<Sessions, SessionError> {
        let config = self.config.unwrap_or_default();
        config.check()?;
        check_keys(&self.schemas)?;
        let transport = config.transport_rules(self.insecure)?;
        let backend = Backend::new(choose_store(self.store, &config)?, &transport, self.random)?;
        let lazy: Vec<&str> = self.schemas.iter().filter(|schema| schema.lazy).map(|schema| schema.key).collect();
        backend.store().set_lazy_schemas(&lazy);
        let indexed = indexed_names(&self.schemas);
        check_index(backend.store(), &indexed, config.deadline)?;
        backend.store().set_indexed_keys(&indexed);
        let load_sets = LoadSets::new(&self.schemas, backend.loads_parts());
        warn_of_inexact_decimals();
        let core = Core {
            backend,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            random: self.random,
            lifetime: config.lifetime(),
            limits: config.limits,
            deadline: config.deadline,
            on_save_error: config.on_save_error,
            transport,
            clear_site_data: config.clear_site_data,
            cross_site: config.cross_site_rules()?,
            has_user: self.schemas.iter().any(|schema| schema.has_user),
            load_sets,
            versions: Versions::new(&self.schemas, &config.hold)?,
            schemas: self.schemas,
            queues: Queues::default(),
            watches: Watches::new(config.watch_every),
            saves: Saves::default(),
        };
        Ok(Sessions { core: Arc::new(core) })
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
}

impl std::fmt::Debug for SessionsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionsBuilder").finish_non_exhaustive()
    }
}

/// Refuses two schemas with one key. The compiler detects them only in a full build.
fn check_keys(schemas: &[&SchemaSpec]) -> Result<(), SessionError> {
    for (at, schema) in schemas.iter().enumerate() {
        if let Some(other) = schemas[..at].iter().find(|other| other.key == schema.key) {
            let detail = format!("schemas `{}` and `{}` share the key `{}`", other.name, schema.name, schema.key);
            return Err(SessionError::with(ErrorKind::Config, detail));
        }
    }
    Ok(())
}

/// Refuses an index that the store does not have, and a deadline within which a login may still be stored after a lookup
/// has taken its session for removed.
fn check_index(store: &dyn Store, indexed: &[Text], deadline: Duration) -> Result<(), SessionError> {
    let Some(name) = indexed.first() else { return Ok(()) };
    if !store.supports(Capability::Index) {
        let store = store.describe();
        let detail =
            format!("`{name}` has an `index`, which this store does not support: {store}; choose another store");
        return Err(SessionError::with(ErrorKind::Config, detail));
    }
    if deadline >= SWEEP_GRACE {
        let detail = format!("`session.deadline` must be less than 60 s, since `{name}` has an `index`");
        return Err(SessionError::with(ErrorKind::Config, detail));
    }
    Ok(())
}

/// Returns the store that the application gave, or opens the one that the settings name.
fn choose_store(given: Option<ChosenStore>, config: &SessionConfig) -> Result<ChosenStore, SessionError> {
    let chosen = match (given, &config.store) {
        (Some(store), _) => store,
        (None, Some(url)) => ChosenStore::open(url, config)?,
        (None, None) => return Err(no_store(config)),
    };
    if matches!(chosen, ChosenStore::Cookie(_)) && config.cache.is_some() {
        let detail =
            "`session.cache`: sessions in cookies are on no server, so there is nothing to cache; leave it out";
        return Err(SessionError::with(ErrorKind::Config, detail));
    }
    Ok(chosen)
}

fn no_store(config: &SessionConfig) -> SessionError {
    let detail = "no session store: give one with `store`, or a URL with `SessionConfig::store`";
    SessionError::with(ErrorKind::Config, config.no_store.clone().unwrap_or_else(|| detail.to_owned()))
}

fn warn_of_inexact_decimals() {
    if !crate::schema::codec::decimals_are_exact() {
        tracing::warn!(
            "a crate of this program switches on `rust_decimal/serde-float`, which writes a `Decimal` as a float: a \
             field with a known shape that holds one cannot be saved, other fields may lose digits"
        );
    }
}
