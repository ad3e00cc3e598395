//! What users of `RedisStore` rely on.

mod cluster;
mod conformance;
mod cost;
mod damaged;
mod faults;
mod fixture;
mod lazy;
