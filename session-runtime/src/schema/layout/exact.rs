//! Test for shapes whose text is unique, and an exact form for all others.
//!
//! The text that `shape` hashes has no delimiters after names, and pins in source code depend on it. It is unambiguous
//! if no name in it looks like a type: such shapes are *plain* and keep that text. All others are hashed in a form
//! that puts the length before each name and list.

use super::shape::{byte, next_key, next_variant, number, same, text};
use crate::schema::value::{Enum, Struct, Tag, Ty, Variant};

/// Names that this crate gives to values without parts. A plain text contains no other names of such values, except at
/// its end.
#[rustfmt::skip]
const BUILT_IN: &[&str] = &[
    "bool", "char", "str", "f32", "f64", "unit",
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "nonzero-u8", "nonzero-u16", "nonzero-u32", "nonzero-u64", "nonzero-u128", "nonzero-usize",
    "nonzero-i8", "nonzero-i16", "nonzero-i32", "nonzero-i64", "nonzero-i128", "nonzero-isize",
    "ip", "ipv4", "ipv6", "socket", "socket-v4", "socket-v6", "number",
    "datetime-rfc3339", "datetime-iso8601", "date-iso8601", "time-iso8601", "weekday-short", "month-name",
    "datetime-offset", "datetime-utc", "datetime-plain", "date-plain", "time-plain", "offset", "seconds", "weekday-name",
    "uuid", "uuid-nonnil", "decimal", "url",
];

/// Bytes that begin or end a type or a list. In a name, they could be read as one.
const MARKS: &[u8] = b"?[]#(){}|<~+.;:!*";

/// Returns whether no other plain shape has the text of this shape. At the tail, a name extends to the end of the
/// text.
pub(super) const fn is_plain(ty: &Ty, is_tail: bool) -> bool {
    match ty {
        Ty::Prim(name) => is_tail || is_built_in(name),
        Ty::Opaque(name) => is_tail || same(name, "json"),
        Ty::Nullable(inner) | Ty::Seq(inner) | Ty::Set(inner) | Ty::Array(inner, _) | Ty::Skippable(inner) => {
            is_plain(inner, is_tail)
        }
        Ty::Map(key, value) => is_plain(key, false) && is_plain(value, is_tail),
        Ty::Tuple(parts) => are_plain(parts),
        Ty::Struct(object) => is_plain_object(object),
        Ty::Enum(one) => is_plain_enum(one),
    }
}

const fn are_plain(parts: &[Ty]) -> bool {
    let mut at = 0;
    while at < parts.len() && is_plain(&parts[at], false) {
        at += 1;
    }
    at == parts.len()
}

const fn is_plain_object(object: &Struct) -> bool {
    let mut at = 0;
    while at < object.keys.len() {
        let key = &object.keys[at];
        if !is_plain_name(key.name) || runs_on(key.name, &key.ty) || !is_plain(&key.ty, false) {
            return false;
        }
        at += 1;
    }
    true
}

const fn is_plain_enum(one: &Enum) -> bool {
    let mut at = 0;
    while at < one.variants.len() {
        let variant = &one.variants[at];
        let is_plain_content = match &variant.content {
            Some(content) => is_plain(content, false),
            None => true,
        };
        if !is_plain_name(variant.name) || !is_plain_content {
            return false;
        }
        at += 1;
    }
    match one.tag {
        Tag::External => true,
        Tag::Internal(tag) => is_plain_name(tag),
        Tag::Adjacent(tag, content) => is_plain_name(tag) && is_plain_name(content),
    }
}

/// Returns whether nothing in a name looks like a type, and its beginning does not look like the rest of a type's
/// name.
const fn is_plain_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if has(MARKS, bytes[at]) || bytes[at] == b'p' && begins_built_in(bytes, at + 1) || begins(bytes, at, b"ojson") {
            return false;
        }
        at += 1;
    }
    // As in `ip` and `v4`, `uuid` and `-nonnil`.
    !(bytes.is_empty() || bytes[0] == b'-' || begins(bytes, 0, b"v4") || begins(bytes, 0, b"v6"))
}

/// Returns whether a name that ends in `pi`, followed by the `p` of its type, reads as a shorter key of type `ip` and
/// a key that may come next. Keys are ordered from last to first.
const fn runs_on(name: &str, ty: &Ty) -> bool {
    let (bytes, next) = (name.as_bytes(), first_letter(ty));
    bytes.len() > 2 && begins(bytes, bytes.len() - 2, b"pi") && next != 0 && next <= bytes[0]
}

/// Returns the first byte of the name of a value without parts; 0 for other types.
const fn first_letter(ty: &Ty) -> u8 {
    match ty {
        Ty::Prim(name) if !name.is_empty() => name.as_bytes()[0],
        _ => 0,
    }
}

const fn is_built_in(name: &str) -> bool {
    let mut at = 0;
    while at < BUILT_IN.len() && !same(BUILT_IN[at], name) {
        at += 1;
    }
    at < BUILT_IN.len()
}

const fn begins_built_in(bytes: &[u8], from: usize) -> bool {
    let mut at = 0;
    while at < BUILT_IN.len() && !begins(bytes, from, BUILT_IN[at].as_bytes()) {
        at += 1;
    }
    at < BUILT_IN.len()
}

/// Returns whether `bytes` contains `part` at `from`.
const fn begins(bytes: &[u8], from: usize, part: &[u8]) -> bool {
    let mut at = 0;
    while at < part.len() && from + at < bytes.len() && bytes[from + at] == part[at] {
        at += 1;
    }
    at == part.len()
}

const fn has(bytes: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != byte {
        at += 1;
    }
    at < bytes.len()
}

/// Hashes the exact form, with the length before each name and list.
pub(super) const fn exact(hash: u64, ty: &Ty) -> u64 {
    match ty {
        Ty::Prim(name) => word(byte(hash, b'p'), name),
        Ty::Opaque(name) => word(byte(hash, b'o'), name),
        Ty::Nullable(inner) => exact(byte(hash, b'?'), inner),
        Ty::Seq(inner) => exact(byte(hash, b'['), inner),
        Ty::Set(inner) => exact(byte(hash, b'<'), inner),
        Ty::Skippable(inner @ Ty::Nullable(_)) => exact(hash, inner),
        Ty::Skippable(inner) => exact(byte(hash, b'~'), inner),
        Ty::Array(inner, length) => exact(count(byte(hash, b'#'), *length), inner),
        Ty::Map(key, value) => exact(exact(byte(hash, b'm'), key), value),
        Ty::Tuple(parts) => {
            let (mut hash, mut at) = (count(byte(hash, b'('), parts.len()), 0);
            while at < parts.len() {
                hash = exact(hash, &parts[at]);
                at += 1;
            }
            hash
        }
        Ty::Struct(object) => {
            let (mut hash, mut above) = (byte(hash, b'{'), None);
            while let Some(at) = next_key(object, above) {
                let key = &object.keys[at];
                hash = exact(word(byte(hash, b','), key.name), &key.ty);
                above = Some(key.name);
            }
            byte(hash, b'}')
        }
        Ty::Enum(one) => exact_enum(hash, one),
    }
}

const fn exact_enum(hash: u64, one: &Enum) -> u64 {
    let (mut hash, mut above) = (exact_tag(byte(hash, b'|'), one), None);
    while let Some(at) = next_variant(one.variants, above) {
        hash = exact_variant(byte(hash, b','), &one.variants[at]);
        above = Some(one.variants[at].name);
    }
    byte(hash, if one.open { b'+' } else { b'.' })
}

pub(super) const fn exact_tag(hash: u64, one: &Enum) -> u64 {
    match one.tag {
        Tag::External => byte(hash, b'e'),
        Tag::Internal(tag) => word(byte(hash, b'i'), tag),
        Tag::Adjacent(tag, content) => word(word(byte(hash, b'a'), tag), content),
    }
}

pub(super) const fn exact_variant(hash: u64, variant: &Variant) -> u64 {
    let hash = word(hash, variant.name);
    match &variant.content {
        Some(content) => exact(byte(hash, b'='), content),
        None => byte(hash, b'_'),
    }
}

const fn word(hash: u64, word: &str) -> u64 {
    text(count(hash, word.len()), word)
}

const fn count(hash: u64, length: usize) -> u64 {
    byte(number(hash, length), b':')
}

/// Returns whether the shape contains a value without parts of this name.
pub(super) const fn holds(ty: &Ty, name: &str) -> bool {
    match ty {
        Ty::Prim(prim) => same(prim, name),
        Ty::Opaque(_) => false,
        Ty::Nullable(inner) | Ty::Seq(inner) | Ty::Set(inner) | Ty::Array(inner, _) | Ty::Skippable(inner) => {
            holds(inner, name)
        }
        Ty::Map(key, value) => holds(key, name) || holds(value, name),
        Ty::Tuple(parts) => {
            let mut at = 0;
            while at < parts.len() && !holds(&parts[at], name) {
                at += 1;
            }
            at < parts.len()
        }
        Ty::Struct(object) => {
            let mut at = 0;
            while at < object.keys.len() && !holds(&object.keys[at].ty, name) {
                at += 1;
            }
            at < object.keys.len()
        }
        Ty::Enum(one) => {
            let mut at = 0;
            while at < one.variants.len() {
                if let Some(content) = &one.variants[at].content
                    && holds(content, name)
                {
                    return true;
                }
                at += 1;
            }
            false
        }
    }
}

#[cfg(test)]
mod tests;
