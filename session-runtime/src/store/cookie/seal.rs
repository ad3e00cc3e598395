//! The seal: converts the bytes of a record to the text in the cookie, and back.
//!
//! ```text
//! text      base64url without padding (RFC 4648 section 5) of
//!   version     1 byte: 1
//!   key id      4 bytes
//!   nonce       24 bytes, random
//!   ciphertext  XChaCha20-Poly1305 of the content
//!   tag         16 bytes
//! associated data: version, purpose, name of the cookie, name of the application; each but the version follows its
//!   length in 8 bytes
//! ```
//!
//! Opening checks length and alphabet, then looks up the key, then opens the seal, and only then reads the content,
//! deadlines first. Every failure has the same result, `None`, and there is no second attempt.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};

use super::key::KeyId;
use super::unsupported::Unsupported;
use super::{CookieStore, content};
use crate::clock::Timestamp;
use crate::cookie::{CookieCommand, CookieRules};
use crate::id::{Random, RandomError, SessionKey};
use crate::record::Record;
use crate::store::{Store, StoreError, StoreErrorKind};

/// Limit of a `Set-Cookie` line. A browser keeps a cookie with 4,096 bytes of name and value (RFC 6265bis section 5.6),
/// and some browsers count the attributes too.
pub(super) const MAX_COOKIE_BYTES: usize = 4096;

const VERSION: u8 = 1;
const PURPOSE: &str = "session";
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const AROUND_BYTES: usize = 1 + size_of::<KeyId>() + NONCE_BYTES + TAG_BYTES;

/// Seals and opens the session cookie of an application.
pub(crate) struct Sealer {
    store: Arc<CookieStore>,
    rules: CookieRules,
    /// Data that is authenticated together with the content.
    associated_data: Vec<u8>,
    random: Random,
    jobs: Unsupported,
}

/// Content of an opened cookie.
pub(crate) struct Opened {
    pub(crate) key: SessionKey,
    pub(crate) record: Record,
    /// True if an older key sealed the cookie.
    pub(crate) needs_reseal: bool,
}

impl Sealer {
    pub(crate) fn new(store: Arc<CookieStore>, rules: CookieRules, random: Random) -> Self {
        let associated_data = associated_data(VERSION, &[PURPOSE, &rules.name, &store.application]);
        Self { store, rules, associated_data, random, jobs: Unsupported }
    }

    /// Returns the store of jobs, which cannot reach sessions in cookies.
    pub(crate) fn store_of_jobs(&self) -> &dyn Store {
        &self.jobs
    }

    /// Returns the `Set-Cookie` line with this record. Fails if browsers would not keep it.
    pub(super) fn seal(
        &self,
        key: SessionKey,
        record: &Record,
        now: Timestamp,
        during: &'static str,
    ) -> Result<CookieCommand, StoreError> {
        let content = content::encode(key, record, now);
        // Rejects a large record early: base64url has at least four characters for three bytes.
        let least = (content.len() + AROUND_BYTES) / 3 * 4;
        if least > MAX_COOKIE_BYTES {
            return Err(too_large(least, during));
        }
        let line = self.rules.set(&self.text(&content, during)?, &record.head, now);
        match line.header().map_or(0, str::len) {
            0..=MAX_COOKIE_BYTES => Ok(line),
            length => Err(too_large(length, during)),
        }
    }

    fn text(&self, content: &[u8], during: &'static str) -> Result<String, StoreError> {
        let failed = |source: RandomError| StoreError::new(StoreErrorKind::Unavailable, during).because(source);
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill(&mut nonce).map_err(failed)?;
        let key = self.store.ring.first();
        let payload = Payload { msg: content, aad: &self.associated_data };
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| StoreError::new(StoreErrorKind::Unavailable, during))?;
        Ok(Base64UrlUnpadded::encode_string(&[&[VERSION][..], &key.id, &nonce, &sealed].concat()))
    }

    /// Opens the value of a cookie. `None` if the seal is not valid or a deadline has passed.
    pub(crate) fn open(&self, value: &str, now: Timestamp) -> Option<Opened> {
        if value.len() > MAX_COOKIE_BYTES {
            return None;
        }
        let bytes = Base64UrlUnpadded::decode_vec(value).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (id, rest) = rest.split_first_chunk::<{ size_of::<KeyId>() }>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        if *version != VERSION {
            return None;
        }
        let open = |cipher: &chacha20poly1305::XChaCha20Poly1305| {
            cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &self.associated_data }).ok()
        };
        let mut keys = self.store.ring.named(*id);
        let (content, is_first) = keys.find_map(|(key, is_first)| Some((open(&key.cipher)?, is_first)))?;
        let (key, record) = content::decode(&content, now)?;
        Some(Opened { key, record, needs_reseal: !is_first })
    }
}

/// Encodes each part with its length, so that different lists of parts never look alike.
pub(super) fn associated_data(version: u8, parts: &[&str]) -> Vec<u8> {
    let mut bytes = vec![version];
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn too_large(bytes: usize, during: &'static str) -> StoreError {
    let why = format!("a `Set-Cookie` line of {bytes} bytes or more; browsers keep {MAX_COOKIE_BYTES}");
    StoreError::new(StoreErrorKind::TooLarge, during).because(why)
}
