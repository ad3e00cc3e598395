//! What the test targets share: real servers, and the README's program, compiled as it stands there.

pub mod servers;

/// The README, whose Rust blocks are doc tests of this package.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
