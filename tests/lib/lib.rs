//! Code that the test targets share: stores, an HTTP client, cookies, random numbers from a seed, the log, real servers,
//! nodes of a fleet and their races, a plain map that stores are compared with, and the README's program, which compiles as
//! it stands.

#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::should_implement_trait,
    clippy::unwrap_used,
    reason = "only tests call these functions, and a test that cannot go on panics"
)]

pub mod base64url;
pub mod conformance;
pub mod cookie;
pub mod fleet;
pub mod http;
pub mod launch;
pub mod log;
pub mod lookups;
pub mod model;
pub mod pages;
pub mod programs;
pub mod random;
pub mod servers;
pub mod stores;
pub mod turns;

/// The README, whose Rust blocks are doc tests of this package.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
