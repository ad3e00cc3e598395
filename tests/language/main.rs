//! The derive and the types it accepts, without a server: generated code, compiler messages, stored values, versions of a
//! schema, the stored form of each release, and the fuzz targets without a fuzzer.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test that cannot go on has failed")]

mod derive;
mod fuzz;
mod golden;
mod ui;
mod values;
mod versions;
