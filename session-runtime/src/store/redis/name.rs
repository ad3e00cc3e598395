//! Names of hashes: `<namespace>:{<key>}`, followed by `:<schema>` for a schema in a hash of its own. The text in
//! braces determines the slot in a cluster, so that all hashes of a session are on one node.

use std::io::Write as _;

use ::redis::{RedisWrite, ToRedisArgs};

use super::fault::Fault;
use crate::id::SessionKey;

/// Alphabet in which a key is written. The result is that of its `Display`, but not in constant time: a key is not
/// secret, and each command contains it.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const KEY_CHARS: usize = 22;

/// Longest namespace, in bytes.
const LONGEST_NAMESPACE: usize = 200;

/// Prefix of all key names.
pub(super) struct Namespace {
    prefix: Vec<u8>,
}

impl Namespace {
    /// Checks a namespace.
    ///
    /// # Errors
    ///
    /// For braces, which would move the sessions to other slots, and for control characters, which cannot be typed.
    pub(super) fn new(namespace: &str) -> Result<Self, Fault> {
        if namespace.contains(|letter: char| letter == '{' || letter == '}' || letter.is_control()) {
            return Err(Fault::setup("the namespace holds a brace or a control character"));
        }
        if namespace.len() > LONGEST_NAMESPACE {
            return Err(Fault::setup("the namespace has more than 200 bytes, and each command carries it"));
        }
        Ok(Self { prefix: format!("{namespace}:{{").into_bytes() })
    }

    /// Name of a session's main hash.
    pub(super) const fn main(&self, key: SessionKey) -> Name<'_> {
        Name { prefix: self.prefix.as_slice(), key }
    }

    /// Name of the entries of an indexed value, by a digest of it in place of a session's key. No schema has a colon, so
    /// the name is not that of a hash.
    pub(super) fn entries(&self, digest: [u8; 16]) -> (Name<'_>, Vec<u8>) {
        let name = self.main(SessionKey::from_bytes(digest));
        (name, [&name.to_vec()[..], b"::index"].concat())
    }

    /// Returns the session whose main hash has this name.
    pub(super) fn session(&self, name: &[u8]) -> Option<SessionKey> {
        let text = name.strip_prefix(&*self.prefix)?.strip_suffix(b"}")?;
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    /// Pattern for `SCAN` that matches the names of all main hashes.
    pub(super) fn pattern(&self) -> Vec<u8> {
        let mut pattern = Vec::with_capacity(self.prefix.len() + 8);
        for byte in &self.prefix {
            if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^') {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        pattern.extend_from_slice(b"*}");
        pattern
    }
}

/// Name of a main hash, written into a command without an allocation of its own.
#[derive(Clone, Copy)]
pub(super) struct Name<'n> {
    prefix: &'n [u8],
    key: SessionKey,
}

impl Name<'_> {
    pub(super) const fn len(&self) -> usize {
        self.prefix.len() + KEY_CHARS + 1
    }

    /// Returns the part after the prefix.
    fn rest(&self) -> [u8; KEY_CHARS + 1] {
        let mut rest = [b'}'; KEY_CHARS + 1];
        for (digits, bytes) in rest[..KEY_CHARS].chunks_mut(4).zip(self.key.as_bytes().chunks(3)) {
            let byte = |n: usize| bytes.get(n).copied().unwrap_or_default();
            let bits = u32::from_be_bytes([0, byte(0), byte(1), byte(2)]);
            for (digit, shift) in digits.iter_mut().zip([18, 12, 6, 0]) {
                *digit = DIGITS[(bits >> shift) as usize % DIGITS.len()];
            }
        }
        rest
    }

    pub(super) fn to_vec(self) -> Vec<u8> {
        [self.prefix, &self.rest()].concat()
    }
}

impl ToRedisArgs for Name<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut argument = out.writer_for_next_arg();
        // Writing into memory cannot fail.
        let _ = argument.write_all(self.prefix).and_then(|()| argument.write_all(&self.rest()));
    }
}

/// Rejects a name that begins with NUL, which is reserved for this store.
pub(super) fn check(name: &str) -> Result<(), Fault> {
    match name.as_bytes().first() {
        Some(0) => Err(Fault::unsupported("a stored key begins with NUL")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_key_of_its_session() {
        let namespace = Namespace::new("a[b]*").unwrap();
        let key = SessionKey::from_bytes([0xfb; 16]);
        let name = namespace.main(key).to_vec();
        assert_eq!(name, format!("a[b]*:{{{key}}}").into_bytes());
        assert_eq!(name.len(), namespace.main(key).len());
        assert_eq!(namespace.session(&name), Some(key));
        assert_eq!(namespace.session(&[&name[..], b":history"].concat()), None);
        assert_eq!(Namespace::new("other").unwrap().session(&name), None);
        assert_eq!(namespace.pattern(), b"a\\[b\\]\\*:{*}");
    }

    #[test]
    fn braces_in_a_namespace_are_refused() {
        assert!(Namespace::new(&"s".repeat(200)).is_ok() && Namespace::new(&"s".repeat(201)).is_err());
        assert!(Namespace::new("{shop}").is_err() && Namespace::new("a\0").is_err() && Namespace::new("").is_ok());
    }
}
