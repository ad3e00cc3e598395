//! [`LocalPath`]: the path to which a login or a proof of identity leads back.

use std::fmt;

use rocket::form::{self, FromFormField, ValueField};

/// Path on this site, from the query of a URL that anyone may have written.
///
/// A redirect to an unchecked path leads anywhere: browsers read `//host` and `/\host` as another site, and leave out
/// tabs and line breaks first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalPath(String);

impl LocalPath {
    /// Returns the path if it is one of this site.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut letters = text.bytes();
        let is_rooted = letters.next() == Some(b'/') && letters.next() != Some(b'/');
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~?=&%".contains(&byte);
        (is_rooted && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// Returns a page of this application with this path in its query.
    pub(crate) fn behind(&self, page: &str) -> String {
        let escaped = self.0.replace('%', "%25").replace('&', "%26");
        format!("{page}?back={escaped}")
    }
}

impl Default for LocalPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path of another site counts as none.
#[rocket::async_trait]
impl<'r> FromFormField<'r> for LocalPath {
    fn from_value(field: ValueField<'r>) -> form::Result<'r, Self> {
        Ok(Self::new(field.value).unwrap_or_default())
    }

    fn default() -> Option<Self> {
        Some(Self("/".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use rocket::http::RawStr;

    use super::*;

    #[test]
    fn a_path_of_another_site_is_refused() {
        for text in [
            "",
            "account",
            "//evil.example/",
            "/\\evil.example/",
            "/\t/evil.example/",
            "/\n/evil.example/",
            "https://evil.example/",
            "javascript:alert(1)",
            "\\\\evil.example",
            " /",
            "/a\r\nSet-Cookie: a=b",
            "/@evil.example",
        ] {
            assert_eq!(LocalPath::new(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_path_of_this_site_comes_back_as_it_was() {
        for text in ["/", "/password", "/sessions?page=2&of=3", "/a%20b"] {
            let path = LocalPath::new(text).expect("a path of this site");
            let url = path.behind("/confirm");
            let value = RawStr::new(url.strip_prefix("/confirm?back=").expect("the page")).percent_decode();
            assert!(!url.contains('&'), "{url}");
            assert_eq!(LocalPath::new(&value.expect("UTF-8")), Some(path));
        }
    }
}
