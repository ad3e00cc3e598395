//! What `#[derive(Session)]` implements: a struct as a set of stored keys.
//!
//! The derive fills in a table, [`Schema::FIELDS`], of functions that are generic over one field each. From that table
//! comes a [`SchemaSpec`] without type parameters, which is all that loading, saving and merging need to know.

use crate::codec::{Changes, Reader};
use crate::error::SessionError;
use crate::merge::Merge;
use crate::tracked::Tracked;

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
    const SPEC: &'static SchemaSpec = &SchemaSpec::of::<Self>();
    /// The struct as it is in a session that has nothing stored.
    #[doc(hidden)]
    fn initial() -> Self;
}

/// One field of a schema, named by its position.
#[doc(hidden)]
pub trait Field<const I: usize, T>: Schema {
    const INITIAL: fn() -> T;
    const GET: fn(&Self) -> &T;
    const SLOT: fn(&mut Self) -> &mut T;
}

/// What the struct's attributes say about the schema as a whole.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SchemaOptions {
    lazy: bool,
    on_invalid: OnInvalid,
    has_transient: bool,
}

impl SchemaOptions {
    #[must_use]
    pub const fn new() -> Self {
        Self { lazy: false, on_invalid: OnInvalid::Refuse, has_transient: false }
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

    /// Some field is never stored.
    #[must_use]
    pub const fn transient(mut self) -> Self {
        self.has_transient = true;
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

/// A schema without its type: what loading, saving and merging need to know.
#[doc(hidden)]
pub struct SchemaSpec {
    pub(crate) key: &'static str,
    pub(crate) version: u16,
    pub(crate) lazy: bool,
    pub(crate) on_invalid: OnInvalid,
    pub(crate) has_transient: bool,
    pub(crate) name: &'static str,
    pub(crate) type_id: fn() -> std::any::TypeId,
    field: fn(usize) -> Option<&'static FieldSpec>,
}

/// The struct with what is stored, where something is.
pub(crate) fn read<S: Schema>(from: &Reader<'_>) -> Result<S, SessionError> {
    let mut value = S::initial();
    for field in S::FIELDS {
        (field.read)(&mut value, from)?;
    }
    Ok(value)
}

/// Hands the fields that are never stored on to `next`.
pub(crate) fn carry<S: Schema>(value: &S, next: &mut S) {
    for carry in S::FIELDS.iter().filter_map(|field| field.carry) {
        carry(value, next);
    }
}

impl SchemaSpec {
    const fn of<S: Schema>() -> Self {
        Self {
            key: S::KEY,
            version: S::VERSION,
            lazy: S::OPTIONS.lazy,
            on_invalid: S::OPTIONS.on_invalid,
            has_transient: S::OPTIONS.has_transient,
            name: S::NAME,
            type_id: std::any::TypeId::of::<S>,
            field: |at| S::FIELDS.get(at).map(|ops| &ops.spec),
        }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &'static FieldSpec> {
        let field = self.field;
        (0..).map_while(field)
    }

    /// The metadata text that this program writes.
    pub(crate) fn metadata(&self) -> String {
        format!(r#"{{"v":{}}}"#, self.version)
    }
}

/// A field without its type.
#[doc(hidden)]
pub struct FieldSpec {
    /// The stored key, `<schema>.<field>`.
    pub(crate) name: &'static str,
    /// What the stored keys of its entries begin with, `<schema>.<field>/`.
    pub(crate) prefix: &'static str,
    pub(crate) renew: bool,
    pub(crate) redact: bool,
    /// The order of a top-level array means nothing.
    pub(crate) unordered: bool,
    pub(crate) merge: Merge,
    /// Whether this text is the field's default.
    pub(crate) is_initial: fn(&str) -> bool,
}

impl FieldSpec {
    /// The field's part of the stored key.
    pub(crate) fn key(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, field)| field)
    }
}

/// A field's row in the table that the derive writes.
#[doc(hidden)]
pub struct FieldOps<S: Schema> {
    pub(crate) spec: FieldSpec,
    /// Puts what is stored into the field.
    pub(crate) read: fn(&mut S, &Reader<'_>) -> Result<(), SessionError>,
    /// Compares the field with what is stored and reports what is to be written.
    pub(crate) diff: fn(&S, &mut Changes<'_>) -> Result<(), SessionError>,
    /// The field as JSON, for `Debug`.
    pub(crate) show: fn(&S) -> Option<String>,
    /// Hands the value on to the next guard of the request, if it is never stored.
    pub(crate) carry: Option<fn(&S, &mut S)>,
}

impl<S: Schema> FieldOps<S> {
    /// Both changed it: this merge decides.
    #[must_use]
    pub const fn merge(mut self, merge: crate::merge::MergeFn) -> Self {
        self.spec.merge = Merge::With(merge);
        self
    }

    /// Both changed it: 409.
    #[must_use]
    pub const fn reject(mut self) -> Self {
        self.spec.merge = Merge::Reject;
        self
    }

    /// A change of the value renews the id.
    #[must_use]
    pub const fn renew(mut self) -> Self {
        self.spec.renew = true;
        self
    }

    /// Shown as `…`.
    #[must_use]
    pub const fn redact(mut self) -> Self {
        self.spec.redact = true;
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
    /// Evaluated where the schemas meet: a build error if two of them share a key.
    #[doc(hidden)]
    const UNIQUE: () = {
        if let Some((a, b)) = shared_key(Self::SPECS) {
            let parts =
                ["schemas `", a.name, "` and `", b.name, "` share the key \"", a.key, "\": give one another `key`"];
            panic!("{}", Message::new(&parts).text());
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

const fn shared_key(specs: &[&'static SchemaSpec]) -> Option<(&'static SchemaSpec, &'static SchemaSpec)> {
    let mut a = 0;
    while a < specs.len() {
        let mut b = a + 1;
        while b < specs.len() {
            if same(specs[a].key.as_bytes(), specs[b].key.as_bytes()) {
                return Some((specs[a], specs[b]));
            }
            b += 1;
        }
        a += 1;
    }
    None
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// A compiler message put together in const evaluation, which has no `format!`. What does not fit is cut.
struct Message {
    bytes: [u8; 400],
    length: usize,
}

impl Message {
    const fn new(parts: &[&str]) -> Self {
        let mut message = Self { bytes: [0; 400], length: 0 };
        let mut at = 0;
        while at < parts.len() {
            message.push(parts[at].as_bytes());
            at += 1;
        }
        message
    }

    const fn push(&mut self, part: &[u8]) {
        let mut at = 0;
        while at < part.len() && self.length < self.bytes.len() {
            self.bytes[self.length] = part[at];
            self.length += 1;
            at += 1;
        }
    }

    const fn text(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "two schemas share a key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The compiler's words about a const panic change from release to release; these are ours.
    #[test]
    fn a_message_is_put_together() {
        assert_eq!(
            Message::new(&["schemas `", "Cart", "` and `", "Basket", "`"]).text(),
            "schemas `Cart` and `Basket`"
        );
        assert_eq!(Message::new(&[&"x".repeat(500)]).text().len(), 400);
    }

    #[test]
    fn keys_are_compared_whole() {
        assert!(same(b"cart", b"cart") && !same(b"cart", b"cart-2") && !same(b"", b"a"));
    }
}
