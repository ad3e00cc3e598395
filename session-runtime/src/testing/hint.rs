//! The hint that a save attaches to a patch, for tests of the stores of this library. It is not part of the store
//! contract.

use crate::record::patch::Patch;
pub use crate::record::patch::unchanged::UnchangedHint;

/// Returns the hint of a patch.
#[must_use]
pub const fn hint_of(patch: &Patch) -> Option<UnchangedHint> {
    patch.unchanged
}

/// Returns the patch with this hint.
#[must_use]
pub fn hinted(patch: Patch, hint: UnchangedHint) -> Patch {
    Patch { unchanged: Some(hint), ..patch }
}
