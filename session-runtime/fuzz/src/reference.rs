//! Ids once more, written from the documentation: the fuzzed code is compared with this.

use session_runtime::SessionKey;
use session_runtime::id::SecretHash;
use sha2::{Digest, Sha256};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// base64url without padding (RFC 4648 section 5), bit by bit: the only text of these bytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut bits: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1 == 1)).collect();
    bits.resize(bits.len().div_ceil(6) * 6, false);
    let letter = |six: &[bool]| ALPHABET.as_bytes()[six.iter().fold(0, |all, bit| all * 2 + usize::from(*bit))];
    bits.chunks(6).map(|six| char::from(letter(six))).collect()
}

/// The `N` bytes of a canonical text: right length, right alphabet, and nothing in the bits that are left over.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    let mut bits = Vec::with_capacity(text.len() * 6);
    for letter in text.bytes() {
        let value = ALPHABET.bytes().position(|one| one == letter)?;
        bits.extend((0..6).rev().map(|at| value >> at & 1));
    }
    if bits[N * 8..].contains(&1) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, eight) in bytes.iter_mut().zip(bits.chunks(8)) {
        *byte = eight.iter().fold(0, |all, bit| all * 2 + u8::try_from(*bit).unwrap());
    }
    Some(bytes)
}

/// Decodes like [`decode`], a text of any length.
pub fn decode_all(text: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::with_capacity(text.len() * 6);
    for letter in text.bytes() {
        let value = ALPHABET.bytes().position(|one| one == letter)?;
        bits.extend((0..6).rev().map(|at| value >> at & 1 == 1));
    }
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|eight| eight.iter().fold(0, |all, bit| all * 2 + u8::from(*bit))).collect();
    (encode(&bytes) == text).then_some(bytes)
}

/// The key of an id, and what a store holds of its secret.
pub fn halves(id: &[u8; 32]) -> (SessionKey, SecretHash) {
    let key = SessionKey::from_bytes(id[..16].try_into().unwrap());
    let hash = Sha256::new().chain_update(b"session-runtime/id/v1:").chain_update(id).finalize();
    (key, SecretHash::from_bytes(hash.into()))
}
