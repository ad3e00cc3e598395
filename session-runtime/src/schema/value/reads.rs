//! How far a type is known to be read as it was written.

use super::Ty;

/// How far reading is known to undo writing, without reading anything.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Every value that can be written.
    Always,
    /// Every value whose text has no `null` in it: JSON has no NaN, and no `Some` around a `null`.
    UnlessNull,
    /// Unknown: each value is read before it is stored.
    Perhaps,
}

impl Reads {
    /// The lesser of two: a type is read as well as its parts are.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Perhaps, _) | (_, Self::Perhaps) => Self::Perhaps,
            (Self::UnlessNull, _) | (_, Self::UnlessNull) => Self::UnlessNull,
            (Self::Always, Self::Always) => Self::Always,
        }
    }

    /// Of an `Option` of a type with this shape.
    #[must_use]
    pub const fn optional(self, ty: &Ty) -> Self {
        if may_be_null(ty) { self.and(Self::UnlessNull) } else { self }
    }
}

/// Whether a value of this shape may be written as `null`.
const fn may_be_null(ty: &Ty) -> bool {
    match ty {
        Ty::Prim(name) => matches!(name.as_bytes(), b"unit" | b"f32" | b"f64"),
        Ty::Nullable(_) | Ty::Opaque(_) | Ty::Skippable(_) => true,
        _ => false,
    }
}
