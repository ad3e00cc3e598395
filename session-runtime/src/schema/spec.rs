//! Tables of a schema and its fields without type parameters: all that loading, saving and merging need.

use std::any::Any;
use std::time::Duration;

use crate::error::SessionError;
use crate::record::{Text, key};
#[cfg(feature = "rocket")]
use crate::schema::const_message::Message;
use crate::schema::history::Downgraded;
use crate::schema::layout::Shape;
use crate::schema::options::{OnInvalid, OnNewer};
use crate::schema::section::RawSection;

/// Schema without its type: all that loading, saving and merging need.
#[doc(hidden)]
#[expect(clippy::struct_excessive_bools, reason = "one flag per attribute that the derive found")]
pub struct SchemaSpec {
    pub(crate) key: &'static str,
    pub(crate) version: u16,
    pub(crate) lazy: bool,
    pub(crate) on_invalid: OnInvalid,
    pub(crate) on_newer: OnNewer,
    pub(crate) has_transient: bool,
    /// True if the schema is carried over when the session starts over.
    pub(crate) lasting: bool,
    /// True if some field names the user. A change of it may end the session of that user.
    pub(crate) has_user: bool,
    /// True if some field is [deferred](FieldSpec::deferred).
    pub(crate) defers: bool,
    pub(crate) is_archived: bool,
    pub(crate) name: &'static str,
    pub(crate) type_id: fn() -> std::any::TypeId,
    /// Lowest version of a program that may read the data of this one.
    pub(crate) readers: u16,
    /// Lowest version of a program that may write the data of this one.
    pub(crate) writers: u16,
    /// Returns the hash of the pinned layout. A number here would be calculated by each check of the program: 100 schemas
    /// took 7.98 instead of 7.18 billion instructions of the compiler.
    pub(crate) layout: fn() -> Option<u32>,
    /// Returns the `layout` to write if none is pinned; `None` if the shape of a field is unknown.
    #[cfg(feature = "rocket")]
    pub(crate) to_paste: fn() -> Option<Message>,
    /// Schema of the previous struct in the chain.
    pub(crate) previous: Option<&'static SchemaSpec>,
    /// Upgrades a section of an older version: returns the texts as this version stores them.
    pub(crate) upgrade: fn(RawSection, u16) -> Result<RawSection, SessionError>,
    pub(crate) reads: fn(u16) -> bool,
    /// Downgrades a section of this version to an older one; `None` if that is not possible.
    pub(crate) downgrade: fn(RawSection, u16) -> Option<Downgraded>,
    /// Returns the metadata of an older version that this program can write; `None` if it cannot.
    pub(crate) downgraded_metadata: fn(u16) -> Option<Text>,
    pub(crate) field: fn(usize) -> Option<&'static FieldSpec>,
    pub(crate) initial: fn(usize) -> Box<dyn Any>,
    pub(crate) is_initial: fn(usize, &str) -> bool,
}

impl SchemaSpec {
    /// Returns the value of a field in a new session.
    pub(crate) fn initial(&self, field: &FieldSpec) -> Box<dyn Any> {
        (self.initial)(field.at)
    }

    /// Returns whether `text` is the value of a field in a new session.
    pub(crate) fn is_initial(&self, field: &FieldSpec, text: &str) -> bool {
        (self.is_initial)(field.at, text)
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static FieldSpec> {
        let field = self.field;
        (0..).map_while(field)
    }
}

/// Field without its type.
#[doc(hidden)]
#[expect(clippy::struct_excessive_bools, reason = "one flag per attribute that the derive found")]
pub struct FieldSpec {
    /// Position among the fields.
    pub(crate) at: usize,
    /// Stored key, `<schema>.<field>`.
    pub(crate) name: &'static str,
    /// Prefix of the stored keys of its entries or elements, `<schema>.<field>/`.
    pub(crate) prefix: &'static str,
    pub(crate) kind: Kind,
    /// Shape of the stored value, if known.
    pub(crate) shape: Option<&'static Shape>,
    /// Key of the field in older versions.
    pub(crate) renamed_from: Option<&'static str>,
    pub(crate) renew: Renew,
    /// True if sessions are looked up by the value.
    pub(crate) index: bool,
    pub(crate) redact: bool,
    /// True if a writable view decodes the field's entries when they are asked for.
    pub(crate) deferred: bool,
    /// True if the order of a top-level array has no meaning.
    pub(crate) unordered: bool,
    pub(crate) merge: Merge,
    /// Time after which the value, or an element of the list, reads as absent; `None`: never.
    pub(crate) expires_after: Option<Duration>,
    /// Stored key of the deadline, `<schema>.<field>~`; empty if the field has none.
    pub(crate) deadline: &'static str,
}

/// Effect of a change of a field on the session's id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renew {
    /// No effect.
    Off,
    /// `renew(keep)`: a new id for the same data.
    Keep,
    /// `renew`: a login if the field leaves its default. If it leaves any other value, the session starts over.
    User,
}

/// Storage form of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Stored under one key.
    Whole,
    /// Stored under one key per entry.
    Entries,
    /// Stored under one key per element of a list.
    Elements,
    /// Never stored.
    Transient,
}

impl FieldSpec {
    pub(crate) const fn is_stored(&self) -> bool {
        !matches!(self.kind, Kind::Transient)
    }

    /// Returns whether the deadline of the value is stored beside it.
    pub(crate) const fn has_deadline(&self) -> bool {
        !self.deadline.is_empty()
    }

    /// Returns the field's part of the stored key.
    pub(crate) const fn key(&self) -> &'static str {
        key::field_in(self.name)
    }
}

/// Function from base, theirs and ours to the text to be stored; `None` is an absent key.
#[doc(hidden)]
pub type MergeFn = fn(Merging, Option<&str>, Option<&str>, Option<&str>) -> Merged;

/// Schema and field of the merged value.
#[doc(hidden)]
pub type Merging = (&'static SchemaSpec, &'static FieldSpec);

/// Text to be stored.
#[doc(hidden)]
pub type Merged = Result<Option<String>, SessionError>;

/// Handling of a value that both requests changed.
#[derive(Clone, Copy)]
pub(crate) enum Merge {
    /// Takes ours without reading the stored value.
    LastWrite,
    /// Rejects ours with 409.
    Reject,
    /// Computes the value from all three.
    With(MergeFn),
    /// Adds the difference between ours and the base to theirs.
    Sum(MergeFn),
    /// Keeps the elements that either request appended, up to `max` of them.
    Append {
        /// Number of elements above which the oldest are removed.
        max: usize,
    },
}
