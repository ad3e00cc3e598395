//! Generates the code of one field: its row in the table, its access to the struct, its accessors.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use crate::attr::{Given, Merge, Renew};
use crate::model::{Field, Kind, Model, Shape};

/// Generates the row in `FIELDS`, the one place with requirements on the type.
pub(super) fn row(field: &Field, schema_key: &str, is_pinned: bool) -> TokenStream {
    let is_known = is_pinned && field.attrs.options.opaque.is_none();
    let is_expiring = field.attrs.options.expires_after.is_some();
    let (kind, slash) = match field.kind() {
        Kind::Whole if is_known && is_expiring => (quote!(pinned_expiring), ""),
        Kind::Whole if is_known => (quote!(pinned), ""),
        Kind::Whole if is_expiring => (quote!(expiring), ""),
        Kind::Whole => (quote!(whole), ""),
        Kind::Elements if is_known => (quote!(pinned_elements), "/"),
        Kind::Elements => (quote!(elements), "/"),
        // The slash ends the prefix of all entry names.
        Kind::Entries if is_known => (quote!(pinned_entries), "/"),
        Kind::Entries => (quote!(entries), "/"),
        Kind::Transient => (quote!(transient), ""),
    };
    let name = format!("{schema_key}.{}{slash}", field.key);
    let (merge, expires) = (merge(field), expires(field, schema_key));
    let options = &field.attrs.options;
    let renew = options.renew.as_ref().map(|given| match given.value {
        Renew::User => quote!(.renew()),
        Renew::Keep => quote!(.renew_keep()),
    });
    let value = field.value_type();
    let index =
        options.index.as_ref().map(|_| quote_spanned!(field.type_span()=> .index(__private::indexable::<#value>())));
    let redact = options.redact.then(|| quote!(.redact()));
    let unordered = field.kind() == Kind::Whole && matches!(field.shape, Shape::Unordered);
    let unordered = unordered.then(|| quote!(.unordered()));
    let shape = shape(field, is_pinned);
    let renamed = options.renamed_from.as_ref().map(|from| &from.value);
    let renamed = renamed.map(|from| quote_spanned!(Span::mixed_site()=> .renamed_from(#from)));
    let deferred = options.entries.as_ref().map(|_| quote!(.deferred()));
    let (access, ty) = (access_of(field), &field.ty);
    quote_spanned! {field.type_span()=>
        __private::#kind::<_, #ty>(#name, #access)#shape #merge #renew #index #redact #unordered #renamed #expires #deferred
    }
}

/// Generates the stored shape, as far as the compiler knows it. With a pinned layout, the row itself requires one.
fn shape(field: &Field, is_pinned: bool) -> Option<TokenStream> {
    let (ty, span) = (&field.ty, field.type_span());
    if field.kind() == Kind::Transient {
        return None;
    }
    Some(if let Some(opaque) = &field.attrs.options.opaque {
        let name = &opaque.value;
        quote_spanned!(span=> .opaque(const { &__private::Shape::of(&__private::Ty::Opaque(#name)) }))
    } else if is_pinned {
        return None;
    } else {
        quote_spanned!(span=> .shape(<__private::Known<#ty>>::__SHAPE))
    })
}

/// Generates the period of a value that expires, and the stored key of its deadline.
fn expires(field: &Field, schema_key: &str) -> Option<TokenStream> {
    let millis = Literal::u64_unsuffixed(field.attrs.options.expires_after.as_ref()?.value);
    let deadline = format!("{schema_key}.{}~", field.key);
    Some(quote_spanned!(Span::mixed_site()=> .expires_after(#millis, #deadline)))
}

fn merge(field: &Field) -> Option<TokenStream> {
    let (ty, span) = (&field.ty, field.type_span());
    match &field.attrs.options.merge.as_ref()?.value {
        Merge::LastWrite | Merge::Keys => None,
        Merge::Reject => Some(quote!(.reject())),
        Merge::Append(max) => {
            let max = Literal::u64_unsuffixed(*max);
            Some(quote!(.max(#max)))
        }
        Merge::Sum => Some(quote_spanned!(span=> .sum(__private::sum::<#ty>))),
        Merge::KeysSum => Some(quote_spanned!(span=> .sum(__private::entry_sum::<#ty>))),
        Merge::With(path) => Some(quote_spanned! {Span::mixed_site()=>
            .merge(|field, base, theirs, ours| __private::with::<#ty>(#path, field, base, theirs, ours))
        }),
    }
}

/// Generates `items: …` for a session that has nothing stored.
pub(super) fn initial(field: &Field) -> TokenStream {
    let (ident, at) = (&field.ident, index(field));
    quote_spanned!(Span::mixed_site()=> #ident: __private::FieldAccess::initial(&Self::__ACCESS.#at))
}

/// Generates the access to each field: to its value, and to its value in a new session.
pub(super) fn accesses(model: &Model) -> TokenStream {
    let types = model.fields.iter().map(|field| {
        let (ty, kind) = (&field.ty, access_kind(field));
        quote_spanned!(Span::mixed_site()=> __private::#kind<Self, #ty>)
    });
    let accesses = model.fields.iter().map(access);
    // The `()` at the end makes it a tuple for any number of fields.
    quote_spanned!(Span::mixed_site()=> const __ACCESS: (#(#types,)* ()) = (#(#accesses,)* ());)
}

fn access(field: &Field) -> TokenStream {
    let (ident, at) = (&field.ident, index(field));
    let initial = if let Some(Given { value: Some(expression), .. }) = &field.attrs.options.default {
        quote_spanned!(Span::mixed_site()=> || #expression)
    } else {
        quote_spanned!(field.type_span()=> __private::initial)
    };
    quote_spanned!(Span::mixed_site()=> __private::field_access(#at, #initial, |s| &s.#ident, |s| &mut s.#ident))
}

/// Generates a reference to the access of a field.
fn access_of(field: &Field) -> TokenStream {
    let at = index(field);
    quote_spanned!(Span::mixed_site()=> &Self::__ACCESS.#at)
}

fn access_kind(field: &Field) -> TokenStream {
    match field.kind() {
        Kind::Whole if field.attrs.options.expires_after.is_some() => quote!(Expiring),
        Kind::Whole => quote!(Whole),
        Kind::Elements => quote!(ByElement),
        Kind::Entries => quote!(ByEntry),
        Kind::Transient => quote!(TransientField),
    }
}

/// Generates `items(&self) -> &T`.
pub(super) fn getter(field: &Field) -> TokenStream {
    let Field { ident, vis, ty, deprecated, .. } = field;
    let [getter, ..] = field.accessors();
    let docs = match field.docs.as_slice() {
        [] => doc(&format!("Reads `{}`.", field.key)),
        docs => quote!(#(#docs)*),
    };
    quote_spanned! {Span::mixed_site()=>
        #docs
        #deprecated
        #vis fn #getter(&self) -> &#ty {
            &self.#ident
        }
    }
}

/// Generates the lookup of an indexed field: `by_user(value) -> Lookup`.
pub(super) fn lookup(field: &Field, runtime: &TokenStream) -> Option<TokenStream> {
    let (at, ty) = (index(field), field.value_type());
    let body = quote_spanned! {Span::mixed_site()=>
        #runtime::__private::lookup(
            &Self::__ACCESS.#at,
            <_ as #runtime::codec::IndexValue<#ty>>::text(value),
        )
    };
    lookup_with(field, runtime, &body)
}

/// Generates the same signature with a body that is never run.
pub(super) fn stub_lookup(field: &Field, runtime: &TokenStream) -> Option<TokenStream> {
    lookup_with(field, runtime, &quote_spanned!(Span::mixed_site()=> { let _ = value; ::core::unreachable!() }))
}

fn lookup_with(field: &Field, runtime: &TokenStream, body: &TokenStream) -> Option<TokenStream> {
    let Field { vis, deprecated, key, .. } = field;
    let (name, value) = (field.lookup()?, field.value_type());
    let doc = doc(&format!("Looks up the sessions in which `{key}` has this value."));
    Some(quote_spanned! {Span::mixed_site()=>
        #doc
        #deprecated
        #vis fn #name(value: impl #runtime::codec::IndexValue<#value>) -> #runtime::Lookup {
            #body
        }
    })
}

/// Generates the accessors of the writable view.
pub(super) fn setters(field: &Field, schema: &Ident) -> TokenStream {
    let at = index(field);
    // Called by path: a trait for all types may have methods of these names, which would win over those of the type.
    let body = |call: &str, span: Span, value: Option<&TokenStream>| {
        let call = Ident::new(call, span);
        let value = value.map(|value| quote_spanned!(Span::mixed_site()=> , #value));
        quote_spanned!(span=> __private::Tracked::#call(&mut self.0, #schema::__ACCESS.#at #value))
    };
    let plain = Span::mixed_site();
    let value = quote_spanned!(Span::mixed_site()=> value);
    let (set, set_span) = match field.shape {
        Shape::Option(_) => ("set_some", field.type_span()),
        _ => ("set", plain),
    };
    let bodies = [
        body("edit", plain, None),
        body(set, set_span, Some(&value)),
        body("take", plain, None),
        body("clear", plain, None),
    ];
    let [_, names @ ..] = field.accessors();
    signatures(field, &value)
        .into_iter()
        .zip(names)
        .zip(bodies)
        .map(|((signature, name), body)| signature.with(&name, &body))
        .collect()
}

/// Generates the same signatures for those names that are free, with bodies that are never run.
pub(super) fn stub_setters(field: &Field, names: [Option<Ident>; 4]) -> TokenStream {
    let unused = quote_spanned!(Span::mixed_site()=> _value);
    let body = quote_spanned!(Span::mixed_site()=> ::core::unreachable!());
    let named = signatures(field, &unused).into_iter().zip(names);
    named.filter_map(|(signature, name)| Some(signature.with(&name?, &body))).collect()
}

/// Method without its name and its body.
struct Signature {
    before: TokenStream,
    after: TokenStream,
}

impl Signature {
    fn with(&self, name: &Ident, body: &TokenStream) -> TokenStream {
        let Self { before, after } = self;
        quote_spanned!(Span::mixed_site()=> #before fn #name #after { #body })
    }
}

/// Signatures of edit, set, take and clear.
fn signatures(field: &Field, value: &TokenStream) -> [Signature; 4] {
    let Field { vis, ty, deprecated, key, .. } = field;
    let (given, set) = match &field.shape {
        Shape::Option(inner) => {
            let [_, edit, ..] = field.accessors();
            (inner, format!("Replaces `{key}` by `Some` of this. An `Option` is assigned: `*view.{edit}() = option`."))
        }
        _ => (ty, format!("Replaces `{key}`; stored even if it is the default.")),
    };
    let signature = |text: String, after: TokenStream| {
        let doc = doc(&text);
        Signature { before: quote!(#doc #deprecated #vis), after }
    };
    [
        signature(format!("Edits `{key}` in place."), quote_spanned!(Span::mixed_site()=> (&mut self) -> &mut #ty)),
        signature(set, quote_spanned!(Span::mixed_site()=> (&mut self, #value: #given))),
        signature(
            format!("Takes `{key}` and leaves its default."),
            quote_spanned!(Span::mixed_site()=> (&mut self) -> #ty),
        ),
        signature(
            format!("Sets `{key}` back to its default, which is not stored."),
            quote_spanned!(Span::mixed_site()=> (&mut self)),
        ),
    ]
}

/// Generates the accessors of a single entry of a map or set: `items_get(&key)` and `items_entry(key)`.
pub(super) fn entry_accessors(field: &Field, schema: &Ident) -> Option<TokenStream> {
    let (at, span) = (index(field), field.type_span());
    let get = quote_spanned!(span=> __private::Tracked::entry(&self.0, #schema::__ACCESS.#at, key));
    let entry = quote_spanned!(span=> __private::Tracked::entry_mut(&mut self.0, #schema::__ACCESS.#at, key));
    entry_accessors_with(field, schema, &quote_spanned!(span=> __private), [get, entry])
}

/// Generates the same signatures with bodies that are never run; none for a field that has no single entries.
pub(super) fn stub_entry_accessors(field: &Field, model: &Model) -> Option<TokenStream> {
    let Model { ident, runtime, .. } = model;
    let body = quote_spanned!(Span::mixed_site()=> { let _ = key; ::core::unreachable!() });
    let is_stored_by_entry = field.kind() == Kind::Entries;
    let stub = || entry_accessors_with(field, ident, &quote!(#runtime::__private), [body.clone(), body]);
    is_stored_by_entry.then(stub).flatten()
}

/// `private`: path of the runtime's hidden module.
fn entry_accessors_with(
    field: &Field,
    schema: &Ident,
    private: &TokenStream,
    [get_body, entry_body]: [TokenStream; 2],
) -> Option<TokenStream> {
    let Field { vis, ty, deprecated, key, .. } = field;
    let [get, entry] = field.entry_accessors()?;
    let read = doc(&format!("Returns one entry of `{key}`, and decodes no other unless all are decoded already."));
    let edit = doc(&format!("Opens one entry of `{key}` for editing: `*view.{entry}(key) = Some(value)`."));
    let span = field.type_span();
    let part = |name: &str| {
        let name = Ident::new(name, span);
        quote_spanned!(span=> <#ty as #private::Entries>::#name)
    };
    let (key, value) = (part("Key"), part("Value"));
    Some(quote_spanned! {span=>
        #read
        #deprecated
        #[must_use]
        #vis fn #get(&self, key: &#key) -> ::core::option::Option<#value> {
            #get_body
        }
        #edit
        #deprecated
        #vis fn #entry(&mut self, key: #key) -> #private::EntryMut<'_, #schema, #ty> {
            #entry_body
        }
    })
}

/// Generates `update`, for free editing of the whole struct.
pub(super) fn update(model: &Model) -> TokenStream {
    let edit = quote_spanned!(Span::mixed_site()=> edit);
    update_with(model, &edit, &quote_spanned!(Span::mixed_site()=> __private::Tracked::update(&mut self.0, edit)))
}

/// Generates `update` with a body that is never run.
pub(super) fn stub_update(model: &Model) -> TokenStream {
    let unused = quote_spanned!(Span::mixed_site()=> _edit);
    update_with(model, &unused, &quote_spanned!(Span::mixed_site()=> ::core::unreachable!()))
}

fn update_with(model: &Model, edit: &TokenStream, body: &TokenStream) -> TokenStream {
    let Model { ident, vis, generics, .. } = model;
    let (_, ty_generics, _) = generics.split_for_impl();
    let doc = doc("Edits the whole struct; changes are found by comparison.");
    quote_spanned! {Span::mixed_site()=>
        #doc
        #vis fn update<__R>(&mut self, #edit: impl ::core::ops::FnOnce(&mut #ident #ty_generics) -> __R) -> __R {
            #body
        }
    }
}

fn doc(text: &str) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> #[doc = #text])
}

fn index(field: &Field) -> TokenStream {
    Literal::usize_unsuffixed(field.at).to_token_stream()
}
