//! The derive macros of `session-runtime`, which re-exports them: an application names that crate only.
//!
//! Tokens in, tokens out; knows nothing of HTTP or stores.

mod attr;
mod check;
mod errors;
mod expand;
mod model;
mod value;

use proc_macro::TokenStream;

/// Makes a struct a schema: implements `session_runtime::Schema` and generates typed accessors.
///
/// For structs with named fields, without parameters. Each field becomes a key of the stored session, `cart.coupon`;
/// the writable view is a type of its own, named after the struct: `CartSessionMut`. It derefs, read only, to the struct.
///
/// ```text
/// use std::collections::BTreeMap;
/// use session_runtime::Session;
///
/// /// What the visitor is about to buy.
/// #[derive(Session)]
/// #[session(key = "cart", version = 1)]
/// struct CartSession {
///     /// Quantity by product.
///     #[session(merge = keys(sum))]
///     items: BTreeMap<u32, u32>,
///     coupon: Option<String>,
///     #[session(default = Currency::Eur)]
///     currency: Currency,
/// }
///
/// fn add(cart: &mut CartSessionMut, product: u32) {
///     *cart.items_mut().entry(product).or_default() += 1;
///     cart.set_coupon("SPRING".to_owned());
/// }
/// ```
///
/// (The example is not compiled here, since this crate cannot name the runtime; the runtime's own examples are.)
///
/// # Accessors
///
/// For a field `items: T`, with the field's visibility, its doc comment and its `#[deprecated]`:
///
/// | on | method | does |
/// |---|---|---|
/// | `CartSession` | `items(&self) -> &T` | reads |
/// | `CartSessionMut` | `items_mut(&mut self) -> &mut T` | edits in place |
/// | | `set_items(&mut self, T)` | replaces; stored even if it is the default. For `Option<U>` it takes the inner `U`: an `Option` is assigned, `*cart.note_mut() = option` |
/// | | `take_items(&mut self) -> T` | returns the value and leaves the default |
/// | | `clear_items(&mut self)` | back to the default, which is not stored |
/// | | `update(&mut self, impl FnOnce(&mut CartSession) -> R) -> R` | free editing; changes are found by comparison |
///
/// A field without a value stored takes its default: `None` for what is spelled `Option<…>`, `default = …` where it is
/// given, `Default::default()` otherwise. An accessor may not be named like a method of the guard (`save`, `update`,
/// `update_now`), like one of another field, or like a method that you write for the struct: see `accessor`. A field
/// called `r#type` has the key `type` and the accessors `r#type`, `type_mut`, `set_type`, …
///
/// # On the struct: `#[session(...)]`
///
/// | attribute | default | meaning |
/// |---|---|---|
/// | `key = "cart"` | required | first part of every stored key: `a-z`, `0-9`, `_`, `-`; at most 64 bytes. `session` and what starts with `__` are reserved |
/// | `version = 1` | required | which version of the struct this is, from 1 to 65535, stored beside the fields |
/// | `lazy` | fetched with the session | fetched only when a guard asks for it |
/// | `lasting` | off | goes along when the session starts over: language, theme, notices. Not with a `renew` field |
/// | `on_invalid = "reset"` | `"refuse"` | a stored value that does not decode: `refuse` fails the guard and touches nothing, `reset` gives that one field its default |
/// | `layout = "items:1f3a9c02 …"` | not pinned | the stored layout as it was deployed, a hash for each key: a change does not compile. Empty, and the compiler says what to paste |
/// | `unreleased` | off | in place of `layout` while the struct is designed; refused in builds without debug assertions |
/// | `was(2 = "…")` | none | layouts of older versions of which every key is still there |
/// | `previous = CartV2` | none | the struct below in the chain; needs `From<CartV2>` or `TryFrom<CartV2>`, and for a hold the way back |
/// | `migrate(from = 1, with = path)` | none | `fn(&mut RawSection) -> Result<(), E>`, one version up; may be repeated |
/// | `archived` | off | an older version that only the upgrade reads |
/// | `retired("basket", …)` | none | keys that may never be used again, as fields had them: without the schema's key |
/// | `oldest = 2` | `1` | older versions are not read |
/// | `readers = 3` | computed | the lowest version of programs that may read this; may only be tighter than what the layouts allow |
/// | `on_newer = "discard"` | `"refuse"` | what a newer version stored and this one may not read: `refuse` answers 503, `discard` counts it as nothing |
/// | `crate = ::path` | `::session_runtime` | where the runtime is; starts with `::` or `crate` |
///
/// # On a field: `#[session(...)]`
///
/// | attribute | default | meaning |
/// |---|---|---|
/// | `default = expression` | `Default::default()` | the value while nothing is stored; `default` alone says the default in so many words. Not for `Option`, nor with `merge = keys` |
/// | `rename = "curr"` | the field's name | second part of the stored key: `a-z`, `A-Z`, `0-9`, `_`, `-`; at most 64 bytes |
/// | `renamed_from = "basket"` | none | the stored key that older versions had: one that `previous` or `was` has |
/// | `opaque = "money@1"` | the type's own shape | a name for what a foreign type stores, where the layout is pinned; another name is another layout |
/// | `accessor = "lines"` | the field's name | names the accessors: `lines`, `lines_mut`, `set_lines`, … |
/// | `merge = …` | `last_write` | what two requests at once make of the field, see below |
/// | `renew` | off | for the user who is logged in: a login gives a new id, and where the field leaves a value that is not its default the session starts over. Not with `merge = keys` |
/// | `renew(keep)` | off | for a role, a tenant, a step-up: a change gives a new id and keeps the data. Not with `merge = keys` |
/// | `transient` | stored | never stored, lives for the request; `Clone` is enough for its type |
/// | `redact` | shown | shown as `…` by the `Debug` of the writable view, as transient fields are |
/// | `serde_ok` | refused | lets `#[serde(...)]` stand on the field, for another use of the struct; what the session stores does not change |
///
/// | `merge` | for | both requests changed it |
/// |---|---|---|
/// | `last_write` | anything | the later one wins |
/// | `sum` | integers | both differences are added, saturating |
/// | `keys` | maps and sets | stored and merged entry by entry; of one entry the later one wins |
/// | `keys(sum)` | maps to integers | entry by entry, both differences added |
/// | `reject` | anything | the later one is refused: 409. The order of a set is no change where the shape shows the set: a type of your own that holds a `HashSet` derives `SessionValue` |
/// | `with = path` | anything | `fn(base: &T, theirs: &T, ours: T) -> T` decides; must not panic or block |
///
/// `merge(sum)`, `merge = with(path)` and `merge(with = path)` are other spellings of the same.
///
/// # What is refused
///
/// Every mistake of a struct is reported in one run, at the tokens it is in. `serde` and `cfg` attributes on a field are
/// refused, since they have no effect or change what is stored from build to build; so are references, `Rc`, trait
/// objects and raw pointers, which no store can hold, and an `Option` of what is written as `null` (`Option<Option<_>>`,
/// `Option<()>`, a unit struct that derives `SessionValue`), whose `Some` would be read as
/// `None`. A value that only turns out to be `null` (`Some(NaN)`, `Some(serde_json::Value::Null)`) is refused at the save. An
/// accessor may not be called `into`, `try_into` or `default`: either would be mixed up with the standard
/// library's where it is called.
///
/// `cfg_attr` on a field is resolved by the compiler before this derive sees the struct, so
/// `#[cfg_attr(feature = "x", session(rename = "b"))]` gives two builds that store different keys. Only a pinned `layout`
/// guards against that: one of the two builds does not compile.
#[proc_macro_derive(Session, attributes(session))]
pub fn derive_session(input: TokenStream) -> TokenStream {
    match syn::parse(input) {
        Ok(input) => expand::derive(input).into(),
        Err(error) => error.to_compile_error().into(),
    }
}

/// Records what serde writes for a type that stands inside a field of a schema: implements `session_runtime::SessionValue`.
///
/// For structs and enums, with type parameters or without; beside `Serialize` and `Deserialize`, whose attributes it
/// reads. Nothing but the one constant is generated.
///
/// ```text
/// use serde::{Deserialize, Serialize};
/// use session_runtime::SessionValue;
///
/// /// One line of the cart: `{"sku": "A7", "qty": 2}`.
/// #[derive(Serialize, Deserialize, SessionValue)]
/// struct Line {
///     sku: String,
///     qty: u32,
///     /// Another crate's type, of which we promise that it is stored as version 1 of what we call money.
///     #[session(opaque = "money@1")]
///     price: Money,
/// }
///
/// /// `{"kind": "card", "last4": "1234"}`; what a newer program stored is kept as it is.
/// #[derive(Serialize, Deserialize, SessionValue)]
/// #[serde(tag = "kind", rename_all = "snake_case")]
/// enum Payment {
///     Card { last4: String },
///     Invoice,
///     #[serde(untagged)]
///     #[session(other)]
///     Unknown(serde_json::Value),
/// }
/// ```
///
/// (The example is not compiled here, since this crate cannot name the runtime; the runtime's own examples are.)
///
/// # Attributes: `#[session(...)]`
///
/// | attribute | on | meaning |
/// |---|---|---|
/// | `opaque = "name@1"` | field, type | you promise the shape under this name, and change the name when the shape changes; nothing is asked of the type |
/// | `other` | last variant | takes what is unknown, together with `#[serde(untagged)]`, and keeps it in its one field: a variant that a later version adds can be read and written back |
/// | `crate = ::path` | type | where the runtime is, `::session_runtime` if not given; starts with `::` or `crate` |
///
/// # Attributes of serde's that are honoured
///
/// | attribute | on | what is recorded |
/// |---|---|---|
/// | `rename` | all | the stored name; if `serialize` and `deserialize` are given, both must be the same |
/// | `rename_all`, `rename_all_fields` | type, variant | the stored names, likewise |
/// | `tag`, `tag` and `content` | type | where the variant's name is stored |
/// | `skip`, `skip_serializing` with `skip_deserializing` | field, variant | nothing: it is not stored |
/// | `transparent` | struct | the shape of its one field; a struct with one field without a name is recorded so anyway |
/// | `deny_unknown_fields` | type | that unknown keys make it unreadable |
/// | `skip_serializing_if` | field with a name | the field: it may be missing, as any may |
/// | `other` | last variant | the variant under its own name: what it takes is not kept |
/// | `alias` | field, variant | nothing changes; a name that another field or variant has is refused |
/// | `default`, `bound`, `borrow`, `expecting`, `crate` | | nothing changes |
///
/// # What is refused
///
/// Every mistake of a type is reported in one run, at the tokens it is in.
///
/// | refused | instead |
/// |---|---|
/// | `flatten`, `from`, `try_from`, `into`, `remote`, an `untagged` enum | `#[session(opaque = "name@1")]` on the type |
/// | `with`, `serialize_with`, `deserialize_with` | `#[session(opaque = "name@1")]` on the field |
/// | `skip_serializing` or `skip_deserializing` alone, a `rename` for one direction | what is written and what is read must be one shape |
/// | `skip_serializing_if` on a field without a name | it moves those behind it: give the fields names |
/// | `skip_serializing_if` without `default`, unless the field is spelled `Option` | `#[serde(default)]`: what is left out is missing when it is read |
/// | below `tag` without `content`, or beside a variant with `untagged`: maps whose keys are no text, numbers of 128 bits | serde writes them and does not read them there: `String` keys or a list of pairs, 64 bits or a `String` |
/// | beside `tag`: a type whose own keys have the name of the tag, or that is no object | another name; a name for the field |
/// | `tag` with `deny_unknown_fields` on a struct | serde does not read the tag that it wrote: leave one out |
/// | `Option` of what is written as `null` | `bool`, or an enum that names each case |
/// | `skip` on the only field of a `struct S(T)` | serde writes it all the same: make it a unit struct |
/// | `untagged` on a variant without `#[session(other)]`, and the other way round | both, to keep what is unknown |
/// | an attribute that is not known | leave it out |
/// | two fields with one key, two variants with one name | serde would only warn |
/// | a type that contains itself | `#[session(opaque = "name@1")]` on the field |
/// | lifetimes, unions | stored values own their data |
#[proc_macro_derive(SessionValue, attributes(session, serde))]
pub fn derive_session_value(input: TokenStream) -> TokenStream {
    match syn::parse(input) {
        Ok(input) => value::derive(&input).into(),
        Err(error) => error.to_compile_error().into(),
    }
}
