//! Turns a [`Model`] into the generated code.
//!
//! The writable view is an item of its own, since users name it. The rest is inside a block that imports the runtime's
//! hidden module under a short name. After a mistake the same accessors are generated, so that their use is not a
//! second error.

mod fields;
mod history;
mod schema;

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::DeriveInput;
use syn::ext::IdentExt;

use crate::check::{self, GUARD_METHODS, borrowed, is_nameable};
use crate::errors::Errors;
use crate::model::{Kind, Model};

/// Runs the derive, tokens in and tokens out.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let model = Model::new(input, &mut errors);
    if let Some(model) = &model {
        check::all(model, &mut errors);
    }
    match (errors.finish(), model) {
        (None, Some(model)) => full(&model),
        (errors, Some(model)) => {
            let stub = stub(&model);
            quote!(#errors #stub)
        }
        (errors, None) => errors.unwrap_or_default(),
    }
}

fn full(model: &Model) -> TokenStream {
    let runtime = &model.runtime;
    let view = schema::view(model);
    let getters = model.fields.iter().map(fields::getter);
    let lookups = lookups(model);
    let setters = model.fields.iter().map(|field| fields::setters(field, &model.ident));
    let entries = model.fields.iter().filter_map(|field| fields::entry_accessors(field, &model.ident));
    let update = fields::update(model);
    let accesses = fields::accesses(model);
    let accessors =
        accessors(model, &quote!(#accesses #(#getters)* #(#lookups)*), &quote!(#(#setters)* #(#entries)* #update));
    let schema = schema::schema(model);
    let checks = history::checks(model);
    let (guards, deprecated) = (schema::guards(model), schema::allow_deprecated(model));
    quote_spanned! {Span::mixed_site()=>
        #view
        #deprecated
        #[allow(unused, non_snake_case, private_interfaces)]
        const _: () = {
            use #runtime::__private::{self, CannotDowngrade as _, Unchained as _, Unknown as _};
            #accessors
            #schema
            #checks
        };
        #guards
    }
}

/// Generates the lookups of the indexed fields; none for an archived struct, which no session is stored as.
fn lookups(model: &Model) -> impl Iterator<Item = TokenStream> {
    let fields = model.fields.iter().filter(|_| !model.is_archived());
    fields.filter_map(|field| fields::lookup(field, &model.runtime))
}

/// Generates the inherent impls of the struct and of its writable view.
fn accessors(model: &Model, getters: &TokenStream, setters: &TokenStream) -> TokenStream {
    let Model { ident, view, .. } = model;
    let (impl_generics, ty_generics, bounds) = model.generics.split_for_impl();
    let view = (!model.is_archived()).then(|| {
        quote_spanned! {Span::mixed_site()=>
            impl #impl_generics #view #ty_generics #bounds {
                #setters
            }
        }
    });
    quote_spanned! {Span::mixed_site()=>
        impl #impl_generics #ident #ty_generics #bounds {
            #getters
        }
        #view
    }
}

/// Generates the code that accompanies the errors: everything that users can name, and nothing that can fail to
/// compile.
fn stub(model: &Model) -> TokenStream {
    let mut taken: HashSet<String> = GUARD_METHODS.iter().map(|name| (*name).to_owned()).collect();
    let mut free = |name: &Ident| taken.insert(name.unraw().to_string());
    let mut getters = TokenStream::new();
    let mut setters = TokenStream::new();
    for field in model.fields.iter().filter(|field| is_nameable(field.ty.clone())) {
        let [getter, others @ ..] = field.accessors();
        getters.extend(free(&getter).then(|| fields::getter(field)));
        let lookup = field.lookup().filter(|name| free(name) && !model.is_archived());
        getters.extend(lookup.and_then(|_| fields::stub_lookup(field, &model.runtime)));
        setters.extend(fields::stub_setters(field, others.map(|name| free(&name).then_some(name))));
        if storable(model) && field.entry_accessors().is_some_and(|names| names.iter().all(&mut free)) {
            setters.extend(fields::stub_entry_accessors(field, model));
        }
    }
    setters.extend(fields::stub_update(model));
    let accessors = accessors(model, &getters, &setters);
    let deprecated = schema::allow_deprecated(model);
    let view = if storable(model) { schema::stub(model) } else { schema::bare_view(model) };
    quote_spanned! {Span::mixed_site()=>
        #view
        #deprecated
        #[allow(dead_code, non_snake_case, private_interfaces)]
        const _: () = { #accessors };
    }
}

/// Returns whether an impl of `Schema` compiles despite the mistakes.
fn storable(model: &Model) -> bool {
    let plain = |field: &crate::model::Field| field.kind() == Kind::Transient || borrowed(field.ty.clone()).is_none();
    model.generics.params.is_empty() && model.fields.iter().all(plain)
}

#[cfg(test)]
mod tests;
