//! What users of `PostgresStore` rely on.
