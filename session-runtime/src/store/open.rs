//! Opens the store named by the URL in the configuration.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "cache")]
use super::CachedStore;
#[cfg(feature = "postgres")]
use super::PostgresStore;
#[cfg(feature = "redis")]
use super::RedisStore;
#[cfg(feature = "sqlite")]
use super::SqliteStore;
use super::cookie::CookieStore;
#[cfg(feature = "cli")]
use super::operable::Operable;
use super::{MemoryStore, Store};
use crate::config::SessionConfig;
use crate::error::{ErrorKind, SessionError};

/// Store of an application, given by the application itself or by its URL.
#[derive(Clone)]
pub(crate) enum ChosenStore {
    Store(Arc<dyn Store>),
    Cookie(Arc<CookieStore>),
}

impl ChosenStore {
    /// Opens the store that the settings name.
    pub(crate) fn open(url: &str, config: &SessionConfig) -> Result<Self, SessionError> {
        match CookieStore::of_url(url, &config.keys) {
            Some(store) => Ok(Self::Cookie(store?)),
            None => Ok(Self::Store(behind_cache(open(url, config)?, config.cache))),
        }
    }
}

/// Wraps the store in an in-process cache if a bound is set. Without the feature `cache`, the settings have already
/// rejected a bound.
fn behind_cache(store: Arc<dyn Store>, bound: Option<Duration>) -> Arc<dyn Store> {
    match bound {
        #[cfg(feature = "cache")]
        Some(bound) => Arc::new(CachedStore::new(store).bound(bound)),
        _ => store,
    }
}

/// Opens the store named by a URL for an operator: it creates and changes no table.
#[cfg(feature = "cli")]
pub(crate) fn open_existing(url: &str, config: &SessionConfig) -> Result<Arc<dyn Operable>, SessionError> {
    let (scheme, rest) = url.split_once(':').ok_or_else(no_url)?;
    // Unused in a build without any store on a server or in a file.
    let _ = (rest, config);
    match scheme.to_ascii_lowercase().as_str() {
        "memory" | "cookie" => Err(refused(&format!(
            "sessions of `{scheme}:` are on no server and in no file, where a command finds them"
        ))),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(SqliteStore::builder(sqlite_path(rest)?).existing().open()?)),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis+unix" | "redis-cluster" | "rediss-cluster" => {
            let store = RedisStore::builder(url).server(config.server.clone());
            Ok(Arc::new(store.answer_timeout(config.deadline).open()?))
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(PostgresStore::configured(url, config)?.existing())),
        scheme => Err(refused(&unknown(scheme))),
    }
}

/// Opens the store named by a URL.
fn open(url: &str, config: &SessionConfig) -> Result<Arc<dyn Store>, SessionError> {
    let (scheme, rest) = url.split_once(':').ok_or_else(no_url)?;
    // Unused in a build with the memory store alone.
    let _ = config;
    match scheme.to_ascii_lowercase().as_str() {
        "memory" if rest.is_empty() => Ok(Arc::new(MemoryStore::new())),
        "memory" => Err(refused("`memory:` takes nothing after the colon")),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(SqliteStore::builder(sqlite_path(rest)?).admission(config.admission).open()?)),
        #[cfg(feature = "redis")]
        "redis" | "rediss" | "redis+unix" | "redis-cluster" | "rediss-cluster" => {
            let store = RedisStore::builder(url).server(config.server.clone()).admission(config.admission);
            Ok(Arc::new(store.answer_timeout(config.deadline).open()?))
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => Ok(Arc::new(PostgresStore::configured(url, config)?)),
        scheme => Err(refused(&unknown(scheme))),
    }
}

/// Message for an unknown scheme. It contains only the scheme, since a password may follow it.
fn unknown(scheme: &str) -> String {
    match feature_of(scheme) {
        Some(feature) => format!(
            "`{scheme}:` URLs need the feature `{feature}` of session-runtime, which is off in this build: add it to \
             `features` in `Cargo.toml`"
        ),
        None => format!("no store has `{scheme}:` URLs; this build supports {}", known()),
    }
}

fn feature_of(scheme: &str) -> Option<&'static str> {
    match scheme {
        "sqlite" => Some("sqlite"),
        "postgres" | "postgresql" => Some("postgres"),
        "redis" | "rediss" | "redis+unix" | "redis-cluster" | "rediss-cluster" => Some("redis"),
        "cookie" => Some("cookie"),
        _ => None,
    }
}

/// Returns the path in a URL of SQLite, from the part after `sqlite:`.
#[cfg(feature = "sqlite")]
fn sqlite_path(rest: &str) -> Result<&str, SessionError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.contains(['?', '#']) {
        return Err(refused("`sqlite:` URLs take no parameters: `?` and `#` cannot be part of the path"));
    }
    Ok(path)
}

/// Lists the URL forms of the stores in this build.
fn known() -> String {
    let urls = [
        ("memory:", true),
        ("sqlite://file", cfg!(feature = "sqlite")),
        ("postgres://host/database", cfg!(feature = "postgres")),
        ("redis://host", cfg!(feature = "redis")),
        ("rediss://host", cfg!(feature = "redis")),
        ("redis+unix:///socket", cfg!(all(feature = "redis", unix))),
        ("redis-cluster://host", cfg!(feature = "redis")),
        ("rediss-cluster://host", cfg!(feature = "redis")),
        ("cookie:", cfg!(feature = "cookie")),
    ];
    let urls: Vec<String> = urls.iter().filter(|(_, built)| *built).map(|(url, _)| format!("`{url}`")).collect();
    let off = [
        ("sqlite", cfg!(feature = "sqlite")),
        ("postgres", cfg!(feature = "postgres")),
        ("redis", cfg!(feature = "redis")),
        ("cookie", cfg!(feature = "cookie")),
    ];
    let off: Vec<String> = off.iter().filter(|(_, built)| !built).map(|(name, _)| format!("`{name}`")).collect();
    let more = if off.is_empty() { String::new() } else { format!("; features for more are {}", off.join(", ")) };
    urls.join(", ") + &more
}

fn no_url() -> SessionError {
    refused(&format!("not a URL; supported: {}; did you mean `sqlite://file`?", known()))
}

fn refused(why: &str) -> SessionError {
    SessionError::with(ErrorKind::Config, format!("`session.store`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        let opened = open(url, &SessionConfig::new());
        opened.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_url_whose_feature_is_off_names_the_feature() {
        let urls = [
            ("sqlite://sessions.db", "sqlite", cfg!(feature = "sqlite")),
            ("postgres://ada:secret@host/shop", "postgres", cfg!(feature = "postgres")),
            ("redis://:secret@host", "redis", cfg!(feature = "redis")),
            ("rediss-cluster://:secret@host", "redis", cfg!(feature = "redis")),
            ("cookie:", "cookie", cfg!(feature = "cookie")),
        ];
        for (url, feature, _) in urls.iter().filter(|(.., built)| !built) {
            let refusal = refusal(url);
            assert!(refusal.contains(&format!("the feature `{feature}`")) && !refusal.contains("secret"), "{refusal}");
        }
    }

    #[test]
    fn a_url_of_no_store_lists_the_stores() {
        let refusal = refusal("mongodb://ada:secret@host/");
        for word in ["`mongodb:`", "`memory:`", "sqlite", "redis", "postgres", "cookie"] {
            assert!(refusal.contains(word), "{word}: {refusal}");
        }
        assert!(!refusal.contains("secret"), "{refusal}");
    }
}
