//! Byte format of a head, drawn in the docs of `redis`. Scripts slice and compare the bytes without decoding them.

use super::fault::Fault;
use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::bytes::{self, Unread};
use crate::record::expiry::StoredExpiry;
use crate::record::patch::{Deadline, NewSecret};
use crate::record::{Head, PreviousSecret};

/// Field of the main hash that holds the head. No stored key contains a NUL.
pub(super) const HEAD: &str = "\0";

const FORMAT: u8 = 1;
const LENGTH: usize = 164;

const NONE: u8 = 0;
const THERE: u8 = 1;
const ENDS: u8 = 2;

/// A head, the totals of the whole record, and the schemas in hashes of their own.
pub(super) struct StoredHead<'b> {
    pub(super) head: Head,
    pub(super) bytes: usize,
    pub(super) keys: usize,
    /// Schemas in hashes of their own, each followed by a NUL.
    own_hashes: &'b str,
}

impl<'b> StoredHead<'b> {
    pub(super) fn decode(bytes: &'b [u8]) -> Result<Self, Fault> {
        decode(bytes).ok_or_else(|| Fault::unreadable("head"))
    }

    pub(super) fn own_hashes(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.own_hashes.split_terminator('\0')
    }
}

/// Encodes the head of a new record.
pub(super) fn encode(head: &Head, bytes: usize, keys: usize, own_hashes: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(LENGTH + own_hashes.iter().map(|schema| schema.len() + 1).sum::<usize>());
    out.push(FORMAT);
    out.extend_from_slice(&moment(head.created));
    out.extend_from_slice(&moment(head.absolute_deadline));
    put_times(&mut out, head.idle_deadline, head.touched);
    put_expiry(&mut out, head.expiry);
    put_secret(&mut out, head);
    out.extend_from_slice(&head.generation.to_be_bytes());
    out.push(if head.generation_since.is_some() { THERE } else { NONE });
    out.extend_from_slice(&head.generation_since.map_or([0; 8], moment));
    out.extend_from_slice(&head.revision.to_be_bytes());
    for total in [bytes, keys] {
        out.extend_from_slice(&(total as u64).to_be_bytes());
    }
    for schema in own_hashes {
        out.extend_from_slice(schema.as_bytes());
        out.push(0);
    }
    out
}

/// Encodes an instant big-endian, shifted so that earlier instants sort first bytewise, even before 1970.
pub(super) fn moment(moment: Timestamp) -> [u8; 8] {
    (moment.as_millis().cast_unsigned() ^ SIGN).to_be_bytes()
}

const SIGN: u64 = 1 << 63;

/// Encodes a change of the deadline for the patch script.
pub(super) fn encode_deadline(deadline: Option<&Deadline>) -> Vec<u8> {
    let mut out = Vec::new();
    match deadline {
        None => {}
        Some(Deadline::Touch { seen, touched, expires }) => {
            out.push(b'T');
            out.extend_from_slice(&moment(*seen));
            put_times(&mut out, *expires, *touched);
        }
        Some(Deadline::Choose { expiry, touched, expires }) => {
            out.push(b'C');
            put_times(&mut out, *expires, *touched);
            put_expiry(&mut out, *expiry);
        }
    }
    out
}

/// Encodes a change of the secret for the patch script.
pub(super) fn encode_secret(secret: Option<&NewSecret>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    match secret {
        None => {}
        Some(NewSecret::Raise { hash, at }) => put(&[b"R", hash.as_bytes(), &moment(*at)]),
        Some(NewSecret::Periodic { seen, seen_expires, hash, at }) => {
            put(&[b"P", seen.as_bytes(), &moment(*seen_expires), hash.as_bytes(), &moment(*at)]);
        }
        Some(NewSecret::Presented { seen, until }) => put(&[b"S", seen.as_bytes(), &moment(*until)]),
    }
    out
}

fn put_times(out: &mut Vec<u8>, expires: Timestamp, touched: Timestamp) {
    out.extend_from_slice(&moment(expires));
    out.extend_from_slice(&moment(touched));
}

fn put_expiry(out: &mut Vec<u8>, expiry: StoredExpiry) {
    let (kind, number) = expiry.to_parts();
    let choice = if kind == bytes::AT { moment(Timestamp::from_millis(number)) } else { number.to_be_bytes() };
    out.push(kind);
    out.extend_from_slice(&choice);
}

fn put_secret(out: &mut Vec<u8>, head: &Head) {
    out.extend_from_slice(head.secret.as_bytes());
    out.extend_from_slice(&moment(head.secret_since));
    let (flag, hash, until) = match &head.previous {
        None => (NONE, &[0; 32], [0; 8]),
        Some(PreviousSecret { hash, until: None }) => (THERE, hash.as_bytes(), [0; 8]),
        Some(PreviousSecret { hash, until: Some(until) }) => (ENDS, hash.as_bytes(), moment(*until)),
    };
    out.push(flag);
    out.extend_from_slice(hash);
    out.extend_from_slice(&until);
}

fn decode(bytes: &[u8]) -> Option<StoredHead<'_>> {
    let mut rest = Unread(bytes);
    if rest.array()? != [FORMAT] {
        return None;
    }
    let (created, absolute_deadline, idle_deadline, touched) =
        (read_moment(&mut rest)?, read_moment(&mut rest)?, read_moment(&mut rest)?, read_moment(&mut rest)?);
    let expiry = decode_expiry(&mut rest)?;
    let (secret, secret_since) = (SecretHash::from_bytes(rest.array()?), read_moment(&mut rest)?);
    let ([flag], hash, until) = (rest.array()?, SecretHash::from_bytes(rest.array()?), read_moment(&mut rest)?);
    let previous = match flag {
        NONE => None,
        THERE => Some(PreviousSecret { hash, until: None }),
        ENDS => Some(PreviousSecret { hash, until: Some(until) }),
        _ => return None,
    };
    let (generation, [raised], raised_at) = (rest.number()?, rest.array()?, read_moment(&mut rest)?);
    let generation_since = match raised {
        NONE => None,
        THERE => Some(raised_at),
        _ => return None,
    };
    let revision = rest.number()?;
    let (total, keys) = (rest.size()?, rest.size()?);
    let own_hashes = std::str::from_utf8(rest.0).ok()?;
    let head = Head {
        created,
        touched,
        idle_deadline,
        absolute_deadline,
        expiry,
        secret,
        secret_since,
        previous,
        generation,
        generation_since,
        revision,
    };
    Some(StoredHead { head, bytes: total, keys, own_hashes })
}

fn decode_expiry(rest: &mut Unread<'_>) -> Option<StoredExpiry> {
    let [kind] = rest.array()?;
    let number = if kind == bytes::AT { read_moment(rest)?.as_millis() } else { rest.number()?.cast_signed() };
    StoredExpiry::from_parts(kind, number)
}

/// Takes an instant that [`moment`] encoded.
fn read_moment(rest: &mut Unread<'_>) -> Option<Timestamp> {
    rest.number().map(|shifted| Timestamp::from_millis((shifted ^ SIGN).cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unusual() -> Head {
        let at = Timestamp::from_millis;
        Head {
            created: at(-1),
            touched: at(2),
            idle_deadline: at(i64::MIN),
            absolute_deadline: Timestamp::MAX,
            expiry: StoredExpiry::At(at(-7)),
            secret: SecretHash::from_bytes([0xff; 32]),
            secret_since: at(5),
            previous: Some(PreviousSecret { hash: SecretHash::from_bytes([3; 32]), until: Some(at(6)) }),
            generation: u64::MAX,
            generation_since: Some(at(8)),
            revision: 1 << 63,
        }
    }

    #[test]
    fn a_head_comes_back() {
        let bytes = encode(&unusual(), 7, 9, &["history", "a b"]);
        let stored = StoredHead::decode(&bytes).unwrap();
        assert_eq!((stored.head.clone(), stored.bytes, stored.keys), (unusual(), 7, 9));
        assert_eq!(stored.own_hashes().collect::<Vec<_>>(), ["history", "a b"]);
        let plain = encode(&unusual(), 0, 0, &[]);
        assert_eq!((plain.len(), StoredHead::decode(&plain).unwrap().own_hashes().count()), (LENGTH, 0));
    }

    #[test]
    fn moments_are_ordered_bytewise() {
        let moments = [i64::MIN, -1, 0, 1, 1 << 40, i64::MAX].map(|millis| moment(Timestamp::from_millis(millis)));
        assert!(moments.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_damaged_head_is_unreadable_and_nothing_worse() {
        let bytes = encode(&unusual(), 7, 9, &["history"]);
        for length in 0..LENGTH {
            assert!(StoredHead::decode(&bytes[..length]).is_err(), "the first {length} bytes of a head were read");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = StoredHead::decode(&damaged);
        }
    }
}
