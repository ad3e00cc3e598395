//! Values by which sessions are looked up, as texts.

use super::EntryKey;

/// Value to look up in an indexed field of the type `K` or `Option<K>`: a `K`, a `&K`, or a `&str` if the field holds text.
///
/// # Examples
///
/// ```
/// use session_runtime::{Lookup, Session};
///
/// #[derive(Session)]
/// #[session(key = "auth", version = 1)]
/// struct Auth {
///     #[session(renew, index)]
///     user: Option<String>,
///     #[session(index)]
///     tenant: u32,
/// }
///
/// let lookups: [Lookup; 3] = [Auth::by_user("ann"), Auth::by_user(&"ann".to_owned()), Auth::by_tenant(7)];
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value of this indexed field",
    label = "expected `{K}`, a reference to one, or a `&str` if the field holds text"
)]
pub trait IndexValue<K> {
    /// Returns the text as which the field stores the value; `None` if no value of the field is stored so.
    #[doc(hidden)]
    fn text(self) -> Option<String>;
}

#[diagnostic::do_not_recommend]
impl<K: EntryKey> IndexValue<K> for K {
    fn text(self) -> Option<String> {
        serde_json::to_string(&self).ok()
    }
}

#[diagnostic::do_not_recommend]
impl<K: EntryKey> IndexValue<K> for &K {
    fn text(self) -> Option<String> {
        serde_json::to_string(&self).ok()
    }
}

#[diagnostic::do_not_recommend]
impl<K: EntryKey> IndexValue<K> for &str {
    fn text(self) -> Option<String> {
        let text = serde_json::to_string(&self).ok()?;
        let value: K = serde_json::from_str(&text).ok()?;
        serde_json::to_string(&value).ok().filter(|back| *back == text)
    }
}

/// Bound on the type of an indexed field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be indexed",
    label = "must implement `EntryKey`",
    note = "`String`, integers, `bool`, `char` and IP addresses implement it; with the features of their crates, ids and dates too",
    note = "for a unit enum of your own, or a newtype around one of these: `impl EntryKey for ... {{}}`"
)]
#[doc(hidden)]
pub trait Indexable {}

#[diagnostic::do_not_recommend]
impl<K: EntryKey> Indexable for K {}

/// Requires of a type that it can be indexed.
#[doc(hidden)]
pub const fn indexable<K: Indexable>() {}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct UserId(String);
    impl EntryKey for UserId {}

    fn text<K>(value: impl IndexValue<K>) -> Option<String> {
        value.text()
    }

    #[test]
    fn a_value_is_looked_up_as_the_field_stores_it() {
        assert_eq!(text::<String>("a\"nn").as_deref(), Some(r#""a\"nn""#));
        assert_eq!(text::<UserId>("ann"), text::<UserId>(&UserId("ann".to_owned())));
        assert_eq!(text::<u32>(7).as_deref(), Some("7"));
        assert_eq!(text::<char>("x").as_deref(), Some("\"x\""));
    }

    #[test]
    fn a_text_is_no_value_of_a_number() {
        assert_eq!(text::<u32>("7"), None);
        assert_eq!(text::<std::net::Ipv4Addr>("10.0.0"), None);
        assert_eq!(text::<char>("xy"), None);
    }
}
