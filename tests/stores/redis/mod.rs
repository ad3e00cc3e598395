//! What users of `RedisStore` rely on.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

mod cluster;
mod config;
mod conformance;
mod cost;
mod damaged;
mod eviction;
mod faults;
mod fixture;
mod lazy;
mod lost;
mod model;
mod unchanged;
mod walks;
