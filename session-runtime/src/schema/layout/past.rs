//! Checks against older versions: their keys are kept, renamed or retired, and the chain has no gaps.

use super::shape::{hash, push_type, same};
use super::{Pin, field_of, fields, pin_of};
use crate::schema::const_message::Message;
use crate::schema::{FieldSpec, Schema};

/// Returns whether `S` has every key of an older layout with the same shape. With `renamed`, a renamed key counts too.
pub(super) const fn keeps<S: Schema>(pins: &[Pin], renamed: bool) -> bool {
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

/// Returns the field that holds the value an older version had under `key`.
pub(super) const fn kept_as<S: Schema>(key: &str, renamed: bool) -> Option<&'static FieldSpec> {
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

/// Returns a message if this version does more than add keys to an older one that `was` names.
#[must_use]
pub const fn not_additive<S: Schema>(at: usize) -> Option<Message> {
    let (version, pins) = S::HISTORY.was[at];
    if keeps::<S>(pins, true) { None } else { Some(lost::<S>(version, pins)) }
}

pub(super) const fn lost<S: Schema>(version: u16, pins: &[Pin]) -> Message {
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
                if let (Some(shape), Some(hash)) = (field.shape, hash(field))
                    && hash != pin
                {
                    out.parts(&["\n    key `", key, "` changed type; it is now "]);
                    push_type(&mut out, shape.ty, field);
                }
            }
        }
        at += 1;
    }
    out.push("\n    keep the old struct as `previous`");
    out
}

/// Returns the version that `previous` must have: the one below all that `was` and `migrate` cover.
pub(super) const fn below<S: Schema>() -> u16 {
    let mut version = S::VERSION;
    while version > 1 && (was::<S>(version - 1).is_some() || migrates::<S>(version - 1)) {
        version -= 1;
    }
    version - 1
}

pub(super) const fn was<S: Schema>(version: u16) -> Option<&'static [Pin]> {
    let (mut at, was) = (0, S::HISTORY.was);
    while at < was.len() {
        if was[at].0 == version {
            return Some(was[at].1);
        }
        at += 1;
    }
    None
}

pub(super) const fn migrates<S: Schema>(version: u16) -> bool {
    let (mut at, steps) = (0, S::HISTORY.migrate);
    while at < steps.len() {
        if steps[at].from == version {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether `P` is the version right below, of the same schema.
pub(crate) const fn is_next<S: Schema, P: Schema>() -> bool {
    P::HISTORY.is_refused || same(S::KEY, P::KEY) && P::VERSION == below::<S>()
}

/// Returns a message with the reason why `P` is not that version.
pub(crate) const fn not_next<S: Schema, P: Schema>() -> Message {
    let mut out = Message::new();
    if same(S::KEY, P::KEY) && same(S::NAME, P::NAME) && S::VERSION == P::VERSION {
        out.parts(&["`previous = ", P::NAME, "` names the struct itself: keep a copy of the struct as version "]);
        out.number(below::<S>() as u64);
        out.push(" had it, under another name or in another module, marked `archived`, and name that");
    } else if !same(S::KEY, P::KEY) {
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

/// Returns whether every key of `P`, and every key that `P` retired, is kept or retired.
pub(crate) const fn is_kept<S: Schema, P: Schema>() -> bool {
    P::HISTORY.is_refused || forgotten::<S, P>(0).is_none()
}

/// Returns the first key from position `at` that is neither kept nor retired, and the next position. The keys that `P`
/// has come before those that it retired.
pub(super) const fn forgotten<S: Schema, P: Schema>(mut at: usize) -> Option<(&'static str, usize)> {
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

pub(super) const fn is_retired<S: Schema>(key: &str) -> bool {
    let (mut at, retired) = (0, S::HISTORY.retired);
    while at < retired.len() {
        if same(retired[at], key) {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns whether each `renamed_from` names a key of `P`, or of an older version that `was` names.
pub(crate) const fn is_renamed<S: Schema, P: Schema>() -> bool {
    P::HISTORY.is_refused || unknown_name::<S, P>().is_none()
}

/// Returns the first field whose old name exists in no version below. With `migrate`, every name is accepted, since it
/// may create keys of any name.
const fn unknown_name<S: Schema, P: Schema>() -> Option<&'static FieldSpec> {
    let mut at = 0;
    while S::HISTORY.migrate.is_empty() && at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if let Some(from) = field.renamed_from
            && field_of::<P>(from).is_none()
            && !was_has::<S>(from)
        {
            return Some(field);
        }
        at += 1;
    }
    None
}

const fn was_has<S: Schema>(key: &str) -> bool {
    let (mut at, was) = (0, S::HISTORY.was);
    while at < was.len() {
        if pin_of(was[at].1, key).is_some() {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns a message with the field that [`is_renamed`] rejects and the keys that it may name.
pub(crate) const fn not_renamed<S: Schema, P: Schema>() -> Message {
    let mut out = Message::new();
    if let Some(field) = unknown_name::<S, P>() {
        let from = match field.renamed_from {
            Some(from) => from,
            None => "",
        };
        out.parts(&["key `", field.key(), "` is `renamed_from = \"", from, "\"`, which version "]);
        out.number(P::VERSION as u64);
        out.push(" does not have: its keys are `");
        push_keys::<P>(&mut out);
        out.push("`");
    }
    out
}

const fn push_keys<S: Schema>(out: &mut Message) {
    let (mut at, mut is_first) = (0, true);
    while at < fields::<S>().len() {
        let field = &fields::<S>()[at].spec;
        if field.is_stored() {
            out.parts(&[if is_first { "" } else { "`, `" }, field.key()]);
            is_first = false;
        }
        at += 1;
    }
}

/// Returns a message with the keys that are neither kept nor retired.
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

pub(super) const fn push_forgotten<S: Schema, P: Schema>(out: &mut Message, between: &str) {
    let (mut at, mut is_first) = (0, true);
    while let Some((key, next)) = forgotten::<S, P>(at) {
        if !is_first {
            out.push(between);
        }
        out.push(key);
        (at, is_first) = (next, false);
    }
}
