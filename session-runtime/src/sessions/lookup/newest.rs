//! Selection of the sessions with the newest logins. Only those are kept in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::id::SessionKey;

/// Position in the order of a list: the newest login first, then the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(Reverse<Timestamp>, SessionKey);

impl Rank {
    pub(super) const fn new(login: Timestamp, key: SessionKey) -> Self {
        Self(Reverse(login), key)
    }
}

/// The sessions with the newest logins among those pushed so far.
pub(super) struct Newest<T> {
    most: usize,
    kept: BTreeMap<Rank, T>,
}

impl<T> Newest<T> {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, kept: BTreeMap::new() }
    }

    /// Adds a session. Returns one that cannot be among the newest any more.
    pub(super) fn push(&mut self, rank: Rank, session: T) -> Option<T> {
        self.kept.insert(rank, session);
        if self.kept.len() > self.most { self.kept.pop_last().map(|(_, oldest)| oldest) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed_out(most: usize, logins: &[(i64, u8)]) -> Vec<(i64, u8)> {
        let mut newest = Newest::new(most);
        let rank = |(at, key): (i64, u8)| Rank::new(Timestamp::from_millis(at), SessionKey::from_bytes([key; 16]));
        logins.iter().filter_map(|login| newest.push(rank(*login), *login)).collect()
    }

    #[test]
    fn the_oldest_logins_are_pushed_out_whatever_their_order() {
        assert_eq!(pushed_out(2, &[(3, 1), (1, 2), (2, 3), (4, 4)]), [(1, 2), (2, 3)]);
        assert_eq!(pushed_out(0, &[(3, 1), (1, 2)]), [(3, 1), (1, 2)]);
        assert_eq!(pushed_out(9, &[(3, 1), (1, 2)]), []);
    }

    #[test]
    fn of_logins_at_one_time_the_lowest_keys_stay() {
        assert_eq!(pushed_out(1, &[(1, 7), (1, 5), (1, 6)]), [(1, 7), (1, 6)]);
    }
}
