//! Merge rule of a field, as the table of a schema holds it.

use crate::error::SessionError;
use crate::schema::{FieldSpec, SchemaSpec};

/// Function from base, theirs and ours to the text to be stored; `None` is an absent key.
#[doc(hidden)]
pub type MergeFn = fn(Merging, Option<&str>, Option<&str>, Option<&str>) -> Merged;

/// Schema and field of the merged value.
#[doc(hidden)]
pub type Merging = (&'static SchemaSpec, &'static FieldSpec);

/// Text to be stored.
#[doc(hidden)]
pub type Merged = Result<Option<String>, SessionError>;

/// Handling of a value that both requests changed.
#[derive(Clone, Copy)]
pub(crate) enum Merge {
    /// Takes ours without reading the stored value.
    LastWrite,
    /// Rejects ours with 409.
    Reject,
    /// Computes the value from all three.
    With(MergeFn),
    /// Adds the difference between ours and the base to theirs.
    Sum(MergeFn),
}

impl Merge {
    /// Returns whether a patch must check that the value is still the one loaded.
    pub(crate) fn needs_base(self) -> bool {
        !matches!(self, Self::LastWrite)
    }
}
