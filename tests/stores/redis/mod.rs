//! The promises of `RedisStore`.

mod cluster;
mod config;
mod conformance;
mod cost;
mod damaged;
mod eviction;
mod faults;
mod fixture;
mod idle;
mod index;
mod large;
mod lazy;
mod lost;
mod model;
mod unchanged;
mod walks;
