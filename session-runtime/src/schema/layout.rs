//! Layouts of schemas, compared at compile time: hashes, compatibility with older programs, and error messages.
//!
//! The input is the table of a schema's fields and the pins in its attributes; everything here runs in constants. A
//! hash is FNV-1a of 64 bits over the shape, folded to 32. Each key has its own, so that a message can name the key
//! that changed.
//!
//! ```text
//! pu32        a value without parts         {qtypu32…}   an object, its keys from last to first
//! ?pstr       null or a value               |e…          an enum: its tag, its variants from last to first
//! [pstr       a list                        omoney@1     opaque
//! <pstr       a set                         ~pstr        the value of an optional key; not marked before `?`
//! #3pstr      an array of three             (pstrpu32)   a tuple
//! mpstrpu32   a map                         *mpstrpu32   a map that is stored entry by entry
//! !{,3:qty…   the exact form, for shapes whose text above would be ambiguous
//! >1234567    a list that is stored element by element: `>` and the hash of the list in decimal digits
//! @1234567    a value that expires: `@` and the hash that it has without `expires_after`
//! ```
//!
//! Not part of a layout: Rust's names for types, docs, the order of fields, defaults, accessors.

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
pub(crate) use self::shape::{hash, hash_of_text, same};

/// Stored key and the hash of its shape.
pub(crate) type Pin = (&'static str, u32);

/// Access of a program with an older layout to data of this one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compatible {
    /// No access.
    No,
    /// Read only: by writing, the program would lose data that it does not know.
    Read,
    /// Read and write.
    Write,
}

/// Returns the fields of a schema, in the order of its struct.
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

/// Returns the hash of a whole layout, as stored in the metadata; `None` if the layout is not pinned.
pub(crate) fn whole<S: Schema>() -> Option<u32> {
    const {
        match S::HISTORY.layout {
            Some(pins) => Some(hash_of(pins)),
            None => None,
        }
    }
}

/// Returns the hash of a pinned layout.
pub(crate) const fn hash_of(pins: &[Pin]) -> u32 {
    // Each key is hashed by itself and the hashes are added, so that their order does not matter.
    let (mut sum, mut at) = (0_u64, 0);
    while at < pins.len() {
        let (key, hash) = pins[at];
        sum = sum.wrapping_add(number(byte(text(BASIS, key), b':'), hash as usize));
        at += 1;
    }
    fold(sum)
}

/// Returns whether each field's hash is the one pinned at its position.
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

/// Returns whether the layout is the pinned one.
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

/// Returns a message with the changes against the pinned layout and the pin to paste. The macro sets `in_order` if the
/// pinned keys are those of the fields, in their order, so that they need not be compared again.
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

/// Appends the change that keeps stored sessions readable.
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

/// Appends `was(2 = "items:e85afc95", 1 = "…")`: the pinned layout, followed by those already listed.
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

/// Suggests a rename if an added key has the shape of a removed one: it may be the same field under a new name.
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

/// Appends `layout = "items:e85afc95 coupon:ec0d589b"`.
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

/// Returns the layout to paste, if all shapes are known.
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

/// Returns the error for a schema marked `unreleased` in a build without debug assertions.
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
