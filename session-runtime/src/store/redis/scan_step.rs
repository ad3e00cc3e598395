//! One step of `SCAN` on one master: the names of some sessions, in no order.

use ::redis::Value;

use super::fault::Fault;
use super::name::Namespace;
use super::reply;
use super::script::{self, command};
use super::servers::{Route, Servers};
use super::slots::Range;
use crate::id::SessionKey;

/// Maximum number of names that the server looks at in one step.
pub(super) const STEP: usize = 1_000;

/// Position of a sweep over all masters.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SweepPosition {
    master: usize,
    cursor: u64,
}

/// Result of one step of a sweep.
pub(super) struct Step {
    pub(super) keys: Vec<SessionKey>,
    /// Start of the next step; the default after the last one.
    pub(super) next: SweepPosition,
}

/// Looks at about `count` names after this position. `masters` has one slot of each master.
pub(super) async fn step(
    servers: &Servers,
    namespace: &Namespace,
    masters: &[u16],
    from: SweepPosition,
    count: usize,
) -> Result<Step, Fault> {
    let Some(slot) = masters.get(from.master) else {
        return Ok(Step { keys: Vec::new(), next: SweepPosition::default() });
    };
    let mut scan = command("SCAN", 5, 128);
    scan.arg(from.cursor).arg("MATCH").arg(namespace.pattern()).arg("COUNT").arg(count);
    let (next, keys) = page(&servers.read(&scan, Route::Slot(*slot)).await?, namespace)?;
    let next = match next {
        0 if from.master + 1 == masters.len() => SweepPosition::default(),
        0 => SweepPosition { master: from.master + 1, cursor: 0 },
        cursor => SweepPosition { cursor, ..from },
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
    servers: &Servers,
    namespace: &Namespace,
    range: &Range,
    (run, cursor): (&str, u64),
    count: usize,
) -> Result<Names, Fault> {
    let mut tries = 0;
    loop {
        let main = namespace.main(range.key(tries));
        let mut command = script::NAMES.command(main, 4, run.len() + 128);
        command.arg(run).arg(cursor).arg(namespace.pattern()).arg(count);
        match servers.run_at(&script::NAMES, Route::Owner(main), &command).await {
            Err(fault) if fault.is_of_a_moving_slot() && tries < MOST_SLOTS => tries += 1,
            answer => return names_of(&answer?, namespace),
        }
    }
}

fn names_of(answer: &Value, namespace: &Namespace) -> Result<Names, Fault> {
    let [run, step] = reply::first(answer)?;
    let run = str::from_utf8(reply::text(run)?).map_err(|_| Fault::unexpected())?.to_owned();
    let (next, keys) = page(step, namespace)?;
    Ok(Names { run, keys, next })
}

/// Reads a response of `SCAN`: the next cursor, and the sessions among the names.
fn page(answer: &Value, namespace: &Namespace) -> Result<(u64, Vec<SessionKey>), Fault> {
    let [cursor, names] = reply::first(answer)?;
    let cursor = str::from_utf8(reply::text(cursor)?).ok().and_then(|cursor| cursor.parse().ok());
    let session = |name| reply::text(name).map(|name| namespace.session(name)).transpose();
    let keys = reply::list(names)?.iter().filter_map(session).collect::<Result<_, Fault>>()?;
    Ok((cursor.ok_or_else(Fault::unexpected)?, keys))
}
