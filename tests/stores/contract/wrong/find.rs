//! Faults of a lookup.

use session_runtime::SessionKey;
use session_runtime::clock::Timestamp;
use session_runtime::record::Record;
use session_runtime::store::{Cursor, Found, StoreError, StoreErrorKind};

use super::Fault::{
    FindComparesBeginnings, FindCountsOffsets, FindCutsTexts, FindIgnoresLimit, FindIsEmpty, FindKnowsEveryKey,
    FindLagsBehind, FindLeavesOutExpired, FindTakesAnyCursor,
};
use super::NOW;
use super::store::Wrong;

pub(super) fn page(
    store: &Wrong,
    name: &str,
    text: &str,
    from: Option<&Cursor>,
    limit: usize,
) -> Result<Found, StoreError> {
    let is_known = store.indexed.lock().unwrap().iter().any(|known| **known == *name);
    if !is_known && !store.has(FindKnowsEveryKey) {
        return Err(StoreError::new(StoreErrorKind::Unsupported, "find"));
    }
    let mut keys = holders(store, name, text);
    if store.has(FindCountsOffsets) {
        // The number of keys before the page; a key is read as the beginning.
        let before = from.map_or(Ok(0), |from| from.as_str().parse().map_err(|_| Cursor::foreign()))?;
        let page: Vec<_> = keys.iter().skip(before).take(limit).copied().collect();
        let next = (before + page.len() < keys.len()).then(|| Cursor::new((before + page.len()).to_string()));
        return Ok(Found::new(page, next));
    }
    let after = from.map(Cursor::key).transpose();
    let after = if store.has(FindTakesAnyCursor) { after.unwrap_or_default() } else { after? };
    keys.retain(|key| after < Some(*key));
    let is_last = keys.len() <= limit;
    keys.truncate(if store.has(FindIgnoresLimit) { 2 * limit } else { limit });
    let next = keys.last().filter(|_| !is_last).copied().map(Cursor::from);
    Ok(Found::new(keys, next))
}

/// The sessions that hold the text, in order of their keys.
fn holders(store: &Wrong, name: &str, text: &str) -> Vec<SessionKey> {
    let records = store.records();
    let holders = records.iter().filter(|(_, record)| is_found(store, record, name, text));
    holders.map(|(key, _)| *key).collect()
}

fn is_found(store: &Wrong, record: &Record, name: &str, text: &str) -> bool {
    let Some(held) = record.values.get(name) else { return false };
    let head = &record.head;
    match store.fault {
        FindIsEmpty => false,
        FindComparesBeginnings => held.starts_with(text),
        FindCutsTexts => held == text && text.len() < 1_000,
        FindLeavesOutExpired => held == text && is_live(head.idle_deadline),
        // The index is written with the record, and not with its patches.
        FindLagsBehind => held == text && head.revision == 0,
        _ => held == text,
    }
}

fn is_live(deadline: Timestamp) -> bool {
    NOW < deadline
}
