//! Settings from files and from the environment, with the keys of `Rocket.toml`.
//!
//! Takes a figment, in which every source of settings is merged; gives a [`SessionConfig`]. A key that does not exist and
//! a value of another type are refused with their place. Deliberately absent: a file format, and the profiles of Rocket.

use ::figment::providers::Env;
use ::figment::{Figment, Provider};

use super::{SessionConfig, default_store, near_miss};
use crate::error::{ErrorKind, SessionError};

mod table;

use table::Table;

/// Name of the table of settings.
pub(crate) const TABLE: &str = "session";

/// Reads the table of settings in the selected profile. Without such a table, all settings have their defaults.
pub(crate) fn read(figment: &Figment) -> Result<SessionConfig, SessionError> {
    match figment.find_value(TABLE) {
        Ok(_) => figment.extract_inner::<Table>(TABLE).map(Into::into).map_err(|error| refuse(&error)),
        Err(_) => Ok(SessionConfig::new()),
    }
}

/// Joins the reasons, each with its key and its source. The values in them are the operator's, never a visitor's.
fn refuse(errors: &::figment::Error) -> SessionError {
    let reasons: Vec<String> = errors.clone().into_iter().map(|error| reason(&error)).collect();
    SessionError::with(ErrorKind::Config, reasons.join("; "))
}

fn reason(error: &::figment::Error) -> String {
    let keys = std::iter::once(TABLE).chain(error.path.iter().map(String::as_str).filter(|key| *key != TABLE));
    let key = keys.collect::<Vec<_>>().join(".");
    let source = error.metadata.as_ref().map(|metadata| format!(" ({})", metadata.name)).unwrap_or_default();
    format!("`{key}`: {}{source}", error.kind)
}

impl SessionConfig {
    /// Reads the settings from the environment variables that begin with this prefix, as in `SHOP_SESSION__STORE`.
    ///
    /// The keys are those of the table `session` in `Rocket.toml`, in capitals, and `__` separates a table from its key:
    /// `SHOP_SESSION__IDLE=30m`, `SHOP_SESSION__COOKIE__SAME_SITE=Strict`. `SHOP_SESSION={idle="30m"}` gives several
    /// at once. A variable that looks like a setting and is not read, such as `SHOP_SESSION_STORE`, is one line in the
    /// log.
    ///
    /// In a build with debug assertions, the store is `sqlite://sessions.db` unless the settings name one (with the
    /// feature `sqlite`), and the cookie is not `Secure` by default, so that plain HTTP works. In other builds a store must
    /// be named.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`]: an unknown key, or a value of another type. Contradictions are refused by
    /// [`build`](crate::SessionsBuilder::build).
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{SessionConfig, Sessions};
    ///
    /// let sessions = Sessions::builder().config(SessionConfig::from_env("SHOP")?.store("memory:")).build()?;
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    pub fn from_env(prefix: &str) -> Result<Self, SessionError> {
        let prefix = format!("{}_", prefix.trim_end_matches('_'));
        warn_of_near_misses(&prefix);
        let in_table = |name: &str| name.to_ascii_lowercase().replace("__", ".");
        let of_table = Env::prefixed(&prefix)
            .filter(|name| is_read(name.as_str()))
            .map(move |name| in_table(name.as_str()).into());
        let variable = format!("{}SESSION__STORE", prefix.to_ascii_uppercase());
        Self::read(&Figment::from(of_table), &format!("set `{variable}=sqlite:///var/lib/shop/sessions.db`"))
    }

    /// Reads the settings from the table `session` of a figment, which may merge files and the environment.
    ///
    /// Takes anything that the crate `figment`, version 0.10, can read. The keys are those of the table `session` in
    /// `Rocket.toml`, in the profile that the figment has selected. The defaults of a debug build are those of
    /// [`from_env`](Self::from_env).
    ///
    /// # Errors
    ///
    /// The errors of [`from_env`](Self::from_env).
    ///
    /// # Examples
    ///
    /// ```
    /// use figment::{Figment, providers::Serialized};
    /// use session_runtime::SessionConfig;
    ///
    /// let figment = Figment::from(Serialized::default("session.store", "memory:"));
    /// let config = SessionConfig::from_figment(figment)?;
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    pub fn from_figment(provider: impl Provider) -> Result<Self, SessionError> {
        Self::read(&Figment::from(provider), &format!("write `store = …` in the table `{TABLE}`"))
    }

    /// Reads the table, and adds the defaults that depend on the build. `how`: the way to name a store, for an error.
    fn read(figment: &Figment, how: &str) -> Result<Self, SessionError> {
        let mut config = read(figment)?;
        config.insecure = cfg!(debug_assertions);
        config.store = config.store.or_else(|| default_store(cfg!(debug_assertions)));
        config.no_store =
            Some(format!("no session store: {how} (or `memory:`, which forgets everything at a restart)"));
        Ok(config)
    }
}

/// True for a variable without its prefix that holds the table, or a part of it.
fn is_read(name: &str) -> bool {
    let rest = name.get(..TABLE.len()).filter(|start| start.eq_ignore_ascii_case(TABLE)).map(|_| &name[TABLE.len()..]);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("__"))
}

/// Warns about variables that look like settings but are not read.
fn warn_of_near_misses(prefix: &str) {
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
        if let Some(setting) = near_miss_of(prefix, &name) {
            tracing::warn!("the variable `{name}` is not read: a setting is `{setting}=…`");
        }
    }
}

/// Returns the variable to set in place of one that looks like a setting but is not read.
fn near_miss_of(prefix: &str, name: &str) -> Option<String> {
    let (start, key) = name.split_at_checked(prefix.len())?;
    let key = key.to_ascii_lowercase();
    let is_near = start.eq_ignore_ascii_case(prefix) && !is_read(&key) && near_miss::looks_like_ours(&key);
    let setting = match near_miss::prefixed(&key) {
        Some(setting) => format!("__{setting}"),
        None if near_miss::is_near(&key) => String::new(),
        None => format!("__{key}"),
    };
    is_near.then(|| format!("{prefix}{TABLE}{setting}").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::figment::providers::Serialized;

    use super::*;

    fn with(key: &str, value: impl serde::Serialize) -> Result<SessionConfig, SessionError> {
        SessionConfig::from_figment(Serialized::default(&format!("session.{key}"), value))
    }

    #[test]
    fn the_keys_of_the_table_are_read() {
        let config = with("idle", "30m").unwrap();
        assert_eq!(config.lifetime().idle, Duration::from_secs(30 * 60));
        assert_eq!(with("limits.record", "64KiB").unwrap().limits.record_bytes, 64 * 1024);
        assert_eq!(with("store", "memory:").unwrap().store.as_deref(), Some("memory:"));
        assert_eq!(with("cookie.name", "sid").unwrap().cookie.name.as_deref(), Some("sid"));
        assert_eq!(with("cross_site_paths", ["/callback"]).unwrap().cross_site_paths, ["/callback"]);
    }

    #[test]
    fn the_mistakes_that_rocket_refuses_are_refused() {
        for (key, refused) in [
            ("ilde", with("ilde", "1h")),
            ("session.idle", with("idle", 5)),
            ("session.idle", with("idle", "soon")),
            ("nmae", with("cookie.nmae", "sid")),
            ("session.on_save_error", with("on_save_error", "panic")),
            ("session.limits.record", with("limits.record", "many")),
        ] {
            let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains(key), "{key}: {refused}");
        }
    }

    /// In a debug build, plain HTTP and a file work without any setting.
    #[test]
    fn the_defaults_follow_from_the_build() {
        let config = SessionConfig::from_figment(Figment::new()).unwrap();
        assert_eq!(config.insecure, cfg!(debug_assertions));
        assert_eq!(config.store.is_some(), cfg!(debug_assertions) && cfg!(feature = "sqlite"));
        let refused = crate::Sessions::builder().config(SessionConfig { store: None, ..config }).build().unwrap_err();
        assert!(refused.to_string().contains("table `session`"), "{refused}");
    }

    #[test]
    fn a_variable_with_one_underscore_is_noticed() {
        for (name, setting) in [
            ("SHOP_SESSION_STORE", Some("SHOP_SESSION__STORE")),
            ("shop_session_cookie__name", Some("SHOP_SESSION__COOKIE__NAME")),
            ("SHOP_SESSIONS", Some("SHOP_SESSION")),
            ("SHOP_TOUCH_EVERY", Some("SHOP_SESSION__TOUCH_EVERY")),
            ("SHOP_SESSION__STORE", None),
            ("SHOP_SESSION", None),
            ("SHOP_PORT", None),
            ("SESSION_STORE", None),
        ] {
            assert_eq!(near_miss_of("SHOP_", name).as_deref(), setting, "{name}");
        }
    }
}
