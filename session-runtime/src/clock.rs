//! Time as an argument: one [`Clock`] for the whole application, read once per request.
//!
//! Deadlines are stored in the record and compared with that one reading. A test can therefore set the time, and all
//! stores decide alike. Deliberately absent: a clock inside a store.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC, the unit in which deadlines are stored.
///
/// # Examples
///
/// ```
/// use session_runtime::clock::Timestamp;
/// use std::time::Duration;
///
/// let start = Timestamp::from_millis(1_000);
/// assert_eq!(start.after(Duration::from_secs(2)), Timestamp::from_millis(3_000));
/// assert_eq!(start.after(Duration::MAX), Timestamp::MAX);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Latest moment that can be stored.
    pub const MAX: Self = Self(i64::MAX);

    /// Returns the moment `millis` milliseconds after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the moment `duration` later, saturating at [`MAX`](Self::MAX).
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns the moment `duration` earlier.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }

    /// Returns the time from `earlier` to this moment, or zero if `earlier` is not earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::clock::Timestamp;
    /// use std::time::Duration;
    ///
    /// let (earlier, later) = (Timestamp::from_millis(1), Timestamp::from_millis(3));
    /// assert_eq!(later.since(earlier), Duration::from_millis(2));
    /// assert_eq!(earlier.since(later), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self(millis(after)),
            Err(before) => Self(-millis(before.duration())),
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// Converts moments that the platform cannot represent to 1970-01-01.
    fn from(time: Timestamp) -> Self {
        let distance = Duration::from_millis(time.0.unsigned_abs());
        let moment = if time.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
        moment.unwrap_or(UNIX_EPOCH)
    }
}

/// Source of the current time. A closure is a clock too.
///
/// # Examples
///
/// ```
/// use session_runtime::clock::Clock;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// let stopped = || UNIX_EPOCH + Duration::from_secs(60);
/// assert_eq!(Clock::now(&stopped), UNIX_EPOCH + Duration::from_secs(60));
/// ```
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> SystemTime;
}

impl<F: Fn() -> SystemTime + Send + Sync + 'static> Clock for F {
    fn now(&self) -> SystemTime {
        self()
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}

/// Clock of the operating system; the default.
///
/// # Examples
///
/// ```
/// use session_runtime::clock::{Clock, SystemClock};
///
/// assert!(SystemClock.now() > std::time::UNIX_EPOCH);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Duration that is printed in its largest whole unit, as in the settings.
pub(crate) struct InWords(pub(crate) Duration);

impl std::fmt::Display for InWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_millis();
        for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
            if millis >= length && millis.is_multiple_of(length) {
                return write!(f, "{}{unit}", millis / length);
            }
        }
        write!(f, "{millis}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_duration_is_written_in_its_largest_whole_unit() {
        let texts = [(30 * DAY, "30d"), (DAY / 2, "12h"), (DAY / 16, "90m"), (Duration::from_millis(1_500), "1500ms")];
        for (duration, text) in texts {
            assert_eq!(InWords(duration).to_string(), text);
        }
    }
}
