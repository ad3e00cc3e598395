//! Names of all sessions, in no order, by `SCAN` on every master.

use std::ops::RangeInclusive;

use super::call::Call;
use super::fault::Fault;
use super::name::Namespace;
use super::reply::Node;
use super::script;
use super::wire::{At, Wire};
use super::write;
use crate::id::SessionKey;

/// Number of names that the server looks at in one step.
pub(super) const STEP: usize = 1_000;

/// Number of slots of a cluster.
pub(super) const SLOTS: u16 = 16_384;

/// Position in the walk over all masters.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    master: usize,
    cursor: u64,
}

/// Result of one step of a walk.
pub(super) struct Step {
    pub(super) keys: Vec<SessionKey>,
    /// Start of the next step; the default after the last one.
    pub(super) next: Place,
}

/// Looks at the names after this position. `masters` has one slot of each master.
pub(super) async fn step(wire: &Wire, namespace: &Namespace, masters: &[u16], from: Place) -> Result<Step, Fault> {
    let Some(slot) = masters.get(from.master) else { return Ok(Step { keys: Vec::new(), next: Place::default() }) };
    let mut call = Call::new("SCAN", 5, 128);
    call.number(from.cursor).arg("MATCH").arg(namespace.pattern()).arg("COUNT").number(STEP);
    let reply = wire.send(&call, At::Slot(*slot)).await?;
    let (next, keys) = page(reply.node()?, namespace)?;
    let next = match next {
        0 if from.master + 1 == masters.len() => Place::default(),
        0 => Place { master: from.master + 1, cursor: 0 },
        cursor => Place { cursor, ..from },
    };
    Ok(Step { keys, next })
}

/// Sessions that one step found on the master of a range.
pub(super) struct Names {
    /// Run of the server that answered.
    pub(super) run: String,
    pub(super) keys: Vec<SessionKey>,
    /// Cursor of the server after them; 0 at the end.
    pub(super) next: u64,
}

/// Number of slots to try if one is being moved to another master.
const MOST_SLOTS: u128 = 16;

/// Looks at about `count` names on the master of this range: after the cursor, or from the start if the cursor belongs
/// to another run of the server.
pub(super) async fn names(
    wire: &Wire,
    namespace: &Namespace,
    range: &Range,
    (run, cursor): (&str, u64),
    count: usize,
) -> Result<Names, Fault> {
    let mut tries = 0;
    loop {
        let main = namespace.main(range.key(tries));
        let mut call = script::NAMES.call(main, 4, run.len() + 128);
        call.arg(run).number(cursor).arg(namespace.pattern()).number(count);
        match wire.run_at(&script::NAMES, At::Owner(main), &call).await {
            Err(fault) if fault.is_of_a_moving_slot() && tries < MOST_SLOTS => tries += 1,
            reply => return names_of(reply?.node()?, namespace),
        }
    }
}

fn names_of(answer: Node<'_>, namespace: &Namespace) -> Result<Names, Fault> {
    let mut parts = answer.list()?;
    let run = std::str::from_utf8(parts.need()?.text()?).map_err(|_| Fault::unexpected())?.to_owned();
    let (next, keys) = page(parts.need()?, namespace)?;
    Ok(Names { run, keys, next })
}

/// Reads a response of `SCAN`: the next cursor, and the sessions among the names.
fn page(answer: Node<'_>, namespace: &Namespace) -> Result<(u64, Vec<SessionKey>), Fault> {
    let mut page = answer.list()?;
    let cursor = std::str::from_utf8(page.need()?.text()?).ok().and_then(|cursor| cursor.parse().ok());
    let names = page.need()?.list()?;
    let keys = names.filter_map(|name| name.and_then(|name| Ok(namespace.session(name.text()?))).transpose());
    Ok((cursor.ok_or_else(Fault::unexpected)?, keys.collect::<Result<_, Fault>>()?))
}

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

pub(super) async fn slots(wire: &Wire) -> Result<Slots, Fault> {
    if !wire.is_cluster().await? {
        return Ok(Slots(vec![Range { first: 0, last: SLOTS - 1, master: String::new() }]));
    }
    let mut call = Call::new("CLUSTER", 1, 8);
    call.arg("SLOTS");
    let reply = wire.send(&call, At::Slot(0)).await?;
    let ranges = reply.node()?.list()?.map(|range| range_of(range?)).collect::<Result<_, Fault>>()?;
    Ok(Slots::of(ranges))
}

/// Returns one slot of each master, by which it is addressed.
pub(super) async fn masters(wire: &Wire) -> Result<Vec<u16>, Fault> {
    Ok(slots(wire).await?.masters())
}

fn range_of(range: Node<'_>) -> Result<Range, Fault> {
    let mut range = range.list()?;
    let slot = |node: Node<'_>| u16::try_from(node.number()?).map_err(|_| Fault::unexpected());
    let (first, last, mut master) = (slot(range.need()?)?, slot(range.need()?)?, range.need()?.list()?);
    if first > last || last >= SLOTS {
        return Err(Fault::unexpected());
    }
    Ok(Range { first, last, master: format!("{:?}", (master.need()?, master.need()?)) })
}

impl Range {
    /// Returns a key in one of the slots, a different one for each value of `tries`.
    fn key(&self, tries: u128) -> SessionKey {
        let keys = (tries << 32..).map(|n| SessionKey::from_bytes(n.to_be_bytes()));
        let mut in_range = keys.filter(|key| (self.first..=self.last).contains(&slot_of(*key)));
        in_range.next().unwrap_or(write::NOBODY)
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
    pub(super) fn behind(&self, slot: u16) -> Option<&Range> {
        self.0.iter().find(|range| range.last >= slot)
    }

    /// Returns whether a session found on the master of `range` belongs to `slots`. Other ranges of that master are
    /// walked separately. A session whose slot belongs to another master is being moved, and counts where it is found.
    pub(super) fn is_of(&self, key: SessionKey, slots: RangeInclusive<u16>, range: &Range) -> bool {
        if self.0.len() == 1 {
            return true;
        }
        let slot = slot_of(key);
        let owner = self.behind(slot).filter(|owner| owner.first <= slot);
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
        assert_eq!(slots.behind(25).map(|range| range.first), Some(20));
        assert_eq!(slots.behind(40), None);
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
            for tries in [0, 1, MOST_SLOTS] {
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
