//! Parses `#[session(...)]` on a type that is stored inside a field, on its fields and on its variants.

use proc_macro2::Ident;
use syn::parse::ParseStream;
use syn::{LitStr, Path};

use crate::attr::{Options, flag, runtime, string};

/// Options of a type.
#[derive(Default)]
pub(super) struct ItemOptions {
    /// Name under which the author promises the whole shape.
    pub(super) opaque: Option<LitStr>,
    pub(super) runtime: Option<Path>,
}

/// Options of a field.
#[derive(Default)]
pub(super) struct FieldOptions {
    /// Name under which the author promises the field's shape.
    pub(super) opaque: Option<LitStr>,
}

/// Options of a variant.
#[derive(Default)]
pub(super) struct VariantOptions {
    /// Mark of the variant that keeps unknown variants.
    pub(super) other: Option<Ident>,
}

impl Options for ItemOptions {
    const KNOWN: &'static [&'static str] = &["opaque", "crate"];
    const ELSEWHERE: &'static [&'static str] = &["other"];
    const WHERE: &'static str = "the last variant of an enum";

    fn take(&mut self, name: Ident, input: ParseStream<'_>) -> syn::Result<()> {
        if name == "opaque" {
            self.opaque = Some(opaque(&name, input)?);
        } else {
            self.runtime = Some(runtime(&name, input)?);
        }
        Ok(())
    }
}

impl Options for FieldOptions {
    const KNOWN: &'static [&'static str] = &["opaque"];
    const ELSEWHERE: &'static [&'static str] = &["crate", "other"];
    const WHERE: &'static str = "the type or on its last variant";

    fn take(&mut self, name: Ident, input: ParseStream<'_>) -> syn::Result<()> {
        self.opaque = Some(opaque(&name, input)?);
        Ok(())
    }
}

impl Options for VariantOptions {
    const KNOWN: &'static [&'static str] = &["other"];
    const ELSEWHERE: &'static [&'static str] = &["opaque", "crate"];
    const WHERE: &'static str = "the type or on a field";

    fn take(&mut self, name: Ident, input: ParseStream<'_>) -> syn::Result<()> {
        self.other = Some(flag(&name, input)?);
        Ok(())
    }
}

/// Parses the name of a shape. The empty name belongs to the stub of a type with mistakes.
fn opaque(name: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    let literal = string(name, input)?;
    if literal.value().is_empty() {
        return Err(syn::Error::new_spanned(literal, "the name is empty: write `opaque = \"name@1\"`"));
    }
    Ok(literal)
}
