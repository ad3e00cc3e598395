//! All sessions, one after the other: `SCAN` over every master, for `Store::scan` and `Store::sweep`.
//!
//! The engine knows no order. So a scan looks at all names once, keeps the first keys in their order for its following
//! pages, and looks again when these are used up. A sweep only does what the engine will do anyway, a little sooner, and
//! so looks at a bounded number of names each time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::{Cmd, Value};

use super::fault::Fault;
use super::name::Namespace;
use super::wire::{At, Wire};
use crate::id::SessionKey;

/// Keys that are kept for the next pages: at most 4 MiB.
const MOST_KEYS: usize = 256 * 1024;

/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Names that the server looks at in one step.
pub(super) const STEP: usize = 1_000;

/// A place in the walk over all masters.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    master: usize,
    cursor: u64,
}

/// What one step of a walk found.
pub(super) struct Step {
    pub(super) keys: Vec<SessionKey>,
    /// Where the next begins; the beginning after the last.
    pub(super) next: Place,
}

/// One slot of each master: the way to ask it.
pub(super) async fn masters(wire: &Wire) -> Result<Vec<u16>, Fault> {
    if !wire.is_cluster().await? {
        return Ok(vec![0]);
    }
    let mut command = Cmd::new();
    command.arg("CLUSTER").arg("SLOTS");
    let Value::Array(ranges) = wire.send(&command, At::Slot(0)).await? else { return Err(Fault::unexpected()) };
    let mut masters: Vec<(String, u16)> = Vec::new();
    for range in &ranges {
        let (slot, master) = slots_of(range).ok_or_else(Fault::unexpected)?;
        if !masters.iter().any(|(have, _)| *have == master) {
            masters.push((master, slot));
        }
    }
    // In an order that the next call finds too.
    masters.sort_unstable();
    Ok(masters.into_iter().map(|(_, slot)| slot).collect())
}

/// The first slot of a range, and the master's address.
fn slots_of(range: &Value) -> Option<(u16, String)> {
    let Value::Array(range) = range else { return None };
    let (Value::Int(first), Value::Array(master)) = (range.first()?, range.get(2)?) else { return None };
    Some((u16::try_from(*first).ok()?, format!("{:?}", (master.first()?, master.get(1)?))))
}

/// Looks at the names behind this place.
pub(super) async fn step(wire: &Wire, namespace: &Namespace, masters: &[u16], from: Place) -> Result<Step, Fault> {
    let Some(slot) = masters.get(from.master) else { return Ok(Step { keys: Vec::new(), next: Place::default() }) };
    let mut command = Cmd::new();
    command.arg("SCAN").arg(from.cursor).arg("MATCH").arg(namespace.pattern()).arg("COUNT").arg(STEP);
    command.arg("TYPE").arg("hash");
    let (cursor, names) = page(wire.send(&command, At::Slot(*slot)).await?).ok_or_else(Fault::unexpected)?;
    let keys = names.iter().filter_map(|name| match name {
        Value::BulkString(name) => namespace.session(name),
        _ => None,
    });
    let next = match cursor {
        0 if from.master + 1 == masters.len() => Place::default(),
        0 => Place { master: from.master + 1, cursor: 0 },
        cursor => Place { cursor, ..from },
    };
    Ok(Step { keys: keys.collect(), next })
}

fn page(answer: Value) -> Option<(u64, Vec<Value>)> {
    let Value::Array(parts) = answer else { return None };
    let [Value::BulkString(cursor), Value::Array(names)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    Some((std::str::from_utf8(&cursor).ok()?.parse().ok()?, names))
}

/// The keys that the next page of a scan begins with.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Snapshot>>);

struct Snapshot {
    taken: Instant,
    /// The keys after this one.
    from: Option<SessionKey>,
    keys: Vec<SessionKey>,
    /// There are more than these.
    cut: bool,
}

impl Kept {
    /// At most `limit` keys after `from`, in order; none are left if there are none.
    pub(super) async fn after(
        &self,
        from: Option<SessionKey>,
        limit: usize,
        wire: &Wire,
        namespace: &Namespace,
    ) -> Result<Vec<SessionKey>, Fault> {
        if let Some(keys) = from.and_then(|from| self.kept(from, limit)) {
            return Ok(keys);
        }
        let snapshot = look(from, wire, namespace).await?;
        let keys = snapshot.keys.iter().take(limit).copied().collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
        Ok(keys)
    }

    /// What is kept, unless it is old, of another walk, or used up.
    fn kept(&self, from: SessionKey, limit: usize) -> Option<Vec<SessionKey>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = kept.as_ref().filter(|kept| kept.taken.elapsed() < KEPT_FOR && kept.from <= Some(from))?;
        let start = snapshot.keys.partition_point(|key| *key <= from);
        let keys: Vec<_> = snapshot.keys[start..].iter().take(limit).copied().collect();
        if keys.is_empty() {
            let whole = !snapshot.cut;
            *kept = None;
            return whole.then_some(keys);
        }
        Some(keys)
    }
}

async fn look(from: Option<SessionKey>, wire: &Wire, namespace: &Namespace) -> Result<Snapshot, Fault> {
    let (taken, masters) = (Instant::now(), masters(wire).await?);
    let (mut keys, mut cut, mut place) = (Vec::new(), false, Place::default());
    loop {
        let found = step(wire, namespace, &masters, place).await?;
        keys.extend(found.keys.into_iter().filter(|key| from < Some(*key)));
        if keys.len() >= 2 * MOST_KEYS {
            cut |= shorten(&mut keys);
        }
        place = found.next;
        if place == Place::default() {
            break;
        }
    }
    cut |= shorten(&mut keys);
    Ok(Snapshot { taken, from, keys, cut })
}

/// Keeps the first keys, in order, each once: `SCAN` may tell a name twice. Whether some had to go.
fn shorten(keys: &mut Vec<SessionKey>) -> bool {
    keys.sort_unstable();
    keys.dedup();
    let cut = keys.len() > MOST_KEYS;
    keys.truncate(MOST_KEYS);
    cut
}
