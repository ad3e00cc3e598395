//! Layouts of schemas as the compiler compares them: hashes, what they allow to older programs, and what to say.
//!
//! Takes the table of a schema's fields and what its attributes pin; everything here runs in constants. A hash is FNV-1a
//! of 64 bits over the shape, folded to 32: of one key, so that a message can name the one that changed.
//!
//! ```text
//! pu32        a value without parts         {qtypu32…}   an object, its keys from last to first
//! ?pstr       null or this                  |e…          an enum: how it tells its variant, the variants likewise
//! [pstr       any number of these           omoney@1     opaque
//! <pstr       a set of these                ~pstr        of a key: this, or no key; not marked before `?`
//! #3pstr      three of these                (pstrpu32)   one of each
//! mpstrpu32   a map                         *mpstrpu32   a map that is stored entry by entry
//! !{,3:qty…   the form for shapes whose text here could be read in two ways
//! ```
//!
//! Not part of it: Rust's names for types, docs, the order of fields, defaults, accessors.

use self::shape::{BASIS, byte, fold, number, push_type, text};
use crate::schema::const_message::Message;
use crate::schema::{FieldOps, FieldSpec, Role, Schema};

mod compatible;
mod exact;
mod past;
mod readable;
mod shape;

pub use self::compatible::not_readable;
pub(crate) use self::compatible::{allowed, compatible, unreadable};
use self::past::keeps;
pub use self::past::not_additive;
pub(crate) use self::past::{is_kept, is_next, is_renamed, not_kept, not_next, not_renamed};
pub use self::readable::{beside_tag, null_in_option, some_is_none, unbuffered};
pub use self::shape::Shape;
pub(crate) use self::shape::{hash, same};

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

/// Whether each field's hash is the one pinned at its place.
const fn has_hashes<S: Schema>(pins: &[Pin]) -> bool {
    let (mut at, mut stored) = (0, 0);
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if field.is_stored() {
            match hash(field) {
                Some(hash) if stored < pins.len() && hash == pins[stored].1 => stored += 1,
                _ => return false,
            }
        }
        at += 1;
    }
    stored == pins.len()
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

/// What changed against the pinned layout, and the pin to paste. The macro says whether the pinned keys are those of the
/// fields, in their order: then they need not be compared again.
#[must_use]
pub const fn drift<S: Schema>(in_order: bool) -> Option<Message> {
    match S::HISTORY.layout {
        Some(pins) if in_order && has_hashes::<S>(pins) => None,
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
    push_advice::<S>(&mut out, pins);
    push_pin::<S>(&mut out);
    out
}

/// The change that keeps what is stored readable.
const fn push_advice<S: Schema>(out: &mut Message, pins: &[Pin]) {
    if <S::Role as Role>::IS_ARCHIVED {
        out.push("\n    sessions of this version are stored with the recorded layout: keep the old struct, and the types in its ");
        out.push("fields as they were then, beside it\n    if the recorded layout is a mistake: ");
        return;
    }
    out.push("\n    if version ");
    out.number(S::VERSION as u64);
    out.push(" was deployed, bump to `version = ");
    out.number(S::VERSION as u64 + 1);
    if keeps::<S>(pins, false) {
        out.push("` and write `");
        push_was::<S>(out, pins);
        out.push("`\n    in both cases record the new layout: ");
    } else {
        out.push("` and keep the old struct as `previous`\n    otherwise record the new layout: ");
    }
}

/// `was(2 = "items:e85afc95", 1 = "…")`: the pinned layout in front of those that are there already.
const fn push_was<S: Schema>(out: &mut Message, pins: &[Pin]) {
    out.push("was(");
    push_version(out, S::VERSION, pins);
    let mut at = 0;
    while at < S::HISTORY.was.len() {
        out.push(", ");
        push_version(out, S::HISTORY.was[at].0, S::HISTORY.was[at].1);
        at += 1;
    }
    out.push(")");
}

const fn push_version(out: &mut Message, version: u16, pins: &[Pin]) {
    out.number(version as u64);
    out.push(" = \"");
    let mut at = 0;
    while at < pins.len() {
        out.parts(&[if at == 0 { "" } else { " " }, pins[at].0, ":"]);
        out.hex(pins[at].1);
        at += 1;
    }
    out.push("\"");
}

const fn push_changes<S: Schema>(out: &mut Message, pins: &[Pin]) {
    let mut at = 0;
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        let pin = pin_of(pins, field.key());
        if let (true, Some(shape), Some(now)) = (field.is_stored(), field.shape, hash(field)) {
            match pin {
                Some(pin) if pin == now => {}
                Some(_) => {
                    out.parts(&["\n    key `", field.key(), "` changed type; it is now "]);
                    push_type(out, shape.ty, field);
                }
                None => {
                    out.parts(&["\n    key `", field.key(), "` was added: "]);
                    push_type(out, shape.ty, field);
                    push_rename::<S>(out, pins, now);
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

/// An added key with the shape of one that was removed is the same key, if a field has a new name.
const fn push_rename<S: Schema>(out: &mut Message, pins: &[Pin], hash: u32) {
    let mut at = 0;
    while at < pins.len() {
        let (key, pin) = pins[at];
        if pin == hash && field_of::<S>(key).is_none() {
            out.parts(&["; if it is `", key, "` under a new name, write `#[session(rename = \"", key, "\")]` on it"]);
            return;
        }
        at += 1;
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
#[cfg(any(feature = "rocket", test))]
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

#[cfg(test)]
mod tests;
