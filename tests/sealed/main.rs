//! What users of `CookieStore` rely on.
