//! What users of `RedisStore` rely on.

mod cluster;
mod config;
mod conformance;
mod cost;
mod damaged;
mod faults;
mod fixture;
mod lazy;
mod walks;
