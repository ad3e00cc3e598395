//! What the test targets share: base64url, nodes and their races, walks over all pages, handles that take turns, the log, a plain map that stores are compared with, real servers, and the README's program, compiled as it stands there.

pub mod base64url;
pub mod fleet;
pub mod log;
pub mod model;
pub mod pages;
pub mod servers;
pub mod turns;

/// The README, whose Rust blocks are doc tests of this package.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
