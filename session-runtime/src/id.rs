//! The id in the cookie: 16 bytes of key beside 16 bytes of secret, from the operating system.
//!
//! The key names the record in the store, for as long as the session lives. The secret exists in the cookie and nowhere
//! else: the record holds its SHA-256, over purpose, key and secret, in one hash block. So renewing an id is one change
//! inside one record, and a stolen store opens no session. 128 secret bits: OWASP ASVS 5.0, 7.2.3.
//!
//! Deliberately absent: a way to read a secret back, and a `Debug` that shows one.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// Keeps hashes of this library apart from all others; short enough for one SHA-256 block with key and secret.
const PURPOSE: &[u8; 22] = b"session-runtime/id/v1:";
const KEY_CHARS: usize = 22;
const ID_CHARS: usize = 43;

/// Names a session for jobs, indexes and admin pages.
///
/// Safe to store and to show, useless as a cookie; stays the same when the id is renewed. `Display` and `FromStr` use 22
/// characters of base64url (RFC 4648 section 5); `Debug` shows nothing, so that keys do not drift into logs.
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
    /// The key with these bytes, as [`as_bytes`](Self::as_bytes) gave them.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionKey;
    ///
    /// assert_eq!(SessionKey::from_bytes([7; 16]).as_bytes(), &[7; 16]);
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes under which a store keeps the record.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionKey;
    ///
    /// assert_eq!(SessionKey::from_bytes([7; 16]).as_bytes(), &[7; 16]);
    /// ```
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

/// The text is not the key of a session.
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

/// What the cookie carries: a key and its secret.
#[derive(Clone, Copy)]
pub(crate) struct SessionId {
    pub(crate) key: SessionKey,
    secret: [u8; 16],
}

impl SessionId {
    /// A fresh id of `random` bytes.
    pub(crate) fn new(random: Random) -> Result<Self, RandomError> {
        let mut bytes = [0; 32];
        random.fill(&mut bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// The same key under a fresh secret.
    pub(crate) fn renewed(key: SessionKey, random: Random) -> Result<Self, RandomError> {
        let mut secret = [0; 16];
        random.fill(&mut secret)?;
        Ok(Self { key, secret })
    }

    /// The id of a session that is in its cookie: the seal is the proof, so there is no secret.
    #[cfg(feature = "cookie")]
    pub(crate) const fn sealed(key: SessionKey) -> Self {
        Self { key, secret: [0; 16] }
    }

    /// The id in a cookie's value: exactly 43 characters of canonical base64url, or nothing.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        decode::<32>(value, ID_CHARS).map(|bytes| Self::from_bytes(&bytes))
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (mut key, mut secret) = ([0; 16], [0; 16]);
        key.copy_from_slice(&bytes[..16]);
        secret.copy_from_slice(&bytes[16..]);
        Self { key: SessionKey(key), secret }
    }

    /// The cookie's value.
    pub(crate) fn to_cookie(self) -> String {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.key.0);
        bytes[16..].copy_from_slice(&self.secret);
        Base64UrlUnpadded::encode_string(&bytes)
    }

    /// What the record holds of the secret.
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

/// What a record holds of the cookie's secret; compared in constant time.
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
    /// The hash with these bytes, as a store read them.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::id::SecretHash;
    ///
    /// assert_eq!(SecretHash::from_bytes([7; 32]).as_bytes(), &[7; 32]);
    /// ```
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes that a store keeps.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::id::SecretHash;
    ///
    /// assert_eq!(SecretHash::from_bytes([7; 32]).as_bytes(), &[7; 32]);
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        // Eight bytes at a time, which is a quarter of the work of comparing each byte by itself.
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

/// Where random bytes come from: the operating system, unless a test says otherwise.
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

/// The operating system gave no random bytes; nothing else is ever used in their place.
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

/// Strict: right length, right alphabet, and the one canonical form of these bytes.
fn decode<const N: usize>(text: &str, chars: usize) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != chars {
        return None;
    }
    let length = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
    (length == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_survives_the_cookie() {
        let id = SessionId::new(Random::default()).unwrap();
        let cookie = id.to_cookie();
        let back = SessionId::parse(&cookie).unwrap();
        assert_eq!(cookie.len(), ID_CHARS);
        assert_eq!((back.key, back.secret), (id.key, id.secret));
    }

    /// C03, C04: of all spellings of 32 bytes one is accepted.
    #[test]
    fn other_spellings_of_an_id_are_refused() {
        let good = SessionId::from_bytes(&[0xfb; 32]).to_cookie();
        assert!(good.contains('-') && SessionId::parse(&good).is_some());
        let last = good.as_bytes()[42];
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for tail in alphabet.bytes().filter(|tail| *tail != last) {
            let other = format!("{}{}", &good[..42], char::from(tail));
            let parsed = SessionId::parse(&other);
            // 43 characters hold 258 bits: the last two must be zero.
            let position = alphabet.bytes().position(|byte| byte == tail).unwrap();
            assert_eq!(parsed.is_some(), position % 4 == 0, "{other}");
        }
        let wrong =
            [good.to_uppercase(), good.replace('-', "+"), format!("{good}="), good[..42].to_owned(), String::new()];
        for text in wrong {
            assert!(SessionId::parse(&text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_hash_covers_key_and_secret() {
        let id = SessionId::from_bytes(&[1; 32]);
        let other_key = SessionId { key: SessionKey([2; 16]), ..id };
        let other_secret = SessionId { secret: [2; 16], ..id };
        assert!(id.secret_hash() == id.secret_hash());
        assert!(id.secret_hash() != other_key.secret_hash());
        assert!(id.secret_hash() != other_secret.secret_hash());
    }

    /// C15: a million ids differ in both halves, are equally long, and no byte position is poorer than the others.
    #[test]
    fn ids_use_all_values_at_every_position() {
        const IDS: u32 = 1_000_000;
        let mut seen = vec![[0_u32; 256]; 32];
        let (mut keys, mut secrets) = (Vec::new(), Vec::new());
        for _ in 0..IDS {
            let id = SessionId::new(Random::default()).unwrap();
            for (counts, byte) in seen.iter_mut().zip(id.key.0.iter().chain(&id.secret)) {
                counts[usize::from(*byte)] += 1;
            }
            keys.push(u128::from_be_bytes(id.key.0));
            secrets.push(u128::from_be_bytes(id.secret));
        }
        for halves in [&mut keys, &mut secrets] {
            halves.sort_unstable();
            assert!(halves.windows(2).all(|pair| pair[0] != pair[1]), "the same half twice");
        }
        for counts in &seen {
            let expected = f64::from(IDS) / 256.0;
            let chi: f64 = counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
            // Exceeded once in ten million runs of an even source.
            assert!(chi < 400.0, "chi-squared of 255 degrees of freedom was {chi}");
            assert!(counts.iter().all(|count| *count > 0), "a value that never occurs");
        }
    }

    /// C56: what is compared is a hash, in constant time, and it says nothing of how much of an id was right: a secret that
    /// shares all but its last bits hashes as far apart as one that shares none.
    #[test]
    fn a_common_beginning_does_not_show_in_the_hash() {
        for shared in [0, 1, 8, 32, 64, 96, 120, 127] {
            let mut equal_bits = 0;
            for _ in 0..2_000 {
                let id = SessionId::new(Random::default()).unwrap();
                let guess = u128::from_be_bytes(id.secret) ^ (1 << (127 - shared));
                let guess = SessionId { secret: guess.to_be_bytes(), ..id };
                let (right, wrong) = (id.secret_hash(), guess.secret_hash());
                equal_bits += right.0.iter().zip(wrong.0).map(|(a, b)| (a ^ b).count_zeros()).sum::<u32>();
            }
            // 128 of 256 bits on average; 2,000 pairs stray from it by a fifth of a bit.
            let mean = f64::from(equal_bits) / 2_000.0;
            assert!((126.0..130.0).contains(&mean), "{shared} shared bits leave {mean} equal bits in the hash");
        }
    }

    #[test]
    fn debug_shows_neither_id_nor_hash() {
        let id = SessionId::from_bytes(&[1; 32]);
        let shown = format!("{id:?} {:?} {:?}", id.key, id.secret_hash());
        assert_eq!(shown, "SessionId(…) SessionKey(…) SecretHash(…)");
    }
}
