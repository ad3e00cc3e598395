//! What the test targets share: the README's program, compiled as it stands there.

/// The README, whose Rust blocks are doc tests of this package.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
