//! The assertions of the fuzz targets, one module each: a function from arbitrary bytes that panics or returns.
//!
//! The fuzzer calls these functions, and so does an ordinary test that replays the corpus. The test includes the files
//! as a module, since a dependency on this package would make it compile the fuzzer. Only public items of the library
//! are used.
#![allow(unreachable_pub, missing_docs, reason = "a module of a test there, a library here")]
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a finding is a panic")]

pub mod cookie;
pub mod id;
pub mod merge;
pub mod record;
pub mod sealed;

mod input;
mod reference;
mod sealing;
mod world;
