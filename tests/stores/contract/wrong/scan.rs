//! Faults of a scan.

use std::collections::{BTreeMap, BTreeSet};

use session_runtime::SessionKey;
use session_runtime::clock::Timestamp;
use session_runtime::record::Record;
use session_runtime::store::{Cursor, Page, StoreError};

use super::Fault::{
    CursorsWorkOnce, ForeignCursorIsBeginning, PagesOverlap, ScanCountsOffsets, ScanIgnoresLimit, ScanIsEmpty,
    ScanLeavesOutLarge, ScanNeverEnds, ScanShowsExpired, ScanShowsFirstContents, ShortPageIsLast,
};
use super::store::Wrong;

/// The memory of some faults.
#[derive(Default)]
pub(super) struct Memory {
    /// Records as a scan has listed them.
    listed: BTreeMap<SessionKey, Record>,
    /// Cursors that were used.
    used: BTreeSet<String>,
    cursors: usize,
}

pub(super) fn page(store: &Wrong, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
    let from = from.map(|from| key_of(store, from)).transpose();
    let from = if store.fault == ForeignCursorIsBeginning { from.unwrap_or_default() } else { from? };
    if store.fault == ScanIsEmpty || from.is_some_and(|from| from.is_none()) {
        return Ok(Page::new(Vec::new(), None));
    }
    let (from, records) = (from.flatten(), store.records());
    let places: Vec<_> =
        records.iter().enumerate().filter(|(place, (key, _))| is_behind(from, *place, **key)).collect();
    let looked_at = &places[..places.len().min(if store.fault == ScanIgnoresLimit { 2 * limit } else { limit })];
    let listed = looked_at.iter().map(|(_, (key, record))| (**key, (*record).clone()));
    let sessions: Vec<_> = listed.filter_map(|(key, record)| shown(store, key, record, now)).collect();
    let is_last = match store.fault {
        ShortPageIsLast => sessions.len() < limit,
        ScanNeverEnds => places.is_empty() && from.is_none(),
        _ => looked_at.len() == places.len(),
    };
    let last = looked_at.last().map(|(place, (key, _))| (*place, **key));
    let last = match (store.fault, looked_at) {
        (PagesOverlap, [.., (place, (key, _)), _]) => Some((*place, **key)),
        (ScanNeverEnds, []) => from,
        _ => last,
    };
    Ok(Page::new(sessions, last.filter(|_| !is_last).map(|(place, key)| cursor(store, place, key))))
}

/// A place is the key that stands there; with `ScanCountsOffsets` it is the number of records before it alone.
type Place = (usize, SessionKey);

/// The key that counts nothing.
const NO_KEY: SessionKey = SessionKey::from_bytes([0; 16]);

fn is_behind(from: Option<Place>, place: usize, key: SessionKey) -> bool {
    match from {
        None => true,
        Some((before, NO_KEY)) => before < place,
        Some((_, before)) => before < key,
    }
}

fn cursor(store: &Wrong, place: usize, key: SessionKey) -> Cursor {
    match store.fault {
        ScanCountsOffsets => Cursor::new(format!("{NO_KEY}@{place}")),
        CursorsWorkOnce => {
            let mut memory = store.memory.lock().unwrap();
            memory.cursors += 1;
            Cursor::new(format!("{key}@{}", memory.cursors))
        }
        _ => Cursor::from(key),
    }
}

/// The place that a cursor names; nothing if it was used before and that is the fault.
fn key_of(store: &Wrong, from: &Cursor) -> Result<Option<Place>, StoreError> {
    let Some((key, number)) = from.as_str().split_once('@') else { return Ok(Some((0, from.key()?))) };
    if store.fault == CursorsWorkOnce && !store.memory.lock().unwrap().used.insert(from.to_string()) {
        return Ok(None);
    }
    Ok(Some((number.parse().map_err(|_| Cursor::foreign())?, Cursor::new(key).key()?)))
}

fn shown(store: &Wrong, key: SessionKey, record: Record, now: Timestamp) -> Option<(SessionKey, Record)> {
    let is_live = now < record.head.idle_deadline;
    match store.fault {
        ScanLeavesOutLarge if record.values.bytes() > 65_535 => return None,
        ScanShowsExpired => return Some((key, record)),
        ScanShowsFirstContents => {
            let mut memory = store.memory.lock().unwrap();
            let first = memory.listed.entry(key).or_insert_with(|| record.clone()).clone();
            return is_live.then_some((key, first));
        }
        _ => {}
    }
    is_live.then_some((key, record))
}
