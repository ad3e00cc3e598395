//! The stored shape of types, as a tree that the compiler can compare.
//!
//! A tree and no text: a generic impl cannot build a text of computed length in a constant. Two types with one shape are
//! one thing to a stored session, whatever they are called.

/// Types without parts; a type without `as` is checked at each save.
macro_rules! prims {
    ($($ty:ty = $name:literal $(as $reads:ident)?)*) => {$(
        impl SessionValue for $ty {
            const TY: Ty = Ty::Prim($name);
            $(fn __reads() -> $crate::schema::value::Reads {
                $crate::schema::value::Reads::$reads
            })?
        }
    )*};
}

mod foreign;
mod reads;
mod standard;

pub use self::reads::Reads;

/// A type whose stored shape is known, so that a changed shape is found at compile time.
///
/// Asked of a field's type where its schema is pinned with `layout`. Implemented for what the standard library has, for
/// `serde_json::Value`, and behind features for `chrono`, `time`, `uuid`, `rust_decimal` and `url`; derive it for structs
/// and enums of your own, beside serde's derives: see the [derive macro](macro@crate::SessionValue). Implement it by hand
/// only together with serde's traits: it says what those write.
///
/// A derived shape is taken at its word in a release build. Each value of another type is read once before it is stored,
/// and a value that would not come back is refused ([`ErrorKind::Unencodable`](crate::ErrorKind::Unencodable)). A build
/// with debug assertions reads the values of every type.
///
/// # Examples
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use session_runtime::SessionValue;
///
/// #[derive(Serialize, Deserialize, SessionValue)]
/// struct Line {
///     sku: String,
///     qty: u32,
/// }
///
/// #[derive(Serialize, Deserialize, SessionValue)]
/// #[serde(tag = "kind", rename_all = "snake_case")]
/// enum Payment {
///     Card { last4: String },
///     Invoice,
///     /// What a newer program stored is kept as it is.
///     #[serde(untagged)]
///     #[session(other)]
///     Unknown(serde_json::Value),
/// }
/// ```
///
/// By hand:
///
/// ```
/// use session_runtime::{SessionValue, value::Ty};
///
/// struct Sku(String);
/// impl SessionValue for Sku {
///     const TY: Ty = String::TY;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored in a session: its wire shape is unknown",
    label = "does not implement `SessionValue`",
    note = "derive `SessionValue` beside serde's traits, or name the shape on the field: `#[session(opaque = \"name@1\")]`"
)]
pub trait SessionValue {
    /// What serde makes of a value of this type.
    const TY: Ty;
    /// How far reading is known to undo writing. An impl by hand leaves it out: its values are read at each save.
    #[doc(hidden)]
    #[must_use]
    fn __reads() -> Reads {
        Reads::Perhaps
    }
}

/// A stored shape.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionValue, value::Ty};
///
/// assert!(matches!(<Vec<u32>>::TY, Ty::Seq(Ty::Prim("u32"))));
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Ty {
    /// A value without parts: `bool`, `u32`, `str`, …
    Prim(&'static str),
    /// `null` or this.
    Nullable(&'static Ty),
    /// Any number of these, in an order that counts: `Vec`.
    Seq(&'static Ty),
    /// Any number of these, in an order that does not count: `HashSet`, `BTreeSet`, `BinaryHeap`.
    Set(&'static Ty),
    /// So many of these.
    Array(&'static Ty, usize),
    /// From these keys to these values.
    Map(&'static Ty, &'static Ty),
    /// One of each, in this order.
    Tuple(&'static [Ty]),
    /// An object with these keys.
    Struct(Struct),
    /// One of several.
    Enum(Enum),
    /// Whatever its author promises under this name; another name is another shape.
    Opaque(&'static str),
    /// Of a key of an object: this, or no key at all (`skip_serializing_if`).
    Skippable(&'static Ty),
}

/// An object with named keys.
///
/// # Examples
///
/// ```
/// use session_runtime::value::{Key, Struct, Ty};
///
/// const LINE: Ty = Ty::Struct(Struct { keys: &[Key { name: "sku", ty: Ty::Prim("str") }], closed: false });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Struct {
    /// The keys, in any order.
    pub keys: &'static [Key],
    /// Whether a key that is not among them makes the whole unreadable.
    pub closed: bool,
}

/// A key of an object.
///
/// # Examples
///
/// ```
/// use session_runtime::value::{Key, Ty};
///
/// const SKU: Key = Key { name: "sku", ty: Ty::Prim("str") };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is stored.
    pub name: &'static str,
    /// What is stored under it.
    pub ty: Ty,
}

/// One of several variants.
///
/// # Examples
///
/// ```
/// use session_runtime::value::{Enum, Tag, Ty, Variant};
///
/// const VARIANTS: &[Variant] = &[Variant { name: "Eur", content: None }, Variant { name: "Usd", content: None }];
/// const CURRENCY: Ty = Ty::Enum(Enum { tag: Tag::External, variants: VARIANTS, open: false });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Enum {
    /// How the variant is told.
    pub tag: Tag,
    /// The variants, in any order, without the one that takes what is unknown.
    pub variants: &'static [Variant],
    /// Whether a variant that is not among them is read and written back unchanged.
    pub open: bool,
}

/// How a stored enum tells its variant.
///
/// # Examples
///
/// ```
/// use session_runtime::value::Tag;
///
/// let tag = Tag::Internal("kind");
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Tag {
    /// `"Eur"`, or `{"Other": content}`.
    External,
    /// A key of the content says so.
    Internal(&'static str),
    /// Two keys: the tag's and the content's.
    Adjacent(&'static str, &'static str),
}

/// A variant.
///
/// # Examples
///
/// ```
/// use session_runtime::value::{Ty, Variant};
///
/// const OTHER: Variant = Variant { name: "Other", content: Some(Ty::Prim("str")) };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// As it is stored.
    pub name: &'static str,
    /// What it holds; `None` for nothing at all.
    pub content: Option<Ty>,
}
