//! Reads the table `session` of Rocket's configuration: `Rocket.toml`, profiles, `ROCKET_SESSION={…}`.
//!
//! | key | default | unit |
//! |---|---|---|
//! | `store` | `sqlite://sessions.db` in the debug profile, else none | URL |
//! | `transport` | `"cookie"` | `"cookie"` or `"bearer"` |
//! | `cookie` | see [`CookieConfig`] | table |
//! | `idle`, `absolute` | `"14d"`, `"30d"` | duration |
//! | `remember` | as `absolute` | duration |
//! | `touch_every` | a tenth of `idle` | duration or `"off"` |
//! | `renew_every` | `"off"` | duration or `"off"` |
//! | `renew_grace` | `"10s"` | duration |
//! | `deadline` | `"2s"` | duration |
//! | `watch_every` | `"1s"` | duration |
//! | `on_save_error` | `"fail"` | `"fail"` or `"log"` |
//! | `limits` | `record = "1MiB"`, `keys = 10000` | size, number |
//! | `server` | see [`ServerConfig`] | table |
//! | `admission` | see [`AdmissionConfig`] | table |
//! | `cache` | `"off"` | duration or `"off"` |
//! | `cross_site` | `"refuse"` | `"refuse"` or `"allow"` |
//! | `trusted_origins`, `cross_site_paths` | none | list of origins; list of paths |
//! | `clear_site_data` | `false` | `true` or `false` |
//! | `keys` | none | key or list of keys: 32 random bytes each, as base64url, base64 or hex |
//!
//! The keys of `server` are `connections`, `connect_timeout`, `back_off`, `back_off_max` and `namespace`. Those of
//! `admission` are `in_flight_time`, `max_queue_time` and `min_in_flight`.

use ::rocket::Config;
use ::rocket::figment::Figment;

use crate::config::{SessionConfig, default_store, settings};
use crate::error::{ErrorKind, SessionError};

pub(super) use crate::config::settings::TABLE;

/// Settings from Rocket's configuration and its active profile.
pub(super) struct Settings {
    pub(super) config: SessionConfig,
    /// Store to use if neither the application nor the configuration names one.
    pub(super) default_store: Option<String>,
    /// True in the debug profile without TLS, where the cookie has to work over plain HTTP.
    pub(super) insecure: bool,
    profile: String,
}

impl Settings {
    pub(super) fn read(figment: &Figment) -> Result<Self, SessionError> {
        let profile = figment.profile();
        if profile != TABLE && figment.profiles().any(|profile| profile == TABLE) {
            let detail = "`Rocket.toml` has a profile `session`; for the settings of this library write \
                          `[default.session]`, or the table `session` of another profile";
            return Err(SessionError::with(ErrorKind::Config, detail));
        }
        let debug = profile == Config::DEBUG_PROFILE;
        let insecure = debug && figment.find_value("tls").is_err();
        let (config, default_store) = (settings::read(figment)?, default_store(debug));
        Ok(Self { config, default_store, insecure, profile: profile.to_string() })
    }
}

impl Settings {
    /// Returns the error for a missing store, with the settings that would name one.
    pub(super) fn no_store(&self) -> SessionError {
        let profile = &self.profile;
        let detail = format!(
            "the profile `{profile}` names no session store: write `store = \"sqlite:///var/lib/shop/sessions.db\"` (or \
             `\"memory:\"`, which forgets everything at a restart) in the table `[{profile}.session]` of `Rocket.toml`, or \
             set `ROCKET_SESSION={{store=\"...\"}}`"
        );
        SessionError::with(ErrorKind::Config, detail)
    }
}
