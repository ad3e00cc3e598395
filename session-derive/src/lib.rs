//! The derive macro of `session-runtime`, which re-exports it: an application names that crate only.
//!
//! Tokens in, tokens out; knows nothing of HTTP or stores.

mod attr;
mod check;
mod errors;
mod expand;
mod model;

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
/// | | `set_items(&mut self, T)` | replaces; stored even if it is the default. For `Option<U>` it takes the inner `U` |
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
/// | `version = 1` | required | which version of the struct this is, stored beside the fields. Versions above 1 come with a later release |
/// | `lazy` | fetched with the session | fetched only when a guard asks for it |
/// | `on_invalid = "reset"` | `"refuse"` | a stored value that does not decode: `refuse` fails the guard and touches nothing, `reset` gives that one field its default |
/// | `crate = ::path` | `::session_runtime` | where the runtime is; starts with `::` or `crate` |
///
/// # On a field: `#[session(...)]`
///
/// | attribute | default | meaning |
/// |---|---|---|
/// | `default = expression` | `Default::default()` | the value while nothing is stored; `default` alone says the default in so many words. Not for `Option`, nor with `merge = keys` |
/// | `rename = "curr"` | the field's name | second part of the stored key: `a-z`, `A-Z`, `0-9`, `_`, `-`; at most 64 bytes |
/// | `accessor = "lines"` | the field's name | names the accessors: `lines`, `lines_mut`, `set_lines`, … |
/// | `merge = …` | `last_write` | what two requests at once make of the field, see below |
/// | `renew` | off | a change of the value gives the session a new id: for who is logged in. Not with `merge = keys` |
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
/// | `reject` | anything | the later one is refused: 409 |
/// | `with = path` | anything | `fn(base: &T, theirs: &T, ours: T) -> T` decides; must not panic or block |
///
/// `merge(sum)`, `merge = with(path)` and `merge(with = path)` are other spellings of the same.
///
/// # What is refused
///
/// Every mistake of a struct is reported in one run, at the tokens it is in. `serde` and `cfg` attributes on a field are
/// refused, since they have no effect or change what is stored from build to build; so are references, `Rc`, trait
/// objects and raw pointers, which no store can hold, and `Option<Option<_>>`, which cannot be told apart once stored.
#[proc_macro_derive(Session, attributes(session))]
pub fn derive_session(input: TokenStream) -> TokenStream {
    match syn::parse(input) {
        Ok(input) => expand::derive(input).into(),
        Err(error) => error.to_compile_error().into(),
    }
}
