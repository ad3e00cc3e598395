//! All sessions, one after the other and in no order: `SCAN` over every master.

use super::call::Call;
use super::fault::Fault;
use super::name::Namespace;
use super::reply::{Node, Nodes};
use super::wire::{At, Wire};
use crate::id::SessionKey;

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
    let mut call = Call::new("CLUSTER", 1, 8);
    call.arg("SLOTS");
    let reply = wire.send(&call, At::Slot(0)).await?;
    let mut masters: Vec<(String, u16)> = Vec::new();
    for range in reply.node()?.list()? {
        let (slot, master) = slots_of(range?)?;
        if !masters.iter().any(|(have, _)| *have == master) {
            masters.push((master, slot));
        }
    }
    // In an order that the next call finds too.
    masters.sort_unstable();
    Ok(masters.into_iter().map(|(_, slot)| slot).collect())
}

/// The first slot of a range, and the master's address.
fn slots_of(range: Node<'_>) -> Result<(u16, String), Fault> {
    let mut range = range.list()?;
    let (first, _last, mut master) = (range.need()?.number()?, range.need()?, range.need()?.list()?);
    let address = format!("{:?}", (master.need()?, master.need()?));
    Ok((u16::try_from(first).map_err(|_| Fault::unexpected())?, address))
}

/// Looks at the names behind this place.
pub(super) async fn step(wire: &Wire, namespace: &Namespace, masters: &[u16], from: Place) -> Result<Step, Fault> {
    let Some(slot) = masters.get(from.master) else { return Ok(Step { keys: Vec::new(), next: Place::default() }) };
    let mut call = Call::new("SCAN", 7, 128);
    call.number(from.cursor).arg("MATCH").arg(namespace.pattern()).arg("COUNT").number(STEP).arg("TYPE").arg("hash");
    let reply = wire.send(&call, At::Slot(*slot)).await?;
    let (cursor, names) = page(reply.node()?)?;
    let keys = names.filter_map(|name| name.and_then(|name| Ok(namespace.session(name.text()?))).transpose());
    let next = match cursor {
        0 if from.master + 1 == masters.len() => Place::default(),
        0 => Place { master: from.master + 1, cursor: 0 },
        cursor => Place { cursor, ..from },
    };
    Ok(Step { keys: keys.collect::<Result<_, Fault>>()?, next })
}

fn page(answer: Node<'_>) -> Result<(u64, Nodes<'_>), Fault> {
    let mut page = answer.list()?;
    let cursor = std::str::from_utf8(page.need()?.text()?).ok().and_then(|cursor| cursor.parse().ok());
    Ok((cursor.ok_or_else(Fault::unexpected)?, page.need()?.list()?))
}
