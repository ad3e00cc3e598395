//! The Rocket half: a fairing that opens, finishes and configures, and the guards.
//!
//! Takes Rocket's requests, responses and configuration; gives them to the core and says nothing of its own about
//! sessions. Deliberately absent: any rule about what is stored and when.

mod answer;
mod config;
mod fairing;
mod guard;
mod handle;
mod launch;

pub use fairing::SessionFairing;
pub use guard::{Reading, missing, read};
pub use handle::SessionHandle;
