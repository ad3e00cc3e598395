//! For tests of applications and of stores: a clock that is moved by hand, and the conformance kit.

#[cfg(feature = "conformance")]
pub mod conformance;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, Timestamp};
use crate::id::SecretHash;
use crate::record::Head;
use crate::record::expiry::StoredExpiry;

/// A clock that stands still until it is moved. Clones are one clock.
///
/// # Examples
///
/// ```
/// use session_runtime::testing::ManualClock;
/// use session_runtime::clock::Clock;
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().duration_since(before).unwrap(), Duration::from_secs(60));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at 2026-01-01 00:00 UTC.
    ///
    /// # Examples
    ///
    /// ```
    /// let clock = session_runtime::testing::ManualClock::new();
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_767_225_600_000)))
    }

    /// Moves it forwards.
    ///
    /// # Examples
    ///
    /// ```
    /// let clock = session_runtime::testing::ManualClock::new();
    /// clock.advance(std::time::Duration::from_secs(60));
    /// ```
    pub fn advance(&self, duration: Duration) {
        self.set(self.timestamp().after(duration));
    }

    /// Sets it, backwards too.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{clock::Timestamp, testing::ManualClock};
    ///
    /// let clock = ManualClock::new();
    /// clock.set(Timestamp::from_millis(0));
    /// assert_eq!(clock.timestamp(), Timestamp::from_millis(0));
    /// ```
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_millis(), Ordering::SeqCst);
    }

    /// Where it stands.
    ///
    /// # Examples
    ///
    /// ```
    /// let clock = session_runtime::testing::ManualClock::new();
    /// assert!(clock.timestamp().as_millis() > 0);
    /// ```
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.timestamp().into()
    }
}

/// The head of a record created `millis` milliseconds after 1970-01-01 UTC, with an idle deadline of one hour and an
/// absolute one of a day.
///
/// # Examples
///
/// ```
/// use session_runtime::testing::head_at;
///
/// assert_eq!(head_at(0).generation, 0);
/// ```
#[must_use]
pub fn head_at(millis: i64) -> Head {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let now = Timestamp::from_millis(millis);
    Head {
        created: now,
        touched: now,
        expires: now.after(HOUR),
        ends: now.after(24 * HOUR),
        expiry: StoredExpiry::Default,
        secret: SecretHash::from_bytes([1; 32]),
        secret_since: now,
        previous: None,
        generation: 0,
        generation_since: None,
        revision: 0,
    }
}
