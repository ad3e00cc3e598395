//! Parses `merge = …`.

use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{ExprPath, LitInt, Token, token};

use super::{equals, parenthesized, rest, wrong};
use crate::errors::{nearest, one_of};

/// Value of `merge = …`.
pub(crate) enum Merge {
    LastWrite,
    Sum,
    Keys,
    KeysSum,
    Reject,
    /// `append(max = 20)`.
    Append(u64),
    With(ExprPath),
}

const MODES: &[&str] = &["last_write", "sum", "keys", "keys(sum)", "append(max = 20)", "reject", "with = path"];

/// Largest bound of a list.
const MAX_ELEMENTS: u64 = 1_000;

impl Merge {
    /// Parses `= mode` or `(mode)`.
    pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let mode = |input: ParseStream<'_>| mode(name, input);
        if input.peek(token::Paren) {
            return mode.parse2(parenthesized(input));
        }
        if !input.peek(Token![=]) {
            return Err(syn::Error::new(name.span(), format!("expected `merge = ...`, one of {}", one_of(MODES))));
        }
        equals(name, input, "last_write")?;
        mode(input)
    }
}

fn mode(name: &Ident, input: ParseStream<'_>) -> syn::Result<Merge> {
    let Ok(word) = input.fork().call(Ident::parse_any) else {
        let message = format!("expected {}", one_of(MODES));
        return if input.is_empty() { Err(syn::Error::new(name.span(), message)) } else { wrong(input, message) };
    };
    input.call(Ident::parse_any)?;
    match word.to_string().as_str() {
        "last_write" => plain(&word, Merge::LastWrite, input),
        "sum" => plain(&word, Merge::Sum, input),
        "reject" => plain(&word, Merge::Reject, input),
        "keys" => keys(&word, input),
        "append" => append(&word, input),
        "with" => with(&word, input),
        _ => Err(syn::Error::new(word.span(), unknown(&word))),
    }
}

fn unknown(word: &Ident) -> String {
    match nearest(&word.to_string(), &["last_write", "sum", "keys", "append", "reject", "with"]) {
        Some(near) => format!("unknown merge `{word}`, did you mean `{near}`?"),
        None => format!("unknown merge `{word}`, expected {}", one_of(MODES)),
    }
}

fn plain(word: &Ident, mode: Merge, input: ParseStream<'_>) -> syn::Result<Merge> {
    if input.peek(token::Paren) {
        return Err(syn::Error::new(word.span(), format!("`{word}` takes no value")));
    }
    Ok(mode)
}

fn keys(word: &Ident, input: ParseStream<'_>) -> syn::Result<Merge> {
    if !input.peek(token::Paren) {
        return Ok(Merge::Keys);
    }
    match syn::parse2::<Ident>(parenthesized(input)) {
        Ok(inner) if inner == "sum" => Ok(Merge::KeysSum),
        _ => Err(syn::Error::new(word.span(), "expected `keys` or `keys(sum)`")),
    }
}

/// Parses `(max = 20)`.
fn append(word: &Ident, input: ParseStream<'_>) -> syn::Result<Merge> {
    const BOUND: &str = "a list that grows needs a bound: `append(max = 20)` keeps the newest 20 elements";
    if !input.peek(token::Paren) {
        return Err(syn::Error::new(word.span(), BOUND));
    }
    let max = |input: ParseStream<'_>| match input.call(Ident::parse_any) {
        Ok(name) if name == "max" => {
            equals(&name, input, "20")?;
            elements(input)
        }
        Ok(name) => Err(syn::Error::new(name.span(), format!("unknown `{name}`, expected `append(max = 20)`"))),
        Err(_) if input.is_empty() => Err(syn::Error::new(word.span(), BOUND)),
        Err(_) => wrong(input, "expected `append(max = 20)`"),
    };
    max.parse2(parenthesized(input)).map(Merge::Append)
}

fn elements(input: ParseStream<'_>) -> syn::Result<u64> {
    let value = rest(input);
    let number = syn::parse2::<LitInt>(value.clone()).ok().filter(|literal| literal.suffix().is_empty());
    let number = number.and_then(|literal| literal.base10_parse().ok());
    let message = format!("expected a whole number from 1 to {MAX_ELEMENTS}, without quotes");
    number.filter(|number| (1..=MAX_ELEMENTS).contains(number)).ok_or_else(|| syn::Error::new_spanned(value, message))
}

fn with(word: &Ident, input: ParseStream<'_>) -> syn::Result<Merge> {
    let value = if input.peek(token::Paren) {
        parenthesized(input)
    } else {
        equals(word, input, "path")?;
        rest(input)
    };
    let path = syn::parse2(value.clone());
    let message = "expected the path of a function `fn(base: &T, theirs: &T, ours: T) -> T`";
    let tokens = if value.is_empty() { TokenTree::from(word.clone()).into() } else { value };
    path.map(Merge::With).map_err(|_| syn::Error::new_spanned(tokens, message))
}
