//! Stores for tests, each around another store.
//!
//! | file | store |
//! |---|---|
//! | `recording_store.rs` | counts its calls, and fails, delays or holds them |
//! | `alternating_store.rs` | sends each call to the next of several handles |
//! | `losing_store.rs` | has lost one stored value |

mod alternating_store;
mod losing_store;
mod recording_store;

pub use alternating_store::AlternatingStore;
pub use losing_store::LosingStore;
pub use recording_store::{CAUSE, Fault, RecordingStore, WRITE};
