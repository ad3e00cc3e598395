//! [`Schema`], the trait that `#[derive(Session)]` implements: it maps a struct to a set of stored keys.
//!
//! The derive writes a table, [`Schema::FIELDS`], of functions that are generic over one field each. From that table,
//! a [`SchemaSpec`] without type parameters is built, which is all that loading, saving and merging need.

use crate::error::SessionError;
use crate::schema::codec::Reader;
use crate::schema::history::History;
use crate::schema::tracked::Tracked;

pub(crate) mod change;
pub mod codec;
pub(crate) mod const_message;
pub(crate) mod deadline;
pub(crate) mod entry;
mod error;
mod field;
pub(crate) mod history;
pub(crate) mod layout;
pub(crate) mod lookup;
pub mod merge;
mod options;
mod role;
pub(crate) mod schema_set;
mod schemas;
pub(crate) mod section;
pub(crate) mod snapshot;
mod spec;
pub(crate) mod tracked;
pub mod value;

pub use self::field::{FieldAccess, FieldOps, Known, Unknown, field_access};
pub(crate) use self::field::{defers, has_user};
pub use self::options::SchemaOptions;
pub(crate) use self::options::{OnInvalid, OnNewer};
pub(crate) use self::role::OnlyNewest;
pub use self::role::{Archived, Current, Newest, NewestSchema, Role};
pub use self::schemas::Schemas;
pub use self::spec::{FieldSpec, SchemaSpec};
pub(crate) use self::spec::{Kind, Merge, Renew};

/// Typed part of the session: a plain struct whose fields are keys of the stored map.
///
/// Implemented by `#[derive(Session)]`; the guards are generic over it. The hidden items belong to the derive and
/// change without notice.
///
/// # Examples
///
/// ```
/// use session_runtime::{Schema, Session};
///
/// #[derive(Session)]
/// #[session(key = "prefs", version = 1)]
/// struct Prefs {
///     theme: Option<String>,
/// }
///
/// assert_eq!(Prefs::KEY, "prefs");
/// assert_eq!(Prefs::VERSION, 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session schema",
    label = "does not derive `Session`",
    note = "write `#[derive(Session)] #[session(key = \"...\", version = 1)]` on a struct with named fields"
)]
pub trait Schema: Sized + Send + Sync + 'static {
    /// First part of every stored key of this schema.
    const KEY: &'static str;
    /// Version of the struct, stored beside the fields.
    const VERSION: u16;
    /// Writable form of the struct: the same fields behind accessors that record changes.
    type Mut: std::ops::Deref<Target = Self> + Send + Sync;

    /// Name of the struct, for messages to its author.
    #[doc(hidden)]
    const NAME: &'static str;
    /// [`Current`] or [`Archived`].
    #[doc(hidden)]
    type Role: Role;
    /// Attributes that describe other versions.
    #[doc(hidden)]
    const HISTORY: History<Self> = History::new();
    #[doc(hidden)]
    type Marks: AsRef<[u64]> + AsMut<[u64]> + Default + Send + Sync;
    #[doc(hidden)]
    const OPTIONS: SchemaOptions = SchemaOptions::new();
    #[doc(hidden)]
    const FIELDS: &'static [FieldOps<Self>];
    #[doc(hidden)]
    const WRAP: fn(Tracked<Self>) -> Self::Mut;
    #[doc(hidden)]
    const TRACKED: fn(&mut Self::Mut) -> &mut Tracked<Self>;
    #[doc(hidden)]
    const SPEC: &'static SchemaSpec;
    /// Returns the struct as it is in a session with nothing stored.
    #[doc(hidden)]
    const NEW: fn() -> Self;
}

/// Reads the struct from the stored texts. Fields that are not stored keep their initial values.
pub(crate) fn read<S: Schema>(from: &Reader<'_>) -> Result<S, SessionError> {
    let mut value = (S::NEW)();
    for field in S::FIELDS {
        field.access.read(&mut value, from)?;
    }
    Ok(value)
}

/// Reads the fields that are [deferred](FieldSpec::deferred), or those that are not, into a value.
pub(crate) fn read_part<S: Schema>(value: &mut S, from: &Reader<'_>, deferred: bool) -> Result<(), SessionError> {
    let mut fields = S::FIELDS.iter().filter(|field| field.spec.deferred == deferred);
    fields.try_for_each(|field| field.access.read(value, from))
}

/// Copies the transient fields to `next`.
pub(crate) fn carry<S: Schema>(value: &S, next: &mut S) {
    for field in S::FIELDS {
        field.access.carry(value, next);
    }
}
