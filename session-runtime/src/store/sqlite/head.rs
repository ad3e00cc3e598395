//! The head as bytes, in the format documented in `sqlite`: one column to read and to write instead of fifteen.

use super::fault::Fault;
use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::bytes::Unread;
use crate::record::expiry::StoredExpiry;
use crate::record::{Head, PreviousSecret};

/// A head, and the totals of the whole record that are stored with it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct HeadRow {
    pub(super) head: Head,
    pub(super) bytes: usize,
    pub(super) keys: usize,
}

const FORMAT: u8 = 1;
const LENGTH: usize = 155;

const PREVIOUS: u8 = 1;
const PREVIOUS_UNTIL: u8 = 2;
const GENERATION_SINCE: u8 = 4;

impl HeadRow {
    /// Subtracts a key that is gone or has another text now. The subtraction saturates, since a stored total may be
    /// damaged.
    pub(super) fn lose(&mut self, name: &str, text: &str) {
        self.bytes = self.bytes.saturating_sub(name.len() + text.len());
        self.keys = self.keys.saturating_sub(1);
    }

    /// Adds a key.
    pub(super) fn gain(&mut self, name: &str, text: &str) {
        self.bytes = self.bytes.saturating_add(name.len() + text.len());
        self.keys = self.keys.saturating_add(1);
    }

    /// Encodes everything except the deadline, which has a column of its own.
    pub(super) fn encode(&self) -> Vec<u8> {
        let head = &self.head;
        let previous = head.previous.as_ref();
        let until = previous.and_then(|previous| previous.until);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(previous.is_some(), PREVIOUS)
            | flag(until.is_some(), PREVIOUS_UNTIL)
            | flag(head.generation_since.is_some(), GENERATION_SINCE);
        let (kind, choice) = head.expiry.to_parts();
        let moment = |moment: Option<Timestamp>| moment.map_or(0, Timestamp::as_millis).to_be_bytes();
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&[FORMAT, flags, kind]);
        bytes.extend_from_slice(&choice.to_be_bytes());
        for at in [head.created, head.touched, head.absolute_deadline] {
            bytes.extend_from_slice(&moment(Some(at)));
        }
        bytes.extend_from_slice(head.secret.as_bytes());
        bytes.extend_from_slice(&moment(Some(head.secret_since)));
        bytes.extend_from_slice(&head.generation.to_be_bytes());
        bytes.extend_from_slice(&moment(head.generation_since));
        bytes.extend_from_slice(&head.revision.to_be_bytes());
        for total in [self.bytes, self.keys] {
            bytes.extend_from_slice(&(total as u64).to_be_bytes());
        }
        bytes.extend_from_slice(previous.map_or(&[0; 32], |previous| previous.hash.as_bytes()));
        bytes.extend_from_slice(&moment(until));
        bytes
    }

    pub(super) fn decode(bytes: &[u8], idle_deadline: Timestamp) -> Result<Self, Fault> {
        decode(bytes, idle_deadline).ok_or(Fault::Unreadable("head"))
    }
}

fn decode(bytes: &[u8], idle_deadline: Timestamp) -> Option<HeadRow> {
    let mut rest = Unread(bytes);
    let [layout, flags, kind] = rest.array()?;
    if layout != FORMAT || bytes.len() != LENGTH {
        return None;
    }
    let expiry = StoredExpiry::from_parts(kind, rest.number()?.cast_signed())?;
    let (created, touched, absolute_deadline) =
        (read_moment(&mut rest)?, read_moment(&mut rest)?, read_moment(&mut rest)?);
    let (secret, secret_since) = (SecretHash::from_bytes(rest.array()?), read_moment(&mut rest)?);
    let (generation, generation_since, revision) = (rest.number()?, read_moment(&mut rest)?, rest.number()?);
    let (total, keys) = (rest.size()?, rest.size()?);
    let (hash, until) = (SecretHash::from_bytes(rest.array()?), read_moment(&mut rest)?);
    let has = |flag: u8| flags & flag != 0;
    let previous = has(PREVIOUS).then(|| PreviousSecret { hash, until: has(PREVIOUS_UNTIL).then_some(until) });
    let generation_since = has(GENERATION_SINCE).then_some(generation_since);
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
    Some(HeadRow { head, bytes: total, keys })
}

/// Takes an instant: milliseconds since 1970 in two's complement.
fn read_moment(rest: &mut Unread<'_>) -> Option<Timestamp> {
    rest.array().map(i64::from_be_bytes).map(Timestamp::from_millis)
}
