//! Checks for shapes whose values serde writes but does not read back unchanged.
//!
//! The derives run these checks where a field is declared, so a value of such a shape is refused before it can be
//! stored. Opaque shapes are not inspected, and neither are map keys that exist only in a value; the save checks
//! those.

use super::Shape;
use super::shape::{push_shape, same};
use crate::schema::const_message::Message;
use crate::schema::value::{Enum, Struct, Tag, Ty, Variant};

/// Refuses an `Option` of a type that is written as `null`: its `Some` would be read as `None`.
#[must_use]
pub const fn null_in_option(shape: Option<&Shape>) -> Option<Message> {
    match shape {
        Some(shape) => some_is_none(shape.ty),
        None => None,
    }
}

/// Applies [`null_in_option`] to a known shape. Fields of structs and enums are checked where those are declared.
#[must_use]
pub const fn some_is_none(ty: &Ty) -> Option<Message> {
    match ty {
        Ty::Nullable(inner) if is_null(inner) => Some(written_as_null(inner)),
        Ty::Nullable(inner)
        | Ty::Seq(inner)
        | Ty::Set(inner)
        | Ty::Array(inner, _)
        | Ty::Map(_, inner)
        | Ty::Skippable(inner) => some_is_none(inner),
        Ty::Tuple(parts) => {
            let mut at = 0;
            while at < parts.len() {
                if let Some(message) = some_is_none(&parts[at]) {
                    return Some(message);
                }
                at += 1;
            }
            None
        }
        Ty::Prim(_) | Ty::Struct(_) | Ty::Enum(_) | Ty::Opaque(_) => None,
    }
}

/// Returns whether serde writes a value of this shape as `null` by design. `serde_json::Value` is left to the save: it
/// may hold `null`, as `f64` may hold NaN.
const fn is_null(ty: &Ty) -> bool {
    match ty {
        Ty::Nullable(_) => true,
        Ty::Prim(name) => same(name, "unit"),
        _ => false,
    }
}

const fn written_as_null(inner: &Ty) -> Message {
    let mut out = Message::new();
    out.push("`Some` of ");
    push_shape(&mut out, inner);
    out.push(
        " is written as `null` and would be read as `None`: use `bool` for a mark, or an enum that names each case",
    );
    out
}

/// Refuses shapes that serde does not read from the buffer for the content of a variant: map keys that are not text,
/// and numbers of 128 bits. `cause` is the attribute that makes serde use the buffer.
#[must_use]
pub const fn unbuffered(cause: &str, ty: &'static Ty) -> Option<Message> {
    match find(ty) {
        Some(Lost::Key(key)) => Some(key_message(cause, key)),
        Some(Lost::Wide(number)) => Some(wide_message(cause, number)),
        None => None,
    }
}

/// Part of a shape that serde cannot read from a buffer.
#[derive(Clone, Copy)]
enum Lost {
    Key(&'static Ty),
    Wide(&'static str),
}

const fn find(ty: &'static Ty) -> Option<Lost> {
    match ty {
        Ty::Prim(name) if is_wide(name) => Some(Lost::Wide(name)),
        Ty::Prim(_) | Ty::Opaque(_) => None,
        Ty::Nullable(inner) | Ty::Seq(inner) | Ty::Set(inner) | Ty::Array(inner, _) | Ty::Skippable(inner) => {
            find(inner)
        }
        Ty::Map(key, _) if !is_text(key) => Some(Lost::Key(key)),
        Ty::Map(_, value) => find(value),
        Ty::Tuple(parts) => find_in(parts),
        Ty::Struct(object) => find_in_keys(object),
        Ty::Enum(one) => find_in_variants(one.variants),
    }
}

const fn find_in(parts: &'static [Ty]) -> Option<Lost> {
    let mut at = 0;
    while at < parts.len() {
        if let Some(lost) = find(&parts[at]) {
            return Some(lost);
        }
        at += 1;
    }
    None
}

const fn find_in_keys(object: &Struct) -> Option<Lost> {
    let mut at = 0;
    while at < object.keys.len() {
        if let Some(lost) = find(&object.keys[at].ty) {
            return Some(lost);
        }
        at += 1;
    }
    None
}

const fn find_in_variants(variants: &'static [Variant]) -> Option<Lost> {
    let mut at = 0;
    while at < variants.len() {
        if let Some(content) = &variants[at].content
            && let Some(lost) = find(content)
        {
            return Some(lost);
        }
        at += 1;
    }
    None
}

/// Returns whether a map's key is text both in JSON and for serde. Numbers and booleans are text in JSON only.
const fn is_text(key: &Ty) -> bool {
    match key {
        Ty::Prim(name) => !(is_number(name) || same(name, "bool")),
        Ty::Nullable(inner) => is_text(inner),
        _ => true,
    }
}

const fn is_number(name: &str) -> bool {
    const NUMBERS: [&str; 8] = ["8", "16", "32", "64", "128", "size", "f32", "f64"];
    let mut at = 0;
    while at < NUMBERS.len() {
        if ends_with(name, "u", NUMBERS[at]) || ends_with(name, "i", NUMBERS[at]) || same(name, NUMBERS[at]) {
            return true;
        }
        at += 1;
    }
    same(name, "number")
}

const fn is_wide(name: &str) -> bool {
    ends_with(name, "u", "128") || ends_with(name, "i", "128")
}

const fn ends_with(name: &str, sign: &str, bits: &str) -> bool {
    let length = sign.len() + bits.len();
    name.len() >= length && {
        let (_, end) = name.split_at(name.len() - length);
        let (start, rest) = end.split_at(sign.len());
        same(start, sign) && same(rest, bits)
    }
}

const fn key_message(cause: &str, key: &Ty) -> Message {
    let mut out = Message::new();
    out.parts(&["below `#[serde(", cause, ")]` serde reads a map only if its keys are text, and here they are "]);
    push_shape(&mut out, key);
    out.push(": the value would be stored and could not be read again; use `String` keys, or a list of pairs");
    out
}

const fn wide_message(cause: &str, number: &str) -> Message {
    let mut out = Message::new();
    out.parts(&["below `#[serde(", cause, ")]` serde does not read numbers of 128 bits, and here is ", number]);
    out.push(": the value would be stored and could not be read again; use 64 bits, or a `String`");
    out
}

/// Refuses a shape that cannot be the unnamed field of a variant, beside the key `tag` that names the variant.
#[must_use]
pub const fn beside_tag(tag: &str, ty: &Ty) -> Option<Message> {
    match ty {
        Ty::Prim(name) if same(name, "unit") => None,
        Ty::Prim(_) | Ty::Nullable(_) | Ty::Seq(_) | Ty::Set(_) | Ty::Array(..) | Ty::Tuple(_) => {
            Some(no_object(tag, ty))
        }
        _ if has_key(ty, tag) => Some(key_twice(tag)),
        _ => None,
    }
}

/// Returns whether the text written for this shape may contain the key.
const fn has_key(ty: &Ty, key: &str) -> bool {
    match ty {
        Ty::Struct(object) => {
            let mut at = 0;
            while at < object.keys.len() {
                if same(object.keys[at].name, key) {
                    return true;
                }
                at += 1;
            }
            false
        }
        Ty::Enum(one) => enum_has_key(one, key),
        _ => false,
    }
}

const fn enum_has_key(one: &Enum, key: &str) -> bool {
    match one.tag {
        Tag::Adjacent(tag, content) => same(tag, key) || same(content, key),
        Tag::Internal(tag) if same(tag, key) => true,
        Tag::Internal(_) | Tag::External => {
            let mut at = 0;
            while at < one.variants.len() {
                let variant = &one.variants[at];
                let found = match (one.tag, &variant.content) {
                    (Tag::External, _) => same(variant.name, key),
                    (_, Some(content)) => has_key(content, key),
                    (_, None) => false,
                };
                if found {
                    return true;
                }
                at += 1;
            }
            false
        }
    }
}

const fn no_object(tag: &str, ty: &Ty) -> Message {
    let mut out = Message::new();
    out.push("serde cannot write ");
    push_shape(&mut out, ty);
    out.parts(&[" beside `#[serde(tag = \"", tag, "\")]`: give the field a name, or write `tag` and `content`"]);
    out
}

const fn key_twice(tag: &str) -> Message {
    let mut out = Message::new();
    out.parts(&[
        "key \"",
        tag,
        "\" is written twice, by the `tag` and by this type: the value would be stored and could ",
    ]);
    out.push("not be read again; give the `tag` or the key another name");
    out
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::num::NonZeroU128;

    use super::*;
    use crate::SessionValue;
    use crate::schema::value::Key;

    fn is_lost<T: SessionValue>() -> bool {
        let ty: &'static Ty = Box::leak(Box::new(T::TY));
        find(ty).is_some()
    }

    #[test]
    fn numbers_and_truths_as_keys_are_found_at_any_depth() {
        assert!(is_lost::<BTreeMap<u32, u8>>() && is_lost::<HashMap<bool, u8>>() && is_lost::<BTreeMap<i128, u8>>());
        assert!(is_lost::<Vec<Option<(u8, BTreeMap<String, [BTreeMap<usize, u8>; 2]>)>>>());
        assert!(is_lost::<BTreeMap<Option<u8>, u8>>() && is_lost::<Result<u8, BTreeMap<i64, u8>>>());
        assert!(is_lost::<BTreeMap<std::num::NonZeroU32, u8>>());
        assert!(!is_lost::<BTreeMap<String, Vec<(u64, char)>>>() && !is_lost::<BTreeMap<char, std::net::IpAddr>>());
    }

    #[test]
    fn numbers_of_128_bits_are_found_at_any_depth() {
        assert!(is_lost::<u128>() && is_lost::<Option<Vec<i128>>>() && is_lost::<NonZeroU128>());
        assert!(!is_lost::<u64>() && !is_lost::<(f64, usize, std::time::Duration)>());
    }

    #[test]
    fn a_key_like_the_tag_is_found_in_whatever_lies_beside_it() {
        const KEYS: &[Key] = &[Key { name: "kind", ty: Ty::Prim("u8") }];
        const OBJECT: Ty = Ty::Struct(Struct { keys: KEYS, closed: false });
        const VARIANTS: &[Variant] = &[Variant { name: "Card", content: Some(OBJECT) }];
        let one = |tag| Ty::Enum(Enum { tag, variants: VARIANTS, open: false });
        let twice = |ty: &Ty| beside_tag("kind", ty).is_some();
        assert!(twice(&OBJECT) && twice(&one(Tag::Internal("type"))) && twice(&one(Tag::Internal("kind"))));
        assert!(twice(&one(Tag::Adjacent("type", "kind"))) && !twice(&one(Tag::External)));
        assert!(beside_tag("Card", &one(Tag::External)).is_some());
    }

    #[test]
    fn a_type_other_than_an_object_cannot_have_a_tag() {
        let no_object = |ty: &Ty| beside_tag("kind", ty).is_some();
        assert!(no_object(&u8::TY) && no_object(&<Option<u8>>::TY) && no_object(&<Vec<u8>>::TY));
        assert!(!no_object(&<()>::TY) && !no_object(&<BTreeMap<String, u8>>::TY) && !no_object(&Ty::Opaque("a@1")));
    }

    #[test]
    fn a_some_that_is_written_as_null_is_found_at_any_depth() {
        let lost = |ty: &Ty| some_is_none(ty).is_some();
        assert!(lost(&<Option<()>>::TY) && lost(&<Option<Option<u8>>>::TY) && lost(&<Option<Box<Option<u8>>>>::TY));
        assert!(lost(&<Vec<(u8, BTreeMap<String, Option<()>>)>>::TY) && !lost(&<Option<serde_json::Value>>::TY));
        assert!(!lost(&<Option<Vec<Option<u8>>>>::TY) && !lost(&<()>::TY) && !lost(&serde_json::Value::TY));
    }
}
