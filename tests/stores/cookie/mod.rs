//! The promises and the limits of `CookieStore`, over a real socket.
//!
//! The application of `site` runs in this process behind a port of its own, with a clock that is moved by hand. Code
//! that was written from the documentation (`session-runtime/fuzz/src/sealing.rs`) seals and opens cookies as well.

#![allow(clippy::needless_pass_by_value, reason = "Rocket hands guards over by value")]

#[path = "../../../session-runtime/fuzz/src/reference.rs"]
#[allow(dead_code, reason = "the fuzz targets need more of it")]
mod reference;
#[path = "../../../session-runtime/fuzz/src/sealing.rs"]
#[allow(dead_code, reason = "the fuzz targets need more of it")]
mod sealing;

mod routes;
mod site;

mod format;
mod jobs;
mod journey;
mod payloads;
mod replay;
mod rings;
mod secrecy;
mod settings;
mod size;
mod tampered;
