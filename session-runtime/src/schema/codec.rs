//! Conversion between fields and stored texts.
//!
//! ```text
//! cart             {"v":1}        metadata: the version that wrote the fields, see `version::status`
//! cart.coupon      "SPRING"       a field, as serde_json writes it; an absent key is the default
//! cart.items/7     2              an entry of a field stored entry by entry; an element of a set is `true`
//! cart.notices/…   "Saved."       an element of a list stored element by element; its id keeps the order
//! cart.code~       {"at":…}       the deadline of a field that expires, see `schema::deadline`
//! ```
//!
//! The part after `/` is the key as `serde_json` writes it, without the quotes, so no control character reaches a
//! store. A typed value is read from the loaded record and the changes of the request so far; later, its differences
//! from that record become new changes. Two texts that differ only in the order of an object's keys, or of a set that
//! the shape shows, are the same value.
//!
//! Deliberately absent: other versions, which `version::upgrade` handles.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SessionError;
use crate::record::{Text, key};
use crate::schema::change::Change;
use crate::schema::snapshot::Snapshot;
use crate::schema::value::SessionValue;
use crate::schema::{self, FieldAccess, FieldOps, FieldSpec, Kind, Merge, OnInvalid, Renew, Schema, SchemaSpec};

mod access;
mod align;
pub(crate) mod deferred;
mod element_id;
mod elements;
mod entries;
mod form;
mod index_value;
mod read_back;
mod same;
mod single;
mod text;

pub(crate) use element_id::IdSource;
pub use elements::Elements;
pub use entries::{Entries, EntryKey, Present, SingleEntries};
pub use index_value::{IndexValue, indexable};
pub(crate) use read_back::{decimals_are_exact, from_text};
pub(crate) use same::{KnownText, same_text};
pub(crate) use text::{decode, encode_to_store};

/// Bound on the type of a stored field: plain data that serde can write and read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a session",
    label = "must implement `Serialize` and `DeserializeOwned`",
    note = "derive both of serde's traits for it, or mark the field `#[session(transient)]`"
)]
#[doc(hidden)]
pub trait Storable: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Storable for T {}

/// Bound on the type of a plain field without `default = …`.
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

/// Bound on the type of a `transient` field, which is passed from guard to guard of one request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a transient field: it is handed from guard to guard of one request",
    label = "must implement `Clone`",
    note = "wrap it in an `Arc`"
)]
#[doc(hidden)]
pub trait Transient: Clone {}

#[diagnostic::do_not_recommend]
impl<T: Clone> Transient for T {}

/// Source of the stored texts of one schema.
#[doc(hidden)]
pub struct Reader<'a> {
    schema: &'static SchemaSpec,
    snapshot: &'a Snapshot,
    on_invalid: OnInvalid,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(schema: &'static SchemaSpec, snapshot: &'a Snapshot) -> Self {
        Self { schema, snapshot, on_invalid: schema.on_invalid }
    }

    /// Creates a reader that skips nothing, whatever the schema's `on_invalid`.
    pub(crate) fn strict(schema: &'static SchemaSpec, snapshot: &'a Snapshot) -> Self {
        Self { schema, snapshot, on_invalid: OnInvalid::Refuse }
    }

    /// Creates a reader that skips all that does not decode, whatever the schema's `on_invalid`.
    pub(crate) fn lenient(schema: &'static SchemaSpec, snapshot: &'a Snapshot) -> Self {
        Self { schema, snapshot, on_invalid: OnInvalid::Reset }
    }

    /// Applies `take` to a value that decodes. One that does not is an error, or is skipped.
    fn take<T>(&self, decoded: Result<T, SessionError>, take: impl FnOnce(T)) -> Result<(), SessionError> {
        match decoded {
            Ok(value) => take(value),
            Err(_) if self.on_invalid == OnInvalid::Reset => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Collects the changes of a guard.
#[doc(hidden)]
#[expect(clippy::struct_excessive_bools, reason = "two facts about the field and two about the whole")]
pub struct ChangeRecorder<'a> {
    snapshot: &'a Snapshot,
    found: Vec<Change>,
    schema: &'static SchemaSpec,
    /// True if the field was set by name, and is stored even if it is the default.
    set: bool,
    /// True if the field was cleared or taken, so that an absent key is intended.
    cleared: bool,
    /// True if fields that were set to the value they already had are reported too.
    confirms: bool,
    /// True if elements of lists that are stored already are reported too.
    complete: bool,
    /// Source of the ids of new elements.
    ids: IdSource<'a>,
}

impl<'a> ChangeRecorder<'a> {
    pub(crate) fn new(schema: &'static SchemaSpec, snapshot: &'a Snapshot) -> Self {
        let (found, ids) = (Vec::new(), IdSource::Fixed(snapshot.now()));
        Self { snapshot, found, schema, set: false, cleared: false, confirms: false, complete: false, ids }
    }

    /// Sets the source of the ids of new elements. Without one, they follow from the elements and the snapshot's time.
    pub(crate) fn ids(mut self, ids: IdSource<'a>) -> Self {
        self.ids = ids;
        self
    }

    /// Reports all elements of lists, also those that are stored already.
    pub(crate) fn complete(mut self) -> Self {
        self.complete = true;
        self
    }

    /// Sets whether a field that was set to the value it already had is reported, as a change without effect.
    pub(crate) fn confirming(mut self, confirms: bool) -> Self {
        self.confirms = confirms;
        self
    }

    /// Starts the next field.
    pub(crate) fn begin(&mut self, set: bool, cleared: bool) {
        (self.set, self.cleared) = (set, cleared);
    }

    /// Returns the changes, each with the text that the guard saw.
    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.found
    }

    /// Returns whether nothing of the previous value is left, even in a field that was cleared and then edited.
    fn is_replaced(&self) -> bool {
        self.set || self.cleared
    }

    fn put(&mut self, field: &'static FieldSpec, name: Text, base: Option<Text>, ours: Option<Text>) {
        let set = self.is_replaced();
        let (schema, expired) = (self.schema, false);
        self.found.push(Change { schema, field, name, base, expired, ours, set, mixed: false, stale: false });
    }

    /// Reports a field whose stored text has expired as removed, if the application cleared or replaced it.
    fn drop_expired(&mut self, field: &'static FieldSpec) {
        if self.is_replaced() && self.snapshot.has_expired(field) {
            self.put(field, field.name.into(), None, None);
        }
    }

    /// Reports a field or entry that was set to the text already stored.
    fn confirm(&mut self, field: &'static FieldSpec, stored: Option<(&Text, &Text)>) {
        if let Some((name, text)) = stored.filter(|_| self.confirms && self.is_replaced()) {
            self.put(field, name.clone(), Some(text.clone()), Some(text.clone()));
        }
    }
}

/// Operations on a field whose type is not known.
#[doc(hidden)]
pub trait Access<S>: Sync {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError>;
    fn diff(&self, value: &S, changes: &mut ChangeRecorder<'_>) -> Result<(), SessionError>;
    /// Returns the value as JSON.
    fn show(&self, value: &S) -> Option<String>;
    /// Returns the value in a new session, of the field's own type.
    fn initial(&self) -> Box<dyn Any>;
    /// Returns whether the text of the whole field is that of a new session.
    fn is_initial(&self, text: &str) -> bool;
    /// Copies the field from one guard to the next, if it is never stored.
    fn carry(&self, _value: &S, _next: &mut S) {}
    /// Swaps the field of two values.
    fn swap(&self, a: &mut S, b: &mut S);
}

/// Field that is stored under one key.
#[doc(hidden)]
pub type Whole<S, T> = FieldAccess<S, T, WholeValue>;

/// Field that is stored under one key, with its deadline under another.
#[doc(hidden)]
pub type Expiring<S, T> = FieldAccess<S, T, ExpiringValue>;

/// List that is stored under one key per element.
#[doc(hidden)]
pub type ByElement<S, T> = FieldAccess<S, T, ElementByElement>;

/// Field that is stored under one key per entry.
#[doc(hidden)]
pub type ByEntry<S, T> = FieldAccess<S, T, EntryByEntry>;

/// Field that is never stored.
#[doc(hidden)]
pub type TransientField<S, T> = FieldAccess<S, T, Never>;

#[doc(hidden)]
pub enum WholeValue {}

#[doc(hidden)]
pub enum ExpiringValue {}

#[doc(hidden)]
pub enum ElementByElement {}

#[doc(hidden)]
pub enum EntryByEntry {}

#[doc(hidden)]
pub enum Never {}

/// Returns the row of a field that is stored under one key.
#[doc(hidden)]
#[must_use]
pub const fn whole<S: Schema, T: Storable + 'static>(name: &'static str, access: &'static Whole<S, T>) -> FieldOps<S> {
    FieldOps { spec: spec(name, access.at), access }
}

/// Returns the row of [`whole`], with the shape of the type.
#[doc(hidden)]
#[must_use]
pub const fn pinned<S: Schema, T: Storable + SessionValue + 'static>(
    name: &'static str,
    access: &'static Whole<S, T>,
) -> FieldOps<S> {
    whole(name, access).shape(schema::Known::<T>::__SHAPE)
}

/// Returns the row of a field that is stored with its deadline.
#[doc(hidden)]
#[must_use]
pub const fn expiring<S: Schema, T: Storable + 'static>(
    name: &'static str,
    access: &'static Expiring<S, T>,
) -> FieldOps<S> {
    FieldOps { spec: spec(name, access.at), access }
}

/// Returns the row of [`expiring`], with the shape of the type.
#[doc(hidden)]
#[must_use]
pub const fn pinned_expiring<S: Schema, T: Storable + SessionValue + 'static>(
    name: &'static str,
    access: &'static Expiring<S, T>,
) -> FieldOps<S> {
    expiring(name, access).shape(schema::Known::<T>::__SHAPE)
}

/// Returns the row of a list that is stored under one key per element. These keys begin with `prefix`, which ends in a
/// slash.
#[doc(hidden)]
#[must_use]
pub const fn elements<S: Schema, T: Elements + 'static>(
    prefix: &'static str,
    access: &'static ByElement<S, T>,
) -> FieldOps<S> {
    let name = key::field_of_prefix(prefix);
    FieldOps { spec: FieldSpec { prefix, kind: Kind::Elements, ..spec(name, access.at) }, access }
}

/// Returns the row of [`elements()`], with the shape of the type.
#[doc(hidden)]
#[must_use]
pub const fn pinned_elements<S: Schema, T: Elements + SessionValue + 'static>(
    prefix: &'static str,
    access: &'static ByElement<S, T>,
) -> FieldOps<S> {
    elements(prefix, access).shape(schema::Known::<T>::__SHAPE)
}

/// Returns the row of a field that is stored under one key per entry. These keys begin with `prefix`, which ends in a
/// slash.
#[doc(hidden)]
#[must_use]
pub const fn entries<S: Schema, T: Entries + 'static>(
    prefix: &'static str,
    access: &'static ByEntry<S, T>,
) -> FieldOps<S> {
    let name = key::field_of_prefix(prefix);
    FieldOps { spec: FieldSpec { prefix, kind: Kind::Entries, ..spec(name, access.at) }, access }
}

/// Returns the row of [`entries()`], with the shape of the type.
#[doc(hidden)]
#[must_use]
pub const fn pinned_entries<S: Schema, T: Entries + SessionValue + 'static>(
    prefix: &'static str,
    access: &'static ByEntry<S, T>,
) -> FieldOps<S> {
    entries(prefix, access).shape(schema::Known::<T>::__SHAPE)
}

/// Returns the row of a field that is never stored.
#[doc(hidden)]
#[must_use]
pub const fn transient<S: Schema, T: Transient + 'static>(
    name: &'static str,
    access: &'static TransientField<S, T>,
) -> FieldOps<S> {
    FieldOps { spec: FieldSpec { kind: Kind::Transient, ..spec(name, access.at) }, access }
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
        renew: Renew::Off,
        index: false,
        redact: false,
        deferred: false,
        unordered: false,
        merge,
        expires_after: None,
        deadline: "",
    }
}
