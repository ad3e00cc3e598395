//! Turns a type into the tokens of its shape, following serde's output step by step.

use std::collections::HashMap;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Field, Fields, FieldsNamed, FieldsUnnamed, LitStr, Type, Variant};

use super::case::Case;
use super::options::{FieldOptions, VariantOptions};
use super::serde::{Place, Serde};
use crate::attr;
use crate::errors::Errors;
use crate::model::{has_open_option, name_span, option};

/// State that every step needs.
pub(super) struct Shapes<'a> {
    item: &'a Ident,
    /// Path of the runtime.
    runtime: &'a TokenStream,
    errors: &'a mut Errors,
    /// Reliability of reading values back.
    pub(super) reads: Reads,
    /// Calls that refuse a shape that serde does not read back; only the compiler can check that.
    pub(super) checks: Vec<TokenStream>,
    /// Attribute that makes serde read the current type from a buffer.
    buffered: Option<&'static str>,
    /// Key that stands beside the output of the current field.
    beside: Option<String>,
}

/// Reliability of reading back the values of a type, as far as it is known.
#[derive(Default)]
pub(super) struct Reads {
    /// Types of the stored fields.
    types: Vec<TokenStream>,
    /// True if an attribute requires each value to be read back before it is stored.
    is_doubtful: bool,
}

impl Reads {
    /// Generates an expression of type `Reads`.
    pub(super) fn tokens(&self, runtime: &TokenStream) -> TokenStream {
        if self.is_doubtful {
            return quote!(#runtime::value::Reads::Perhaps);
        }
        let types = &self.types;
        quote!(#runtime::value::Reads::Always #(.and(<#types as #runtime::SessionValue>::__reads()))*)
    }
}

/// Properties that an object takes from the type or the variant around it.
struct Object<'a> {
    case: Option<Case>,
    closed: bool,
    /// Key that names the variant, if it stands among the fields.
    tag: Option<&'a str>,
    /// True if a missing value is read as a default.
    has_default: bool,
}

/// Names in use, each with its owner, and the further names that serde accepts on reading.
#[derive(Default)]
struct Names {
    taken: HashMap<String, Ident>,
    aliases: Vec<(LitStr, Ident)>,
}

impl Names {
    /// Adds a name; returns its owner if it is in use already.
    fn take(&mut self, name: &str, ident: &Ident, serde: &Serde) -> Option<Ident> {
        self.aliases.extend(serde.aliases.iter().map(|alias| (alias.clone(), ident.clone())));
        self.taken.insert(name.to_owned(), ident.clone())
    }

    /// Reports further names that clash: serde reads each name for one thing only.
    fn finish(mut self, tag: Option<&str>, errors: &mut Errors) {
        for (alias, ident) in self.aliases {
            let name = alias.value();
            if tag == Some(&name) {
                errors.at(&alias, format!("the `tag` is called \"{name}\": leave this `alias` out"));
            } else if let Some(other) = self.taken.insert(name.clone(), ident.clone()).filter(|other| *other != ident) {
                let message = format!(
                    "\"{name}\" is the name of `{other}`: what is stored under it would be read as `{ident}`; leave this `alias` out"
                );
                errors.at(&alias, message);
            }
        }
    }
}

/// Field as described by its attributes.
struct Stored {
    /// Shape of the field; `None` if it is not stored.
    ty: Option<TokenStream>,
    serde: Serde,
}

impl<'a> Shapes<'a> {
    pub(super) fn new(item: &'a Ident, runtime: &'a TokenStream, errors: &'a mut Errors) -> Self {
        Self { item, runtime, errors, reads: Reads::default(), checks: Vec::new(), buffered: None, beside: None }
    }
}

impl Shapes<'_> {
    /// Generates an expression of type `Ty`.
    pub(super) fn item(&mut self, input: &DeriveInput) -> TokenStream {
        let serde = Serde::read(&input.attrs, Place::Item, self.errors);
        // Below such a tag serde reads through a buffer, which lacks features of the formats.
        self.reads.is_doubtful |= serde.tag.is_some() && serde.content.is_none();
        match &input.data {
            Data::Struct(data) => self.structure(&data.fields, &serde),
            Data::Enum(data) => self.enumeration(data, &serde),
            Data::Union(_) => TokenStream::new(),
        }
    }

    fn structure(&mut self, fields: &Fields, serde: &Serde) -> TokenStream {
        match fields {
            fields if serde.transparent => self.transparent(fields),
            Fields::Named(fields) => {
                let tag = serde.tag.as_ref().map(LitStr::value);
                let (case, closed, has_default) = (serde.rename_all, serde.closed, serde.has_default);
                let ty = self.object(fields, &Object { case, closed, tag: tag.as_deref(), has_default });
                self.reads_its_tag(serde);
                if tag.is_some() { self.tagged_struct(serde, &ty) } else { ty }
            }
            Fields::Unnamed(fields) => self.unnamed(fields),
            Fields::Unit => self.ty(&quote!(Prim("unit"))),
        }
    }

    /// Returns the shape of the only field that serde writes, without a wrapper.
    fn transparent(&mut self, fields: &Fields) -> TokenStream {
        let candidates = fields.iter().filter(|field| !is_phantom(&field.ty));
        let mut written: Vec<_> = candidates.filter_map(|field| self.field(field).ty).collect();
        if written.len() != 1 {
            self.errors.at(self.item, "a `transparent` struct has exactly one field that is stored");
        }
        written.pop().unwrap_or_default()
    }

    fn reads_its_tag(&mut self, serde: &Serde) {
        if let (Some(tag), true) = (&serde.tag, serde.closed) {
            let message = "serde writes the `tag` of a struct and does not read it beside `deny_unknown_fields`: leave one \
                           of them out";
            self.errors.at(tag, message);
        }
    }

    /// Generates an enum of one variant, since serde writes the struct's name under the tag.
    fn tagged_struct(&self, serde: &Serde, ty: &TokenStream) -> TokenStream {
        let name = serde.rename.as_ref().map_or_else(|| self.item.unraw().to_string(), LitStr::value);
        let variant = self.row(&quote!(Variant), &name, &quote!(content: ::core::option::Option::Some(#ty)));
        self.enum_ty(serde, &[variant], false)
    }

    fn unnamed(&mut self, fields: &FieldsUnnamed) -> TokenStream {
        match fields.unnamed.first() {
            Some(only) if fields.unnamed.len() == 1 => self.newtype(only),
            _ => self.tuple(fields),
        }
    }

    /// Returns the shape of the content. Serde writes nothing around it.
    fn newtype(&mut self, field: &Field) -> TokenStream {
        let stored = self.field(field);
        if let Some(skip) = &stored.serde.skip {
            self.errors.at(skip, "the only field of a struct is written despite `skip`: make it a unit struct");
        }
        stored.ty.unwrap_or_default()
    }

    fn tuple(&mut self, fields: &FieldsUnnamed) -> TokenStream {
        let parts: Vec<_> = fields.unnamed.iter().filter_map(|field| self.part(field)).collect();
        self.ty(&quote!(Tuple(&[#(#parts),*])))
    }

    fn part(&mut self, field: &Field) -> Option<TokenStream> {
        let Stored { ty, serde } = self.field(field);
        if let Some(skip_if) = &serde.skip_if {
            let message = "fields without names are identified by position, and `skip_serializing_if` \
                           moves those after it: give the fields names";
            self.errors.at(skip_if, message);
        }
        ty
    }

    fn object(&mut self, fields: &FieldsNamed, object: &Object<'_>) -> TokenStream {
        let mut names = Names::default();
        let mut keys = Vec::new();
        for field in &fields.named {
            let stored = self.field(field);
            let (Some(ty), Some(ident)) = (&stored.ty, &field.ident) else { continue };
            let (key, tokens) = name(ident, &stored.serde, |name| object.case.map(|case| case.field(name)));
            let first = names.take(&key, ident, &stored.serde);
            self.unique_key(&key, &tokens, object.tag, first);
            self.may_be_missing(field, &stored.serde, object);
            let skippable = stored.serde.skip_if.is_some().then(|| self.ty(&quote!(Skippable(&#ty))));
            let ty = skippable.as_ref().unwrap_or(ty);
            keys.push(self.row(&quote!(Key), &key, &quote!(ty: #ty)));
        }
        names.finish(object.tag, self.errors);
        let (runtime, closed) = (self.runtime, object.closed);
        self.ty(&quote!(Struct(#runtime::value::Struct { keys: &[#(#keys),*], closed: #closed })))
    }

    fn unique_key(&mut self, key: &str, tokens: &TokenStream, tag: Option<&str>, first: Option<Ident>) {
        if tag == Some(key) {
            self.errors.at(tokens, format!("duplicate key \"{key}\": the `tag` has it already"));
        } else if let Some(first) = first {
            self.errors.at(tokens, format!("duplicate key \"{key}\": field `{first}` has it already"));
        }
    }

    /// Requires a default for a field that may be left out.
    ///
    /// Serde reads a missing `Option` as `None`, unless a function reads the field.
    fn may_be_missing(&mut self, field: &Field, serde: &Serde, object: &Object<'_>) {
        let Some(skip_if) = &serde.skip_if else { return };
        let is_option = option(&field.ty).is_some() && serde.with.is_none();
        if !(is_option || serde.has_default || object.has_default) {
            let message =
                "a skipped field cannot be read again without a default: add `#[serde(default)]` to the field";
            self.errors.at(skip_if, message);
        }
    }

    fn field(&mut self, field: &Field) -> Stored {
        let options = attr::parse::<FieldOptions>(&field.attrs, self.errors).options;
        let place = if options.opaque.is_some() { Place::OpaqueField } else { Place::Field };
        let serde = Serde::read(&field.attrs, place, self.errors);
        self.reads.is_doubtful |= options.opaque.is_some() || serde.is_doubtful();
        let ty = match (&serde.skip, &options.opaque) {
            (Some(_), _) => None,
            (None, Some(name)) => Some(self.ty(&quote!(Opaque(#name)))),
            (None, None) => Some(self.shape_of(&field.ty)),
        };
        if let (Some(shape), None) = (&ty, &options.opaque) {
            self.readable(&field.ty, shape);
        }
        Stored { ty, serde }
    }

    /// Adds the checks of the field's shape that only the compiler can do.
    fn readable(&mut self, ty: &Type, shape: &TokenStream) {
        let span = Span::mixed_site().located_at(name_span(ty));
        if has_open_option(ty.to_token_stream()) {
            self.check(ty, &quote_spanned!(span=> some_is_none(&#shape)));
        }
        if let Some(cause) = self.buffered {
            self.check(ty, &quote_spanned!(span=> unbuffered(#cause, &#shape)));
        }
        if let Some(tag) = self.beside.take() {
            self.check(ty, &quote_spanned!(span=> beside_tag(#tag, &#shape)));
        }
    }

    /// Adds a compile-time check of a field's type, reported at the type.
    fn check(&mut self, ty: &Type, question: &TokenStream) {
        let span = Span::mixed_site().located_at(name_span(ty));
        self.checks.push(quote_spanned!(span=> __private::refuse(__private::#question)));
    }

    /// Returns the shape that the field's type declares.
    fn shape_of(&mut self, ty: &Type) -> TokenStream {
        if names(ty.to_token_stream(), self.item) {
            let message = "the shape of a recursive type has no end and cannot be recorded: name it, \
                           `#[session(opaque = \"name@1\")]` on the field";
            self.errors.at(ty, message);
        }
        self.reads.types.push(ty.to_token_stream());
        let runtime = self.runtime;
        let span = Span::mixed_site().located_at(ty.span());
        quote_spanned!(span=> <#ty as #runtime::SessionValue>::TY)
    }

    fn enumeration(&mut self, data: &DataEnum, serde: &Serde) -> TokenStream {
        let variants = data.variants.iter();
        let all: Vec<_> =
            variants.map(|variant| (variant, Serde::read(&variant.attrs, Place::Variant, self.errors))).collect();
        self.buffered = match internal_tag(serde) {
            _ if all.iter().any(|(_, own)| own.untagged.is_some()) => Some("untagged"),
            Some(_) => Some("tag"),
            None => None,
        };
        let mut names = Names::default();
        let (mut variants, mut open) = (Vec::new(), false);
        for (at, (variant, own)) in all.iter().enumerate() {
            if self.is_other(variant, own, at + 1 == all.len()) {
                open = true;
                self.reads.is_doubtful = true;
            } else if own.skip.is_none() {
                variants.push(self.variant(variant, own, serde, &mut names));
            }
        }
        names.finish(None, self.errors);
        self.enum_ty(serde, &variants, open)
    }

    /// Returns whether the variant keeps unknown variants.
    fn is_other(&mut self, variant: &Variant, serde: &Serde, last: bool) -> bool {
        let options = attr::parse::<VariantOptions>(&variant.attrs, self.errors).options;
        match (&options.other, &serde.untagged) {
            (None, None) => return false,
            (None, Some(untagged)) => {
                let message = "an untagged variant is not identified by a name: to keep unknown variants, write \
                               `#[session(other)]` beside it";
                self.errors.at(untagged, message);
            }
            (Some(other), None) => {
                let message = "to keep what an unknown variant holds, serde needs `#[serde(untagged)]` beside it";
                self.errors.at(other, message);
            }
            (Some(other), Some(_)) if !last => {
                self.errors.at(other, "the variant for unknown values must be the last one");
            }
            (Some(_), Some(_)) if !one_unnamed(&variant.fields) => {
                let message = format!("an unknown variant goes into one field: `{}(serde_json::Value)`", variant.ident);
                self.errors.at(&variant.ident, message);
            }
            (Some(_), Some(_)) => {}
        }
        true
    }

    fn variant(&mut self, variant: &Variant, own: &Serde, outer: &Serde, names: &mut Names) -> TokenStream {
        let (name, tokens) = name(&variant.ident, own, |name| outer.rename_all.map(|case| case.variant(name)));
        if let Some(first) = names.take(&name, &variant.ident, own) {
            self.errors.at(tokens, format!("duplicate variant \"{name}\": `{first}` has it already"));
        }
        let content = self.content(&variant.fields, own, outer);
        let content = content.map_or_else(|| quote!(None), |ty| quote!(Some(#ty)));
        self.row(&quote!(Variant), &name, &quote!(content: ::core::option::Option::#content))
    }

    /// Returns the shape of a variant's content; `None` if there is no content.
    fn content(&mut self, fields: &Fields, own: &Serde, outer: &Serde) -> Option<TokenStream> {
        match fields {
            Fields::Unit => None,
            Fields::Named(fields) => {
                let (tag, case) = (internal_tag(outer), own.rename_all.or(outer.rename_all_fields));
                let object = Object { case, closed: outer.closed, tag: tag.as_deref(), has_default: false };
                Some(self.object(fields, &object))
            }
            // Serde turns a newtype variant that skips its field into a unit variant.
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                self.beside = internal_tag(outer);
                let content = self.field(&fields.unnamed[0]).ty;
                self.beside = None;
                content
            }
            Fields::Unnamed(fields) => Some(self.tuple(fields)),
        }
    }

    fn enum_ty(&self, serde: &Serde, variants: &[TokenStream], open: bool) -> TokenStream {
        let runtime = self.runtime;
        let tag = match (&serde.tag, &serde.content) {
            (Some(tag), Some(content)) => quote!(Adjacent(#tag, #content)),
            (Some(tag), None) => quote!(Internal(#tag)),
            _ => quote!(External),
        };
        self.ty(&quote! {
            Enum(#runtime::value::Enum {
                tag: #runtime::value::Tag::#tag, variants: &[#(#variants),*], open: #open
            })
        })
    }

    fn ty(&self, inner: &TokenStream) -> TokenStream {
        let runtime = self.runtime;
        quote_spanned!(Span::mixed_site()=> #runtime::value::Ty::#inner)
    }

    /// Generates a key or a variant.
    fn row(&self, kind: &TokenStream, name: &str, rest: &TokenStream) -> TokenStream {
        let runtime = self.runtime;
        quote_spanned!(Span::mixed_site()=> #runtime::value::#kind { name: #name, #rest })
    }
}

/// Returns the key that names the variant among the fields of its content.
fn internal_tag(serde: &Serde) -> Option<String> {
    serde.tag.as_ref().filter(|_| serde.content.is_none()).map(LitStr::value)
}

/// Returns the stored name and its tokens.
fn name(ident: &Ident, serde: &Serde, renamed: impl Fn(&str) -> Option<String>) -> (String, TokenStream) {
    if let Some(rename) = &serde.rename {
        return (rename.value(), rename.to_token_stream());
    }
    let plain = ident.unraw().to_string();
    (renamed(&plain).unwrap_or(plain), ident.to_token_stream())
}

fn one_unnamed(fields: &Fields) -> bool {
    matches!(fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1)
}

/// True for `PhantomData`, which serde also recognizes by its name.
fn is_phantom(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_phantom(&group.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "PhantomData"),
        _ => false,
    }
}

/// Returns whether the spelling of a type contains `Self` or the name of the item.
fn names(ty: TokenStream, item: &Ident) -> bool {
    let mut behind_colon = false;
    for tree in ty {
        let found = match &tree {
            TokenTree::Group(group) => names(group.stream(), item),
            TokenTree::Ident(ident) => !behind_colon && (ident == "Self" || ident == item),
            _ => false,
        };
        if found {
            return true;
        }
        behind_colon = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ':');
    }
    false
}
