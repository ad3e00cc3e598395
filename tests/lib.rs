//! What the test targets share: nodes and their races, real servers, and the README's program, compiled as it stands there.

pub mod fleet;
pub mod servers;

/// The README, whose Rust blocks are doc tests of this package.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
