//! Parts of a head as bytes and numbers, for the stores that encode a head themselves.
//!
//! An expiry is one byte for its kind, and a number: milliseconds for `After`, an instant for `At`, otherwise zero or
//! absent. Each store chooses the bytes of numbers and instants; the kinds are the same everywhere and never change.

#![cfg_attr(
    not(all(feature = "redis", feature = "postgres", feature = "sqlite", feature = "cookie")),
    allow(dead_code, reason = "each store uses a part")
)]

use crate::clock::Timestamp;
use crate::record::expiry::StoredExpiry;

const DEFAULT: u8 = 0;
/// Kind whose number is a duration in milliseconds.
pub(crate) const AFTER: u8 = 1;
/// Kind whose number is an instant.
pub(crate) const AT: u8 = 2;
const BROWSER_CLOSE: u8 = 3;

impl StoredExpiry {
    /// Returns the kind, and the duration or the instant in milliseconds.
    pub(crate) fn to_parts(self) -> (u8, i64) {
        match self {
            Self::Default => (DEFAULT, 0),
            Self::After { millis } => (AFTER, millis.cast_signed()),
            Self::At(moment) => (AT, moment.as_millis()),
            Self::BrowserClose => (BROWSER_CLOSE, 0),
        }
    }

    /// Returns the expiry with this kind and number; `None` for an unknown kind.
    pub(crate) fn from_parts(kind: u8, number: i64) -> Option<Self> {
        match kind {
            DEFAULT => Some(Self::Default),
            AFTER => Some(Self::After { millis: number.cast_unsigned() }),
            AT => Some(Self::At(Timestamp::from_millis(number))),
            BROWSER_CLOSE => Some(Self::BrowserClose),
            _ => None,
        }
    }
}

/// Converts the size of data in memory, which always fits, to the integer of a database.
pub(crate) fn stored_size(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Bytes that have not been read yet. Each method takes bytes from the start; `None` if too few are left.
pub(crate) struct Unread<'b>(pub(crate) &'b [u8]);

impl Unread<'_> {
    /// Takes the next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// Takes a number of eight bytes, the highest first.
    pub(crate) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Takes a number that is a size in memory.
    pub(crate) fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }
}

impl<'b> Unread<'b> {
    /// Takes the next `length` bytes.
    pub(crate) fn slice(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_comes_back_from_its_parts() {
        let at = |millis| StoredExpiry::At(Timestamp::from_millis(millis));
        let after = |millis| StoredExpiry::After { millis };
        let all = [
            (StoredExpiry::Default, (0, 0)),
            (after(60_000), (1, 60_000)),
            (after(u64::MAX), (1, -1)),
            (at(-7), (2, -7)),
            (at(i64::MAX), (2, i64::MAX)),
            (StoredExpiry::BrowserClose, (3, 0)),
        ];
        for (expiry, parts) in all {
            assert_eq!((expiry.to_parts(), StoredExpiry::from_parts(parts.0, parts.1)), (parts, Some(expiry)));
        }
        assert_eq!(StoredExpiry::from_parts(4, 0), None);
    }

    #[test]
    fn bytes_are_taken_from_the_start_and_never_past_the_end() {
        let mut unread = Unread(&[0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
        assert_eq!((unread.number(), unread.array(), unread.slice(1)), (Some(258), Some([3]), Some(&[4][..])));
        assert_eq!((unread.size(), unread.array::<2>(), unread.slice(2), unread.0), (None, None, None, &[5][..]));
    }
}
