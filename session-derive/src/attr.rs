//! Parses `#[session(...)]` into options, each value with the tokens it came from.
//!
//! The comma list is parsed by hand: after a mistake, parsing resumes behind the next comma, so that all mistakes are
//! found.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Expr, LitInt, LitStr, MacroDelimiter, Meta, Path, Token, Type, token};

use crate::errors::{Errors, nearest, one_of, unknown};

pub(crate) use self::merge::Merge;
pub(crate) use self::versions::{Layout, Migrate, Was};

mod merge;
mod period;
mod versions;

/// Options of a struct.
#[derive(Default)]
pub(crate) struct StructOptions {
    pub(crate) key: Option<LitStr>,
    pub(crate) version: Option<(u16, LitInt)>,
    pub(crate) lazy: bool,
    pub(crate) lasting: Option<Ident>,
    pub(crate) reset: bool,
    pub(crate) runtime: Option<Path>,
    pub(crate) previous: Option<Given<Type>>,
    pub(crate) was: Option<Given<Vec<Was>>>,
    pub(crate) migrate: Vec<Migrate>,
    pub(crate) layout: Option<Given<Layout>>,
    pub(crate) unreleased: Option<Ident>,
    pub(crate) archived: Option<Ident>,
    pub(crate) retired: Vec<LitStr>,
    pub(crate) oldest: Option<(u16, LitInt)>,
    pub(crate) readers: Option<(u16, LitInt)>,
    pub(crate) discard: bool,
}

/// Options of a field.
#[derive(Default)]
pub(crate) struct FieldOptions {
    /// `default`, with its expression if there is one.
    pub(crate) default: Option<Given<Option<TokenStream>>>,
    pub(crate) rename: Option<Given<LitStr>>,
    pub(crate) accessor: Option<Given<Ident>>,
    pub(crate) merge: Option<Given<Merge>>,
    pub(crate) renew: Option<Given<Renew>>,
    /// `index`: sessions can be looked up by the value.
    pub(crate) index: Option<Ident>,
    /// `entries`: single entries of a map or set are decoded when they are asked for.
    pub(crate) entries: Option<Ident>,
    pub(crate) transient: Option<Ident>,
    pub(crate) redact: bool,
    /// True if `serde` attributes on the field are for another use of the struct.
    pub(crate) serde_ok: bool,
    pub(crate) renamed_from: Option<Given<LitStr>>,
    pub(crate) opaque: Option<Given<LitStr>>,
    /// Milliseconds after which the value reads as its default.
    pub(crate) expires_after: Option<Given<u64>>,
}

/// Effect of a change of the field beside the new id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renew {
    /// `renew`: the field names the user. When the user leaves, the session starts over.
    User,
    /// `renew(keep)`: none, the data is kept.
    Keep,
}

/// Value with the name in front of it.
pub(crate) struct Given<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// Options of one item, with every name that was written there.
#[derive(Default)]
pub(crate) struct Attrs<T> {
    pub(crate) options: T,
    /// Complete attributes, as the span of errors about missing options.
    pub(crate) written: Vec<Attribute>,
    seen: Vec<Ident>,
    meant: Vec<&'static str>,
    unnamed: bool,
}

impl<T> Attrs<T> {
    /// Returns whether `name` was written, correctly or not, or may be hidden by a mistake.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.unnamed || self.meant.contains(&name) || self.seen.iter().any(|seen| seen == name)
    }

    /// Returns the later one of two names.
    pub(crate) fn later<'a>(&self, a: &'a Ident, b: &'a Ident) -> &'a Ident {
        let first = self.seen.iter().find(|seen| *seen == a || *seen == b);
        if first.is_some_and(|first| first == a) { b } else { a }
    }
}

/// Set of options, with the names that it accepts.
pub(crate) trait Options: Default {
    const KNOWN: &'static [&'static str];
    /// Names that may be written more than once.
    const REPEATED: &'static [&'static str] = &[];
    /// Names that belong on another kind of item, which `WHERE` describes.
    const ELSEWHERE: &'static [&'static str];
    const WHERE: &'static str;

    fn take(&mut self, name: Ident, input: ParseStream<'_>) -> syn::Result<()>;
}

/// Parses all `#[session(...)]` of one item.
pub(crate) fn parse<T: Options>(attrs: &[Attribute], errors: &mut Errors) -> Attrs<T> {
    let mut out = Attrs { written: Vec::new(), ..Attrs::default() };
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("session")) {
        out.written.push(attr.clone());
        match &attr.meta {
            Meta::List(list) if matches!(list.delimiter, MacroDelimiter::Paren(_)) => {
                let parser = |input: ParseStream<'_>| {
                    items(input, &mut out, errors);
                    Ok(())
                };
                if let Err(error) = parser.parse2(list.tokens.clone()) {
                    errors.push(error);
                }
            }
            _ => {
                out.unnamed = true;
                errors.at(attr.path(), "expected `#[session(...)]`, the attributes in parentheses");
            }
        }
    }
    out
}

fn items<T: Options>(input: ParseStream<'_>, out: &mut Attrs<T>, errors: &mut Errors) {
    while !input.is_empty() {
        if let Err(error) = item(input, out) {
            errors.push(error);
            rest(input);
        } else if !input.is_empty() && !input.peek(Token![,]) {
            errors.push(input.error("expected `,`"));
            if at_item::<T>(input) {
                continue;
            }
            rest(input);
        }
        // Without a comma here, the list has ended.
        let _ = input.parse::<Token![,]>();
    }
}

/// True if an attribute follows directly, so that only a comma is missing.
fn at_item<T: Options>(input: ParseStream<'_>) -> bool {
    let name = input.fork().call(Ident::parse_any);
    name.is_ok_and(|name| T::KNOWN.iter().any(|known| name == known))
}

fn item<T: Options>(input: ParseStream<'_>, out: &mut Attrs<T>) -> syn::Result<()> {
    let Ok(name) = input.call(Ident::parse_any) else {
        out.unnamed = true;
        return Err(input.error("expected `name = value`, such as `key = \"cart\"`"));
    };
    let text = name.to_string();
    let repeated = out.seen.contains(&name) && !T::REPEATED.contains(&text.as_str());
    out.seen.push(name.clone());
    let refuse = |message: String| Err(syn::Error::new(name.span(), message));
    if repeated {
        return refuse(format!("duplicate `{text}`"));
    }
    if T::KNOWN.contains(&text.as_str()) {
        return out.options.take(name, input);
    }
    if T::ELSEWHERE.contains(&text.as_str()) {
        return refuse(format!("`{text}` belongs on {}", T::WHERE));
    }
    out.meant.extend(nearest(&text, T::KNOWN));
    refuse(unknown(&text, T::KNOWN))
}

const STRUCT: &[&str] = &[
    "key",
    "version",
    "lazy",
    "lasting",
    "on_invalid",
    "crate",
    "previous",
    "was",
    "migrate",
    "layout",
    "unreleased",
    "archived",
    "retired",
    "oldest",
    "readers",
    "on_newer",
];
const FIELD: &[&str] = &[
    "default",
    "rename",
    "accessor",
    "merge",
    "renew",
    "index",
    "transient",
    "redact",
    "serde_ok",
    "renamed_from",
    "opaque",
    "expires_after",
    "entries",
];

impl Options for StructOptions {
    const KNOWN: &'static [&'static str] = STRUCT;
    const REPEATED: &'static [&'static str] = &["migrate"];
    const ELSEWHERE: &'static [&'static str] = FIELD;
    const WHERE: &'static str = "a field";

    fn take(&mut self, name: Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            "key" => self.key = Some(string(&name, input)?),
            "version" => self.version = Some(numbered(&name, input)?),
            "lazy" => {
                flag(&name, input)?;
                self.lazy = true;
            }
            "lasting" => self.lasting = Some(flag(&name, input)?),
            "on_invalid" => self.reset = on_invalid(&name, input)?,
            "previous" => self.previous = Some(Given { value: versions::previous(&name, input)?, name }),
            "was" => self.was = Some(Given { value: versions::was(&name, input)?, name }),
            "migrate" => self.migrate.push(versions::migrate(&name, input)?),
            "layout" => self.layout = Some(Given { value: Layout::parse(&name, input)?, name }),
            "unreleased" => self.unreleased = Some(flag(&name, input)?),
            "archived" => self.archived = Some(flag(&name, input)?),
            "retired" => self.retired = versions::retired(&name, input)?,
            "oldest" => self.oldest = Some(numbered(&name, input)?),
            "readers" => self.readers = Some(numbered(&name, input)?),
            "on_newer" => self.discard = versions::on_newer(&name, input)?,
            _ => self.runtime = Some(runtime(&name, input)?),
        }
        Ok(())
    }
}

impl Options for FieldOptions {
    const KNOWN: &'static [&'static str] = FIELD;
    const ELSEWHERE: &'static [&'static str] = STRUCT;
    const WHERE: &'static str = "the struct";

    fn take(&mut self, name: Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match name.to_string().as_str() {
            "default" => self.default = Some(Given { value: default(&name, input)?, name }),
            "rename" => self.rename = Some(Given { value: string(&name, input)?, name }),
            "accessor" => self.accessor = Some(Given { value: accessor(&name, input)?, name }),
            "merge" => self.merge = Some(Given { value: Merge::parse(&name, input)?, name }),
            "renew" => self.renew = Some(Given { value: renew(&name, input)?, name }),
            "index" => self.index = Some(flag(&name, input)?),
            "entries" => self.entries = Some(flag(&name, input)?),
            "transient" => self.transient = Some(flag(&name, input)?),
            "renamed_from" => self.renamed_from = Some(Given { value: string(&name, input)?, name }),
            "opaque" => self.opaque = Some(Given { value: versions::opaque(&name, input)?, name }),
            "expires_after" => self.expires_after = Some(Given { value: period::parse(&name, input)?, name }),
            "serde_ok" => {
                flag(&name, input)?;
                self.serde_ok = true;
            }
            _ => {
                flag(&name, input)?;
                self.redact = true;
            }
        }
        Ok(())
    }
}

/// Parses `=`.
fn equals(name: &Ident, input: ParseStream<'_>, example: &str) -> syn::Result<()> {
    if input.parse::<Token![=]>().is_err() || input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), format!("expected `{name} = {example}`")));
    }
    Ok(())
}

/// Returns an error at the next value.
fn wrong<T>(input: ParseStream<'_>, message: impl std::fmt::Display) -> syn::Result<T> {
    Err(syn::Error::new_spanned(rest(input), message))
}

pub(crate) fn flag(name: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.peek(Token![=]) || input.peek(token::Paren) {
        return wrong(input, format!("`{name}` takes no value"));
    }
    Ok(name.clone())
}

pub(crate) fn string(name: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    equals(name, input, "\"...\"")?;
    if !input.peek(LitStr) {
        return wrong(input, format!("expected a string: `{name} = \"...\"`"));
    }
    let literal: LitStr = input.parse()?;
    match literal.suffix() {
        "" => Ok(literal),
        _ => Err(syn::Error::new_spanned(&literal, "a suffix has no meaning here")),
    }
}

/// Parses a version, `name = 2`; returns it with its literal.
fn numbered(name: &Ident, input: ParseStream<'_>) -> syn::Result<(u16, LitInt)> {
    equals(name, input, "1")?;
    let literal = input.fork().parse();
    let number = number(input)?;
    Ok((number, literal?))
}

fn number(input: ParseStream<'_>) -> syn::Result<u16> {
    const EXPECTED: &str = "expected a whole number from 1 to 65535, without quotes";
    // syn would parse a negative number as one literal and show only its sign.
    let is_number = input.peek(LitInt) && !input.peek(Token![-]);
    let literal = is_number.then(|| input.parse::<LitInt>()).transpose()?;
    let Some(literal) = literal else { return wrong(input, EXPECTED) };
    let message = match literal.base10_parse::<u16>() {
        Ok(0) => "versions start at 1",
        Ok(number) if literal.suffix().is_empty() => return Ok(number),
        _ => EXPECTED,
    };
    Err(syn::Error::new_spanned(literal, message))
}

/// Parses `refuse` or `reset`; true for `reset`.
fn on_invalid(name: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
    equals(name, input, "\"reset\"")?;
    word(input, &["refuse", "reset"]).map(|at| at == 1)
}

/// Parses one of these words, with or without quotes; returns its index.
fn word(input: ParseStream<'_>, words: &[&str]) -> syn::Result<usize> {
    let value = rest(input);
    let word = match syn::parse2::<LitStr>(value.clone()) {
        Ok(literal) => literal.value(),
        Err(_) => value.to_string(),
    };
    let at = words.iter().position(|known| *known == word);
    at.ok_or_else(|| syn::Error::new_spanned(value, format!("expected {}", one_of(words))))
}

pub(crate) fn runtime(name: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    equals(name, input, "::path::to::session_runtime")?;
    let value = rest(input);
    let path = match syn::parse2::<LitStr>(value.clone()) {
        Ok(literal) => literal.parse_with(Path::parse_mod_style),
        Err(_) => Path::parse_mod_style.parse2(value.clone()),
    };
    let absolute = |path: &Path| {
        let first = path.segments.first().map(|first| first.ident.to_string());
        path.leading_colon.is_some() || matches!(first.as_deref(), Some("crate" | "$crate"))
    };
    match path {
        Ok(path) if absolute(&path) => Ok(path),
        Ok(_) => Err(syn::Error::new_spanned(value, "the path must start with `crate::` or `::`")),
        Err(_) => Err(syn::Error::new_spanned(value, "expected a path: `crate = ::path::to::session_runtime`")),
    }
}

fn default(name: &Ident, input: ParseStream<'_>) -> syn::Result<Option<TokenStream>> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(None);
    }
    equals(name, input, "expression")?;
    let mut whole = Group::new(Delimiter::None, rest(input));
    whole.set_span(Span::mixed_site());
    Ok(Some(TokenTree::from(whole).into()))
}

/// Parses `renew` or `renew(keep)`.
fn renew(name: &Ident, input: ParseStream<'_>) -> syn::Result<Renew> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(Renew::User);
    }
    let is_keep = |tokens: &TokenStream| tokens.to_string() == "keep";
    if input.peek(token::Paren) && is_keep(&parenthesized(&input.fork())) {
        parenthesized(input);
        return Ok(Renew::Keep);
    }
    wrong(input, format!("expected `{name}`, or `{name}(keep)` for a new id with the same data"))
}

fn accessor(name: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    let literal = string(name, input)?;
    literal
        .parse()
        .map_err(|_| syn::Error::new_spanned(&literal, format!("`{}` is not a Rust identifier", literal.value())))
}

/// Parses parentheses and returns the tokens inside.
pub(crate) fn parenthesized(input: ParseStream<'_>) -> TokenStream {
    match input.parse() {
        Ok(TokenTree::Group(group)) => group.stream(),
        _ => TokenStream::new(),
    }
}

/// Parses the tokens of the next expression, including commas inside it.
///
/// If there is no expression, parses up to the next comma that is not between the `<` and `>` of a path or among a
/// closure's parameters.
pub(crate) fn rest(input: ParseStream<'_>) -> TokenStream {
    let ahead = input.fork();
    let is_expression = ahead.parse::<Expr>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,]));
    let mut out = TokenStream::new();
    if !is_expression {
        return up_to_comma(input);
    }
    while input.cursor() != ahead.cursor() {
        let Ok(tree) = input.parse::<TokenTree>() else { break };
        out.extend([tree]);
    }
    out
}

fn up_to_comma(input: ParseStream<'_>) -> TokenStream {
    let mut out = TokenStream::new();
    let mut open = 0_usize;
    let mut parameters = false;
    let mut before = Some(':');
    while !input.is_empty() && (open > 0 || parameters || !input.peek(Token![,])) {
        let Ok(tree) = input.parse::<TokenTree>() else { break };
        let punct = if let TokenTree::Punct(punct) = &tree { Some(punct.as_char()) } else { None };
        match punct {
            Some('|') if parameters || out.is_empty() => parameters = !parameters,
            Some('<') if open > 0 || before == Some(':') => open += 1,
            Some('>') if before != Some('-') && before != Some('=') => open = open.saturating_sub(1),
            _ => {}
        }
        before = punct;
        out.extend([tree]);
    }
    out
}

#[cfg(test)]
mod tests;
