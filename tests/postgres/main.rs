//! What users of `PostgresStore` rely on.

mod conformance;
