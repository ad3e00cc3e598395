//! What users of `RedisStore` rely on.

mod conformance;
mod fixture;
mod lazy;
