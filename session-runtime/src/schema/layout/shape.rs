//! Hashes of shapes, and their descriptions in messages.

use super::exact::{exact, holds, is_plain};
use crate::schema::const_message::Message;
use crate::schema::value::{Enum, Reads, SessionValue, Struct, Tag, Ty, Variant};
use crate::schema::{FieldSpec, Kind};

pub(super) const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

pub(super) const fn byte(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

pub(super) const fn text(mut hash: u64, text: &str) -> u64 {
    let mut at = 0;
    while at < text.len() {
        hash = byte(hash, text.as_bytes()[at]);
        at += 1;
    }
    hash
}

pub(super) const fn fold(hash: u64) -> u32 {
    let bytes = hash.to_be_bytes();
    u32::from_be_bytes([bytes[0] ^ bytes[4], bytes[1] ^ bytes[5], bytes[2] ^ bytes[6], bytes[3] ^ bytes[7]])
}

/// Shape with its hashes. It is a constant per type, so that the compiler computes them once for all fields of that
/// type.
#[doc(hidden)]
pub struct Shape {
    pub(super) ty: &'static Ty,
    whole: u32,
    entries: u32,
    pub(crate) reads: fn() -> Reads,
    /// True if the shape contains a `Decimal`.
    pub(crate) has_decimals: bool,
}

impl Shape {
    /// Creates a shape that the field's author declares.
    #[must_use]
    pub const fn of(ty: &'static Ty) -> Self {
        Self::new(ty, || Reads::Perhaps)
    }

    /// Creates the shape that the type declares.
    pub(crate) const fn known<T: SessionValue>() -> Self {
        Self::new(&T::TY, T::__reads)
    }

    const fn new(ty: &'static Ty, reads: fn() -> Reads) -> Self {
        let has_decimals = cfg!(feature = "rust_decimal") && holds(ty, "decimal");
        Self { ty, whole: fold(pinned(BASIS, ty)), entries: fold(by_entry(ty)), reads, has_decimals }
    }

    /// Returns the stored shape of one entry's value, if entries are stored one by one.
    pub(crate) const fn of_entry(&self) -> Option<&'static Ty> {
        match self.ty {
            Ty::Map(_, value) => Some(value),
            _ => None,
        }
    }

    /// Returns the stored shape of one element, if elements are stored one by one.
    pub(crate) const fn of_element(&self) -> Option<&'static Ty> {
        match self.ty {
            Ty::Seq(element) => Some(element),
            _ => None,
        }
    }

    /// Returns the stored shape.
    pub(crate) const fn ty(&self) -> &'static Ty {
        self.ty
    }
}

/// Hashes a shape for its pin. If its text could also be read as another shape, the exact form is hashed, which begins
/// like no plain text.
pub(super) const fn pinned(hash: u64, ty: &Ty) -> u64 {
    if is_plain(ty, true) { shape(hash, ty) } else { exact(byte(hash, b'!'), ty) }
}

/// Hashes a shape that is stored entry by entry. A set is hashed like a list, since a list cannot be stored so.
const fn by_entry(ty: &Ty) -> u64 {
    let hash = byte(BASIS, b'*');
    match ty {
        Ty::Set(inner) if is_plain(ty, true) => shape(byte(hash, b'['), inner),
        _ => pinned(hash, ty),
    }
}

/// Returns the hash of the value under a field's key; `None` if its shape is unknown.
pub(crate) const fn hash(field: &FieldSpec) -> Option<u32> {
    let Some(shape) = field.shape else { return None };
    let hash = match field.kind {
        Kind::Entries => shape.entries,
        Kind::Elements => marked(b'>', shape.whole),
        Kind::Whole | Kind::Transient => shape.whole,
    };
    Some(if field.expires_after.is_some() { marked(b'@', hash) } else { hash })
}

/// Hashes a mark and the digits of a hash. No text of a shape begins with such a mark.
const fn marked(mark: u8, hash: u32) -> u32 {
    fold(number(byte(BASIS, mark), hash as usize))
}

/// Returns the hash of a stored text.
pub(crate) const fn hash_of_text(stored: &str) -> u32 {
    fold(text(BASIS, stored))
}

pub(super) const fn shape(hash: u64, ty: &Ty) -> u64 {
    match ty {
        Ty::Prim(name) => text(byte(hash, b'p'), name),
        Ty::Nullable(inner) => shape(byte(hash, b'?'), inner),
        Ty::Seq(inner) => shape(byte(hash, b'['), inner),
        Ty::Set(inner) => shape(byte(hash, b'<'), inner),
        // An `Option` is read even if its key is absent.
        Ty::Skippable(inner @ Ty::Nullable(_)) => shape(hash, inner),
        Ty::Skippable(inner) => shape(byte(hash, b'~'), inner),
        Ty::Array(inner, length) => shape(number(byte(hash, b'#'), *length), inner),
        Ty::Map(key, value) => shape(shape(byte(hash, b'm'), key), value),
        Ty::Tuple(parts) => tuple(hash, parts),
        Ty::Struct(object) => object_shape(hash, object),
        Ty::Enum(one) => enum_shape(hash, one),
        Ty::Opaque(name) => text(byte(hash, b'o'), name),
    }
}

pub(super) const fn number(mut hash: u64, mut number: usize) -> u64 {
    const DIGITS: &[u8; 10] = b"0123456789";
    // The digits are hashed backwards, which is as good as forwards.
    while number > 9 {
        hash = byte(hash, DIGITS[number % 10]);
        number /= 10;
    }
    byte(hash, DIGITS[number])
}

pub(super) const fn tuple(hash: u64, parts: &[Ty]) -> u64 {
    let mut hash = byte(hash, b'(');
    let mut at = 0;
    while at < parts.len() {
        hash = shape(hash, &parts[at]);
        at += 1;
    }
    byte(hash, b')')
}

pub(super) const fn object_shape(hash: u64, object: &Struct) -> u64 {
    let mut hash = byte(hash, b'{');
    let mut above = None;
    while let Some(at) = next_key(object, above) {
        let key = &object.keys[at];
        hash = shape(text(hash, key.name), &key.ty);
        above = Some(key.name);
    }
    byte(hash, b'}')
}

/// Returns the position of the last key before `above`.
pub(super) const fn next_key(object: &Struct, above: Option<&str>) -> Option<usize> {
    let (mut best, mut at): (Option<usize>, usize) = (None, 0);
    while at < object.keys.len() {
        if comes_next(
            object.keys[at].name,
            above,
            match best {
                Some(best) => Some(object.keys[best].name),
                None => None,
            },
        ) {
            best = Some(at);
        }
        at += 1;
    }
    best
}

pub(super) const fn next_variant(variants: &[Variant], above: Option<&str>) -> Option<usize> {
    let (mut best, mut at): (Option<usize>, usize) = (None, 0);
    while at < variants.len() {
        if comes_next(
            variants[at].name,
            above,
            match best {
                Some(best) => Some(variants[best].name),
                None => None,
            },
        ) {
            best = Some(at);
        }
        at += 1;
    }
    best
}

/// Returns whether `name` is below `above` and above `best`.
pub(super) const fn comes_next(name: &str, above: Option<&str>, best: Option<&str>) -> bool {
    let fits = match above {
        Some(above) => less(name, above),
        None => true,
    };
    let better = match best {
        Some(best) => less(best, name),
        None => true,
    };
    fits && better
}

pub(super) const fn less(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return a[at] < b[at];
        }
        at += 1;
    }
    a.len() < b.len()
}

pub(crate) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

pub(super) const fn enum_shape(hash: u64, one: &Enum) -> u64 {
    let mut hash = byte(hash, b'|');
    hash = match one.tag {
        Tag::External => byte(hash, b'e'),
        Tag::Internal(tag) => byte(text(byte(hash, b'i'), tag), b':'),
        Tag::Adjacent(tag, content) => byte(text(byte(text(byte(hash, b'a'), tag), b':'), content), b':'),
    };
    let mut above = None;
    while let Some(at) = next_variant(one.variants, above) {
        let variant = &one.variants[at];
        hash = self::variant(hash, variant);
        above = Some(variant.name);
    }
    if one.open {
        hash = byte(hash, b'+');
    }
    byte(hash, b'.')
}

pub(super) const fn push_type(out: &mut Message, ty: &Ty, field: &FieldSpec) {
    push_shape(out, ty);
    match field.kind {
        Kind::Entries => out.push(", entry by entry"),
        Kind::Elements => out.push(", element by element"),
        Kind::Whole | Kind::Transient => {}
    }
    if field.expires_after.is_some() {
        out.push(", which expires");
    }
}

pub(super) const fn push_shape(out: &mut Message, ty: &Ty) {
    match ty {
        Ty::Prim(name) => out.push(name),
        Ty::Nullable(inner) => {
            out.push("Option<");
            push_shape(out, inner);
            out.push(">");
        }
        Ty::Seq(inner) => {
            out.push("[");
            push_shape(out, inner);
            out.push("]");
        }
        Ty::Set(inner) => {
            out.push("set of ");
            push_shape(out, inner);
        }
        Ty::Skippable(inner) => {
            push_shape(out, inner);
            out.push(" or absent");
        }
        Ty::Array(inner, length) => {
            out.push("[");
            push_shape(out, inner);
            out.push("; ");
            out.number(*length as u64);
            out.push("]");
        }
        Ty::Map(key, value) => {
            out.push("map of ");
            push_shape(out, key);
            out.push(" to ");
            push_shape(out, value);
        }
        Ty::Tuple(parts) => push_tuple(out, parts),
        Ty::Struct(object) => push_object(out, object),
        Ty::Enum(one) => push_enum(out, one),
        Ty::Opaque(name) => out.parts(&["opaque `", name, "`"]),
    }
}

pub(super) const fn push_tuple(out: &mut Message, parts: &[Ty]) {
    let mut at = 0;
    while at < parts.len() {
        out.push(if at == 0 { "(" } else { ", " });
        push_shape(out, &parts[at]);
        at += 1;
    }
    out.push(")");
}

pub(super) const fn push_object(out: &mut Message, object: &Struct) {
    let mut at = 0;
    out.push("{");
    while at < object.keys.len() {
        if at > 0 {
            out.push(", ");
        }
        out.parts(&[object.keys[at].name, ": "]);
        push_shape(out, &object.keys[at].ty);
        at += 1;
    }
    out.push("}");
}

pub(super) const fn push_enum(out: &mut Message, one: &Enum) {
    let mut at = 0;
    while at < one.variants.len() {
        if at > 0 {
            out.push(" | ");
        }
        out.push(one.variants[at].name);
        if let Some(content) = &one.variants[at].content {
            out.push("(");
            push_shape(out, content);
            out.push(")");
        }
        at += 1;
    }
    if one.open {
        out.push(" | …");
    }
}

pub(super) const fn variant(hash: u64, variant: &Variant) -> u64 {
    let hash = byte(text(hash, variant.name), b';');
    match &variant.content {
        Some(content) => shape(hash, content),
        None => hash,
    }
}
