//! All that generated code may name. Hidden, and pinned to the derive by an exact version.

pub use crate::codec::{Initial, Reader, entries, transient, whole};
pub use crate::error::SessionError;
pub use crate::merge::{entry_sum, sum, with};
pub use crate::schema::{Field, FieldOps, SchemaOptions};
pub use crate::tracked::Tracked;

/// The default of a field without `default = …`.
#[must_use]
pub fn initial<T: Initial>() -> T {
    T::initial()
}

/// Everything that the web framework's half needs of a schema; nothing without a framework.
#[cfg(not(feature = "rocket"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __guards {
    ($schema:ty) => {};
}
