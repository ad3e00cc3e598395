//! Rocket integration: the fairing, the guards and the configuration.
//!
//! Connects Rocket's requests, responses and settings with the core. Deliberately absent: any rule about which data is
//! stored, and when.

mod answer;
mod config;
mod fairing;
mod guard;
mod launch;
mod recent;
mod slot;

pub use fairing::SessionFairing;
pub use guard::{Reading, missing, read};
