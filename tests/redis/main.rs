//! What users of `RedisStore` rely on.

mod conformance;
