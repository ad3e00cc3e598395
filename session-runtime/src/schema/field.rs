//! The rule that merges a field, as the table of a schema holds it.

use crate::error::SessionError;
use crate::schema::{FieldSpec, SchemaSpec};

/// Base, theirs, ours to what is to be stored; `None` is an absent key.
#[doc(hidden)]
pub type MergeFn = fn(Merging, Option<&str>, Option<&str>, Option<&str>) -> Merged;

/// The field that is merged.
#[doc(hidden)]
pub type Merging = (&'static SchemaSpec, &'static FieldSpec);

/// What is to be stored.
#[doc(hidden)]
pub type Merged = Result<Option<String>, SessionError>;

/// What happens when both requests changed one value.
#[derive(Clone, Copy)]
pub(crate) enum Merge {
    /// Ours is taken; what is there is not even looked at.
    LastWrite,
    /// Neither: 409.
    Reject,
    /// Computed from all three.
    With(MergeFn),
    /// Theirs and the difference between ours and the base.
    Sum(MergeFn),
}

impl Merge {
    /// Whether a patch must know that the value is still the one loaded.
    pub(crate) fn needs_base(self) -> bool {
        !matches!(self, Self::LastWrite)
    }
}
