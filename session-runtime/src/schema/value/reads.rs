//! Degrees to which a type is known to be read as it was written.

use super::Ty;

/// Degree to which a type is known to be read as it was written, without reading a value.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Every value that can be written is read as it was.
    Always,
    /// Every value whose text contains no `null` is read as it was: JSON has no NaN, and no `Some` around a `null`.
    UnlessNull,
    /// Unknown: each value is read back before it is stored.
    Perhaps,
}

impl Reads {
    /// Returns the lesser of two degrees, since a type reads back only as well as its parts do.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Perhaps, _) | (_, Self::Perhaps) => Self::Perhaps,
            (Self::UnlessNull, _) | (_, Self::UnlessNull) => Self::UnlessNull,
            (Self::Always, Self::Always) => Self::Always,
        }
    }

    /// Returns the degree for an `Option` of a type with this shape.
    #[must_use]
    pub const fn optional(self, ty: &Ty) -> Self {
        if may_be_null(ty) { self.and(Self::UnlessNull) } else { self }
    }
}

/// Returns whether a value of this shape may be written as `null`.
const fn may_be_null(ty: &Ty) -> bool {
    match ty {
        Ty::Prim(name) => matches!(name.as_bytes(), b"unit" | b"f32" | b"f64"),
        Ty::Nullable(_) | Ty::Opaque(_) | Ty::Skippable(_) => true,
        _ => false,
    }
}
