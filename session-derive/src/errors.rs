//! Collects every mistake of one struct, so that one run of the compiler shows them all.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Mistakes found so far. They must be [finished](Self::finish).
pub(crate) struct Errors {
    found: Option<Vec<syn::Error>>,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self { found: Some(Vec::new()) }
    }

    /// Adds a mistake in exactly these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.get_or_insert_default().push(error);
    }

    /// Returns one `compile_error!` per mistake, in the order found; `None` if there is none.
    pub(crate) fn finish(mut self) -> Option<TokenStream> {
        let found = self.found.take().unwrap_or_default();
        (!found.is_empty()).then(|| found.iter().map(syn::Error::to_compile_error).collect())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        debug_assert!(self.found.is_none() || std::thread::panicking(), "mistakes were gathered and never reported");
    }
}

/// Builds the message "unknown attribute …" with the nearest known name, or with all of them.
pub(crate) fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown attribute `{name}`, did you mean `{near}`?"),
        None => format!("unknown attribute `{name}`, expected {}", one_of(known)),
    }
}

/// Returns the known word from which `name` differs by a typing mistake or two.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|word| (distance(name, word), *word)).min()?;
    (near.0 <= 1 + name.len() / 4).then_some(near.1)
}

/// Formats words as "`a`, `b` or `c`".
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Number of letters to add, leave out, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_the_nearest_spelling() {
        let known = ["key", "version", "lazy", "on_invalid"];
        assert_eq!(nearest("verison", &known), Some("version"));
        assert_eq!(nearest("keys", &known), Some("key"));
        assert_eq!(nearest("oninvalid", &known), Some("on_invalid"));
        assert_eq!(nearest("timeout", &known), None);
    }

    #[test]
    fn lists_what_is_known_when_nothing_is_near() {
        assert_eq!(unknown("x", &["lazy", "version"]), "unknown attribute `x`, expected `lazy` or `version`");
    }

    #[test]
    #[should_panic(expected = "never reported")]
    #[cfg(debug_assertions)]
    fn panics_when_dropped_unread() {
        drop(Errors::new());
    }
}
