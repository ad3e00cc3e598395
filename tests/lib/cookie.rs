//! A session cookie as a browser keeps it.

use crate::base64url::ALPHABET;
pub use crate::base64url::{decode, encode};

/// A cookie's name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    pub name: String,
    pub value: String,
}

impl Cookie {
    /// The part of a `Set-Cookie` header that browsers send back.
    pub fn of(set_cookie: &str) -> Self {
        let pair = set_cookie.split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("a Set-Cookie header begins with name=value");
        Self { name: name.to_owned(), value: value.to_owned() }
    }

    pub fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }

    pub fn with_value(&self, value: impl Into<String>) -> Self {
        Self { name: self.name.clone(), value: value.into() }
    }

    /// The 32 bytes behind the value.
    pub fn bytes(&self) -> [u8; 32] {
        let bytes = decode(&self.value).expect("the session cookie is base64url");
        bytes.try_into().expect("the session cookie holds 32 bytes")
    }

    /// The key, which names the record: the first half.
    pub fn key(&self) -> [u8; 16] {
        self.bytes()[..16].try_into().unwrap()
    }

    /// The secret, which only the browser has: the second half.
    pub fn secret(&self) -> [u8; 16] {
        self.bytes()[16..].try_into().unwrap()
    }
}

/// The other texts that a careless decoder takes for the same 32 bytes: the last character's spare bits set.
pub fn with_spare_bits(value: &str) -> Vec<String> {
    let (start, last) = value.split_at(value.len() - 1);
    let place = ALPHABET.iter().position(|letter| last.as_bytes() == [*letter]).expect("base64url");
    (1..4).map(|spare| format!("{start}{}", char::from(ALPHABET[place & !3 | spare]))).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn base64url_is_written_right() {
    assert_eq!(encode(b"\xfb\xff\xfe\x00"), "-__-AA");
    assert_eq!(decode("-__-AA").unwrap(), b"\xfb\xff\xfe\x00");
    assert_eq!(decode("+"), None);
    let text = encode(&[7; 32]);
    assert_eq!(text.len(), 43);
    assert!(with_spare_bits(&text).iter().all(|other| *other != text && decode(other) == decode(&text)));
}
