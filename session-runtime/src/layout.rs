//! Layouts of schemas as the compiler compares them: hashes, what they allow to older programs, and what to say.
//!
//! Takes the table of a schema's fields and what its attributes pin; everything here runs in constants. A hash is FNV-1a
//! of 64 bits over the shape, folded to 32: of one key, so that a message can name the one that changed.
//!
//! ```text
//! pu32        a value without parts         {qtypu32…}   an object, its keys from last to first
//! ?pstr       null or this                  |e…          an enum: how it tells its variant, the variants likewise
//! [pstr       any number of these           omoney@1     opaque
//! #3pstr      three of these                (pstrpu32)   one of each
//! mpstrpu32   a map                         *mpstrpu32   a map that is stored entry by entry
//! ```
//!
//! Not part of it: Rust's names for types, docs, the order of fields, defaults, accessors.

use crate::message::Message;
use crate::schema::{FieldOps, FieldSpec, History, Schema};
use crate::value::{Enum, Struct, Tag, Ty, Variant};

/// A stored key and the hash of its shape.
pub(crate) type Pin = (&'static str, u32);

/// What a program that knows an older layout may do with this one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compatible {
    /// Nothing at all.
    No,
    /// Read: it would lose what it does not know, were it to write.
    Read,
    /// Read and write.
    Write,
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

const fn byte(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

const fn text(mut hash: u64, text: &str) -> u64 {
    let mut at = 0;
    while at < text.len() {
        hash = byte(hash, text.as_bytes()[at]);
        at += 1;
    }
    hash
}

const fn fold(hash: u64) -> u32 {
    let bytes = hash.to_be_bytes();
    u32::from_be_bytes([bytes[0] ^ bytes[4], bytes[1] ^ bytes[5], bytes[2] ^ bytes[6], bytes[3] ^ bytes[7]])
}

/// The hash of what is stored under a field's key; `None` if its shape is unknown.
pub(crate) const fn hash(field: &FieldSpec) -> Option<u32> {
    let Some(ty) = field.shape else { return None };
    let begun = if field.prefix.is_empty() { BASIS } else { byte(BASIS, b'*') };
    Some(fold(shape(begun, ty)))
}

const fn shape(hash: u64, ty: &Ty) -> u64 {
    match ty {
        Ty::Prim(name) => text(byte(hash, b'p'), name),
        Ty::Nullable(inner) => shape(byte(hash, b'?'), inner),
        Ty::Seq(inner) => shape(byte(hash, b'['), inner),
        Ty::Array(inner, length) => shape(number(byte(hash, b'#'), *length), inner),
        Ty::Map(key, value) => shape(shape(byte(hash, b'm'), key), value),
        Ty::Tuple(parts) => tuple(hash, parts),
        Ty::Struct(object) => object_shape(hash, object),
        Ty::Enum(one) => enum_shape(hash, one),
        Ty::Opaque(name) => text(byte(hash, b'o'), name),
    }
}

const fn number(mut hash: u64, mut number: usize) -> u64 {
    const DIGITS: &[u8; 10] = b"0123456789";
    // The digits backwards, which is as good as forwards.
    while number > 9 {
        hash = byte(hash, DIGITS[number % 10]);
        number /= 10;
    }
    byte(hash, DIGITS[number])
}

const fn tuple(hash: u64, parts: &[Ty]) -> u64 {
    let mut hash = byte(hash, b'(');
    let mut at = 0;
    while at < parts.len() {
        hash = shape(hash, &parts[at]);
        at += 1;
    }
    byte(hash, b')')
}

const fn object_shape(hash: u64, object: &Struct) -> u64 {
    let mut hash = byte(hash, b'{');
    let mut above = None;
    while let Some(at) = next_key(object, above) {
        let key = &object.keys[at];
        hash = shape(text(hash, key.name), &key.ty);
        above = Some(key.name);
    }
    byte(hash, b'}')
}

/// The last key before `above`.
const fn next_key(object: &Struct, above: Option<&str>) -> Option<usize> {
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

const fn next_variant(variants: &[Variant], above: Option<&str>) -> Option<usize> {
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

/// Whether `name` is below `above` and above `best`.
const fn comes_next(name: &str, above: Option<&str>, best: Option<&str>) -> bool {
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

const fn less(a: &str, b: &str) -> bool {
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
    !less(a, b) && !less(b, a)
}

const fn enum_shape(hash: u64, one: &Enum) -> u64 {
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
    byte(hash, b'.')
}

/// The stored fields of a schema, in the order of its struct.
const fn fields<S: Schema>() -> &'static [FieldOps<S>] {
    S::FIELDS
}

const fn pin_of(pins: &[Pin], key: &str) -> Option<u32> {
    let mut at = 0;
    while at < pins.len() {
        if same(pins[at].0, key) {
            return Some(pins[at].1);
        }
        at += 1;
    }
    None
}

const fn field_of<S: Schema>(key: &str) -> Option<&'static FieldSpec> {
    let mut at = 0;
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if field.is_stored() && same(field.key(), key) {
            return Some(field);
        }
        at += 1;
    }
    None
}

/// The hash of a whole layout, as stored metadata has it: `None` where it is not pinned.
pub(crate) const fn whole<S: Schema>() -> Option<u32> {
    match S::HISTORY.layout {
        Some(pins) => Some(hash_of(pins)),
        None => None,
    }
}

/// The same of any pinned layout.
pub(crate) const fn hash_of(pins: &[Pin]) -> u32 {
    // Each key by itself and all added up, so that their order means nothing.
    let (mut sum, mut at) = (0_u64, 0);
    while at < pins.len() {
        let (key, hash) = pins[at];
        sum = sum.wrapping_add(number(byte(text(BASIS, key), b':'), hash as usize));
        at += 1;
    }
    fold(sum)
}

/// Whether the layout is the pinned one.
const fn is_pinned<S: Schema>() -> bool {
    let Some(pins) = S::HISTORY.layout else { return true };
    let (mut at, mut stored) = (0, 0);
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if field.is_stored() {
            stored += 1;
            match (hash(field), pin_of(pins, field.key())) {
                (Some(hash), Some(pin)) if hash == pin => {}
                _ => return false,
            }
        }
        at += 1;
    }
    stored == pins.len()
}

/// What changed against the pinned layout, and the pin to paste.
#[must_use]
pub const fn drift<S: Schema>() -> Option<Message> {
    match S::HISTORY.layout {
        Some(pins) if !is_pinned::<S>() => Some(changed::<S>(pins)),
        _ => None,
    }
}

const fn changed<S: Schema>(pins: &[Pin]) -> Message {
    let mut out = Message::new();
    if pins.is_empty() {
        out.parts(&["the stored layout of session schema `", S::KEY, "` is not recorded yet: "]);
        push_pin::<S>(&mut out);
        return out;
    }
    out.parts(&["stored layout of session schema `", S::KEY, "` changed but `version` is still "]);
    out.number(S::VERSION as u64);
    push_changes::<S>(&mut out, pins);
    out.push("\n    if version ");
    out.number(S::VERSION as u64);
    out.push(" was deployed, bump to `version = ");
    out.number(S::VERSION as u64 + 1);
    out.push("` and keep the old struct as `previous`\n    otherwise record the new layout: ");
    push_pin::<S>(&mut out);
    out
}

const fn push_changes<S: Schema>(out: &mut Message, pins: &[Pin]) {
    let mut at = 0;
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        let pin = pin_of(pins, field.key());
        if let (true, Some(ty), Some(now)) = (field.is_stored(), field.shape, hash(field)) {
            match pin {
                Some(pin) if pin == now => {}
                Some(_) => {
                    out.parts(&["\n    key `", field.key(), "` changed type; it is now "]);
                    push_type(out, ty, field);
                }
                None => {
                    out.parts(&["\n    key `", field.key(), "` was added: "]);
                    push_type(out, ty, field);
                }
            }
        }
        at += 1;
    }
    let mut at = 0;
    while at < pins.len() {
        if field_of::<S>(pins[at].0).is_none() {
            out.parts(&["\n    key `", pins[at].0, "` was removed"]);
        }
        at += 1;
    }
}

const fn push_type(out: &mut Message, ty: &Ty, field: &FieldSpec) {
    push_shape(out, ty);
    if !field.prefix.is_empty() {
        out.push(", entry by entry");
    }
}

/// `layout = "items:e85afc95 coupon:ec0d589b"`.
const fn push_pin<S: Schema>(out: &mut Message) {
    out.push("layout = \"");
    let (mut at, mut first) = (0, true);
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if let (true, Some(hash)) = (field.is_stored(), hash(field)) {
            if !first {
                out.push(" ");
            }
            out.parts(&[field.key(), ":"]);
            out.hex(hash);
            first = false;
        }
        at += 1;
    }
    out.push("\"");
}

/// The layout to paste, if all shapes are known.
pub(crate) const fn to_paste<S: Schema>() -> Option<Message> {
    let mut at = 0;
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if field.is_stored() && field.shape.is_none() {
            return None;
        }
        at += 1;
    }
    let mut out = Message::new();
    push_pin::<S>(&mut out);
    Some(out)
}

const fn push_shape(out: &mut Message, ty: &Ty) {
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

const fn push_tuple(out: &mut Message, parts: &[Ty]) {
    let mut at = 0;
    while at < parts.len() {
        out.push(if at == 0 { "(" } else { ", " });
        push_shape(out, &parts[at]);
        at += 1;
    }
    out.push(")");
}

const fn push_object(out: &mut Message, object: &Struct) {
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

const fn push_enum(out: &mut Message, one: &Enum) {
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
}

/// Whether every key of `S` that an older layout has is there with the same shape, a rename counted or not.
const fn keeps<S: Schema>(pins: &[Pin], renamed: bool) -> bool {
    let mut at = 0;
    while at < pins.len() {
        let kept = match kept_as::<S>(pins[at].0, renamed) {
            Some(field) => matches!(hash(field), Some(hash) if hash == pins[at].1),
            None => false,
        };
        if !kept {
            return false;
        }
        at += 1;
    }
    true
}

/// The field that holds what an older version had under `key`.
const fn kept_as<S: Schema>(key: &str, renamed: bool) -> Option<&'static FieldSpec> {
    if let Some(field) = field_of::<S>(key) {
        return Some(field);
    }
    let mut at = 0;
    while renamed && at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if let Some(from) = field.renamed_from
            && same(from, key)
        {
            return Some(field);
        }
        at += 1;
    }
    None
}

/// Why an older version that `was` names is not this one without some keys.
#[must_use]
pub const fn not_additive<S: Schema>(at: usize) -> Option<Message> {
    let (version, pins) = S::HISTORY.was[at];
    if keeps::<S>(pins, true) { None } else { Some(lost::<S>(version, pins)) }
}

const fn lost<S: Schema>(version: u16, pins: &[Pin]) -> Message {
    let mut out = Message::new();
    out.push("version ");
    out.number(S::VERSION as u64);
    out.push(" is not an additive change of ");
    out.number(version as u64);
    out.parts(&[" of session schema `", S::KEY, "`"]);
    let mut at = 0;
    while at < pins.len() {
        let (key, pin) = pins[at];
        match kept_as::<S>(key, true) {
            None => out.parts(&["\n    key `", key, "` was removed"]),
            Some(field) => {
                if let (Some(ty), Some(hash)) = (field.shape, hash(field))
                    && hash != pin
                {
                    out.parts(&["\n    key `", key, "` changed type; it is now "]);
                    push_type(&mut out, ty, field);
                }
            }
        }
        at += 1;
    }
    out.push("\n    keep the old struct as `previous`");
    out
}

/// The version that `previous` must have: the one below all that `was` and `migrate` speak of.
const fn below<S: Schema>() -> u16 {
    let mut version = S::VERSION;
    while version > 1 && (was::<S>(version - 1).is_some() || migrates::<S>(version - 1)) {
        version -= 1;
    }
    version - 1
}

const fn was<S: Schema>(version: u16) -> Option<&'static [Pin]> {
    let (mut at, was) = (0, S::HISTORY.was);
    while at < was.len() {
        if was[at].0 == version {
            return Some(was[at].1);
        }
        at += 1;
    }
    None
}

const fn migrates<S: Schema>(version: u16) -> bool {
    let (mut at, steps) = (0, S::HISTORY.migrate);
    while at < steps.len() {
        if steps[at].from == version {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether `P` is the version right below, of the same schema.
pub(crate) const fn is_next<S: Schema, P: Schema>() -> bool {
    P::HISTORY.is_refused || same(S::KEY, P::KEY) && P::VERSION == below::<S>()
}

/// Why it is not.
pub(crate) const fn not_next<S: Schema, P: Schema>() -> Message {
    let mut out = Message::new();
    if !same(S::KEY, P::KEY) {
        out.parts(&["`", P::NAME, "` belongs to session schema \"", P::KEY, "\", not to \"", S::KEY, "\""]);
    } else if was::<S>(P::VERSION).is_some() || migrates::<S>(P::VERSION) {
        out.parts(&["`previous = ", P::NAME, "` cannot be combined with `was` or `migrate` for the same version, "]);
        out.number(P::VERSION as u64);
    } else {
        out.parts(&["migration chain of session schema `", S::KEY, "` has a gap: version "]);
        out.number(S::VERSION as u64);
        out.push(" names a previous struct of version ");
        out.number(P::VERSION as u64);
        out.push(", expected ");
        out.number(below::<S>() as u64);
    }
    out
}

/// Whether every key of `P`, and every key that it retired, is kept or retired.
pub(crate) const fn is_kept<S: Schema, P: Schema>() -> bool {
    P::HISTORY.is_refused || forgotten::<S, P>(0).is_none()
}

/// The first key from `at` on, those that `P` has before those that it retired, that is neither; and the next `at`.
const fn forgotten<S: Schema, P: Schema>(mut at: usize) -> Option<(&'static str, usize)> {
    let retired = P::HISTORY.retired;
    while at < fields::<P>().len() + retired.len() {
        let (key, is_kept) = if at < fields::<P>().len() {
            let field = &fields::<P>()[at].spec;
            (field.key(), !field.is_stored() || kept_as::<S>(field.key(), true).is_some())
        } else {
            (retired[at - fields::<P>().len()], false)
        };
        at += 1;
        if !is_kept && !is_retired::<S>(key) {
            return Some((key, at));
        }
    }
    None
}

const fn is_retired<S: Schema>(key: &str) -> bool {
    let (mut at, retired) = (0, S::HISTORY.retired);
    while at < retired.len() {
        if same(retired[at], key) {
            return true;
        }
        at += 1;
    }
    false
}

/// Which keys are not.
pub(crate) const fn not_kept<S: Schema, P: Schema>() -> Message {
    let mut out = Message::new();
    let is_one = match forgotten::<S, P>(0) {
        Some((_, next)) => forgotten::<S, P>(next).is_none(),
        None => true,
    };
    out.push(if is_one { "key `" } else { "keys `" });
    push_forgotten::<S, P>(&mut out, "`, `");
    out.push("` of version ");
    out.number(P::VERSION as u64);
    out.push(if is_one { " is" } else { " are" });
    out.push(" neither kept nor retired: add `retired(\"");
    push_forgotten::<S, P>(&mut out, "\", \"");
    out.push("\")`, or `renamed_from` where a field holds it under a new name");
    out
}

const fn push_forgotten<S: Schema, P: Schema>(out: &mut Message, between: &str) {
    let (mut at, mut is_first) = (0, true);
    while let Some((key, next)) = forgotten::<S, P>(at) {
        if !is_first {
            out.push(between);
        }
        out.push(key);
        (at, is_first) = (next, false);
    }
}

/// A key of `P` that a program of its version cannot read as `S` stores it.
pub(crate) const fn unreadable<S: Schema, P: Schema>() -> Option<&'static str> {
    let mut at = 0;
    while at < fields::<P>().len() {
        let field = &fields::<P>()[at].spec;
        if field.is_stored() && matches!(compatible_key::<S>(field), Compatible::No) {
            return Some(field.key());
        }
        at += 1;
    }
    None
}

const fn compatible_key<S: Schema>(old: &FieldSpec) -> Compatible {
    match field_of::<S>(old.key()) {
        Some(now) => compatible_field(now, old),
        None => Compatible::No,
    }
}

/// What a program of `P`'s version may do with what `S` stores.
pub(crate) const fn compatible<S: Schema, P: Schema>() -> Compatible {
    let (mut at, mut all) = (0, Compatible::Write);
    while at < fields::<P>().len() {
        let field = &fields::<P>()[at].spec;
        if field.is_stored() {
            match compatible_key::<S>(field) {
                Compatible::No => return Compatible::No,
                Compatible::Read => all = Compatible::Read,
                Compatible::Write => {}
            }
        }
        at += 1;
    }
    all
}

const fn compatible_field(now: &FieldSpec, old: &FieldSpec) -> Compatible {
    if let (Some(a), Some(b)) = (hash(now), hash(old))
        && a == b
    {
        return Compatible::Write;
    }
    match (now.shape, old.shape) {
        (Some(now_ty), Some(old_ty)) if now.prefix.is_empty() == old.prefix.is_empty() => nested(now_ty, old_ty),
        _ => Compatible::No,
    }
}

/// `Write` for the same shape, `Read` where objects inside have keys more.
const fn nested(now: &Ty, old: &Ty) -> Compatible {
    if fold(shape(BASIS, now)) == fold(shape(BASIS, old)) {
        return Compatible::Write;
    }
    match (now, old) {
        (Ty::Nullable(now), Ty::Nullable(old)) | (Ty::Seq(now), Ty::Seq(old)) => nested(now, old),
        (Ty::Array(now, a), Ty::Array(old, b)) if *a == *b => nested(now, old),
        (Ty::Map(a, now), Ty::Map(b, old)) => match nested(a, b) {
            Compatible::Write => nested(now, old),
            _ => Compatible::No,
        },
        (Ty::Struct(now), Ty::Struct(old)) if !old.closed => nested_object(now, old),
        (Ty::Enum(now), Ty::Enum(old)) if old.open => nested_enum(now, old),
        _ => Compatible::No,
    }
}

const fn nested_object(now: &Struct, old: &Struct) -> Compatible {
    let mut at = 0;
    while at < old.keys.len() {
        let mut there = false;
        let mut other = 0;
        while other < now.keys.len() {
            if same(now.keys[other].name, old.keys[at].name) {
                there = !matches!(nested(&now.keys[other].ty, &old.keys[at].ty), Compatible::No);
            }
            other += 1;
        }
        if !there {
            return Compatible::No;
        }
        at += 1;
    }
    Compatible::Read
}

/// A catch-all keeps what it does not know, so it may be written back.
const fn nested_enum(now: &Enum, old: &Enum) -> Compatible {
    if tag(now) != tag(old) {
        return Compatible::No;
    }
    let mut at = 0;
    while at < old.variants.len() {
        if !has_variant(now.variants, variant(BASIS, &old.variants[at])) {
            return Compatible::No;
        }
        at += 1;
    }
    Compatible::Write
}

/// The shape of an enum without variants: how it tells them.
const fn tag(one: &Enum) -> u64 {
    enum_shape(BASIS, &Enum { tag: one.tag, variants: &[], open: one.open })
}

const fn has_variant(variants: &[Variant], hash: u64) -> bool {
    let mut at = 0;
    while at < variants.len() {
        if variant(BASIS, &variants[at]) == hash {
            return true;
        }
        at += 1;
    }
    false
}

const fn variant(hash: u64, variant: &Variant) -> u64 {
    let hash = byte(text(hash, variant.name), b';');
    match &variant.content {
        Some(content) => shape(hash, content),
        None => hash,
    }
}

/// The lowest versions of programs that may read and write what `S` stores, as the layouts say.
pub(crate) const fn computed<S: Schema>() -> (u16, u16) {
    let mut lowest = S::VERSION;
    while lowest > 1 {
        match was::<S>(lowest - 1) {
            Some(pins) if keeps::<S>(pins, false) => lowest -= 1,
            _ => break,
        }
    }
    let (mut readers, mut writers) = (lowest, lowest);
    if let (Some(previous), true) = (&S::HISTORY.previous, lowest == below::<S>() + 1) {
        match previous.compatible {
            Compatible::No => {}
            Compatible::Read => readers = previous.spec.readers,
            Compatible::Write => (readers, writers) = (previous.spec.readers, previous.spec.writers),
        }
    }
    (readers, writers)
}

/// The same, tightened by `readers`.
pub(crate) const fn allowed<S: Schema>() -> (u16, u16) {
    let (readers, writers) = computed::<S>();
    match S::HISTORY.readers {
        Some(given) if given > readers => (given, if given > writers { given } else { writers }),
        _ => (readers, writers),
    }
}

/// Why older code that `readers` names cannot read this.
#[must_use]
pub const fn not_readable<S: Schema>() -> Option<Message> {
    match S::HISTORY.readers {
        Some(given) if given < computed::<S>().0 => Some(too_low::<S>(given)),
        _ => None,
    }
}

const fn too_low<S: Schema>(given: u16) -> Message {
    let mut out = Message::new();
    out.push("old code at version ");
    out.number(given as u64);
    out.parts(&[" cannot read session schema `", S::KEY, "` of version "]);
    out.number(S::VERSION as u64);
    if let Some(previous) = &S::HISTORY.previous
        && let Some(key) = previous.unreadable
    {
        out.parts(&[": key `", key, "` is not what version "]);
        out.number(previous.spec.version as u64);
        out.push(" stored");
    }
    out.push("\n    `readers` may only tighten what the layouts allow: `readers = ");
    out.number(computed::<S>().0 as u64);
    out.push("` or more, or none at all");
    out
}

/// What a build without debug assertions says to `unreleased`.
#[must_use]
pub const fn unreleased<S: Schema>(debug_assertions: bool) -> Option<Message> {
    if debug_assertions { None } else { Some(not_released::<S>()) }
}

const fn not_released<S: Schema>() -> Message {
    let mut out = Message::new();
    out.push("version ");
    out.number(S::VERSION as u64);
    out.parts(&[" of session schema `", S::KEY, "` is not pinned; record it: "]);
    push_pin::<S>(&mut out);
    out
}

impl<S: Schema> History<S> {
    /// The versions that this program can read, this one left out.
    pub(crate) fn reads(&self, version: u16) -> bool {
        self.was.iter().any(|(was, _)| *was == version) || self.migrate.iter().any(|step| step.from == version)
    }
}

#[cfg(test)]
mod tests;
