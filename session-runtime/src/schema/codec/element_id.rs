//! Ids of the elements of a list that is stored element by element.
//!
//! ```text
//! cart.notices/01jh3k9qg0c8l2ruuvm1     ten digits of time, ten random digits, each of five bits
//! ```
//!
//! The time is in milliseconds since 1970. It is the current time, or one more than that of the last element, whichever
//! is later. So the bytewise order of the ids is the order of the list, even if the clocks of two nodes differ.

use crate::clock::{Clock, Timestamp};
use crate::error::SessionError;
use crate::id::Random;
use crate::schema::layout::hash_of_text;

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// Digits of each half.
const HALF: usize = 10;
/// Largest number of ten digits: the time is then after the year 37,000.
const MAX: u64 = (1 << (5 * HALF)) - 1;

/// Source of the ids of new elements.
#[derive(Clone, Copy)]
pub(crate) enum IdSource<'a> {
    /// A clock, and random bytes.
    Drawn { clock: &'a dyn Clock, random: Random },
    /// This time, and bits of the element's text. An upgrade that is repeated gives the same ids.
    Fixed(Timestamp),
}

/// Ids of the elements that one change appends, in their order.
pub(super) struct ElementIds<'a> {
    source: IdSource<'a>,
    /// Time of the next id.
    next: u64,
}

impl<'a> ElementIds<'a> {
    /// Creates the ids after the last one that is stored.
    pub(super) fn after(last: Option<&str>, source: IdSource<'a>) -> Self {
        let now = match source {
            IdSource::Drawn { clock, .. } => clock.now().into(),
            IdSource::Fixed(now) => now,
        };
        let now = u64::try_from(now.as_millis()).unwrap_or(0);
        let after_last = last.and_then(time_of).map_or(0, |last| last + 1);
        Self { source, next: now.max(after_last) }
    }

    /// Appends the next id to `name`. `element`: the text that is stored under it.
    pub(super) fn push(&mut self, name: &mut String, element: &str) -> Result<(), SessionError> {
        let random = match self.source {
            IdSource::Drawn { random, .. } => {
                let mut bytes = [0; 8];
                random.fill(&mut bytes)?;
                u64::from_le_bytes(bytes)
            }
            IdSource::Fixed(_) => hash_of_text(element).into(),
        };
        push_digits(name, self.next.min(MAX));
        push_digits(name, random & MAX);
        self.next += 1;
        Ok(())
    }
}

fn push_digits(out: &mut String, number: u64) {
    for at in (0..HALF).rev() {
        let digit = number >> (5 * at) & 31;
        out.push(DIGITS[digit as usize].into());
    }
}

/// Returns the time of an id, in milliseconds since 1970; `None` if the text is not an id.
fn time_of(id: &str) -> Option<u64> {
    let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte);
    let is_id = id.len() == 2 * HALF && id.bytes().all(|byte| digit(byte).is_some());
    let digits = id.bytes().take(HALF).filter_map(digit);
    is_id.then(|| digits.fold(0, |number, digit| number << 5 | digit as u64))
}

/// Returns whether a text is an id.
pub(super) fn is_element_id(text: &str) -> bool {
    time_of(text).is_some()
}

/// Returns the moment at which the element with this id was appended; `None` if the text is not an id.
pub(super) fn appended_at(id: &str) -> Option<Timestamp> {
    Some(Timestamp::from_millis(i64::try_from(time_of(id)?).ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    fn ids(clock: &dyn Clock, last: Option<&str>, count: usize) -> Vec<String> {
        let mut ids = ElementIds::after(last, IdSource::Drawn { clock, random: Random::default() });
        (0..count)
            .map(|_| {
                let mut id = String::new();
                ids.push(&mut id, "").unwrap();
                id
            })
            .collect()
    }

    fn at(millis: u64) -> impl Fn() -> SystemTime {
        move || UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn ids_are_in_order_even_if_the_clock_is_behind() {
        for (first, second) in [(1_767_225_600_000, 0), (7, 7), (31, 32), (0, 1_767_225_600_000)] {
            let first = ids(&at(first), None, 40);
            let second = ids(&at(second), first.last().map(String::as_str), 40);
            let all = [first, second].concat();
            assert!(all.is_sorted_by(|a, b| a < b) && all.iter().all(|id| id.len() == 20), "{all:?}");
        }
    }

    #[test]
    fn an_id_has_the_time_of_its_element() {
        let id = &ids(&at(1_767_225_600_123), None, 1)[0];
        assert_eq!(appended_at(id), Some(Timestamp::from_millis(1_767_225_600_123)));
        for other in ["", "7", "01jh3k9qg0c8l2ruuvm", "01jh3k9qg0c8l2ruuvmW", "01jh3k9qg0c8l2ruuvm11"] {
            assert_eq!(appended_at(other), None, "{other}");
        }
    }

    #[test]
    fn a_repeated_upgrade_gives_the_same_ids() {
        let of = |text: &str| {
            let mut id = String::new();
            ElementIds::after(None, IdSource::Fixed(Timestamp::from_millis(7))).push(&mut id, text).unwrap();
            id
        };
        assert_eq!(of("\"a\""), of("\"a\""));
        assert_ne!(of("\"a\""), of("\"b\""));
    }
}
