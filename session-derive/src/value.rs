//! `#[derive(SessionValue)]`: the shape that serde writes, as a constant.
//!
//! After a mistake an impl is still generated, so that a field that uses the type is not a second error.

mod case;
mod options;
mod serde;
mod shape;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Data, DeriveInput, Generics, WherePredicate, parse_quote_spanned};

use self::options::ItemOptions;
use self::shape::Shapes;
use crate::attr;
use crate::errors::Errors;

/// Runs the derive, tokens in and tokens out.
pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let options = attr::parse::<ItemOptions>(&input.attrs, &mut errors).options;
    let runtime = options.runtime.as_ref().map_or_else(|| quote!(::session_runtime), ToTokens::to_token_stream);
    storable(input, &mut errors);
    let opaque = options.opaque.as_ref().map(|name| quote!(#runtime::value::Ty::Opaque(#name)));
    let generics = if opaque.is_some() { input.generics.clone() } else { bounded(&input.generics, &runtime) };
    let mut shapes = Shapes::new(&input.ident, &runtime, &mut errors);
    let (ty, reads) = match opaque {
        Some(ty) => (ty, None),
        None => (shapes.item(input), Some(shapes.reads.tokens(&runtime))),
    };
    let checks = std::mem::take(&mut shapes.checks);
    match errors.finish() {
        None => checked(input, &generics, &runtime, &Value { ty, reads, checks }),
        Some(errors) => {
            let stub = value_impl(input, &input.generics, &runtime, &quote!(#runtime::value::Ty::Opaque("")), None);
            quote!(#errors #stub)
        }
    }
}

/// Results for one type.
struct Value {
    ty: TokenStream,
    reads: Option<TokenStream>,
    /// Checks that the compiler runs.
    checks: Vec<TokenStream>,
}

/// Generates the impl and the checks. A generic type has a shape once its parameters have one, and is checked then.
fn checked(input: &DeriveInput, generics: &Generics, runtime: &TokenStream, value: &Value) -> TokenStream {
    let Value { ty, reads, checks } = value;
    if checks.is_empty() {
        return value_impl(input, generics, runtime, ty, reads.as_ref());
    }
    if !generics.params.is_empty() {
        let ty = quote_spanned!(Span::mixed_site()=> { use #runtime::__private; #(#checks;)* #ty });
        return value_impl(input, generics, runtime, &ty, reads.as_ref());
    }
    let value = value_impl(input, generics, runtime, ty, reads.as_ref());
    quote_spanned! {Span::mixed_site()=>
        #value
        #[allow(deprecated)]
        const _: () = {
            use #runtime::__private;
            #(const _: () = #checks;)*
        };
    }
}

/// Reports input that no attribute makes storable.
fn storable(input: &DeriveInput, errors: &mut Errors) {
    for lifetime in input.generics.lifetimes() {
        errors.at(&lifetime.lifetime, "stored values must own their data: use `String` instead of `&'a str`");
    }
    if let Data::Union(data) = &input.data {
        errors.at(data.union_token, "`SessionValue` is for structs and enums: unions cannot be stored");
    }
}

/// Adds bounds on the type parameters: the shape of a generic type consists of theirs.
fn bounded(generics: &Generics, runtime: &TokenStream) -> Generics {
    let mut out = generics.clone();
    let bounds = generics.type_params().map(|param| -> WherePredicate {
        let ident = &param.ident;
        parse_quote_spanned!(Span::mixed_site().located_at(ident.span())=> #ident: #runtime::SessionValue)
    });
    let bounds: Vec<_> = bounds.collect();
    if !bounds.is_empty() {
        out.make_where_clause().predicates.extend(bounds);
    }
    out
}

fn value_impl(
    input: &DeriveInput,
    generics: &Generics,
    runtime: &TokenStream,
    ty: &TokenStream,
    reads: Option<&TokenStream>,
) -> TokenStream {
    let reads = reads.map(|reads| {
        quote_spanned! {Span::mixed_site()=>
            fn __reads() -> #runtime::value::Reads {
                #reads
            }
        }
    });
    let ident = &input.ident;
    let (impl_generics, ty_generics, bounds) = generics.split_for_impl();
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics #runtime::SessionValue for #ident #ty_generics #bounds {
            const TY: #runtime::value::Ty = #ty;
            #reads
        }
    }
}

#[cfg(test)]
mod tests;
