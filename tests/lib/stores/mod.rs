//! Stores for tests, each around another store.
//!
//! | file | store |
//! |---|---|
//! | `alternating_store.rs` | sends each call to the next of several handles |
//! | `checking_store.rs` | checks the hints of patches |
//! | `losing_store.rs` | has lost one stored value |
//!
//! The store that counts, fails, delays and holds calls is [`RecordingStore`](session_runtime::testing::RecordingStore).

use std::time::Duration;

use session_runtime::config::AdmissionConfig;

mod alternating_store;
mod checking_store;
mod losing_store;

pub use alternating_store::AlternatingStore;
pub use checking_store::CheckingStore;
pub use losing_store::LosingStore;

/// Admission of a store that refuses nothing: a busy machine may take seconds for a burst of operations.
pub const PATIENT_ADMISSION: AdmissionConfig = AdmissionConfig {
    in_flight_time: Duration::from_millis(50),
    max_queue_time: Duration::from_secs(60),
    min_in_flight: 16,
};
