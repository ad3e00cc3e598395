//! The id in the cookie: a key of 16 bytes and a secret of 16 bytes, both from the operating system's random source.
//!
//! The key names the record in the store as long as the session lives. The secret exists only in the cookie: the record
//! holds a SHA-256 hash over purpose, key and secret, which fit in one hash block. So renewing an id is one change
//! inside one record, and a stolen store opens no session. 128 secret bits: OWASP ASVS 5.0, 7.2.3.
//!
//! Deliberately absent: a way to read a secret back, and a `Debug` that shows one.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Domain separator of this library's hashes; short enough to fit one SHA-256 block with key and secret.
const PURPOSE: &[u8; 22] = b"session-runtime/id/v1:";
const KEY_CHARS: usize = 22;
const ID_CHARS: usize = 43;

/// Key of a session, for jobs, indexes and admin pages.
///
/// Safe to store and to show, and useless as a cookie. It stays the same when the id is renewed. `Display` and
/// `FromStr` use 22 characters of base64url (RFC 4648 section 5), and so do serde's traits, so that a table of jobs can
/// hold a key. `Debug` shows no bytes, so that keys do not get into logs.
///
/// # Examples
///
/// ```
/// use session_runtime::SessionKey;
///
/// let key = SessionKey::from_bytes([7; 16]);
/// assert_eq!(key.to_string().parse(), Ok(key));
/// assert_eq!(format!("{key:?}"), "SessionKey(…)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// Returns the key with these bytes, as [`as_bytes`](Self::as_bytes) returned them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes under which a store keeps the record.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; KEY_CHARS];
        let text = Base64UrlUnpadded::encode(&self.0, &mut text).map_err(|_| fmt::Error)?;
        f.write_str(text)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

/// Error for a text that is not a session key.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionKey, id::InvalidKey};
///
/// assert_eq!("cart".parse::<SessionKey>(), Err(InvalidKey));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session key: expected 22 characters of base64url")]
pub struct InvalidKey;

impl FromStr for SessionKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        decode::<16>(text, KEY_CHARS).map(Self).ok_or(InvalidKey)
    }
}

impl serde::Serialize for SessionKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for SessionKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Content of the cookie: a key and its secret.
#[derive(Clone, Copy)]
pub(crate) struct SessionId {
    pub(crate) key: SessionKey,
    secret: [u8; 16],
}

impl SessionId {
    /// Returns a new id made of bytes from `random`.
    pub(crate) fn new(random: Random) -> Result<Self, RandomError> {
        let mut bytes = [0; 32];
        random.fill(&mut bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Returns an id with the same key and a new secret.
    pub(crate) fn renewed(key: SessionKey, random: Random) -> Result<Self, RandomError> {
        let mut secret = [0; 16];
        random.fill(&mut secret)?;
        Ok(Self { key, secret })
    }

    /// Returns the id of a session that is kept in its cookie. The seal is the proof, so there is no secret.
    #[cfg(feature = "cookie")]
    pub(crate) const fn sealed(key: SessionKey) -> Self {
        Self { key, secret: [0; 16] }
    }

    /// Parses the value of a cookie: exactly 43 characters of canonical base64url, otherwise `None`.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        decode::<32>(value, ID_CHARS).map(|bytes| Self::from_bytes(&bytes))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (mut key, mut secret) = ([0; 16], [0; 16]);
        key.copy_from_slice(&bytes[..16]);
        secret.copy_from_slice(&bytes[16..]);
        Self { key: SessionKey(key), secret }
    }

    /// Returns the value of the cookie.
    pub(crate) fn to_cookie(self) -> String {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.key.0);
        bytes[16..].copy_from_slice(&self.secret);
        Base64UrlUnpadded::encode_string(&bytes)
    }

    /// Returns the hash that the record holds in place of the secret.
    pub(crate) fn secret_hash(&self) -> SecretHash {
        let hash = Sha256::new().chain_update(PURPOSE).chain_update(self.key.0).chain_update(self.secret).finalize();
        SecretHash(hash.into())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(…)")
    }
}

/// Hash of the cookie's secret in a record; compared in constant time.
///
/// # Examples
///
/// ```
/// use session_runtime::id::SecretHash;
///
/// let hash = SecretHash::from_bytes([1; 32]);
/// assert!(hash == SecretHash::from_bytes([1; 32]));
/// assert_eq!(format!("{hash:?}"), "SecretHash(…)");
/// ```
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Returns the hash with these bytes, as a store read them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes that a store keeps.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        // Eight bytes at a time: a quarter of the work of comparing single bytes.
        let (ours, theirs) = (self.0.as_chunks::<8>().0, other.0.as_chunks::<8>().0);
        let pairs = ours.iter().zip(theirs);
        let same = pairs.map(|(a, b)| u64::from_ne_bytes(*a).ct_eq(&u64::from_ne_bytes(*b)));
        same.fold(Choice::from(1), |all, same| all & same).into()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// Source of random bytes: the operating system, except in tests.
#[derive(Clone, Copy)]
pub(crate) struct Random(pub(crate) fn(&mut [u8]) -> Result<(), RandomError>);

impl Random {
    pub(crate) fn fill(self, bytes: &mut [u8]) -> Result<(), RandomError> {
        (self.0)(bytes)
    }
}

impl Default for Random {
    fn default() -> Self {
        Self(|bytes| getrandom::fill(bytes).map_err(|_| RandomError))
    }
}

/// Failure of the operating system to provide random bytes. No other source ever takes its place.
///
/// # Examples
///
/// ```
/// let error = session_runtime::id::RandomError;
/// assert_eq!(error.to_string(), "the operating system gave no random bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError;

/// Decodes only the right length, the right alphabet, and the one canonical form of these bytes.
fn decode<const N: usize>(text: &str, chars: usize) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != chars {
        return None;
    }
    let length = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
    (length == N).then_some(bytes)
}

#[cfg(test)]
pub(crate) mod tests;
