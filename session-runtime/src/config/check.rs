//! Checks that refuse settings that contradict each other or can never work.

use std::time::Duration;

use super::{SessionConfig, Transport};
use crate::clock::InWords;
use crate::cookie::CookieConfig;
use crate::error::{ErrorKind, SessionError};
use crate::record::expiry::{Lifetime, TouchEvery};

impl SessionConfig {
    /// Refuses settings that contradict each other or can never work. The cookie settings have a check of their own.
    pub(crate) fn check(&self) -> Result<(), SessionError> {
        let times = [
            ("idle", self.idle),
            ("absolute", Some(self.absolute)),
            ("renew_every", self.renew_every),
            ("deadline", Some(self.deadline)),
            ("watch_every", Some(self.watch_every)),
            ("cache", self.cache),
            ("server.connect_timeout", Some(self.server.connect_timeout)),
            ("server.back_off", Some(self.server.back_off)),
            ("admission.in_flight_time", Some(self.admission.in_flight_time)),
        ];
        if let Some((name, _)) = times.iter().find(|(_, time)| time.is_some_and(|time| time < SHORTEST)) {
            return Err(SessionError::with(ErrorKind::Config, format!("`session.{name}` must be at least 1 ms")));
        }
        self.check_order()?;
        self.check_transport()?;
        self.check_features()?;
        self.check_counts()
    }

    /// Refuses settings that have no effect without cookies.
    fn check_transport(&self) -> Result<(), SessionError> {
        let settings = [
            ("cookie", self.cookie != CookieConfig::new()),
            ("trusted_origins", !self.trusted_origins.is_empty()),
            ("cross_site_paths", !self.cross_site_paths.is_empty()),
        ];
        match settings.iter().find(|(_, is_set)| self.transport == Transport::Bearer && *is_set) {
            Some((name, _)) => {
                let detail = format!("`session.{name}` has no effect with `transport = \"bearer\"`: leave it out");
                Err(SessionError::with(ErrorKind::Config, detail))
            }
            None => Ok(()),
        }
    }

    /// Refuses settings whose feature is off in this build.
    fn check_features(&self) -> Result<(), SessionError> {
        if cfg!(not(feature = "cache")) && self.cache.is_some() {
            return Err(SessionError::with(
                ErrorKind::Config,
                "`session.cache`: this build has no cache; it needs the feature `cache` of session-runtime",
            ));
        }
        if cfg!(not(feature = "cookie")) && !self.keys.is_empty() {
            return Err(SessionError::with(
                ErrorKind::Config,
                "`session.keys`: this build has no cookie store; it needs the feature `cookie` of session-runtime",
            ));
        }
        Ok(())
    }

    /// Refuses numbers of zero, and a touch more often than once in a millisecond.
    fn check_counts(&self) -> Result<(), SessionError> {
        if matches!(self.touch_every, TouchEvery::Period(period) if period < SHORTEST) {
            return Err(SessionError::with(
                ErrorKind::Config,
                "`session.touch_every` must be at least 1 ms, or \"off\"",
            ));
        }
        if self.server.connections == 0 {
            return Err(SessionError::with(ErrorKind::Config, "`session.server.connections` must be at least 1"));
        }
        if self.admission.min_in_flight == 0 {
            return Err(SessionError::with(ErrorKind::Config, "`session.admission.min_in_flight` must be at least 1"));
        }
        if self.limits.record_bytes == 0 || self.limits.record_keys == 0 {
            return Err(SessionError::with(ErrorKind::Config, "`session.limits` must be at least 1"));
        }
        Ok(())
    }

    /// Checks that `idle` ≤ `absolute` ≤ `remember`; otherwise one of them would never be reached.
    fn check_order(&self) -> Result<(), SessionError> {
        let Lifetime { idle, absolute, remember, .. } = self.lifetime();
        let refused = |detail: String| Err(SessionError::with(ErrorKind::Config, detail));
        if idle > absolute {
            return refused(format!(
                "`session.idle` ({}) is longer than `session.absolute` ({}), which ends every session earlier: raise \
                 `absolute` as well",
                InWords(idle),
                InWords(absolute)
            ));
        }
        if remember < absolute {
            return refused(format!(
                "`session.remember` ({}) is shorter than `session.absolute` ({}): a session that chooses to be \
                 remembered would end before the others",
                InWords(remember),
                InWords(absolute)
            ));
        }
        Ok(())
    }
}

const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_cache_needs_its_feature() {
        let checked = SessionConfig::new().cache(Duration::from_secs(1)).check();
        assert_eq!(checked.is_ok(), cfg!(feature = "cache"));
    }

    #[test]
    fn keys_need_the_feature_of_the_cookie_store() {
        let config = SessionConfig { keys: ["k".to_owned().into()].into(), ..SessionConfig::new() };
        assert_eq!(config.check().is_ok(), cfg!(feature = "cookie"));
    }

    #[test]
    fn settings_that_need_cookies_are_refused_without_them() {
        let bearer = || SessionConfig::new().transport(Transport::Bearer);
        assert!(bearer().check().is_ok() && bearer().cookie(CookieConfig::new()).check().is_ok());
        for (config, name) in [
            (bearer().cookie(CookieConfig::new().name("sid")), "session.cookie"),
            (bearer().cookie(CookieConfig::new().persistent(true)), "session.cookie"),
            (bearer().trusted_origins(["https://pay.example"]), "session.trusted_origins"),
            (bearer().cross_site_paths(["/callback/"]), "session.cross_site_paths"),
        ] {
            let refused = config.check().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains(name) && refused.contains("bearer"), "{refused}");
        }
    }

    #[test]
    fn a_period_below_a_millisecond_is_refused() {
        let touch = |period| SessionConfig::new().touch_every(TouchEvery::Period(period)).check();
        assert!(touch(SHORTEST).is_ok());
        for period in [Duration::ZERO, Duration::from_micros(999)] {
            let refused = touch(period).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains("`session.touch_every` must be at least 1 ms"), "{refused}");
        }
    }

    #[test]
    fn deadlines_that_are_never_reached_are_refused() {
        let new = SessionConfig::new;
        for (config, word) in [
            (new().idle(60 * DAY), "`session.idle` (60d) is longer than `session.absolute` (30d)"),
            (new().idle(DAY).absolute(DAY / 2), "`session.idle` (1d) is longer than `session.absolute` (12h)"),
            (new().remember(DAY), "`session.remember` (1d) is shorter than `session.absolute` (30d)"),
        ] {
            let refused = config.check().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains(word), "{refused}");
        }
        for config in
            [new().absolute(DAY / 2), new().idle(30 * DAY), new().remember(90 * DAY), new().remember(30 * DAY)]
        {
            assert!(config.check().is_ok(), "{config:?}");
        }
    }
}
