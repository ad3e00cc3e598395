//! What `#[derive(Session)]` implements: a struct as a set of stored keys.
//!
//! The derive fills in a table, [`Schema::FIELDS`], of functions that are generic over one field each. From that table
//! comes a [`SchemaSpec`] without type parameters, which is all that loading, saving and merging need to know.

use std::any::Any;
use std::marker::PhantomData;

use crate::error::SessionError;
use crate::record::{Text, Values};
use crate::schema::codec::{Access, Reader};
use crate::schema::const_message::Message;
use crate::schema::field::Merge;
use crate::schema::history::Downgraded;
use crate::schema::history::History;
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
pub(crate) mod section;
pub(crate) mod snapshot;
pub(crate) mod tracked;
pub mod value;

/// A typed part of the session: a plain struct whose fields are keys of the stored map.
///
/// Implemented by `#[derive(Session)]`; the guards are generic over it. The hidden items are the derive's own and change
/// without notice.
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
    /// The first part of every stored key of this schema.
    const KEY: &'static str;
    /// Which version of the struct this is; stored beside the fields.
    const VERSION: u16;
    /// The writable view: the same fields behind accessors that record what was changed.
    type Mut: std::ops::Deref<Target = Self> + Send + Sync;

    /// The struct's name, for messages to its author.
    #[doc(hidden)]
    const NAME: &'static str;
    /// [`Current`] or [`Archived`].
    #[doc(hidden)]
    type Role: Role;
    /// What its attributes say of other versions.
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
    /// The struct as it is in a session that has nothing stored.
    #[doc(hidden)]
    const NEW: fn() -> Self;
}

/// One field of a schema: its position, its value in a new session, and where it stands, to be read and to be written.
/// `K` says how it is stored, see the rooms of [`codec`](crate::codec).
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
    /// The value in a new session.
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

    /// What the derive says of the field.
    pub(crate) fn spec(&self) -> &'static FieldSpec
    where
        S: Schema,
    {
        &S::FIELDS[self.at].spec
    }
}

/// What the struct's attributes say about the schema as a whole.
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

    /// Fetched only when a guard asks for it.
    #[must_use]
    pub const fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// An undecodable field takes its default.
    #[must_use]
    pub const fn reset(mut self) -> Self {
        self.on_invalid = OnInvalid::Reset;
        self
    }

    /// What a newer version stored counts as nothing.
    #[must_use]
    pub const fn discard_newer(mut self) -> Self {
        self.on_newer = OnNewer::Discard;
        self
    }

    /// Some field is never stored.
    #[must_use]
    pub const fn transient(mut self) -> Self {
        self.has_transient = true;
        self
    }

    /// Carried over into the session of the next user.
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

/// What happens to a stored value that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnInvalid {
    Refuse,
    Reset,
}

/// What happens to what a newer version stored, and this one may not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnNewer {
    Refuse,
    Discard,
}

/// A schema without its type: what loading, saving and merging need to know.
#[doc(hidden)]
#[expect(clippy::struct_excessive_bools, reason = "a table of what the derive saw")]
pub struct SchemaSpec {
    pub(crate) key: &'static str,
    pub(crate) version: u16,
    pub(crate) lazy: bool,
    pub(crate) on_invalid: OnInvalid,
    pub(crate) on_newer: OnNewer,
    pub(crate) has_transient: bool,
    /// Carried over when the session starts over.
    pub(crate) lasting: bool,
    /// A change of some field ends the session of one user.
    pub(crate) has_user: bool,
    pub(crate) is_archived: bool,
    pub(crate) name: &'static str,
    pub(crate) type_id: fn() -> std::any::TypeId,
    /// The lowest versions of programs that may read and write what this one stores.
    pub(crate) readers: u16,
    pub(crate) writers: u16,
    /// The hash of the pinned layout.
    pub(crate) layout: Option<u32>,
    /// What to write if it is not pinned, where the compiler knows.
    #[cfg(feature = "rocket")]
    pub(crate) to_paste: fn() -> Option<Message>,
    /// The struct below in the chain.
    pub(crate) previous: Option<&'static SchemaSpec>,
    /// A section of an older version to one of this, the stored form of its values.
    pub(crate) upgrade: fn(RawSection, u16) -> Result<RawSection, SessionError>,
    pub(crate) reads: fn(u16) -> bool,
    /// A section of this version to one of an older; says `None` if there is no way down.
    pub(crate) downgrade: fn(&Values, u16) -> Option<Downgraded>,
    /// The metadata of an older version that this program can write; `None` if it cannot.
    pub(crate) downgraded_metadata: fn(u16) -> Option<Text>,
    pub(crate) field: fn(usize) -> Option<&'static FieldSpec>,
    pub(crate) initial: fn(usize) -> Box<dyn Any>,
    pub(crate) is_initial: fn(usize, &str) -> bool,
}

/// The struct with what is stored, where something is.
pub(crate) fn read<S: Schema>(from: &Reader<'_>) -> Result<S, SessionError> {
    let mut value = (S::NEW)();
    for field in S::FIELDS {
        field.place.read(&mut value, from)?;
    }
    Ok(value)
}

/// Hands the fields that are never stored on to `next`.
pub(crate) fn carry<S: Schema>(value: &S, next: &mut S) {
    for field in S::FIELDS {
        field.place.carry(value, next);
    }
}

impl SchemaSpec {
    /// The value of a field in a new session.
    pub(crate) fn initial(&self, field: &FieldSpec) -> Box<dyn Any> {
        (self.initial)(field.at)
    }

    /// Whether `text` is the value of a field in a new session.
    pub(crate) fn is_initial(&self, field: &FieldSpec, text: &str) -> bool {
        (self.is_initial)(field.at, text)
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static FieldSpec> {
        let field = self.field;
        (0..).map_while(field)
    }
}

/// A field without its type.
#[doc(hidden)]
pub struct FieldSpec {
    /// Its position among the fields.
    pub(crate) at: usize,
    /// The stored key, `<schema>.<field>`.
    pub(crate) name: &'static str,
    /// What the stored keys of its entries begin with, `<schema>.<field>/`.
    pub(crate) prefix: &'static str,
    pub(crate) kind: Kind,
    /// What is stored under it, where that is known.
    pub(crate) shape: Option<&'static Shape>,
    /// The key that older versions had for it.
    pub(crate) renamed_from: Option<&'static str>,
    pub(crate) renew: Renew,
    pub(crate) redact: bool,
    /// The order of a top-level array means nothing.
    pub(crate) unordered: bool,
    pub(crate) merge: Merge,
}

/// The effect that a change of a field has on the session's id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renew {
    /// None.
    Off,
    /// `renew(keep)`: a new id for the same data.
    Keep,
    /// `renew`: a login where the field leaves its default; the session starts over where it leaves any other value.
    User,
}

/// How a field is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Under one key.
    Whole,
    /// Under one key per entry.
    Entries,
    /// Not at all.
    Transient,
}

impl FieldSpec {
    pub(crate) const fn is_stored(&self) -> bool {
        !matches!(self.kind, Kind::Transient)
    }

    /// The field's part of the stored key: a schema's key has no dot.
    pub(crate) const fn key(&self) -> &'static str {
        let mut at = 0;
        while at < self.name.len() && self.name.as_bytes()[at] != b'.' {
            at += 1;
        }
        if at < self.name.len() { self.name.split_at(at + 1).1 } else { self.name }
    }
}

/// A field's row in the table that the derive writes.
#[doc(hidden)]
pub struct FieldOps<S: Schema> {
    pub(crate) spec: FieldSpec,
    pub(crate) place: &'static dyn Access<S>,
}

impl<S: Schema> FieldOps<S> {
    /// Both changed it: this merge decides.
    #[must_use]
    pub const fn merge(mut self, merge: crate::schema::field::MergeFn) -> Self {
        self.spec.merge = Merge::With(merge);
        self
    }

    /// Both changed it: 409.
    #[must_use]
    pub const fn reject(mut self) -> Self {
        self.spec.merge = Merge::Reject;
        self
    }

    /// Both changed it: theirs and what we added.
    #[must_use]
    pub const fn sum(mut self, merge: crate::schema::field::MergeFn) -> Self {
        self.spec.merge = Merge::Sum(merge);
        self
    }

    /// Names the user: a change is a login, or the session starts over.
    #[must_use]
    pub const fn renew(mut self) -> Self {
        self.spec.renew = Renew::User;
        self
    }

    /// A change of the value renews the id and keeps the data.
    #[must_use]
    pub const fn renew_keep(mut self) -> Self {
        self.spec.renew = Renew::Keep;
        self
    }

    /// Shown as `…`.
    #[must_use]
    pub const fn redact(mut self) -> Self {
        self.spec.redact = true;
        self
    }

    /// What is stored.
    #[must_use]
    pub const fn shape(mut self, shape: Option<&'static Shape>) -> Self {
        self.spec.shape = shape;
        self
    }

    /// Stored as its author promises.
    #[must_use]
    pub const fn opaque(self, shape: &'static Shape) -> Self {
        self.shape(Some(shape))
    }

    /// The key that older versions had.
    #[must_use]
    pub const fn renamed_from(mut self, key: &'static str) -> Self {
        self.spec.renamed_from = Some(key);
        self
    }

    /// A set without order: `HashSet`.
    #[must_use]
    pub const fn unordered(mut self) -> Self {
        self.spec.unordered = true;
        self
    }
}

/// One schema or a tuple of up to sixteen: what an application's fairing is made for.
///
/// Two schemas with one key do not compile.
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
    /// Evaluated where the schemas meet: a build error if one is archived, or two of them share a key.
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

/// The shape of a type that may have none: an inherent constant where it has, this trait's where not.
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
