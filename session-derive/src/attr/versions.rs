//! Parses the attributes about older versions: `layout`, `was`, `previous`, `migrate`, `retired`, …

use proc_macro2::{Ident, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::{ExprPath, LitStr, Token, token};

use super::{equals, number, parenthesized, rest, string};

/// Pinned layout: the literal, and its keys with the hash of each.
pub(crate) struct Layout {
    pub(crate) literal: LitStr,
    pub(crate) keys: Vec<(String, u32)>,
}

/// `was(2 = "…")`: an older version all of whose keys still exist.
pub(crate) struct Was {
    pub(crate) version: u16,
    pub(crate) layout: Layout,
}

/// `migrate(from = 1, with = path)`.
pub(crate) struct Migrate {
    pub(crate) name: Ident,
    pub(crate) from: u16,
    pub(crate) with: ExprPath,
}

impl Layout {
    /// Parses `= "items:1f3a9c02 coupon:ec0d589b"`.
    pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        Self::new(string(name, input)?, "leave it empty, `layout = \"\"`, and the compiler prints what to paste")
    }

    fn new(literal: LitStr, help: &str) -> syn::Result<Self> {
        let mut keys: Vec<(String, u32)> = Vec::new();
        for text in literal.value().split_whitespace() {
            let message = match pin(text) {
                Some((key, _)) if keys.iter().any(|(known, _)| *known == key) => format!("key `{key}` is given twice"),
                Some(pin) => {
                    keys.push(pin);
                    continue;
                }
                None => format!("expected `key:8 hex digits`, separated by blanks, and found `{text}`"),
            };
            return Err(syn::Error::new_spanned(&literal, format!("{message}; {help}")));
        }
        Ok(Self { literal, keys })
    }
}

fn pin(text: &str) -> Option<(String, u32)> {
    let (key, hash) = text.rsplit_once(':')?;
    let digits = hash.len() == 8 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    (digits && is_key).then(|| Some((key.to_owned(), u32::from_str_radix(hash, 16).ok()?)))?
}

/// Parses the list in `name(...)`, which has at least one item.
fn list<T>(
    name: &Ident,
    input: ParseStream<'_>,
    example: &str,
    each: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    if !input.peek(token::Paren) {
        rest(input);
        return Err(syn::Error::new(name.span(), format!("expected `{name}({example})`")));
    }
    let all = |input: ParseStream<'_>| input.parse_terminated(each, Token![,]);
    let all: Vec<T> = all.parse2(parenthesized(input))?.into_iter().collect();
    if all.is_empty() {
        return Err(syn::Error::new(name.span(), format!("expected `{name}({example})`")));
    }
    Ok(all)
}

pub(super) fn was(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Was>> {
    list(name, input, "2 = \"items:1f3a9c02\"", |input| {
        let version = number(input)?;
        input.parse::<Token![=]>()?;
        let literal = input
            .parse()
            .map_err(|error| syn::Error::new(error.span(), format!("expected a string: `was({version} = \"...\")`")))?;
        Ok(Was { version, layout: Layout::new(literal, "paste what was `layout` at that version")? })
    })
}

pub(super) fn retired(name: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    list(name, input, "\"basket\"", literal)
}

fn literal(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse().map_err(|error| syn::Error::new(error.span(), "expected a key in quotes: `retired(\"basket\")`"))
}

pub(super) fn migrate(name: &Ident, input: ParseStream<'_>) -> syn::Result<Migrate> {
    const EXAMPLE: &str = "from = 1, with = path";
    let parts = list(name, input, EXAMPLE, |input| {
        let word: Ident = input.parse()?;
        equals(&word, input, "…")?;
        Ok((word, rest(input)))
    })?;
    let part = |wanted: &str| parts.iter().find(|(word, _)| word == wanted).map(|(_, value)| value.clone());
    let (Some(from), Some(with), 2) = (part("from"), part("with"), parts.len()) else {
        return Err(syn::Error::new(name.span(), format!("expected `migrate({EXAMPLE})`")));
    };
    let with = syn::parse2(with.clone()).map_err(|_| {
        syn::Error::new_spanned(with, "expected the path of a function `fn(&mut RawSection) -> Result<(), E>`")
    })?;
    Ok(Migrate { name: name.clone(), from: number.parse2(from)?, with })
}

/// Parses the path of a struct.
pub(super) fn previous(name: &Ident, input: ParseStream<'_>) -> syn::Result<syn::Type> {
    equals(name, input, "CartV1")?;
    // A path may have commas between `<` and `>`, where an expression would end.
    let ahead = input.fork();
    if ahead.parse::<syn::Type>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,])) {
        return input.parse();
    }
    let value: TokenStream = rest(input);
    syn::parse2(value.clone()).map_err(|_| syn::Error::new_spanned(value, "expected the path of the previous struct"))
}

/// Parses `refuse` or `discard`; true for `discard`.
pub(super) fn on_newer(name: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
    equals(name, input, "\"discard\"")?;
    super::word(input, &["refuse", "discard"]).map(|at| at == 1)
}

/// Parses a name such as `money@1`.
pub(super) fn opaque(name: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    let literal = string(name, input)?;
    if literal.value().is_empty() {
        let message = "the name is empty: write a name and a version such as `money@1`";
        return Err(syn::Error::new_spanned(literal, message));
    }
    Ok(literal)
}
