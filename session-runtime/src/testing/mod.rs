//! Tools for tests of applications and of stores.
//!
//! | tool | use |
//! |---|---|
//! | [`ManualClock`] | a clock that a test moves by hand |
//! | [`RecordingStore`] | a store that counts its calls, and fails, delays or holds them |
#![cfg_attr(feature = "rocket", doc = "| [`Visitor`] | a visitor with a session, for a local client of Rocket |")]
#![cfg_attr(
    feature = "conformance",
    doc = "| [`conformance`] | the rules of the store contract, for a store of your own |"
)]
#![cfg_attr(feature = "rocket", doc = "")]
#![cfg_attr(feature = "rocket", doc = "The page [`applications`] is a guide to testing an application.")]

#[cfg(feature = "rocket")]
#[doc = include_str!("applications.md")]
pub mod applications {}
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod hint;
mod recording_store;
#[cfg(feature = "rocket")]
mod visitor;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, Timestamp};
use crate::id::SecretHash;
use crate::record::Head;
use crate::record::expiry::StoredExpiry;

pub use recording_store::{Fault, RecordingStore};
#[cfg(feature = "rocket")]
pub use visitor::{ReadValues, Visitor, VisitorBuilder};

/// Clock that stands still until it is moved. Clones share the same time.
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
    /// Creates a clock that stands at 2026-01-01 00:00 UTC.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_767_225_600_000)))
    }

    /// Moves the clock forwards.
    pub fn advance(&self, duration: Duration) {
        self.set(self.timestamp().after(duration));
    }

    /// Sets the clock, also to an earlier time.
    pub fn set(&self, to: Timestamp) {
        self.0.store(to.as_millis(), Ordering::SeqCst);
    }

    /// Current time of the clock.
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

/// Returns the head of a record created `millis` milliseconds after 1970-01-01 UTC, with an idle deadline after one
/// hour and an absolute deadline after one day.
#[must_use]
pub fn head_at(millis: i64) -> Head {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let now = Timestamp::from_millis(millis);
    Head {
        created: now,
        touched: now,
        idle_deadline: now.after(HOUR),
        absolute_deadline: now.after(24 * HOUR),
        expiry: StoredExpiry::Default,
        secret: SecretHash::from_bytes([1; 32]),
        secret_since: now,
        previous: None,
        generation: 0,
        generation_since: None,
        revision: 0,
    }
}
