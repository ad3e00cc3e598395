//! What users of `RedisStore` rely on.
