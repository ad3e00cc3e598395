//! Limits for a store that has more work than it can do.

use std::time::Duration;

/// Limits for a store that has more work than it can do in time, see [`store::overload`](crate::store::overload). They
/// apply to reads and to writes separately.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, config::AdmissionConfig};
/// use std::time::Duration;
///
/// // The database is in another region, 60 ms away.
/// let distant = AdmissionConfig { in_flight_time: Duration::from_millis(200), ..AdmissionConfig::default() };
/// let config = SessionConfig::new().admission(distant);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// Intended time of an operation in the store. As many operations are sent at once as the store completes in this
    /// time. It should be several times the round trip to the store. Default: 50 milliseconds.
    pub in_flight_time: Duration,
    /// Longest time that an operation may wait to be sent. It is refused at once if it would wait longer. It should be
    /// less than half of [`SessionConfig::deadline`](super::SessionConfig::deadline), since most requests have two
    /// operations. Default: 500 milliseconds.
    pub max_queue_time: Duration,
    /// Smallest number of operations that are sent at once, however slow the store is. Default: 16.
    pub min_in_flight: usize,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self {
            in_flight_time: Duration::from_millis(50),
            max_queue_time: Duration::from_millis(500),
            min_in_flight: 16,
        }
    }
}
