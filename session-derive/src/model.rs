//! Turns the input and its options into a [`Model`]. No later stage sees syn's input.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Fields, FieldsNamed, GenericArgument, Generics, Meta, Path, PathArguments, Token,
    Type, Visibility, parse_quote,
};

use crate::attr::{self, Attrs, FieldOptions, Given, Merge, StructOptions};
use crate::errors::Errors;

/// Struct with named fields, as described by its attributes.
pub(crate) struct Model {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) generics: Generics,
    /// Name of the writable view.
    pub(crate) view: Ident,
    pub(crate) runtime: TokenStream,
    pub(crate) attrs: Attrs<StructOptions>,
    pub(crate) fields: Vec<Field>,
    /// Lints that the struct allows; the code generated from it allows them too.
    pub(crate) silent: TokenStream,
    /// True if an attribute deprecates something, or allows the use of something deprecated.
    pub(crate) is_deprecated: bool,
}

/// Field of a [`Model`].
pub(crate) struct Field {
    pub(crate) at: usize,
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    pub(crate) ty: TokenStream,
    type_name: Span,
    pub(crate) shape: Shape,
    /// Spelling of the type inside an `Option`, if it shows that the type is written as `null`.
    pub(crate) null_option: Option<&'static str>,
    /// True if the type contains an `Option` of a type that is not in [`NEVER_NULL`].
    pub(crate) has_open_option: bool,
    /// Base name of the accessors.
    pub(crate) accessor: Ident,
    /// Field's part of the stored key; `key_tokens` is its source.
    pub(crate) key: String,
    pub(crate) key_tokens: TokenStream,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) deprecated: Option<Attribute>,
    pub(crate) attrs: Attrs<FieldOptions>,
    /// Attributes that must not be on a stored field. `default_value` is a default field value, equally refused.
    pub(crate) foreign: Vec<Attribute>,
    pub(crate) default_value: Option<TokenStream>,
}

/// Properties of a type that its spelling reveals.
pub(crate) enum Shape {
    /// `Option` of this type.
    Option(TokenStream),
    /// `HashSet`.
    Unordered,
    Plain,
}

/// Storage form of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Whole,
    Entries,
    Elements,
    Transient,
}

impl Model {
    /// Builds the model; `None` if there are no named fields to generate accessors for.
    pub(crate) fn new(input: DeriveInput, errors: &mut Errors) -> Option<Self> {
        let attrs = attr::parse::<StructOptions>(&input.attrs, errors);
        let fields = named(&input, errors)?;
        let runtime = attrs.options.runtime.as_ref();
        let runtime = runtime.map_or_else(|| quote!(::session_runtime), ToTokens::to_token_stream);
        let fields = fields.named.iter().enumerate();
        let fields = fields.filter_map(|(at, field)| Field::new(at, field, &input.ident, errors)).collect();
        let view = format_ident!("{}Mut", input.ident);
        let silent = silent(&input.attrs);
        let is_deprecated = is_deprecated(&input);
        Some(Self {
            ident: input.ident,
            vis: input.vis,
            generics: input.generics,
            view,
            runtime,
            attrs,
            fields,
            silent,
            is_deprecated,
        })
    }
}

impl Model {
    /// True if the shape of every field must be known.
    pub(crate) fn is_pinned(&self) -> bool {
        self.attrs.options.layout.is_some() || self.attrs.options.unreleased.is_some()
    }

    /// True if only the upgrade reads the struct, which then has no writable view.
    pub(crate) fn is_archived(&self) -> bool {
        self.attrs.options.archived.is_some()
    }
}

/// Returns the lints in `allow` and `expect`, and `deprecated` if the type itself is deprecated.
fn silent(attrs: &[Attribute]) -> TokenStream {
    let mut lints: Vec<Path> = Vec::new();
    for attr in attrs {
        let Meta::List(list) = &attr.meta else { continue };
        if attr.path().is_ident("allow") || attr.path().is_ident("expect") {
            let all = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()).unwrap_or_default();
            // `reason = "…"` is not a lint.
            lints
                .extend(all.into_iter().filter_map(|meta| if let Meta::Path(path) = meta { Some(path) } else { None }));
        }
    }
    if attrs.iter().any(|attr| attr.path().is_ident("deprecated")) {
        lints.push(parse_quote!(deprecated));
    }
    quote!(#(#lints),*)
}

/// Returns whether an attribute of the struct or of a field contains the word `deprecated`.
fn is_deprecated(input: &DeriveInput) -> bool {
    let fields = match &input.data {
        Data::Struct(data) => data.fields.iter().flat_map(|field| &field.attrs).collect(),
        _ => Vec::new(),
    };
    let said = |tokens: TokenStream| spells(tokens, "deprecated");
    input.attrs.iter().chain(fields).any(|attr| said(attr.meta.to_token_stream()))
}

/// Returns whether a word occurs anywhere in the tokens.
fn spells(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => spells(group.stream(), word),
        TokenTree::Ident(ident) => ident == word,
        _ => false,
    })
}

/// Returns the named fields, or reports the input that has none.
fn named<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Option<&'a FieldsNamed> {
    const ONLY: &str = "`Session` can only be derived for structs with named fields";
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(fields),
            Fields::Unnamed(fields) => {
                let example =
                    format!("fields need names, each becomes a session key: `struct {} {{ items: ... }}`", input.ident);
                errors.at(fields, example);
            }
            Fields::Unit => errors.at(&input.ident, "a schema needs at least one field: it would have no keys"),
        },
        Data::Enum(data) => {
            errors.at(
                data.enum_token,
                format!("{ONLY}; to store an enum, make it the type of a field and derive `SessionValue` for it"),
            );
        }
        Data::Union(data) => errors.at(data.union_token, format!("{ONLY}; unions cannot be stored")),
    }
    None
}

impl Field {
    fn new(at: usize, field: &syn::Field, schema: &Ident, errors: &mut Errors) -> Option<Self> {
        let attrs = attr::parse::<FieldOptions>(&field.attrs, errors);
        let ident = field.ident.clone()?;
        let (key, key_tokens) = match &attrs.options.rename {
            Some(rename) => (rename.value.value(), rename.value.to_token_stream()),
            None => (ident.unraw().to_string(), ident.to_token_stream()),
        };
        let named =
            |name: &str| field.attrs.iter().filter(|attr| attr.path().is_ident(name)).cloned().collect::<Vec<_>>();
        Some(Self {
            at,
            accessor: attrs.options.accessor.as_ref().map_or_else(|| ident.clone(), |given| given.value.clone()),
            ident,
            vis: field.vis.clone(),
            ty: without_self(field.ty.to_token_stream(), schema),
            type_name: name_span(&field.ty),
            shape: shape(&field.ty, schema),
            has_open_option: has_open_option(field.ty.to_token_stream()),
            null_option: option(&field.ty).and_then(null),
            key,
            key_tokens,
            docs: named("doc"),
            deprecated: named("deprecated").pop(),
            attrs,
            foreign: ["serde", "cfg"].into_iter().flat_map(named).collect(),
            default_value: field.default.as_ref().map(|(_, value)| value.to_token_stream()),
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        match &self.attrs.options {
            FieldOptions { transient: Some(_), .. } => Kind::Transient,
            FieldOptions { merge: Some(merge), .. } if matches!(merge.value, Merge::Keys | Merge::KeysSum) => {
                Kind::Entries
            }
            FieldOptions { merge: Some(Given { value: Merge::Append(_), .. }), .. } => Kind::Elements,
            _ => Kind::Whole,
        }
    }

    /// Names of the accessors: getter, edit, set, take, clear.
    pub(crate) fn accessors(&self) -> [Ident; 5] {
        let base = &self.accessor;
        let of = |text: String| Ident::new(&text, base.span());
        let plain = base.unraw();
        [
            base.clone(),
            of(format!("{plain}_mut")),
            of(format!("set_{plain}")),
            of(format!("take_{plain}")),
            of(format!("clear_{plain}")),
        ]
    }

    /// Names of the accessors of a single entry: `items_get` and `items_entry`.
    pub(crate) fn entry_accessors(&self) -> Option<[Ident; 2]> {
        let base = &self.accessor;
        let of = |last: &str| Ident::new(&format!("{}_{last}", base.unraw()), base.span());
        self.attrs.options.entries.as_ref().map(|_| [of("get"), of("entry")])
    }

    /// Name of the lookup of an indexed field: `by_user`.
    pub(crate) fn lookup(&self) -> Option<Ident> {
        let base = &self.accessor;
        self.attrs.options.index.as_ref().map(|_| Ident::new(&format!("by_{}", base.unraw()), base.span()))
    }

    /// Type of the value by which sessions are looked up: that of the field, without an `Option` around it.
    pub(crate) fn value_type(&self) -> &TokenStream {
        match &self.shape {
            Shape::Option(inner) => inner,
            Shape::Unordered | Shape::Plain => &self.ty,
        }
    }

    /// Span for errors about traits that the type lacks.
    pub(crate) fn type_span(&self) -> Span {
        Span::mixed_site().located_at(self.type_name)
    }
}

/// Returns the span of the most specific token: of a path its last name. Spans of several tokens cannot be joined.
pub(crate) fn name_span(ty: &Type) -> Span {
    match plain_path(ty).and_then(|path| path.segments.last()) {
        Some(last) => last.ident.span(),
        None => ty.span(),
    }
}

fn shape(ty: &Type, schema: &Ident) -> Shape {
    if let Some(inner) = option(ty) {
        return Shape::Option(without_self(inner.to_token_stream(), schema));
    }
    match plain_path(ty).and_then(|path| path.segments.last()) {
        Some(last) if last.ident == "HashSet" => Shape::Unordered,
        _ => Shape::Plain,
    }
}

/// Returns the inner type if the type is spelled as an `Option`.
pub(crate) fn option(ty: &Type) -> Option<&Type> {
    let segments = &plain_path(ty)?.segments;
    let spelled =
        |names: &[&str]| segments.len() == names.len() && segments.iter().zip(names).all(|(a, b)| a.ident == b);
    if !(spelled(&["Option"]) || spelled(&["std", "option", "Option"]) || spelled(&["core", "option", "Option"])) {
        return None;
    }
    let PathArguments::AngleBracketed(inner) = &segments.last()?.arguments else { return None };
    let GenericArgument::Type(inner) = inner.args.first()? else { return None };
    Some(inner)
}

/// Types that are never written as `null`, whatever they contain.
const NEVER_NULL: &[&str] = &[
    "Vec", "VecDeque", "BTreeMap", "HashMap", "BTreeSet", "HashSet", "String", "bool", "char", "u8", "u16", "u32",
    "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
];

/// Returns whether the type contains an `Option` of a type that may be written as `null`.
pub(crate) fn has_open_option(ty: TokenStream) -> bool {
    let mut of_option = false;
    ty.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => std::mem::take(&mut of_option) || has_open_option(group.stream()),
        TokenTree::Ident(ident) => {
            let is_open = of_option && !NEVER_NULL.iter().any(|known| ident == known);
            of_option = ident == "Option";
            is_open
        }
        _ => false,
    })
}

/// Returns the spelling of a type that is written as `null`.
///
/// `serde_json::Value` is checked at the save instead: most values are not `null`.
fn null(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Group(group) => null(&group.elem),
        Type::Paren(paren) => null(&paren.elem),
        Type::Tuple(tuple) if tuple.elems.is_empty() => Some("`()`"),
        ty => option(ty).map(|_| "an `Option`"),
    }
}

fn plain_path(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Group(group) => plain_path(&group.elem),
        Type::Paren(paren) => plain_path(&paren.elem),
        Type::Path(path) if path.qself.is_none() => Some(&path.path),
        _ => None,
    }
}

/// Replaces `Self` by the schema's name: in the impl of the writable view, `Self` is another type.
fn without_self(tokens: TokenStream, schema: &Ident) -> TokenStream {
    let named = |tree| match tree {
        TokenTree::Ident(ident) if ident == "Self" => {
            let mut named = schema.clone();
            named.set_span(ident.span());
            named.into()
        }
        TokenTree::Group(group) => {
            let mut inner = Group::new(group.delimiter(), without_self(group.stream(), schema));
            inner.set_span(group.span());
            inner.into()
        }
        other => other,
    };
    tokens.into_iter().map(named).collect()
}
