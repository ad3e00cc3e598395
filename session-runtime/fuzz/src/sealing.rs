//! Sealed cookies once more, written from the documentation: the fuzzed code is compared with this.
//!
//! Only the cipher itself is taken from the same crate. Key derivation (RFC 5869 over RFC 2104), frame and content are
//! done here step by step.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};

use super::reference::{decode_all, encode};

/// Seals and opens with one key, for one cookie of one application.
pub struct Sealing {
    cipher: XChaCha20Poly1305,
    id: [u8; 4],
    cookie: String,
    application: String,
}

impl Sealing {
    pub fn new(master: &[u8; 32], cookie: &str, application: &str) -> Self {
        let pseudorandom = hmac(&[0; 32], master);
        // One block is enough for either: the purpose, and the number of the block.
        let derive = |purpose: &str| hmac(&pseudorandom, &[purpose.as_bytes(), &[1]].concat());
        let key = derive("session-runtime/cookie/v1/seal");
        let name = derive("session-runtime/cookie/v1/key-id");
        Self {
            cipher: XChaCha20Poly1305::new(&key.into()),
            id: name[..4].try_into().unwrap(),
            cookie: cookie.to_owned(),
            application: application.to_owned(),
        }
    }

    /// Seals like the library, but with a chosen nonce.
    pub fn seal(&self, nonce: [u8; 24], content: &[u8]) -> String {
        self.seal_as(1, "session", nonce, content)
    }

    /// For another version or purpose.
    pub fn seal_as(&self, version: u8, purpose: &str, nonce: [u8; 24], content: &[u8]) -> String {
        let aad = self.beside(version, purpose);
        let sealed = self.cipher.encrypt(&nonce.into(), Payload { msg: content, aad: &aad }).unwrap();
        encode(&[&[version][..], &self.id, &nonce, &sealed].concat())
    }

    /// The content, if the text is one of this key.
    pub fn open(&self, text: &str) -> Option<Vec<u8>> {
        let bytes = decode_all(text)?;
        if bytes.len() < 1 + 4 + 24 + 16 || bytes[0] != 1 || bytes[1..5] != self.id {
            return None;
        }
        let nonce: [u8; 24] = bytes[5..29].try_into().unwrap();
        let aad = self.beside(1, "session");
        self.cipher.decrypt(&nonce.into(), Payload { msg: &bytes[29..], aad: &aad }).ok()
    }

    fn beside(&self, version: u8, purpose: &str) -> Vec<u8> {
        let mut bytes = vec![version];
        for part in [purpose, &self.cookie, &self.application] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.bytes());
        }
        bytes
    }
}

fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let padded = |with: u8| {
        let mut block = [with; 64];
        for (byte, key) in block.iter_mut().zip(key) {
            *byte ^= key;
        }
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// The decoded content of a cookie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    pub sealed: i64,
    pub expires: i64,
    pub ends: i64,
    pub created: i64,
    pub touched: i64,
    /// The choice, and its number: milliseconds, or the moment.
    pub expiry: (u8, i128),
    pub key: [u8; 16],
    pub generation: u64,
    pub values: Vec<(String, String)>,
}

impl Content {
    /// `None` if the bytes are no content.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut at = 0;
        let sealed = signed(number(bytes, &mut at)?);
        let moment = |at: &mut usize| Some(sealed.wrapping_add(signed(number(bytes, at)?)));
        let (expires, ends, created) = (moment(&mut at)?, moment(&mut at)?, moment(&mut at)?);
        let touched = moment(&mut at)?;
        let kind = *bytes.get(at)?;
        at += 1;
        let expiry = match kind {
            0 | 3 => (kind, 0),
            1 => (kind, number(bytes, &mut at)?.into()),
            2 => (kind, moment(&mut at)?.into()),
            _ => return None,
        };
        let key = bytes.get(at..at + 16)?.try_into().unwrap();
        at += 16;
        let generation = number(bytes, &mut at)?;
        let values = values(bytes, at)?;
        Some(Self { sealed, expires, ends, created, touched, expiry, key, generation, values })
    }
}

fn signed(number: u64) -> i64 {
    let half = (number / 2).cast_signed();
    if number.is_multiple_of(2) { half } else { -1 - half }
}

fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut sum = 0_u128;
    for place in 0..10 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        sum += u128::from(byte % 128) << (7 * place);
        if byte < 128 {
            return u64::try_from(sum).ok();
        }
    }
    None
}

fn values(bytes: &[u8], mut at: usize) -> Option<Vec<(String, String)>> {
    let mut values: Vec<(String, String)> = Vec::new();
    let text = |at: &mut usize| {
        let length = usize::try_from(number(bytes, at)?).ok()?;
        let end = at.checked_add(length)?;
        let text = String::from_utf8(bytes.get(*at..end)?.to_vec()).ok()?;
        *at = end;
        Some(text)
    };
    while at < bytes.len() {
        let before = values.last().map_or("", |(name, _)| name);
        let mark = [None, Some('.'), Some('/')].get(usize::from(bytes[at]))?.to_owned();
        at += 1;
        let kept = match mark.and_then(|mark| before.split_once(mark).map(|(kept, _)| (kept, mark))) {
            Some((kept, mark)) => format!("{kept}{mark}"),
            None => String::new(),
        };
        let name = kept + &text(&mut at)?;
        if !values.is_empty() && *name <= *before {
            return None;
        }
        values.push((name, text(&mut at)?));
    }
    Some(values)
}
