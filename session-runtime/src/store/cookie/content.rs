//! The content of the seal: a record as bytes, as short as possible without compression.
//!
//! ```text
//! sealed at   number, milliseconds since 1970
//! deadlines   number, number: idle and absolute
//! times       number, number: created, touched
//! expiry      byte 0-3, for 1 and 2 a number: default, after milliseconds, at a time, when the browser closes
//! key         16 bytes
//! generation  number
//! values      until the end, in the order of their names:
//!   shared    byte, the part shared with the previous name: 0 nothing, 1 the schema, 2 the schema and the field
//!   name      number of bytes, the rest of the name
//!   text      number of bytes, the JSON text
//! ```
//!
//! A number has seven bits per byte, the lowest first. A time is relative to the time of sealing, with its sign in the
//! lowest bit. The part shared with the previous name ends at a boundary set by the program, so its length reveals
//! nothing about the text that a visitor chose after it.
//!
//! Deliberately absent: the secret, since the seal authenticates the cookie, and revisions, since they are compared
//! only within one request.

use crate::clock::Timestamp;
use crate::id::{SessionId, SessionKey};
use crate::record::bytes::{self, Unread};
use crate::record::expiry::StoredExpiry;
use crate::record::{Head, Record, Values, key};

/// Encodes a record, sealed at this time.
pub(super) fn encode(key: SessionKey, record: &Record, sealed: Timestamp) -> Vec<u8> {
    let head = &record.head;
    let mut bytes = Writer { bytes: Vec::with_capacity(64 + record.values.bytes()), sealed };
    bytes.signed(sealed.as_millis());
    for moment in [head.idle_deadline, head.absolute_deadline, head.created, head.touched] {
        bytes.moment(moment);
    }
    bytes.expiry(head.expiry);
    bytes.bytes.extend_from_slice(key.as_bytes());
    bytes.number(head.generation);
    let mut before = "";
    for (name, text) in record.values.iter() {
        let shared = Shared::of(before, name);
        bytes.bytes.push(shared as u8);
        bytes.text(&name[shared.length(before)..]);
        bytes.text(text);
        before = name;
    }
    bytes.bytes
}

/// Decodes a record whose deadlines have not passed; the deadlines are checked before anything else.
pub(super) fn decode(bytes: &[u8], now: Timestamp) -> Option<(SessionKey, Record)> {
    let mut rest = UnreadContent { bytes: Unread(bytes), sealed: Timestamp::from_millis(0) };
    rest.sealed = rest.moment()?;
    let (idle_deadline, absolute_deadline) = (rest.moment()?, rest.moment()?);
    if now >= idle_deadline || now >= absolute_deadline {
        return None;
    }
    let (created, touched) = (rest.moment()?, rest.moment()?);
    let expiry = rest.expiry()?;
    let key = SessionKey::from_bytes(rest.bytes.array()?);
    let head = Head {
        created,
        touched,
        idle_deadline,
        absolute_deadline,
        expiry,
        secret: SessionId::sealed(key).secret_hash(),
        secret_since: rest.sealed,
        previous: None,
        generation: rest.number()?,
        generation_since: None,
        revision: 0,
    };
    Some((key, Record { head, values: rest.values()? }))
}

/// Part of a name that is shared with the previous one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared {
    Nothing = 0,
    Schema = 1,
    Field = 2,
}

impl Shared {
    fn of(before: &str, name: &str) -> Self {
        let shares = |shared: &Self| {
            let length = shared.length(before);
            length > 0 && name.as_bytes().starts_with(&before.as_bytes()[..length])
        };
        [Self::Field, Self::Schema].into_iter().find(shares).unwrap_or(Self::Nothing)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Nothing, Self::Schema, Self::Field].into_iter().find(|shared| *shared as u8 == byte)
    }

    /// Length of this part in the previous name; zero if that name has no such part.
    fn length(self, before: &str) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Schema => key::schema_prefix(before).len(),
            Self::Field => key::field_prefix(before).len(),
        }
    }
}

struct Writer {
    bytes: Vec<u8>,
    sealed: Timestamp,
}

impl Writer {
    fn number(&mut self, mut number: u64) {
        while let low @ 0x80.. = number {
            self.bytes.push(low.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn moment(&mut self, moment: Timestamp) {
        self.signed(moment.as_millis().wrapping_sub(self.sealed.as_millis()));
    }

    fn expiry(&mut self, expiry: StoredExpiry) {
        let (kind, number) = expiry.to_parts();
        self.bytes.push(kind);
        match kind {
            bytes::AFTER => self.number(number.cast_unsigned()),
            bytes::AT => self.moment(Timestamp::from_millis(number)),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// Content that has not been read yet, and the time of sealing, to which its times are relative.
struct UnreadContent<'b> {
    bytes: Unread<'b>,
    sealed: Timestamp,
}

impl<'b> UnreadContent<'b> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.bytes.array()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn moment(&mut self) -> Option<Timestamp> {
        let number = self.number()?;
        let signed = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
        Some(Timestamp::from_millis(self.sealed.as_millis().wrapping_add(signed)))
    }

    fn expiry(&mut self) -> Option<StoredExpiry> {
        let [kind] = self.bytes.array()?;
        let number = match kind {
            bytes::AFTER => self.number()?.cast_signed(),
            bytes::AT => self.moment()?.as_millis(),
            _ => 0,
        };
        StoredExpiry::from_parts(kind, number)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.number()?).ok()?;
        str::from_utf8(self.bytes.slice(length)?).ok()
    }

    fn values(&mut self) -> Option<Values> {
        let mut values = Values::new();
        let mut before = String::new();
        while !self.bytes.0.is_empty() {
            let [shared] = self.bytes.array()?;
            let kept = Shared::from_byte(shared)?.length(&before);
            let name = [&before[..kept], self.text()?].concat();
            if !values.is_empty() && name <= before {
                return None;
            }
            values.set(name.as_str().into(), self.text()?.into());
            before = name;
        }
        Some(values)
    }
}
