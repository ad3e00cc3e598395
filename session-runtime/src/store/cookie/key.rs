//! The key ring: derives the sealing keys from the configured texts.
//!
//! Each text is a master key of 32 bytes. HKDF-SHA256 (RFC 5869) derives the sealing key from it and, for another
//! purpose, the four bytes that identify the key in a cookie. The master is wiped at once, the sealing key when it is
//! dropped.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{ErrorKind, SessionError};
use crate::id::Random;

const KEY_BYTES: usize = 32;
/// Fewest distinct bytes of an accepted key. Hex digits read as bytes have at most 16 distinct values; so has one in
/// three billion random keys.
const LEAST_DIFFERENT: usize = 17;

const SEAL: &[u8] = b"session-runtime/cookie/v1/seal";
const NAME: &[u8] = b"session-runtime/cookie/v1/key-id";

/// Id of a key in a cookie.
pub(super) type KeyId = [u8; 4];

/// All keys; the first one seals.
pub(super) struct Ring {
    first: SealKey,
    others: Vec<SealKey>,
}

/// A key that seals and opens.
pub(super) struct SealKey {
    pub(super) id: KeyId,
    pub(super) cipher: XChaCha20Poly1305,
}

type Master = Zeroizing<[u8; KEY_BYTES]>;

impl Ring {
    pub(super) fn new<K: AsRef<str>>(texts: impl IntoIterator<Item = K>) -> Result<Self, SessionError> {
        let mut masters: Vec<Master> = Vec::new();
        for text in texts {
            let place = masters.len() + 1;
            let master = parse(text.as_ref().trim()).ok_or_else(|| {
                refused(&format!("key {place} of `session.keys` is not 32 bytes in base64url, base64 or hex"))
            })?;
            if is_made_up(&master) {
                return Err(refused(&format!("key {place} of `session.keys` repeats itself and is not random")));
            }
            if masters.contains(&master) {
                return Err(refused(&format!("key {place} of `session.keys` is given twice")));
            }
            masters.push(master);
        }
        let mut keys = masters.iter().map(SealKey::derive);
        let Some(first) = keys.next() else {
            return Err(refused("the cookie store needs `session.keys`: the first key seals, all of them open"));
        };
        Ok(Self { first: first?, others: keys.collect::<Result<_, _>>()? })
    }

    pub(super) fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Returns the key that seals.
    pub(super) fn first(&self) -> &SealKey {
        &self.first
    }

    /// Returns the keys with this id, each with a flag for the key that seals. Two keys may have the same four bytes.
    pub(super) fn named(&self, id: KeyId) -> impl Iterator<Item = (&SealKey, bool)> {
        let others = self.others.iter().map(|key| (key, false));
        std::iter::once((&self.first, true)).chain(others).filter(move |(key, _)| key.id == id)
    }
}

impl SealKey {
    fn derive(master: &Master) -> Result<Self, SessionError> {
        let derived = Hkdf::<Sha256>::new(None, &**master);
        let (mut key, mut id) = (Zeroizing::new([0; KEY_BYTES]), KeyId::default());
        let made = derived.expand(SEAL, &mut *key).and_then(|()| derived.expand(NAME, &mut id));
        made.map_err(|_| refused("a key cannot be derived"))?;
        Ok(Self { id, cipher: XChaCha20Poly1305::new((&*key).into()) })
    }
}

/// Generates 32 random bytes as base64url.
pub(super) fn random_text() -> Result<String, SessionError> {
    let mut bytes = Master::default();
    Random::default().fill(&mut *bytes)?;
    Ok(Base64UrlUnpadded::encode_string(&*bytes))
}

/// Decodes a key. The length of the text distinguishes the three encodings.
fn parse(text: &str) -> Option<Master> {
    let mut bytes = Master::default();
    match text.len() {
        43 => drop(Base64UrlUnpadded::decode(text, &mut *bytes).ok()?),
        44 if text.contains(['-', '_']) => drop(Base64UrlUnpadded::decode(text.strip_suffix('=')?, &mut *bytes).ok()?),
        44 => drop(Base64::decode(text, &mut *bytes).ok()?),
        64 => hex(text.as_bytes(), &mut bytes)?,
        _ => return None,
    }
    Some(bytes)
}

fn hex(text: &[u8], bytes: &mut Master) -> Option<()> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, pair) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

/// True for bytes that no random source produces: zeros, a repeated word, counted digits.
fn is_made_up(master: &Master) -> bool {
    let mut sorted = master.clone();
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a == b).count() < LEAST_DIFFERENT
}

fn refused(why: &str) -> SessionError {
    SessionError::with(ErrorKind::Config, format!("{why}; make a key with `openssl rand -base64 32`"))
}
