//! Rules that need more than one attribute, or the field as well: one function per rule.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::LitStr;
use syn::ext::IdentExt;

use crate::attr::Merge;
use crate::errors::Errors;
use crate::model::{Field, Kind, Model, Shape};

mod versions;

/// Maximum length of the key of a schema or a field.
const MAX_KEY_BYTES: usize = 64;

/// Schema key of the library's own section, which holds the proof of identity.
const RESERVED: &str = "session";

/// Methods of the guards. An accessor of the same name could not be called on a guard.
pub(crate) const GUARD_METHODS: &[&str] = &["save", "update", "update_now", "deref", "deref_mut"];

/// Methods that every type has, or may have without a trait in scope.
///
/// `cart.into()` on a guard would call the standard library's method, and `Cart::default()` would call the accessor.
const HIDDEN: &[&str] = &["into", "try_into", "default"];

/// Applies all rules, in the order of the source.
pub(crate) fn all(model: &Model, errors: &mut Errors) {
    required(model, errors);
    schema_key(model, errors);
    not_generic(model, errors);
    if model.fields.is_empty() {
        errors.at(&model.ident, "a schema needs at least one field: it would have no keys");
    }
    let mut keys = HashMap::new();
    for field in &model.fields {
        no_default_value(field, errors);
        no_foreign_attributes(field, errors);
        field_key(field, errors);
        unique_key(field, &mut keys, errors);
        nothing_for_transient(field, errors);
        default_has_a_use(field, errors);
        merge_fits(field, errors);
        renew_fits(field, errors);
        index_fits(field, errors);
        expiry_fits(field, errors);
        entries_fit(field, errors);
        nothing_lasting(model, field, errors);
        no_null_in_option(field, errors);
        owned_type(model, field, errors);
    }
    accessor_names(model, errors);
    versions::all(model, errors);
}

fn required(model: &Model, errors: &mut Errors) {
    let example = || format!("`#[session(key = \"{}\", version = 1)]`", suggested_key(model));
    if model.attrs.written.is_empty() {
        return errors.at(&model.ident, format!("missing `key` and `version`: write {}", example()));
    }
    let mut written = TokenStream::new();
    for attr in &model.attrs.written {
        quote::ToTokens::to_tokens(attr, &mut written);
    }
    match (model.attrs.mentions("key"), model.attrs.mentions("version")) {
        (true, true) => {}
        (false, true) => errors.at(written, format!("missing `key`: `key = \"{}\"`", suggested_key(model))),
        (true, false) => errors.at(written, "missing `version`: `version = 1` for a new schema"),
        (false, false) => errors.at(written, format!("missing `key` and `version`: write {}", example())),
    }
}

/// Suggests a key: `cart` for `CartSession`.
fn suggested_key(model: &Model) -> String {
    let name = model.ident.unraw().to_string();
    let name = name.strip_suffix("Session").filter(|rest| !rest.is_empty()).unwrap_or(&name);
    let mut key = String::new();
    for letter in name.chars().filter(char::is_ascii_alphanumeric) {
        if letter.is_ascii_uppercase() && !key.is_empty() {
            key.push('_');
        }
        key.push(letter.to_ascii_lowercase());
    }
    key
}

fn schema_key(model: &Model, errors: &mut Errors) {
    let Some(literal) = &model.attrs.options.key else { return };
    let key = literal.value();
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(letter);
    if key.is_empty() {
        errors.at(literal, "the key is empty");
    } else if key == RESERVED || key.starts_with("__") {
        let suggested = Some(suggested_key(model)).filter(|key| key != RESERVED);
        let instead = suggested.as_deref().unwrap_or("auth");
        errors
            .at(literal, format!("the key \"{key}\" is reserved by the library: write another, such as \"{instead}\""));
    } else if let Some(letter) = key.chars().find(|letter| !allowed(*letter)) {
        errors.at(literal, format!("a key may use a-z, 0-9, `_` and `-`, not {letter:?}"));
    } else if key.len() > MAX_KEY_BYTES {
        errors.at(literal, format!("a key has at most {MAX_KEY_BYTES} bytes, this one has {}", key.len()));
    }
}

fn not_generic(model: &Model, errors: &mut Errors) {
    if let Some(lifetime) = model.generics.lifetimes().next() {
        errors.at(&lifetime.lifetime, "stored values must own their data: use `String` instead of `&'a str`");
    } else if !model.generics.params.is_empty() {
        errors.at(&model.generics, "a schema cannot be generic: its stored layout must be fixed");
    }
}

fn no_default_value(field: &Field, errors: &mut Errors) {
    if let Some(value) = &field.default_value {
        let message = "a default field value has no effect on a session: write `#[session(default = ...)]`";
        errors.at(value, message);
    }
}

const SERDE: &str = "`serde` attributes have no effect on what a session stores: write `#[session(rename = ...)]`, \
                     `default = ...` or `transient`; or `#[session(serde_ok)]` if it is for another use of the struct";

fn no_foreign_attributes(field: &Field, errors: &mut Errors) {
    for attr in &field.foreign {
        if attr.path().is_ident("serde") {
            if !field.attrs.options.serde_ok {
                errors.at(attr, SERDE);
            }
        } else {
            errors.at(attr, "a stored layout may not depend on the build's configuration");
        }
    }
}

fn field_key(field: &Field, errors: &mut Errors) {
    let help = match &field.attrs.options.rename {
        Some(_) => "",
        None => ": write `#[session(rename = \"...\")]`",
    };
    if let Err(message) = key_of_a_field(&field.key) {
        errors.at(&field.key_tokens, format!("{message}{help}"));
    }
}

/// Checks the key of a field; the error describes the mistake.
fn key_of_a_field(key: &str) -> Result<(), String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    if let Some(letter) = key.chars().find(|letter| !allowed(*letter)) {
        return Err(format!("a key may use a-z, A-Z, 0-9, `_` and `-`, not {letter:?}"));
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(format!("a key has at most {MAX_KEY_BYTES} bytes, this one has {}", key.len()));
    }
    Ok(())
}

/// Returns whether a key in an attribute could have been a field's; reports a mistake otherwise.
fn is_old_key(model: &Model, literal: &LitStr, errors: &mut Errors) -> bool {
    let key = literal.value();
    let Err(message) = key_of_a_field(&key) else { return true };
    let schema = model.attrs.options.key.as_ref().map(LitStr::value).unwrap_or_default();
    let help = match key.strip_prefix(&format!("{schema}.")) {
        Some(rest) if key_of_a_field(rest).is_ok() => format!(": leave the schema's key out, \"{rest}\""),
        _ => String::new(),
    };
    errors.at(literal, format!("{message}{help}"));
    false
}

fn unique_key<'a>(field: &'a Field, keys: &mut HashMap<&'a str, &'a Field>, errors: &mut Errors) {
    if let Some(first) = keys.insert(&field.key, field) {
        errors
            .at(&field.key_tokens, format!("duplicate key \"{}\": field `{}` has it already", field.key, first.ident));
    }
}

fn nothing_for_transient(field: &Field, errors: &mut Errors) {
    let options = &field.attrs.options;
    let Some(transient) = &options.transient else { return };
    let others = [
        options.rename.as_ref().map(|given| &given.name),
        options.merge.as_ref().map(|given| &given.name),
        options.renew.as_ref().map(|given| &given.name),
        options.index.as_ref(),
        options.entries.as_ref(),
        options.renamed_from.as_ref().map(|given| &given.name),
        options.opaque.as_ref().map(|given| &given.name),
        options.expires_after.as_ref().map(|given| &given.name),
    ];
    for other in others.into_iter().flatten() {
        let message = format!("a `transient` field is never stored, so `{other}` has no meaning");
        errors.at(field.attrs.later(transient, other), message);
    }
}

fn default_has_a_use(field: &Field, errors: &mut Errors) {
    let Some(default) = &field.attrs.options.default else { return };
    if field.kind() == Kind::Entries {
        errors.at(&default.name, "a map stored entry by entry starts empty: drop the `default`");
    } else if field.kind() == Kind::Elements {
        errors.at(&default.name, "a list stored element by element starts empty: drop the `default`");
    } else if matches!(field.shape, Shape::Option(_)) {
        errors.at(&default.name, "an absent `Option` is `None`: drop the `default`");
    }
}

fn merge_fits(field: &Field, errors: &mut Errors) {
    let Some(merge) = &field.attrs.options.merge else { return };
    if field.kind() == Kind::Transient || !matches!(field.shape, Shape::Option(_)) {
        return;
    }
    match merge.value {
        Merge::Sum => errors.at(&field.ty, "`merge = sum` adds integers, not `Option`s: use the integer itself"),
        Merge::Keys | Merge::KeysSum => {
            errors.at(
                &field.ty,
                "`merge = keys` stores a map or set entry by entry, not an `Option`: no entries means none",
            );
        }
        Merge::Append(_) => errors.at(
            &field.ty,
            "`merge = append` stores a `Vec` element by element, not an `Option`: no elements means none",
        ),
        Merge::LastWrite | Merge::Reject | Merge::With(_) => {}
    }
}

fn renew_fits(field: &Field, errors: &mut Errors) {
    let message = match field.kind() {
        Kind::Entries => "`renew` needs one value to watch, and `merge = keys` stores each entry by itself",
        Kind::Elements => "`renew` needs one value to watch, and `merge = append` stores each element by itself",
        Kind::Whole | Kind::Transient => return,
    };
    if let (Some(renew), Some(merge)) = (&field.attrs.options.renew, &field.attrs.options.merge) {
        errors.at(field.attrs.later(&renew.name, &merge.name), message);
    }
}

fn index_fits(field: &Field, errors: &mut Errors) {
    let message = match field.kind() {
        Kind::Entries => "`index` looks sessions up by one value, and `merge = keys` stores each entry by itself",
        Kind::Elements => "`index` looks sessions up by one value, and `merge = append` stores each element by itself",
        Kind::Whole | Kind::Transient => return,
    };
    if let (Some(index), Some(merge)) = (&field.attrs.options.index, &field.attrs.options.merge) {
        errors.at(field.attrs.later(index, &merge.name), message);
    }
}

fn expiry_fits(field: &Field, errors: &mut Errors) {
    let options = &field.attrs.options;
    let Some(expires) = &options.expires_after else { return };
    if let (Some(merge), Kind::Entries) = (&options.merge, field.kind()) {
        let message = "`expires_after` gives one value a deadline, and `merge = keys` stores each entry by itself: drop one of \
                       the two, or use `merge = append`";
        errors.at(field.attrs.later(&expires.name, &merge.name), message);
    }
    if let Some(renew) = &options.renew {
        let message = "a `renew` field cannot expire: its change would give the session no new id; keep a half-finished login \
                       in a field of its own with `expires_after`";
        errors.at(field.attrs.later(&expires.name, &renew.name), message);
    }
}

fn entries_fit(field: &Field, errors: &mut Errors) {
    let Some(entries) = &field.attrs.options.entries else { return };
    if !matches!(field.kind(), Kind::Entries | Kind::Transient) {
        let message = "`entries` reads and writes single entries of a map or set, which are stored by themselves only \
                       with `merge = keys` or `merge = keys(sum)`";
        errors.at(entries, message);
    }
}

fn nothing_lasting(model: &Model, field: &Field, errors: &mut Errors) {
    if let (Some(_), Some(renew)) = (&model.attrs.options.lasting, &field.attrs.options.renew) {
        let message = "a `lasting` schema is kept for the next user, so it cannot hold a `renew` field: move the field \
                       to a schema of its own";
        errors.at(&renew.name, message);
    }
}

fn no_null_in_option(field: &Field, errors: &mut Errors) {
    let is_stored = field.kind() != Kind::Transient;
    if let Some(inner) = field.null_option.filter(|_| is_stored) {
        let message = format!(
            "{inner} in an `Option` is stored as `null`, which reads as `None`: use `bool` for a mark, or an enum that names \
             each case"
        );
        errors.at(&field.ty, message);
    }
}

fn owned_type(model: &Model, field: &Field, errors: &mut Errors) {
    if field.kind() == Kind::Transient {
        return;
    }
    let is_reported = model.generics.lifetimes().next().is_some();
    match borrowed(field.ty.clone()) {
        // The struct's lifetime is the mistake, and it is reported already.
        Some(REFERENCE) if is_reported => {}
        Some(what) => errors.at(&field.ty, format!("stored values must be owned plain data, not {what}")),
        None => {}
    }
}

const REFERENCE: &str = "a reference";
const IMPL_TRAIT: &str = "an `impl Trait`";

/// True if a type can stand in an accessor, whatever else is wrong with it.
pub(crate) fn is_nameable(ty: TokenStream) -> bool {
    borrowed(ty) != Some(IMPL_TRAIT)
}

/// Returns the part of a type that no store can hold.
pub(crate) fn borrowed(ty: TokenStream) -> Option<&'static str> {
    let mut after_operand = false;
    for tree in ty {
        let found = match &tree {
            TokenTree::Group(group) => borrowed(group.stream()),
            TokenTree::Punct(punct) => match punct.as_char() {
                '&' if !after_operand => Some(REFERENCE),
                '*' if !after_operand => Some("a raw pointer"),
                _ => None,
            },
            TokenTree::Ident(ident) if ident == "dyn" => Some("a trait object"),
            TokenTree::Ident(ident) if ident == "impl" => Some(IMPL_TRAIT),
            TokenTree::Ident(ident) if ident == "fn" => Some("a function"),
            TokenTree::Ident(ident) if ident == "Rc" => Some("an `Rc`"),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        after_operand = !matches!(tree, TokenTree::Punct(_));
    }
    None
}

fn accessor_names(model: &Model, errors: &mut Errors) {
    let mut taken: HashMap<String, &Field> = HashMap::new();
    for field in &model.fields {
        let others = field.lookup().into_iter().chain(field.entry_accessors().into_iter().flatten());
        for name in field.accessors().into_iter().chain(others).map(|name| name.unraw().to_string()) {
            let message = if HIDDEN.contains(&name.as_str()) {
                format!(
                    "accessor `{name}` would be confused with the standard library's `{name}`: write \
                     `#[session(accessor = \"...\")]`"
                )
            } else if GUARD_METHODS.contains(&name.as_str()) {
                format!("accessor `{name}` would hide a method of `Session`: write `#[session(accessor = \"...\")]`")
            } else if let Some(first) = taken.get(&name) {
                let first = &first.ident;
                format!(
                    "accessor `{name}` is generated for field `{first}` too: write `#[session(accessor = \"...\")]` on one"
                )
            } else {
                taken.insert(name, field);
                continue;
            };
            errors.at(&field.accessor, message);
            break;
        }
    }
}
