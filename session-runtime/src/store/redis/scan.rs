//! Sessions page by page, in the order of their keys.
//!
//! The engine knows no order. So a scan looks at all names once, keeps the first keys in their order for its following
//! pages, and looks again when these are used up or old. What is created meanwhile may be left out, as may be what a
//! cluster moves from one node to another.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::RedisStore;
use super::fault::Fault;
use super::name::Namespace;
use super::together::{AT_ONCE, together};
use super::walk::{self, Place};
use super::wire::Wire;
use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::Record;
use crate::store::Wanted;

/// Keys that are kept for the next pages: at most 4 MiB.
const MOST_KEYS: usize = 256 * 1024;

/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(60);

impl RedisStore {
    pub(super) async fn list(
        &self,
        mut from: Option<SessionKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Record)>, Fault> {
        loop {
            let keys = self.kept.after(from, limit, &self.wire, &self.namespace).await?;
            let Some(last) = keys.last() else { return Ok(Vec::new()) };
            let records = self.records(&keys, now).await?;
            if !records.is_empty() {
                return Ok(records);
            }
            // All of them have gone meanwhile, and an empty page would say that there are no more.
            from = Some(*last);
        }
    }

    /// The live records among these keys.
    async fn records(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<(SessionKey, Record)>, Fault> {
        let mut records = Vec::new();
        let all = Wanted::all();
        for keys in keys.chunks(AT_ONCE) {
            let found = together(keys.iter().map(|key| self.read(*key, &all, now))).await;
            for (key, found) in keys.iter().zip(found) {
                let found = found?;
                if found.as_ref().is_some_and(|loaded| !loaded.unreadable.is_empty()) {
                    return Err(Fault::missing());
                }
                records.extend(found.map(|loaded| (*key, loaded.record)));
            }
        }
        Ok(records)
    }
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
    let (taken, masters) = (Instant::now(), walk::masters(wire).await?);
    let (mut keys, mut cut, mut place) = (Vec::new(), false, Place::default());
    loop {
        let found = walk::step(wire, namespace, &masters, place).await?;
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
