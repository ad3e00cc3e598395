//! Fields to stored texts and back.
//!
//! ```text
//! cart             {"v":1}        metadata: the version that wrote the fields, see `metadata`
//! cart.coupon      "SPRING"       a field: what serde_json makes of it; an absent key is the default
//! cart.items/7     2              an entry of a field stored entry by entry; an element of a set is `true`
//! ```
//!
//! The part after `/` is the key as `serde_json` writes it, without the quotes, so no control character reaches an engine.
//! Takes the record as loaded and what this request has changed so far; gives a typed value, and later the changes
//! between that value and the record. Two texts that differ only in the order of an object's keys are one value.
//!
//! Deliberately absent: other versions; those are `lift`'s.

use std::any::Any;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{ErrorKind, SessionError};
use crate::merge::Merge;
use crate::pending::Change;
use crate::record::Text;
use crate::schema::{FieldOps, FieldSpec, Kind, Known, OnInvalid, Place, Schema, SchemaSpec};
use crate::value::SessionValue;
use crate::view::View;

mod entries;

pub use entries::{Entries, EntryKey, Present};

/// What a field's type must be: plain data that serde can write and read back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a session",
    label = "must implement `Serialize` and `DeserializeOwned`",
    note = "derive both of serde's traits for it, or mark the field `#[session(transient)]`"
)]
#[doc(hidden)]
pub trait Storable: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Storable for T {}

/// What a plain field's type must be when no `default = …` is given.
#[diagnostic::on_unimplemented(
    message = "a new session has no value for this field: `{Self}` has no default",
    label = "needs a default",
    note = "make it an `Option`, implement `Default` for the type, or write `#[session(default = ...)]`"
)]
#[doc(hidden)]
pub trait Initial {
    fn initial() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> Initial for T {
    fn initial() -> Self {
        Self::default()
    }
}

/// What a `transient` field's type must be: it is handed from guard to guard of one request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a transient field: it is handed from guard to guard of one request",
    label = "must implement `Clone`",
    note = "wrap it in an `Arc`"
)]
#[doc(hidden)]
pub trait Transient: Clone {}

#[diagnostic::do_not_recommend]
impl<T: Clone> Transient for T {}

/// Gives the stored texts of one schema.
#[doc(hidden)]
pub struct Reader<'a> {
    schema: &'static SchemaSpec,
    view: &'a View,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(schema: &'static SchemaSpec, view: &'a View) -> Self {
        Self { schema, view }
    }

    /// Takes over what decodes; what does not is an error, or passed over.
    fn take<T>(&self, decoded: Result<T, SessionError>, take: impl FnOnce(T)) -> Result<(), SessionError> {
        match decoded {
            Ok(value) => take(value),
            Err(_) if self.schema.on_invalid == OnInvalid::Reset => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Gathers what a guard changed.
#[doc(hidden)]
pub struct Changes<'a> {
    view: &'a View,
    found: Vec<Change>,
    schema: &'static SchemaSpec,
    /// Set by name, so stored even if it is the default.
    set: bool,
    /// Cleared or taken, so an absent key is meant.
    cleared: bool,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(schema: &'static SchemaSpec, view: &'a View) -> Self {
        Self { view, found: Vec::new(), schema, set: false, cleared: false }
    }

    /// Turns to a field.
    pub(crate) fn begin(&mut self, set: bool, cleared: bool) {
        (self.set, self.cleared) = (set, cleared);
    }

    /// What was found, each with the text that the guard saw.
    pub(crate) fn into_found(self) -> Vec<Change> {
        self.found
    }

    fn put(&mut self, field: &'static FieldSpec, name: Text, base: Option<Text>, ours: Option<Text>) {
        self.found.push(Change { schema: self.schema, field, name, base, ours, set: self.set });
    }
}

/// What can be done to a field without knowing its type.
#[doc(hidden)]
pub trait Access<S>: Sync {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError>;
    fn diff(&self, value: &S, changes: &mut Changes<'_>) -> Result<(), SessionError>;
    /// As JSON.
    fn show(&self, value: &S) -> Option<String>;
    /// The value in a new session, of the field's own type.
    fn initial(&self) -> Box<dyn Any>;
    /// Whether the text of the whole field is what a new session has.
    fn is_initial(&self, text: &str) -> bool;
    /// From one guard to the next, where it is not stored.
    fn carry(&self, _value: &S, _next: &mut S) {}
}

/// Stored under one key.
#[doc(hidden)]
pub type Whole<S, T> = Place<S, T, AsOne>;

/// Stored under one key per entry.
#[doc(hidden)]
pub type ByEntry<S, T> = Place<S, T, EachEntry>;

/// Never stored.
#[doc(hidden)]
pub type Passing<S, T> = Place<S, T, Never>;

#[doc(hidden)]
pub enum AsOne {}

#[doc(hidden)]
pub enum EachEntry {}

#[doc(hidden)]
pub enum Never {}

/// A row for a field under one key.
#[doc(hidden)]
#[must_use]
pub const fn whole<S: Schema, T: Storable + 'static>(name: &'static str, place: &'static Whole<S, T>) -> FieldOps<S> {
    FieldOps { spec: spec(name, place.at), place }
}

/// The same, of a type whose shape is known.
#[doc(hidden)]
#[must_use]
pub const fn pinned<S: Schema, T: Storable + SessionValue + 'static>(
    name: &'static str,
    place: &'static Whole<S, T>,
) -> FieldOps<S> {
    whole(name, place).shape(Known::<T>::SHAPE)
}

/// A row for a field under one key per entry; these keys begin with `prefix`, which ends in a slash.
#[doc(hidden)]
#[must_use]
pub const fn entries<S: Schema, T: Entries + 'static>(
    prefix: &'static str,
    place: &'static ByEntry<S, T>,
) -> FieldOps<S> {
    let (name, _slash) = prefix.split_at(prefix.len() - 1);
    FieldOps { spec: FieldSpec { prefix, kind: Kind::Entries, ..spec(name, place.at) }, place }
}

/// The same, of a type whose shape is known.
#[doc(hidden)]
#[must_use]
pub const fn pinned_entries<S: Schema, T: Entries + SessionValue + 'static>(
    prefix: &'static str,
    place: &'static ByEntry<S, T>,
) -> FieldOps<S> {
    entries(prefix, place).shape(Known::<T>::SHAPE)
}

/// A row for a field that is never stored.
#[doc(hidden)]
#[must_use]
pub const fn transient<S: Schema, T: Transient + 'static>(
    name: &'static str,
    place: &'static Passing<S, T>,
) -> FieldOps<S> {
    FieldOps { spec: FieldSpec { kind: Kind::Transient, ..spec(name, place.at) }, place }
}

const fn spec(name: &'static str, at: usize) -> FieldSpec {
    let merge = Merge::LastWrite;
    FieldSpec {
        at,
        name,
        prefix: "",
        kind: Kind::Whole,
        shape: None,
        renamed_from: None,
        renew: false,
        redact: false,
        unordered: false,
        merge,
    }
}

impl<S: Schema, T: Storable + 'static> Access<S> for Whole<S, T> {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        let Some(text) = from.view.get(spec.name) else { return Ok(()) };
        from.take(decode(from.schema, spec, text), |stored| *self.slot(value) = stored)
    }

    fn diff(&self, value: &S, changes: &mut Changes<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        let text = encode(S::SPEC, spec, self.get(value))?;
        let stored = changes.view.entry(spec.name);
        let base = stored.map(|(_, text)| text);
        let is_initial = || self.is_initial(&text);
        // serde_json writes `None` as `null`; an absent key says the same.
        let cleared = changes.cleared && is_initial();
        let absent = text == "null" || cleared;
        let untouched = || !changes.set && !changes.cleared && is_initial();
        let unchanged = match base {
            Some(base) if !cleared && is_same::<T>(base, &text, spec.unordered) => true,
            // A value that does not decode stays stored until somebody really replaces it.
            Some(base) => untouched() && serde_json::from_str::<T>(base).is_err(),
            None => absent || (!changes.set && is_initial()),
        };
        if !unchanged {
            let (name, base) = stored.map_or_else(|| (spec.name.into(), None), named);
            changes.put(spec, name, base, (!absent).then(|| text.into()));
        }
        Ok(())
    }

    fn show(&self, value: &S) -> Option<String> {
        serde_json::to_string(self.get(value)).ok()
    }

    fn initial(&self) -> Box<dyn Any> {
        Box::new(Place::initial(self))
    }

    fn is_initial(&self, text: &str) -> bool {
        let initial = serde_json::to_string(&Place::initial(self));
        let same = |initial: String| same_text(Some(&initial), Some(text), self.spec().unordered);
        // What `on_invalid = reset` passes over reads as the default.
        let passed_over = || S::SPEC.on_invalid == OnInvalid::Reset && serde_json::from_str::<T>(text).is_err();
        initial.is_ok_and(same) || passed_over()
    }
}

impl<S: Schema, T: Entries + 'static> Access<S> for ByEntry<S, T> {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        for (name, text) in from.view.prefix(spec.prefix) {
            let entry = decode_entry::<T>(from.schema, spec, &name[spec.prefix.len()..], text);
            from.take(entry, |(key, element)| self.slot(value).put(key, element))?;
        }
        Ok(())
    }

    fn diff(&self, value: &S, changes: &mut Changes<'_>) -> Result<(), SessionError> {
        let (spec, value) = (self.spec(), self.get(value));
        let view = changes.view;
        // With room for any integer as a key.
        let mut name = String::with_capacity(spec.prefix.len() + 40);
        name.push_str(spec.prefix);
        let (mut text, mut kept) = (String::new(), 0);
        value.each(&mut |key, element| {
            name.truncate(spec.prefix.len());
            key.write(&mut name).map_err(|()| SessionError::at_field(ErrorKind::Unencodable, S::SPEC, spec))?;
            encode_into(&mut text, S::SPEC, spec, element)?;
            let base = view.entry(&name);
            kept += usize::from(base.is_some());
            if !base.is_some_and(|(_, base)| is_same::<T::Value>(base, &text, false)) {
                let (name, base) = base.map_or_else(|| (name.as_str().into(), None), named);
                changes.put(spec, name, base, Some(text.as_str().into()));
            }
            Ok(())
        })?;
        if view.prefix(spec.prefix).count() == kept {
            return Ok(());
        }
        for (name, text) in view.prefix(spec.prefix) {
            let gone = match decode_entry::<T>(S::SPEC, spec, &name[spec.prefix.len()..], text) {
                Ok((key, _)) => !value.holds(&key),
                // An entry that was skipped when it was read is no entry that somebody removed.
                Err(_) => (changes.set || changes.cleared) && !changes.found.iter().any(|change| change.name == *name),
            };
            if gone {
                changes.put(spec, name.clone(), Some(text.clone()), None);
            }
        }
        Ok(())
    }

    /// The stored entries as one object.
    fn show(&self, value: &S) -> Option<String> {
        let mut entries = BTreeMap::new();
        let shown = self.get(value).each(&mut |key, element| {
            let mut name = String::new();
            let field = (S::SPEC, self.spec());
            key.write(&mut name).map_err(|()| SessionError::at_field(ErrorKind::Unencodable, field.0, field.1))?;
            entries.insert(name, encode(field.0, field.1, element)?);
            Ok(())
        });
        let lines: Vec<String> = entries.iter().map(|(key, element)| format!("\"{key}\":{element}")).collect();
        shown.ok().map(|()| format!("{{{}}}", lines.join(",")))
    }

    fn initial(&self) -> Box<dyn Any> {
        Box::new(Place::initial(self))
    }

    /// No text is the whole field's.
    fn is_initial(&self, _: &str) -> bool {
        false
    }
}

impl<S: Schema, T: Transient + 'static> Access<S> for Passing<S, T> {
    fn read(&self, _: &mut S, _: &Reader<'_>) -> Result<(), SessionError> {
        Ok(())
    }

    fn diff(&self, _: &S, _: &mut Changes<'_>) -> Result<(), SessionError> {
        Ok(())
    }

    fn show(&self, _: &S) -> Option<String> {
        None
    }

    fn initial(&self) -> Box<dyn Any> {
        Box::new(Place::initial(self))
    }

    fn is_initial(&self, _: &str) -> bool {
        true
    }

    fn carry(&self, value: &S, next: &mut S) {
        self.slot(next).clone_from(self.get(value));
    }
}

/// A stored key with its text, shared with the record.
fn named((name, text): (&Text, &Text)) -> (Text, Option<Text>) {
    (name.clone(), Some(text.clone()))
}

/// The text of a value; names the field when serde refuses, or writes what it would not read again: a number that JSON
/// lacks, such as NaN, becomes `null`.
pub(crate) fn encode<T: Serialize + DeserializeOwned>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    value: &T,
) -> Result<String, SessionError> {
    let mut text = String::new();
    encode_into(&mut text, schema, field, value)?;
    Ok(text)
}

/// [`encode`], in place of what is in `text`: one buffer serves all entries of a map.
fn encode_into<T: Serialize + DeserializeOwned>(
    text: &mut String,
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    value: &T,
) -> Result<(), SessionError> {
    let mut buffer = std::mem::take(text).into_bytes();
    buffer.clear();
    let written = serde_json::to_writer(&mut buffer, value).is_ok();
    *text = String::from_utf8(buffer).unwrap_or_default();
    let readable = || !text.contains("null") || serde_json::from_str::<T>(text).is_ok();
    if written && readable() { Ok(()) } else { Err(SessionError::at_field(ErrorKind::Unencodable, schema, field)) }
}

/// The value of a text; names the field and the wanted type, never the text.
pub(crate) fn decode<T: DeserializeOwned>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    text: &str,
) -> Result<T, SessionError> {
    serde_json::from_str(text).map_err(|error| SessionError::undecodable::<T>(schema, field, &error))
}

fn decode_entry<T: Entries>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    key: &str,
    text: &str,
) -> Result<(T::Key, T::Value), SessionError> {
    let key = T::Key::read(key).ok_or_else(|| SessionError::undecodable_key::<T::Key>(schema, field))?;
    Ok((key, decode(schema, field, text)?))
}

/// Whether `text`, which this program wrote, says what is stored; another program may have spelled the same value otherwise.
fn is_same<T: Serialize + DeserializeOwned>(stored: &str, text: &str, unordered: bool) -> bool {
    let respelled = || serde_json::to_string(&serde_json::from_str::<T>(stored).ok()?).ok();
    let same = |stored: &str| same_text(Some(stored), Some(text), unordered);
    same(stored) || respelled().is_some_and(|respelled| respelled != stored && same(&respelled))
}

/// Whether two texts are one value: the order of an object's keys means nothing, nor that of a set.
pub(crate) fn same_text(a: Option<&str>, b: Option<&str>, unordered: bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || same_value(a, b, unordered),
        (a, b) => a == b,
    }
}

fn same_value(a: &str, b: &str, unordered: bool) -> bool {
    let (a, b) = (a.trim_ascii(), b.trim_ascii());
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let Some((a, b)) = both::<BTreeMap<String, &RawValue>>(a, b) else { return false };
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && same_value(a.1.get(), b.1.get(), false))
        }
        (Some(b'['), Some(b'[')) => {
            let Some((mut a, mut b)) = both::<Vec<&RawValue>>(a, b) else { return false };
            if unordered {
                a.sort_by_key(|element| element.get());
                b.sort_by_key(|element| element.get());
            }
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| same_value(a.get(), b.get(), false))
        }
        _ => a == b,
    }
}

fn both<'a, T: Deserialize<'a>>(a: &'a str, b: &'a str) -> Option<(T, T)> {
    Some((serde_json::from_str(a).ok()?, serde_json::from_str(b).ok()?))
}
