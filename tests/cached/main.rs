//! What users of `CachedStore` rely on.
