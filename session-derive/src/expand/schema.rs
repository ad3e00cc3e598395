//! Generates the writable view and the impl of `Schema`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::LitStr;
use syn::ext::IdentExt;

use crate::expand::{fields, history};
use crate::model::{Kind, Model};

/// Generates the view, `CartSessionMut`; nothing for an archived struct, which is never written.
pub(super) fn view(model: &Model) -> TokenStream {
    if model.is_archived() {
        return TokenStream::new();
    }
    let Model { ident, vis, view, runtime, .. } = model;
    let (doc, silent) = (view_doc(model), silent(model));
    quote_spanned! {Span::mixed_site()=>
        #[doc = #doc]
        #silent
        #[derive(::core::fmt::Debug)]
        #vis struct #view(#runtime::__private::Tracked<#ident>);
    }
}

/// Generates the view of a struct that cannot be a schema.
pub(super) fn bare_view(model: &Model) -> TokenStream {
    if model.is_archived() {
        return TokenStream::new();
    }
    let Model { ident, vis, view, .. } = model;
    let (doc, silent) = (view_doc(model), silent(model));
    let (impl_generics, ty_generics, bounds) = model.generics.split_for_impl();
    let deref = deref(model);
    quote_spanned! {Span::mixed_site()=>
        #[doc = #doc]
        #silent
        #[allow(dead_code)]
        #vis struct #view #impl_generics (#ident #ty_generics) #bounds;
        #deref
    }
}

/// Allows the lints on the view that are allowed on the struct.
fn silent(model: &Model) -> Option<TokenStream> {
    let silent = &model.silent;
    (!silent.is_empty()).then(|| quote_spanned!(Span::mixed_site()=> #[allow(#silent)]))
}

/// Allows deprecated items in the generated code outside the view.
pub(super) fn allow_deprecated(model: &Model) -> Option<TokenStream> {
    model.is_deprecated.then(|| quote_spanned!(Span::mixed_site()=> #[allow(deprecated)]))
}

fn view_doc(model: &Model) -> String {
    format!(
        "Writable view of [`{}`]: what is changed through it is saved when the guard ends. Each \
         accessor has its field's visibility.",
        model.ident
    )
}

/// Generates the impls that make the struct a schema.
pub(super) fn schema(model: &Model) -> TokenStream {
    let key = key(model);
    let rows = model.fields.iter().map(|field| fields::row(field, &key, model.is_pinned()));
    let values = model.fields.iter().map(fields::initial);
    let body = Body {
        options: options(model),
        history: history::consts(model),
        rows: quote!(#(#rows,)*),
        initial: quote_spanned!(Span::mixed_site()=> Self { #(#values,)* }),
    };
    schema_impl(model, &body)
}

/// Generates an impl of `Schema` that compiles and is never run.
pub(super) fn stub(model: &Model) -> TokenStream {
    let Model { runtime, .. } = model;
    let (view, guards) = (view(model), guards(model));
    let deprecated = allow_deprecated(model);
    let unreachable = quote_spanned!(Span::mixed_site()=> ::core::unreachable!());
    let refused = quote_spanned! {Span::mixed_site()=>
        const HISTORY: __private::History<Self> = __private::History::new().refused();
    };
    let schema = schema_impl(model, &Body { initial: unreachable, history: Some(refused), ..Body::default() });
    quote_spanned! {Span::mixed_site()=>
        #view
        #deprecated
        const _: () = {
            use #runtime::__private;
            #schema
        };
        #guards
    }
}

/// Generates the guards for the routes of a web framework. A route that names an archived struct gets an error.
pub(super) fn guards(model: &Model) -> TokenStream {
    let Model { ident, runtime, .. } = model;
    let name = Ident::new(if model.is_archived() { "__archived" } else { "__guards" }, Span::mixed_site());
    let deprecated = allow_deprecated(model);
    quote_spanned!(Span::mixed_site()=> #runtime::#name!(#deprecated #ident);)
}

/// Parts of the impl that are empty after a mistake.
#[derive(Default)]
struct Body {
    options: Option<TokenStream>,
    history: Option<TokenStream>,
    rows: TokenStream,
    initial: TokenStream,
}

fn schema_impl(model: &Model, body: &Body) -> TokenStream {
    let Model { ident, runtime, .. } = model;
    let Body { options, history, rows, initial } = body;
    let (key, marks) = (key(model), Literal::usize_unsuffixed(model.fields.len().div_ceil(64)));
    let version = Literal::u16_unsuffixed(model.attrs.options.version.as_ref().map_or(1, |(version, _)| *version));
    let (name, mutable) = (ident.unraw().to_string(), mutable(model));
    let deref = (!model.is_archived()).then(|| deref(model));
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #runtime::Schema for #ident {
            const NAME: &'static ::core::primitive::str = #name;
            const KEY: &'static ::core::primitive::str = #key;
            const VERSION: ::core::primitive::u16 = #version;
            const SPEC: &'static __private::SchemaSpec = &__private::spec::<Self>();
            #options
            #history
            const FIELDS: &'static [__private::FieldOps<Self>] = &[#rows];
            type Marks = [::core::primitive::u64; #marks];
            const NEW: fn() -> Self = || #initial;
            #mutable
        }
        #deref
    }
}

/// Generates the role of the schema and the types and functions of its writable view.
fn mutable(model: &Model) -> TokenStream {
    let view = &model.view;
    if model.is_archived() {
        return quote_spanned! {Span::mixed_site()=>
            type Role = __private::Archived;
            type Mut = __private::Tracked<Self>;
            const WRAP: fn(__private::Tracked<Self>) -> Self::Mut = |tracked| tracked;
            const TRACKED: fn(&mut Self::Mut) -> &mut __private::Tracked<Self> = |tracked| tracked;
        };
    }
    quote_spanned! {Span::mixed_site()=>
        type Role = __private::Current;
        type Mut = #view;
        const WRAP: fn(__private::Tracked<Self>) -> Self::Mut = #view;
        const TRACKED: fn(&mut Self::Mut) -> &mut __private::Tracked<Self> = |view| &mut view.0;
    }
}

fn key(model: &Model) -> String {
    model.attrs.options.key.as_ref().map(LitStr::value).unwrap_or_default()
}

fn options(model: &Model) -> Option<TokenStream> {
    let options = &model.attrs.options;
    let lazy = options.lazy.then(|| quote!(.lazy()));
    let lasting = options.lasting.as_ref().map(|_| quote!(.lasting()));
    let reset = options.reset.then(|| quote!(.reset()));
    let discard = options.discard.then(|| quote!(.discard_newer()));
    let transient = model.fields.iter().any(|field| field.kind() == Kind::Transient).then(|| quote!(.transient()));
    let any = lazy.is_some() || lasting.is_some() || reset.is_some() || discard.is_some() || transient.is_some();
    any.then(|| {
        quote_spanned! {Span::mixed_site()=>
            const OPTIONS: __private::SchemaOptions = __private::SchemaOptions::new()#lazy #lasting #reset #discard #transient;
        }
    })
}

fn deref(model: &Model) -> TokenStream {
    let Model { ident, view, .. } = model;
    let (impl_generics, ty_generics, bounds) = model.generics.split_for_impl();
    quote_spanned! {Span::mixed_site()=>
        impl #impl_generics ::core::ops::Deref for #view #ty_generics #bounds {
            type Target = #ident #ty_generics;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    }
}
