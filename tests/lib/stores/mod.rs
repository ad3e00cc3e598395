//! Stores for tests, each around another store.
//!
//! | file | store |
//! |---|---|
//! | `recording_store.rs` | counts its calls, and fails, delays or holds them |
//! | `alternating_store.rs` | sends each call to the next of several handles |
//! | `losing_store.rs` | has lost one stored value |

use std::time::Duration;

use session_runtime::config::AdmissionConfig;

mod alternating_store;
mod losing_store;
mod recording_store;

pub use alternating_store::AlternatingStore;
pub use losing_store::LosingStore;
pub use recording_store::{CAUSE, Fault, RecordingStore, WRITE};

/// Admission of a store that refuses nothing: a busy machine may take seconds for a burst of operations.
pub const PATIENT_ADMISSION: AdmissionConfig = AdmissionConfig {
    in_flight_time: Duration::from_millis(50),
    max_queue_time: Duration::from_secs(60),
    min_in_flight: 16,
};
