//! Reads `#[serde(...)]` as far as it affects the stored data, and refuses effects that cannot be recorded.
//!
//! Serde's own derive reports unknown and misplaced attributes. This module therefore reads items, variants and fields
//! alike, and accepts input that serde refuses.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, LitStr, Meta, Token, token};

use super::case::{CASES, Case};
use crate::attr::{parenthesized, rest, string};
use crate::errors::{Errors, nearest};

/// Kind of item that has an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Item,
    Variant,
    Field,
    /// Field whose shape its author promises. The way its value is written does not matter.
    OpaqueField,
}

/// Serde's attributes of one item, as far as they affect the stored data.
#[derive(Default)]
pub(super) struct Serde {
    pub(super) rename: Option<LitStr>,
    pub(super) rename_all: Option<Case>,
    pub(super) rename_all_fields: Option<Case>,
    pub(super) tag: Option<LitStr>,
    pub(super) content: Option<LitStr>,
    pub(super) closed: bool,
    pub(super) transparent: bool,
    /// Attribute that excludes the item from writing and reading.
    pub(super) skip: Option<TokenStream>,
    /// Attribute that omits some values on writing.
    pub(super) skip_if: Option<TokenStream>,
    pub(super) untagged: Option<TokenStream>,
    /// Further names that are accepted on reading.
    pub(super) aliases: Vec<LitStr>,
    /// True if a missing value is read as a default.
    pub(super) has_default: bool,
    /// Attribute that names a function for reading; a missing `Option` is then an error.
    pub(super) with: Option<Ident>,
    skip_serializing: Option<TokenStream>,
    skip_deserializing: Option<TokenStream>,
}

/// Item of the list, such as `rename = "x"`.
struct Entry {
    name: Ident,
    /// Tokens from the `=` or the parenthesis on.
    value: TokenStream,
}

impl Serde {
    /// Reads all `#[serde(...)]` of one item.
    pub(super) fn read(attrs: &[Attribute], place: Place, errors: &mut Errors) -> Self {
        let mut out = Self::default();
        for entry in attrs.iter().filter(|attr| attr.path().is_ident("serde")).flat_map(entries) {
            if let Err(error) = out.take(&entry, place) {
                errors.push(error);
            }
        }
        out.halves(errors);
        out
    }

    fn take(&mut self, entry: &Entry, place: Place) -> syn::Result<()> {
        let name = entry.name.to_string();
        match name.as_str() {
            "rename" => self.rename = Some(entry.name_given()?),
            "rename_all" => self.rename_all = Some(entry.case()?),
            "rename_all_fields" => self.rename_all_fields = Some(entry.case()?),
            "tag" => self.tag = Some(entry.string()?),
            "content" => self.content = Some(entry.string()?),
            "deny_unknown_fields" => self.closed = true,
            "transparent" => self.transparent = true,
            "skip" => self.skip = Some(entry.tokens()),
            "skip_serializing_if" => self.skip_if = Some(entry.tokens()),
            "skip_serializing" => self.skip_serializing = Some(entry.tokens()),
            "skip_deserializing" => self.skip_deserializing = Some(entry.tokens()),
            "untagged" if place == Place::Variant => self.untagged = Some(entry.tokens()),
            "default" => self.has_default = true,
            "alias" => self.aliases.push(entry.string()?),
            "serialize_with" if place == Place::OpaqueField => {}
            "with" | "deserialize_with" | "getter" if place == Place::OpaqueField => {
                self.with = Some(entry.name.clone());
            }
            _ if HARMLESS.contains(&name.as_str()) => {}
            _ => return entry.refuse(&refusal(&name, place)),
        }
        Ok(())
    }

    /// True if some values may not be read back as written: one that is left out may differ from the default.
    pub(super) fn is_doubtful(&self) -> bool {
        let leaves_out_none = |tokens: &TokenStream| tokens.to_string().ends_with("\"Option::is_none\"");
        self.skip_if.as_ref().is_some_and(|tokens| !leaves_out_none(tokens))
    }

    /// Turns both halves of `skip` into `skip`. One alone would make two shapes of one type.
    fn halves(&mut self, errors: &mut Errors) {
        match (self.skip_serializing.take(), self.skip_deserializing.take()) {
            (Some(half), Some(_)) => self.skip = Some(half),
            (Some(half), None) | (None, Some(half)) if self.skip.is_none() => {
                let message = format!("what is written and what is read differ: write `skip`, {ON_TYPE}");
                errors.at(half, message);
            }
            _ => {}
        }
    }
}

/// Attributes without effect on data written under a known name.
const HARMLESS: &[&str] = &["bound", "expecting", "borrow", "crate", "other"];

/// All supported attributes, to suggest the nearest one.
const KNOWN: &[&str] = &[
    "rename",
    "rename_all",
    "rename_all_fields",
    "tag",
    "content",
    "deny_unknown_fields",
    "transparent",
    "skip",
    "skip_serializing_if",
    "default",
    "alias",
    "bound",
    "expecting",
    "borrow",
    "crate",
    "other",
];

const ON_TYPE: &str = "or name the whole shape: `#[session(opaque = \"name@1\")]` on the type";
const ON_FIELD: &str = "name the shape yourself: `#[session(opaque = \"name@1\")]` on the field";

/// Explains why an attribute cannot be recorded, and offers an alternative.
fn refusal(name: &str, place: Place) -> String {
    match name {
        "flatten" => format!(
            "`flatten` changes the stored layout in a way that cannot be recorded: make it a field of its own, {ON_TYPE}"
        ),
        "untagged" => format!(
            "an untagged enum does not store which variant it is, so its shape cannot be recorded: let serde store the \
             variant's name, without `untagged`, {ON_TYPE}"
        ),
        "with" | "serialize_with" | "deserialize_with" if place == Place::Field => {
            format!("`{name}` writes a shape that cannot be recorded: {ON_FIELD}")
        }
        "with" | "serialize_with" | "deserialize_with" => {
            format!("`{name}` writes a shape that cannot be recorded: give the content a type of its own, {ON_TYPE}")
        }
        "from" | "try_from" | "into" => {
            format!("`{name}` stores another type's shape, which cannot be recorded here: use that type, {ON_TYPE}")
        }
        "remote" | "getter" => {
            format!("`{name}` describes another crate's type: where that is a field, {ON_FIELD}")
        }
        _ => {
            let meant = nearest(name, KNOWN).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
            format!("what `{name}` does to the stored shape is not known{meant}: leave it out, {ON_TYPE}")
        }
    }
}

/// Returns the items of one attribute. Serde reports any that is not a list of names.
fn entries(attr: &Attribute) -> Vec<Entry> {
    let parser = |input: ParseStream<'_>| {
        let mut out = Vec::new();
        while !input.is_empty() {
            match input.call(Ident::parse_any) {
                Ok(name) => out.push(Entry { name, value: rest(input) }),
                Err(_) => drop(rest(input)),
            }
            // Without a comma here, the list has ended.
            let _ = input.parse::<Token![,]>();
        }
        Ok(out)
    };
    match &attr.meta {
        Meta::List(list) => parser.parse2(list.tokens.clone()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

impl Entry {
    fn tokens(&self) -> TokenStream {
        let Self { name, value } = self;
        quote!(#name #value)
    }

    fn refuse<T>(&self, message: &str) -> syn::Result<T> {
        Err(syn::Error::new_spanned(self.tokens(), message))
    }

    fn string(&self) -> syn::Result<LitStr> {
        let parser = |input: ParseStream<'_>| string(&self.name, input);
        parser.parse2(self.value.clone())
    }

    /// Parses `= "x"`, or `(serialize = "x", deserialize = "x")`.
    fn name_given(&self) -> syn::Result<LitStr> {
        let is_list = |input: ParseStream<'_>| {
            let list = input.peek(token::Paren);
            rest(input);
            Ok(list)
        };
        if is_list.parse2(self.value.clone())? { self.both() } else { self.string() }
    }

    /// Parses the name in both directions, which must be the same.
    fn both(&self) -> syn::Result<LitStr> {
        let half = |input: ParseStream<'_>| {
            let name = input.call(Ident::parse_any)?;
            let value = string(&name, input)?;
            Ok((name.to_string(), value))
        };
        let parser = |input: ParseStream<'_>| {
            let inner = |input: ParseStream<'_>| input.parse_terminated(half, Token![,]);
            inner.parse2(parenthesized(input))
        };
        let halves = parser.parse2(self.value.clone())?;
        let of = |side: &str| halves.iter().find(|(name, _)| name == side).map(|(_, value)| value);
        match (of("serialize"), of("deserialize")) {
            (Some(written), Some(read)) if written.value() == read.value() => Ok(written.clone()),
            _ => {
                self.refuse(&format!("what is written and what is read have different names: give one name, {ON_TYPE}"))
            }
        }
    }

    fn case(&self) -> syn::Result<Case> {
        let literal = self.name_given()?;
        let known = CASES.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let message = || syn::Error::new_spanned(literal.to_token_stream(), format!("expected one of {known}"));
        Case::named(&literal.value()).ok_or_else(message)
    }
}
