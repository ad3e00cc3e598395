//! [`Schema`], the trait that `#[derive(Session)]` implements: it maps a struct to a set of stored keys.
//!
//! The derive writes a table, [`Schema::FIELDS`], of functions that are generic over one field each. From that table,
//! a [`SchemaSpec`] without type parameters is built, which is all that loading, saving and merging need.

use std::any::Any;
use std::marker::PhantomData;

use crate::error::SessionError;
use crate::record::{Text, Values, key};
use crate::schema::codec::{Access, Reader};
use crate::schema::const_message::Message;
use crate::schema::field::Merge;
use crate::schema::history::{Downgraded, History};
use crate::schema::layout::{Shape, same};
use crate::schema::section::RawSection;
use crate::schema::tracked::Tracked;
use crate::schema::value::SessionValue;

mod role;

pub use self::role::{Archived, Current, Newest, NewestSchema, Role};
pub(crate) use self::role::{OnlyNewest, archived};

pub(crate) mod change;
pub mod codec;
pub(crate) mod const_message;
mod error;
mod field;
pub(crate) mod history;
pub(crate) mod layout;
pub mod merge;
pub(crate) mod schema_set;
pub(crate) mod section;
pub(crate) mod snapshot;
pub(crate) mod tracked;
pub mod value;

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

/// One field of a schema: its position, its value in a new session, and accessors to read and write it. `K` selects
/// how the field is stored, see [`codec`](crate::codec).
#[doc(hidden)]
pub struct Place<S, T, K> {
    pub(crate) at: usize,
    initial: fn() -> T,
    get: fn(&S) -> &T,
    slot: fn(&mut S) -> &mut T,
    kind: PhantomData<K>,
}

#[doc(hidden)]
#[must_use]
pub const fn place<S, T, K>(
    at: usize,
    initial: fn() -> T,
    get: fn(&S) -> &T,
    slot: fn(&mut S) -> &mut T,
) -> Place<S, T, K> {
    Place { at, initial, get, slot, kind: PhantomData }
}

impl<S, T, K> Copy for Place<S, T, K> {}

impl<S, T, K> Clone for Place<S, T, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T, K> Place<S, T, K> {
    /// Returns the value in a new session.
    #[must_use]
    pub fn initial(&self) -> T {
        (self.initial)()
    }

    #[inline]
    pub(crate) fn get<'s>(&self, value: &'s S) -> &'s T {
        (self.get)(value)
    }

    #[inline]
    pub(crate) fn slot<'s>(&self, value: &'s mut S) -> &'s mut T {
        (self.slot)(value)
    }

    /// Returns the field's description, as the derive wrote it.
    pub(crate) fn spec(&self) -> &'static FieldSpec
    where
        S: Schema,
    {
        &S::FIELDS[self.at].spec
    }
}

/// Options that the struct's attributes set for the whole schema.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SchemaOptions {
    pub(crate) lazy: bool,
    pub(crate) on_invalid: OnInvalid,
    pub(crate) on_newer: OnNewer,
    pub(crate) has_transient: bool,
    pub(crate) lasting: bool,
}

impl SchemaOptions {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lazy: false,
            on_invalid: OnInvalid::Refuse,
            on_newer: OnNewer::Refuse,
            has_transient: false,
            lasting: false,
        }
    }

    /// Marks the schema as lazy: it is fetched only when a guard needs it.
    #[must_use]
    pub const fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// Resets a field that does not decode to its default.
    #[must_use]
    pub const fn reset(mut self) -> Self {
        self.on_invalid = OnInvalid::Reset;
        self
    }

    /// Ignores data that a newer version stored and this one may not read.
    #[must_use]
    pub const fn discard_newer(mut self) -> Self {
        self.on_newer = OnNewer::Discard;
        self
    }

    /// Records that some field is never stored.
    #[must_use]
    pub const fn transient(mut self) -> Self {
        self.has_transient = true;
        self
    }

    /// Carries the schema over into the session of the next user.
    #[must_use]
    pub const fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }
}

impl Default for SchemaOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Handling of a stored value that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnInvalid {
    Refuse,
    Reset,
}

/// Handling of data that a newer version stored and this one may not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnNewer {
    Refuse,
    Discard,
}

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
    pub(crate) is_archived: bool,
    pub(crate) name: &'static str,
    pub(crate) type_id: fn() -> std::any::TypeId,
    /// Lowest version of a program that may read the data of this one.
    pub(crate) readers: u16,
    /// Lowest version of a program that may write the data of this one.
    pub(crate) writers: u16,
    /// Hash of the pinned layout.
    pub(crate) layout: Option<u32>,
    /// Returns the `layout` to write if none is pinned; `None` if a shape is unknown to the compiler.
    #[cfg(feature = "rocket")]
    pub(crate) to_paste: fn() -> Option<Message>,
    /// Schema of the previous struct in the chain.
    pub(crate) previous: Option<&'static SchemaSpec>,
    /// Upgrades a section of an older version: returns the texts as this version stores them.
    pub(crate) upgrade: fn(RawSection, u16) -> Result<RawSection, SessionError>,
    pub(crate) reads: fn(u16) -> bool,
    /// Downgrades a section of this version to an older one; `None` if that is not possible.
    pub(crate) downgrade: fn(&Values, u16) -> Option<Downgraded>,
    /// Returns the metadata of an older version that this program can write; `None` if it cannot.
    pub(crate) downgraded_metadata: fn(u16) -> Option<Text>,
    pub(crate) field: fn(usize) -> Option<&'static FieldSpec>,
    pub(crate) initial: fn(usize) -> Box<dyn Any>,
    pub(crate) is_initial: fn(usize, &str) -> bool,
}

/// Reads the struct from the stored texts. Fields that are not stored keep their initial values.
pub(crate) fn read<S: Schema>(from: &Reader<'_>) -> Result<S, SessionError> {
    let mut value = (S::NEW)();
    for field in S::FIELDS {
        field.place.read(&mut value, from)?;
    }
    Ok(value)
}

/// Copies the transient fields to `next`.
pub(crate) fn carry<S: Schema>(value: &S, next: &mut S) {
    for field in S::FIELDS {
        field.place.carry(value, next);
    }
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
pub struct FieldSpec {
    /// Position among the fields.
    pub(crate) at: usize,
    /// Stored key, `<schema>.<field>`.
    pub(crate) name: &'static str,
    /// Prefix of the stored keys of its entries, `<schema>.<field>/`.
    pub(crate) prefix: &'static str,
    pub(crate) kind: Kind,
    /// Shape of the stored value, if known.
    pub(crate) shape: Option<&'static Shape>,
    /// Key of the field in older versions.
    pub(crate) renamed_from: Option<&'static str>,
    pub(crate) renew: Renew,
    pub(crate) redact: bool,
    /// True if the order of a top-level array has no meaning.
    pub(crate) unordered: bool,
    pub(crate) merge: Merge,
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
    /// Never stored.
    Transient,
}

impl FieldSpec {
    pub(crate) const fn is_stored(&self) -> bool {
        !matches!(self.kind, Kind::Transient)
    }

    /// Returns the field's part of the stored key.
    pub(crate) const fn key(&self) -> &'static str {
        key::field_in(self.name)
    }
}

/// Row of a field in the table that the derive writes.
#[doc(hidden)]
pub struct FieldOps<S: Schema> {
    pub(crate) spec: FieldSpec,
    pub(crate) place: &'static dyn Access<S>,
}

impl<S: Schema> FieldOps<S> {
    /// Sets the function that merges concurrent changes of the value.
    #[must_use]
    pub const fn merge(mut self, merge: crate::schema::field::MergeFn) -> Self {
        self.spec.merge = Merge::With(merge);
        self
    }

    /// Rejects concurrent changes of the value with 409.
    #[must_use]
    pub const fn reject(mut self) -> Self {
        self.spec.merge = Merge::Reject;
        self
    }

    /// Merges concurrent changes of the value by adding our difference to theirs.
    #[must_use]
    pub const fn sum(mut self, merge: crate::schema::field::MergeFn) -> Self {
        self.spec.merge = Merge::Sum(merge);
        self
    }

    /// Marks the field that names the user: a change is a login, or the session starts over.
    #[must_use]
    pub const fn renew(mut self) -> Self {
        self.spec.renew = Renew::User;
        self
    }

    /// Renews the id and keeps the data when the value changes.
    #[must_use]
    pub const fn renew_keep(mut self) -> Self {
        self.spec.renew = Renew::Keep;
        self
    }

    /// Shows the value as `…`.
    #[must_use]
    pub const fn redact(mut self) -> Self {
        self.spec.redact = true;
        self
    }

    /// Sets the shape of the stored value.
    #[must_use]
    pub const fn shape(mut self, shape: Option<&'static Shape>) -> Self {
        self.spec.shape = shape;
        self
    }

    /// Sets a shape that the field's author declares.
    #[must_use]
    pub const fn opaque(self, shape: &'static Shape) -> Self {
        self.shape(Some(shape))
    }

    /// Sets the key that older versions had.
    #[must_use]
    pub const fn renamed_from(mut self, key: &'static str) -> Self {
        self.spec.renamed_from = Some(key);
        self
    }

    /// Marks a set without order: `HashSet`.
    #[must_use]
    pub const fn unordered(mut self) -> Self {
        self.spec.unordered = true;
        self
    }
}

/// One schema or a tuple of up to sixteen, for which an application creates its fairing.
///
/// Two schemas with the same key do not compile.
///
/// # Examples
///
/// ```
/// use session_runtime::{Session, Sessions, store::MemoryStore};
///
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct Cart {
///     coupon: Option<String>,
/// }
///
/// #[derive(Session)]
/// #[session(key = "auth", version = 1)]
/// struct Auth {
///     #[session(renew)]
///     user: Option<String>,
/// }
///
/// let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<(Cart, Auth)>().build()?;
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a session schema nor a tuple of them",
    label = "does not derive `Session`",
    note = "name one struct that derives `Session`, or up to sixteen in a tuple: `Sessions::fairing::<(Cart, Auth)>()`"
)]
pub trait Schemas {
    #[doc(hidden)]
    const SPECS: &'static [&'static SchemaSpec];
    /// Fails the build if a schema is archived or two of them share a key. Evaluated where the schemas are used
    /// together.
    #[doc(hidden)]
    const UNIQUE: () = {
        if let Some(schema) = any_archived(Self::SPECS) {
            panic!("{}", archived(schema).text());
        }
        if let Some((a, b)) = shared_key(Self::SPECS) {
            let mut message = Message::new();
            message.parts(&["schemas `", a.name, "` and `", b.name, "` share the key \"", a.key]);
            message.push("\": give one another `key`");
            if a.version != b.version {
                message.push(", or mark the older version as `archived`");
            }
            panic!("{}", message.text());
        }
    };
}

#[diagnostic::do_not_recommend]
impl<S: Schema> Schemas for S {
    const SPECS: &'static [&'static SchemaSpec] = &[S::SPEC];
}

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<$first: Schema, $($rest: Schema),*> Schemas for ($first, $($rest,)*) {
            const SPECS: &'static [&'static SchemaSpec] = &[$first::SPEC, $($rest::SPEC),*];
        }
        tuples! { $($rest)* }
    };
    () => {};
}

tuples! { A B C D E F G H I J K L M N O P }

pub(crate) const fn has_user<S: Schema>(fields: &[FieldOps<S>]) -> bool {
    let mut at = 0;
    while at < fields.len() {
        if matches!(fields[at].spec.renew, Renew::User) {
            return true;
        }
        at += 1;
    }
    false
}

const fn any_archived(specs: &[&'static SchemaSpec]) -> Option<&'static SchemaSpec> {
    let mut at = 0;
    while at < specs.len() {
        if specs[at].is_archived {
            return Some(specs[at]);
        }
        at += 1;
    }
    None
}

const fn shared_key(specs: &[&'static SchemaSpec]) -> Option<(&'static SchemaSpec, &'static SchemaSpec)> {
    let mut a = 0;
    while a < specs.len() {
        let mut b = a + 1;
        while b < specs.len() {
            if same(specs[a].key, specs[b].key) {
                return Some((specs[a], specs[b]));
            }
            b += 1;
        }
        a += 1;
    }
    None
}

/// Lookup of the shape of a type that may have none. The inherent constant exists for a type with a shape; otherwise,
/// the constant of `Unknown` applies.
#[doc(hidden)]
pub struct Known<T>(PhantomData<T>);

#[doc(hidden)]
pub trait Unknown {
    const __SHAPE: Option<&'static Shape> = None;
}

impl<T> Unknown for Known<T> {}

impl<T: SessionValue> Known<T> {
    pub const __SHAPE: Option<&'static Shape> = Some(const { &Shape::known::<T>() });
}
