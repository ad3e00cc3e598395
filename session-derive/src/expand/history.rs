//! Generates the history of a schema and its checks. The checks are constants, so that no build can skip them.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::attr::{Layout, StructOptions};
use crate::model::{Field, Kind, Model, name_span};

/// Generates `const HISTORY`, if the struct has a history.
pub(super) fn consts(model: &Model) -> Option<TokenStream> {
    let options = &model.attrs.options;
    let layout = options.layout.as_ref().map(|layout| call("layout", &pins(&layout.value)));
    let unreleased = options.unreleased.as_ref().map(|_| quote!(.unreleased()));
    let was = options.was.as_ref().map(|was| {
        let each = was.value.iter().map(|was| {
            let (version, pins) = (Literal::u16_unsuffixed(was.version), pins(&was.layout));
            quote!((#version, #pins))
        });
        call("was", &quote!(&[#(#each),*]))
    });
    let migrate = (!options.migrate.is_empty()).then(|| call("migrate", &steps(options)));
    let previous = options.previous.as_ref().map(|previous| step_from(&previous.value));
    let retired = &options.retired;
    let retired = (!retired.is_empty()).then(|| call("retired", &quote!(&[#(#retired),*])));
    let number = |name: &str, given: &Option<(u16, syn::LitInt)>| {
        given.as_ref().map(|(number, _)| call(name, &Literal::u16_unsuffixed(*number)))
    };
    let (oldest, readers) = (number("oldest", &options.oldest), number("readers", &options.readers));
    let parts: Vec<_> =
        [layout, unreleased, was, migrate, previous, retired, oldest, readers].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| {
        quote_spanned! {Span::mixed_site()=>
            const HISTORY: __private::History<Self> = __private::History::new()#(#parts)*;
        }
    })
}

fn call(name: &str, value: &impl quote::ToTokens) -> TokenStream {
    let name = proc_macro2::Ident::new(name, Span::mixed_site());
    quote_spanned!(Span::mixed_site()=> .#name(#value))
}

fn pins(layout: &Layout) -> TokenStream {
    let each = layout.keys.iter().map(|(key, hash)| {
        let hash = Literal::u32_unsuffixed(*hash);
        quote!((#key, #hash))
    });
    quote!(&[#(#each),*])
}

fn steps(options: &StructOptions) -> TokenStream {
    let each = options.migrate.iter().map(|step| {
        let (from, with) = (Literal::u16_unsuffixed(step.from), &step.with);
        quote_spanned! {Span::mixed_site().located_at(with.span())=>
            __private::Step::new(#from, |section| __private::run_step(#with, section))
        }
    });
    quote!(&[#(#each),*])
}

/// Generates the step from the previous version. The checks cover the conditions that it needs.
fn step_from(previous: &syn::Type) -> TokenStream {
    let span = Span::mixed_site().located_at(name_span(previous));
    let step = quote_spanned!(span=> <__private::Chain<Self, #previous>>::__PREVIOUS);
    let downgrade = quote_spanned!(span=> <__private::Downgrades<Self, #previous>>::__DOWNGRADE);
    quote_spanned!(Span::mixed_site()=> .previous(#step, #downgrade))
}

/// Generates the checks that need the compiler: a changed layout under an unchanged version, a gap in the chain, a
/// forgotten key.
pub(super) fn checks(model: &Model) -> TokenStream {
    let (ident, options) = (&model.ident, &model.attrs.options);
    let mut checks = TokenStream::new();
    let mut check = |span: Span, mistake: TokenStream| {
        let span = Span::mixed_site().located_at(span);
        checks.extend(quote_spanned!(span=> __private::refuse(__private::#mistake);));
    };
    if let Some(layout) = &options.layout {
        let in_order = is_in_order(model, &layout.value);
        check(layout.value.literal.span(), quote!(drift::<#ident>(#in_order)));
    }
    if let Some(unreleased) = &options.unreleased {
        let span = Span::mixed_site().located_at(unreleased.span());
        check(unreleased.span(), quote_spanned!(span=> unreleased::<#ident>(::core::cfg!(debug_assertions))));
    }
    for (at, was) in options.was.iter().flat_map(|was| &was.value).enumerate() {
        let at = Literal::usize_unsuffixed(at);
        check(was.layout.literal.span(), quote!(not_additive::<#ident>(#at)));
    }
    if let Some((_, literal)) = &options.readers {
        check(literal.span(), quote!(not_readable::<#ident>()));
    }
    checks.extend(options.previous.as_ref().map(|previous| chained(model, &previous.value)));
    checks.extend(model.fields.iter().filter_map(null_in_option));
    checks
}

/// Generates the check of an `Option` whose `Some` may be written as `null`, if the spelling leaves that open.
fn null_in_option(field: &Field) -> Option<TokenStream> {
    let is_asked = field.kind() != Kind::Transient && field.attrs.options.opaque.is_none() && field.has_open_option;
    let (ty, span) = (&field.ty, field.type_span());
    is_asked.then(|| {
        quote_spanned! {span=>
            const _: () = __private::refuse(__private::null_in_option(<__private::Known<#ty>>::__SHAPE));
        }
    })
}

/// Returns whether the pinned keys are those of the stored fields, in their order.
fn is_in_order(model: &Model, layout: &Layout) -> bool {
    let stored = model.fields.iter().filter(|field| field.kind() != Kind::Transient);
    stored.map(|field| &field.key).eq(layout.keys.iter().map(|(key, _)| key))
}

/// Generates the checks of `previous`, one after the other; see the runtime's `chain`.
fn chained(model: &Model, previous: &syn::Type) -> TokenStream {
    let ident = &model.ident;
    let span = Span::mixed_site().located_at(name_span(previous));
    let version = model.attrs.options.version.as_ref().map_or_else(|| ident.span(), |(_, literal)| literal.span());
    let version = Span::mixed_site().located_at(version);
    let chain = quote_spanned!(span=> <__private::Chain<#ident, #previous>>);
    let forgotten = quote_spanned!(version=> __private::refuse(#chain::__FORGOTTEN););
    let renamed = model.fields.iter().find_map(|field| field.attrs.options.renamed_from.as_ref());
    let unknown = renamed.map(|from| {
        let span = Span::mixed_site().located_at(from.value.span());
        quote_spanned!(span=> __private::refuse(#chain::__UNKNOWN);)
    });
    quote_spanned! {span=>
        #chain::__UPGRADE.check();
        #chain::__ERROR.check();
        #unknown
        #forgotten
    }
}
