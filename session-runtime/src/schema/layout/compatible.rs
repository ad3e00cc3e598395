//! Access of programs with an older layout to the data that this program stores.

use super::exact::{exact, exact_tag, exact_variant};
use super::past::{below, keeps, was};
use super::shape::{BASIS, hash, same};
use super::{Compatible, field_of, fields};
use crate::schema::const_message::Message;
use crate::schema::value::{Enum, Struct, Ty, Variant};
use crate::schema::{FieldSpec, Kind, Schema};

/// Returns a key of `P` that a program of that version cannot read in the form that `S` stores.
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

pub(super) const fn compatible_key<S: Schema>(old: &FieldSpec) -> Compatible {
    match field_of::<S>(old.key()) {
        Some(now) => compatible_field(now, old),
        None => Compatible::No,
    }
}

/// Returns the access of a program of `P`'s version to the data that `S` stores.
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

pub(super) const fn compatible_field(now: &FieldSpec, old: &FieldSpec) -> Compatible {
    if let (Some(a), Some(b)) = (hash(now), hash(old))
        && a == b
    {
        return Compatible::Write;
    }
    // A deadline is stored beside the value, and a program that does not know it keeps it.
    let same_kind = matches!(
        (now.kind, old.kind),
        (Kind::Whole, Kind::Whole) | (Kind::Entries, Kind::Entries) | (Kind::Elements, Kind::Elements)
    );
    match (now.shape, old.shape) {
        (Some(now), Some(old)) if same_kind => nested(now.ty, old.ty),
        _ => Compatible::No,
    }
}

/// Compares two shapes: `Write` for the same shape, `Read` if objects inside have additional keys.
pub(super) const fn nested(now: &Ty, old: &Ty) -> Compatible {
    if exact(BASIS, now) == exact(BASIS, old) {
        return Compatible::Write;
    }
    match (now, old) {
        (Ty::Nullable(now), Ty::Nullable(old))
        | (Ty::Seq(now), Ty::Seq(old))
        | (Ty::Set(now), Ty::Set(old))
        | (Ty::Skippable(now), Ty::Skippable(old)) => nested(now, old),
        (Ty::Skippable(now @ Ty::Nullable(_)), old) => nested(now, old),
        // The older program may leave out a key that this one requires.
        (now, Ty::Skippable(old)) => match nested(now, old) {
            Compatible::No => Compatible::No,
            _ => Compatible::Read,
        },
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

pub(super) const fn nested_object(now: &Struct, old: &Struct) -> Compatible {
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

/// Compares two enums, the older one with a catch-all. It keeps unknown variants, so they may be written back.
pub(super) const fn nested_enum(now: &Enum, old: &Enum) -> Compatible {
    if exact_tag(BASIS, now) != exact_tag(BASIS, old) {
        return Compatible::No;
    }
    let mut at = 0;
    while at < old.variants.len() {
        if !has_variant(now.variants, exact_variant(BASIS, &old.variants[at])) {
            return Compatible::No;
        }
        at += 1;
    }
    Compatible::Write
}

pub(super) const fn has_variant(variants: &[Variant], hash: u64) -> bool {
    let mut at = 0;
    while at < variants.len() {
        if exact_variant(BASIS, &variants[at]) == hash {
            return true;
        }
        at += 1;
    }
    false
}

/// Returns the lowest program versions that may read and write the data of `S`, according to the layouts.
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

/// Returns the versions of [`computed`], tightened by `readers`.
pub(crate) const fn allowed<S: Schema>() -> (u16, u16) {
    let (readers, writers) = computed::<S>();
    match S::HISTORY.readers {
        Some(given) if given > readers => (given, if given > writers { given } else { writers }),
        _ => (readers, writers),
    }
}

/// Returns a message if `readers` names a version that cannot read the data of this one.
#[must_use]
pub const fn not_readable<S: Schema>() -> Option<Message> {
    match S::HISTORY.readers {
        Some(given) if given < computed::<S>().0 => Some(too_low::<S>(given)),
        _ => None,
    }
}

pub(super) const fn too_low<S: Schema>(given: u16) -> Message {
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
