//! Slots of a cluster and the masters that have them.

use std::ops::RangeInclusive;

use ::redis::Value;

use super::fault::Fault;
use super::reply;
use super::script::command;
use super::servers::{Route, Servers};
use super::write;
use crate::id::SessionKey;

/// Number of slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// Slots of all masters, as ranges in order. A single server has one range.
pub(super) struct Slots(Vec<Range>);

/// Consecutive slots of one master.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    /// Address of the master.
    master: String,
}

pub(super) async fn slots(servers: &Servers) -> Result<Slots, Fault> {
    if !servers.is_cluster() {
        return Ok(Slots(vec![Range { first: 0, last: SLOTS - 1, master: String::new() }]));
    }
    let mut slots = command("CLUSTER", 1, 8);
    slots.arg("SLOTS");
    let answer = servers.read(&slots, Route::Slot(0)).await?;
    Ok(Slots::of(reply::list(&answer)?.iter().map(range_of).collect::<Result<_, Fault>>()?))
}

/// Returns one slot of each master, by which it is addressed.
pub(super) async fn masters(servers: &Servers) -> Result<Vec<u16>, Fault> {
    Ok(slots(servers).await?.masters())
}

fn range_of(range: &Value) -> Result<Range, Fault> {
    let slot = |value: &Value| u16::try_from(reply::number(value)?).map_err(|_| Fault::unexpected());
    let [first, last, master] = reply::first(range)?;
    let (first, last, [host, port]) = (slot(first)?, slot(last)?, reply::first(master)?);
    if first > last || last >= SLOTS {
        return Err(Fault::unexpected());
    }
    Ok(Range { first, last, master: format!("{:?}", (host, port)) })
}

impl Range {
    /// Returns a key in one of the slots, a different one for each value of `tries`.
    pub(super) fn key(&self, tries: u128) -> SessionKey {
        let keys = (tries << 32..).map(|n| SessionKey::from_bytes(n.to_be_bytes()));
        let mut in_range = keys.filter(|key| (self.first..=self.last).contains(&slot_of(*key)));
        in_range.next().unwrap_or(write::UNUSED_KEY)
    }
}

impl Slots {
    fn of(mut ranges: Vec<Range>) -> Self {
        ranges.sort_unstable_by_key(|range| range.first);
        ranges.dedup_by(|next, range| {
            let is_one = range.master == next.master && range.last + 1 == next.first;
            if is_one {
                range.last = next.last;
            }
            is_one
        });
        Self(ranges)
    }

    fn masters(&self) -> Vec<u16> {
        let mut masters: Vec<&Range> = Vec::new();
        for range in &self.0 {
            if !masters.iter().any(|known| known.master == range.master) {
                masters.push(range);
            }
        }
        masters.into_iter().map(|range| range.first).collect()
    }

    /// Returns the range that holds this slot, or the next range.
    pub(super) fn from(&self, slot: u16) -> Option<&Range> {
        self.0.iter().find(|range| range.last >= slot)
    }

    /// Returns whether a session found on the master of `range` belongs to `slots`. Other ranges of that master are
    /// scanned separately. A session whose slot belongs to another master is being moved, and counts where it is found.
    pub(super) fn is_of(&self, key: SessionKey, slots: RangeInclusive<u16>, range: &Range) -> bool {
        if self.0.len() == 1 {
            return true;
        }
        let slot = slot_of(key);
        let owner = self.from(slot).filter(|owner| owner.first <= slot);
        slots.contains(&slot) || owner.is_none_or(|owner| owner.master != range.master)
    }
}

/// Slot of all names of a session: CRC-16 of the text in braces, polynomial 0x1021.
fn slot_of(key: SessionKey) -> u16 {
    let crc = key.to_string().bytes().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u16, last: u16, master: &str) -> Range {
        Range { first, last, master: master.to_owned() }
    }

    #[test]
    fn neighbouring_ranges_of_a_master_are_one() {
        let slots = Slots::of(vec![range(20, 29, "b"), range(0, 9, "a"), range(30, 39, "a"), range(10, 19, "a")]);
        assert_eq!(slots.0, [range(0, 19, "a"), range(20, 29, "b"), range(30, 39, "a")]);
        assert_eq!(slots.masters(), [0, 20]);
        assert_eq!(slots.from(25).map(|range| range.first), Some(20));
        assert_eq!(slots.from(40), None);
    }

    /// Each session of a master with two ranges is returned once; one that is being moved is returned wherever it is.
    #[test]
    fn a_session_is_taken_with_its_own_range() {
        let key = SessionKey::from_bytes([7; 16]);
        let slot = slot_of(key);
        let slots = Slots::of(vec![range(0, slot - 1, "b"), range(slot, slot, "a"), range(slot + 2, SLOTS - 1, "a")]);
        let (other, own, rest) = (&slots.0[0], &slots.0[1], &slots.0[2]);
        assert!(slots.is_of(key, own.first..=own.last, own));
        assert!(!slots.is_of(key, rest.first..=rest.last, rest));
        assert!(slots.is_of(key, other.first..=other.last, other));
    }

    #[test]
    fn a_range_has_a_key_in_each_of_its_slots() {
        for (first, last) in [(0, SLOTS - 1), (5_461, 10_922), (9_369, 9_369)] {
            for tries in [0, 1, 16] {
                let slot = slot_of(range(first, last, "a").key(tries));
                assert!((first..=last).contains(&slot), "slot {slot} of {first} to {last}");
            }
        }
    }

    /// Slots as `CLUSTER KEYSLOT session:{…}` returns them.
    #[test]
    fn a_slot_is_the_one_that_redis_computes() {
        assert_eq!(slot_of(SessionKey::from_bytes([0; 16])), 4813);
        assert_eq!(slot_of(SessionKey::from_bytes([7; 16])), 9369);
    }
}
