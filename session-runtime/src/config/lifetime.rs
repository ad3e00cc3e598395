//! Settings of time: the lifetime of a session, the renewal of its id, and the time limits of store operations.

use std::time::Duration;

use super::SessionConfig;
use crate::record::expiry::{Lifetime, TouchEvery};

/// Default of `idle`, unless `absolute` is shorter.
const IDLE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Default of `absolute`.
pub(super) const ABSOLUTE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl SessionConfig {
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

    /// Sets the time limit for all store operations of one request. Default: 2 seconds. If a schema has an `index`, a
    /// value of 60 seconds or more is refused.
    ///
    /// In [`sweep`](crate::Sessions::sweep) and [`migrate`](crate::Sessions::migrate), the limit applies to each round trip
    /// to the store. With a store of another crate, it applies to each call.
    ///
    /// If the limit is exceeded, the log states how much of the time the store took. If that was little, blocked worker
    /// threads are the likely cause: hash passwords in `tokio::task::spawn_blocking`.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the time between two checks of the store for the ends of [watched](crate::Ended) sessions. Default: 1 second.
    /// If another process ends a session, this process notices it after this time at the latest.
    ///
    /// A check costs one store operation for every 500 watched sessions. While no session is watched, there are no checks.
    #[must_use]
    pub fn watch_every(mut self, period: Duration) -> Self {
        self.watch_every = period;
        self
    }

    /// Returns the times, with the defaults filled in.
    pub(crate) fn lifetime(&self) -> Lifetime {
        let Self { absolute, touch_every, renew_every, renew_grace, .. } = *self;
        let idle = self.idle.unwrap_or(IDLE.min(absolute));
        Lifetime { idle, absolute, remember: self.remember.unwrap_or(absolute), touch_every, renew_every, renew_grace }
    }
}
