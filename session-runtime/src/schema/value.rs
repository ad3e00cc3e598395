//! Stored shapes of types, as trees that the compiler can compare.
//!
//! A shape is a tree rather than a text, because a generic impl cannot build a text of computed length in a constant.
//! For a stored session, two types with the same shape are equal, whatever their names.

/// Implements `SessionValue` for types without parts. Values of a type without `as` are checked at each save.
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

/// Type whose stored shape is known, so that a changed shape is found at compile time.
///
/// Required of the field types of a schema that is pinned with `layout`. Implemented for types of the standard
/// library, for `serde_json::Value`, and behind features for `chrono`, `time`, `uuid`, `rust_decimal` and `url`.
/// Derive it for structs and enums of your own, beside serde's derives: see the
/// [derive macro](macro@crate::SessionValue). Implement it by hand only together with serde's traits, since it
/// describes the form that those write.
///
/// A release build trusts a derived shape. A value of any other type is read back once before it is stored, and
/// refused with [`ErrorKind::Unencodable`](crate::ErrorKind::Unencodable) if the result differs. A build with debug
/// assertions reads back the values of every type.
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
///     /// Keeps a variant that a newer program stored.
///     #[serde(untagged)]
///     #[session(other)]
///     Unknown(serde_json::Value),
/// }
/// ```
///
/// An impl by hand:
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
    /// Shape that serde writes for a value of this type.
    const TY: Ty;
    /// Degree to which a value is known to be read as it was written. An impl by hand leaves this out: its values are
    /// read back at each save.
    #[doc(hidden)]
    #[must_use]
    fn __reads() -> Reads {
        Reads::Perhaps
    }
}

/// Stored shape.
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
    /// Value without parts: `bool`, `u32`, `str`, …
    Prim(&'static str),
    /// `null` or a value of this shape.
    Nullable(&'static Ty),
    /// Sequence of any length, whose order matters: `Vec`.
    Seq(&'static Ty),
    /// Collection of any length, whose order does not matter: `HashSet`, `BTreeSet`, `BinaryHeap`.
    Set(&'static Ty),
    /// Array of this length.
    Array(&'static Ty, usize),
    /// Map from keys to values of these shapes.
    Map(&'static Ty, &'static Ty),
    /// One element of each shape, in this order.
    Tuple(&'static [Ty]),
    /// Object with these keys.
    Struct(Struct),
    /// One of several variants.
    Enum(Enum),
    /// Shape that its author promises to keep under this name; another name is another shape.
    Opaque(&'static str),
    /// Value of an object's key, or no key at all (`skip_serializing_if`).
    Skippable(&'static Ty),
}

/// Object with named keys.
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
    /// Keys, in any order.
    pub keys: &'static [Key],
    /// True if any other key makes the whole object unreadable.
    pub closed: bool,
}

/// Key of an object.
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
    /// Name in the stored form.
    pub name: &'static str,
    /// Shape of the value under the key.
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
    /// Encoding of the variant's name.
    pub tag: Tag,
    /// Variants in any order, without the catch-all for unknown ones.
    pub variants: &'static [Variant],
    /// True if an unknown variant is read, and written back unchanged.
    pub open: bool,
}

/// Encoding of the variant's name in a stored enum. See [`Enum`] for an example.
#[derive(Clone, Copy, Debug)]
pub enum Tag {
    /// `"Eur"`, or `{"Other": content}`.
    External,
    /// Key inside the content that holds the name.
    Internal(&'static str),
    /// Two keys: one for the name and one for the content.
    Adjacent(&'static str, &'static str),
}

/// Variant of an enum.
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
    /// Name in the stored form.
    pub name: &'static str,
    /// Shape of the content; `None` for a variant without content.
    pub content: Option<Ty>,
}
