//! Derive macros of `session-runtime`. That crate re-exports them, so an application names it alone.
//!
//! The macros turn tokens into tokens. They contain nothing about HTTP or stores.

mod attr;
mod check;
mod errors;
mod expand;
mod model;
mod value;

use proc_macro::TokenStream;

/// Makes a struct a schema: implements `session_runtime::Schema` and generates typed accessors.
///
/// Works on structs with named fields and without generic parameters. Each field becomes a key of the stored session,
/// such as `cart.coupon`. The writable view is a type of its own, named after the struct: `CartSessionMut`. It
/// dereferences, read-only, to the struct.
///
/// ```text
/// use std::collections::BTreeMap;
/// use session_runtime::Session;
///
/// /// Cart of a visitor.
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
/// This example is not compiled, since this crate cannot name the runtime. The runtime's own examples are compiled.
///
/// # Accessors
///
/// A field `items: T` gets these accessors, with the field's visibility, its doc comment and its `#[deprecated]`:
///
/// | on | method | effect |
/// |---|---|---|
/// | `CartSession` | `items(&self) -> &T` | reads |
/// | `CartSessionMut` | `items_mut(&mut self) -> &mut T` | edits in place |
/// | | `set_items(&mut self, T)` | replaces; stored even if it is the default |
/// | | `take_items(&mut self) -> T` | returns the value and leaves the default |
/// | | `clear_items(&mut self)` | resets to the default, which is not stored |
/// | | `update(&mut self, impl FnOnce(&mut CartSession) -> R) -> R` | edits freely; changes are found by comparison |
///
/// A map or set with the attribute `entries` also gets accessors of single entries, see below:
///
/// | on | method | effect |
/// |---|---|---|
/// | `CartSessionMut` | `items_get(&self, &K) -> Option<V>` | returns one entry |
/// | | `items_entry(&mut self, K)` | opens one entry, which dereferences to `Option<V>` |
///
/// For a field `note: Option<U>`, `set_note` takes the inner `U`. An `Option` is assigned: `*cart.note_mut() = option`.
///
/// A field whose value did not change is not written, whichever accessor touched it; `None` is never stored. The fields
/// themselves are read-only behind a guard, so `cart.coupon = …` does not compile: use an accessor, or
/// `cart.update(|cart| cart.coupon = …)`. A schema in a module of its own needs `pub(crate)` fields, so that routes can
/// call the accessors. Tera refuses a map whose keys are numbers: give a template a list of pairs.
///
/// A field without a stored value has its default: `None` if the type is spelled `Option<…>`, the expression of
/// `default = …` if there is one, and `Default::default()` otherwise.
///
/// An accessor must not have the name of a method of the guard (`save`, `update`, `update_now`), of an accessor of
/// another field, or of a method that you write for the struct. The attribute `accessor` gives it another name. A field
/// named `r#type` has the key `type` and the accessors `r#type`, `type_mut`, `set_type`, …
///
/// # On the struct: `#[session(...)]`
///
/// | attribute | default | meaning |
/// |---|---|---|
/// | `key = "cart"` | required | first part of every stored key |
/// | `version = 1` | required | version of the struct, from 1 to 65535, stored beside the fields |
/// | `lazy` | fetched with the session | fetched only when a guard needs it |
/// | `lasting` | off | kept when the session starts over: language, theme, notices. Not with a `renew` field |
/// | `on_invalid = "reset"` | `"refuse"` | treatment of a stored value that does not decode |
/// | `layout = "items:1f3a9c02 …"` | not pinned | the deployed layout, a hash for each key: a change does not compile |
/// | `unreleased` | off | in place of `layout` while the struct is designed |
/// | `was(2 = "…")` | none | layouts of older versions all of whose keys still exist |
/// | `previous = CartV2` | none | struct of the version below |
/// | `migrate(from = 1, with = path)` | none | `fn(&mut RawSection) -> Result<(), E>`, one version up; repeatable |
/// | `archived` | off | marks an older version that only the upgrade reads |
/// | `retired("basket", …)` | none | field keys that must never be used again, without the schema's key |
/// | `oldest = 2` | `1` | oldest version that is still read |
/// | `readers = 3` | computed | lowest version of programs that may read this |
/// | `on_newer = "discard"` | `"refuse"` | treatment of data of a newer version that this one may not read |
/// | `crate = ::path` | `::session_runtime` | path of the runtime; starts with `::` or `crate` |
///
/// - `key` has at most 64 bytes of `a-z`, `0-9`, `_` and `-`. `session` and keys that start with `__` are reserved for the
///   library.
/// - `on_invalid = "refuse"` fails the guard and changes nothing. `"reset"` gives that one field its default.
/// - With `layout = ""`, the compiler prints the layout to paste.
/// - `unreleased` is refused in builds without debug assertions.
/// - `previous` needs `From<CartV2>` or `TryFrom<CartV2>`, and the conversion back for a hold.
/// - `readers` can only be tighter than the layouts allow.
/// - `on_newer = "refuse"` fails the guard with 503. `"discard"` counts the data as absent.
///
/// # On a field: `#[session(...)]`
///
/// | attribute | default | meaning |
/// |---|---|---|
/// | `default = expression` | `Default::default()` | value while nothing is stored |
/// | `rename = "curr"` | the field's name | second part of the stored key |
/// | `renamed_from = "basket"` | none | stored key in older versions: one that `previous` or `was` has |
/// | `opaque = "money@1"` | the type's own shape | name for the stored shape of a foreign type, in a pinned layout |
/// | `accessor = "lines"` | the field's name | base name of the accessors: `lines`, `lines_mut`, `set_lines`, … |
/// | `merge = …` | `last_write` | result of two concurrent changes of the field, see below |
/// | `expires_after = "10m"` | never | the value reads as its default from that long after it was last set |
/// | `entries` | off | single entries of a map or set: `items_get`, `items_entry`, each decoded when it is asked for |
/// | `renew` | off | for the logged-in user: a login gives a new id |
/// | `renew(keep)` | off | for a role, a tenant, a step-up: a change gives a new id and keeps the data |
/// | `index` | off | sessions can be looked up by the value: `by_<field>` |
/// | `transient` | stored | never stored, lives for the request; its type only needs `Clone` |
/// | `redact` | shown | shown as `…` by the `Debug` of the writable view, as transient fields are |
/// | `serde_ok` | refused | allows `#[serde(...)]` on the field, for another use of the struct |
///
/// - `default` alone states `Default::default()` explicitly. No `default` is allowed for an `Option` or with `merge =
///   keys` or `append`.
/// - `rename` has at most 64 bytes of `a-z`, `A-Z`, `0-9`, `_` and `-`.
/// - A different `opaque` name is a different layout.
/// - With `renew`, the session starts over when the field changes from a value other than its default. Neither `renew`
///   nor `renew(keep)` is allowed with `merge = keys` or `append`.
/// - `index` is for a type that implements `EntryKey`, or an `Option` of one, without `merge = keys` or `append`. For the
///   field `user`, it generates `AuthSession::by_user(value)`, with the field's visibility, for `Sessions::list`, `count`
///   and `destroy_all`. A `String` takes `&str`. `None` and an absent key are not indexed.
/// - `expires_after` has the units `ms`, `s`, `m`, `h` and `d`, as in `"1h 30m"`, and at most ten years. It is not allowed
///   with `merge = keys`, `renew` or `transient`. See below.
/// - `entries` is for fields with `merge = keys` or `keys(sum)` whose values are `Clone`. It does not change the layout.
/// - `serde_ok` has no effect on the data that the session stores.
///
/// | `merge` | for | both requests changed the field |
/// |---|---|---|
/// | `last_write` | any type | the later change wins |
/// | `sum` | integers | both differences are added, saturating |
/// | `keys` | maps and sets | stored and merged entry by entry; of one entry the later change wins |
/// | `keys(sum)` | maps to integers | entry by entry, both differences are added |
/// | `append(max = 20)` | `Vec<T>` | stored element by element: the elements that either request appended are kept |
/// | `reject` | any type | the later change is refused with 409 |
/// | `with = path` | any type | `fn(base: &T, theirs: &T, ours: T) -> T` decides; must not panic or block |
///
/// For `reject`, the order of a set is not a change if the shape shows the set: derive `SessionValue` for a type of
/// your own that holds a `HashSet`.
///
/// `merge(sum)`, `merge = with(path)` and `merge(with = path)` are other spellings of the same.
///
/// # Single entries
///
/// A guard of a map decodes all its entries, and its save compares them. With the attribute `entries`, a writable guard
/// and a `Read<CartSession>` decode an entry when it is asked for, and the save compares and sends those that were edited:
///
/// ```text
/// #[session(merge = keys(sum), entries)]
/// items: BTreeMap<u32, u32>,
///
/// *cart.items_entry(7) = Some(2);                       // sets
/// *cart.items_entry(7).get_or_insert_default() += 1;    // adds
/// cart.items_entry(7).take();                           // removes
/// cart.items_get(&8)                                    // reads
/// ```
///
/// - They mix with the other accessors of the field in any order, and merge as these do. The first access to a whole map
///   of the schema decodes its maps: `items()`, `items_mut()`, `set_items(…)`, `take_items()`, `clear_items()` and
///   `update(…)`, but also `coupon()` and the methods of the struct, for which the whole struct is needed.
///   `coupon_mut()` and `set_coupon(…)` need no map.
/// - The guard `&CartSession` decodes all entries.
/// - An entry that does not decode fails a `&CartSession` when it is opened. Other guards meet it when it is asked for, by
///   itself or with its map: it then reads as absent, the request is answered with 500, and nothing is stored. An entry
///   that is not asked for fails nothing. With `on_invalid = "reset"` it is skipped in all cases, and stays stored.
/// - A value that cannot be stored fails the save, unless the entry is set again before. Until then it reads as absent.
/// - A store still loads the whole schema. Put a large map into a schema of its own.
///
/// # Lists that merge
///
/// With `merge = append(max = 20)`, each element of a `Vec` is stored under a key of its own. Concurrent pushes all
/// survive, and a removal removes only the elements that its request saw. Accessors are those of any `Vec`.
///
/// - `max` is from 1 to 1,000. A write that leaves more elements removes the oldest. `n` concurrent requests may leave up to
///   `max + n - 1` elements until the next write of the list.
/// - An element that stays in the list keeps its key, and so does one that is edited in place. Of two concurrent edits of
///   one element the later save wins. An edit of an element that another request removed is dropped.
/// - An element that moved counts as removed and appended, and so do all elements behind one that was inserted.
/// - The list before and after a guard is compared. So `pop` and `push` under one guard edit the last element: the new
///   text expires with the old one, and is dropped if another request has removed that. Under a guard each, they remove
///   an element and append another.
/// - `take_notices()` in two concurrent requests may return an element twice. A merge never loses one.
///
/// # Values that expire
///
/// A field with `expires_after` reads as its default from that long after it was last set. `set_…` begins a new period
/// even if the value is equal; the other accessors begin one only if the value changed. An element of an `append` list
/// expires that long after it was appended; an edit in place does not extend that.
///
/// - The clock of the request that reads decides. Nodes may disagree by the difference of their clocks.
/// - An expired value is removed from the store by the next write to its field.
/// - A concurrent change merges with an expired value as with an absent one.
/// - In a program without the attribute the value does not expire. If that program changes or removes it, the deadline is
///   removed as well; if it sets the same value, the deadline stays.
///
/// # Starting over
///
/// When a `renew` field leaves a user, for its default or for another user, the session starts over: a new record is
/// stored under a new key, and the old one is deleted. The new record holds the `lasting` schemas and the values that
/// this request set. If nothing remains, no record is stored and the cookie is removed.
///
/// After the setter of the `renew` field, the other fields of its schema have their defaults. An edit of a stored value
/// of the previous user (`roles_mut()` before the setter, or `update`) fails the save with `ErrorKind::PreviousUser`.
/// `set_roles(…)` is allowed at any time. With `merge = sum` or `keys(sum)`, an edit is allowed too: the difference
/// counts.
///
/// # Refused structs
///
/// One run reports all mistakes of a struct, each at its tokens. The derive refuses:
///
/// - `serde` and `cfg` attributes on a field, which have no effect or let the stored data depend on the build;
/// - references, `Rc`, trait objects and raw pointers, which no store can hold;
/// - an `Option` of a type that is written as `null` (`Option<Option<_>>`, `Option<()>`, a unit struct that derives
///   `SessionValue`): its `Some` would be read as `None`;
/// - an accessor called `into`, `try_into` or `default`, which would be confused with the standard library's.
///
/// A value that is `null` only at run time (`Some(NaN)`, `Some(serde_json::Value::Null)`) is refused at the save.
///
/// The compiler resolves `cfg_attr` on a field before this derive sees the struct. Two builds with and without
/// `#[cfg_attr(feature = "x", session(rename = "b"))]` therefore store different keys. Only a pinned `layout` guards
/// against that: one of the two builds does not compile.
#[proc_macro_derive(Session, attributes(session))]
pub fn derive_session(input: TokenStream) -> TokenStream {
    match syn::parse(input) {
        Ok(input) => expand::derive(input).into(),
        Err(error) => error.to_compile_error().into(),
    }
}

/// Records the shape that serde writes for a type inside a field of a schema: implements
/// `session_runtime::SessionValue`.
///
/// Works on structs and enums, with type parameters or without, that also derive `Serialize` and `Deserialize`. Their
/// serde attributes are taken into account.
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
///     /// Type of another crate. We promise that it is stored as version 1 of a shape called money.
///     #[session(opaque = "money@1")]
///     price: Money,
/// }
///
/// /// `{"kind": "card", "last4": "1234"}`; variants that a newer program stored are kept unchanged.
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
/// This example is not compiled, since this crate cannot name the runtime. The runtime's own examples are compiled.
///
/// # Attributes: `#[session(...)]`
///
/// | attribute | on | meaning |
/// |---|---|---|
/// | `opaque = "name@1"` | field, type | promises the shape under this name; nothing is required of the type |
/// | `other` | last variant | keeps unknown variants in its one field; together with `#[serde(untagged)]` |
/// | `crate = ::path` | type | path of the runtime, default `::session_runtime`; starts with `::` or `crate` |
///
/// Change the name of an `opaque` shape when the shape changes. With `other`, a variant that a later version adds can
/// be read and written back.
///
/// # Supported attributes of serde
///
/// | attribute | on | recorded |
/// |---|---|---|
/// | `rename` | all | the stored name; if `serialize` and `deserialize` are given, both must be the same |
/// | `rename_all`, `rename_all_fields` | type, variant | the stored names, likewise |
/// | `tag`, `tag` and `content` | type | the place where the variant's name is stored |
/// | `skip`, `skip_serializing` with `skip_deserializing` | field, variant | nothing: it is not stored |
/// | `transparent` | struct | the shape of its one field, as for any struct with one unnamed field |
/// | `deny_unknown_fields` | type | that unknown keys make it unreadable |
/// | `skip_serializing_if` | named field | the field: it may be missing, as any may |
/// | `other` | last variant | the variant under its own name; unknown content is not kept |
/// | `alias` | field, variant | no change; the name of another field or variant is refused |
/// | `default`, `bound`, `borrow`, `expecting`, `crate` | | no change |
///
/// # Refused types
///
/// One run reports all mistakes of a type, each at its tokens.
///
/// | refused | instead |
/// |---|---|
/// | `flatten`, `from`, `try_from`, `into`, `remote`, `untagged` enums | `#[session(opaque = "name@1")]` on the type |
/// | `with`, `serialize_with`, `deserialize_with` | `#[session(opaque = "name@1")]` on the field |
/// | `skip_serializing` or `skip_deserializing` alone, a one-way `rename` | one shape for both directions |
/// | `skip_serializing_if` on an unnamed field | named fields: leaving one out moves those behind it |
/// | `skip_serializing_if` without `default`, unless the field is spelled `Option` | `#[serde(default)]` |
/// | maps whose keys are not text, in buffered content | `String` keys or a list of pairs |
/// | 128-bit numbers in buffered content | 64 bits or a `String` |
/// | beside `tag`: a type one of whose keys has the tag's name | another name |
/// | beside `tag`: a type that is not an object | a name for the field |
/// | `tag` with `deny_unknown_fields` on a struct | one of them: serde does not read the tag that it wrote |
/// | `Option` of a type that is written as `null` | `bool`, or an enum that names each case |
/// | `skip` on the only field of a `struct S(T)` | a unit struct: serde writes the field anyway |
/// | `untagged` on a variant without `#[session(other)]`, or the reverse | both, to keep unknown variants |
/// | an unknown attribute | leave it out |
/// | two fields with one key, two variants with one name | different names: serde would only warn |
/// | a type that contains itself | `#[session(opaque = "name@1")]` on the field |
/// | lifetimes, unions | stored values own their data |
///
/// Buffered content is the content below `tag` without `content`, and that of an enum with an `untagged` variant. Serde
/// writes such maps and numbers there but does not read them. A field that `skip_serializing_if` leaves out is missing
/// when it is read, and needs a default.
#[proc_macro_derive(SessionValue, attributes(session, serde))]
pub fn derive_session_value(input: TokenStream) -> TokenStream {
    match syn::parse(input) {
        Ok(input) => value::derive(&input).into(),
        Err(error) => error.to_compile_error().into(),
    }
}
