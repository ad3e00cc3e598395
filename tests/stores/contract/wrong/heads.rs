//! Heads with any of the faults.

use std::time::Duration;

use session_runtime::SessionKey;
use session_runtime::clock::Timestamp;
use session_runtime::record::Head;
use session_runtime::store::LoadedHead;

use super::Fault::*;
use super::store::Wrong;

/// The results as this store gives them.
pub(super) fn heads(store: &Wrong, keys: &[SessionKey], now: Timestamp) -> Vec<LoadedHead> {
    let mut keys = keys.to_vec();
    if store.has(HeadsAreSorted) {
        keys.sort_unstable();
    }
    let found = keys.iter().enumerate().map(|(at, key)| {
        let is_left_out = store.has(HeadsEndAtHundred) && at >= 100;
        let head = head(store, *key, now).filter(|_| !is_left_out);
        head.map_or(LoadedHead::Absent, LoadedHead::Alive)
    });
    let leaves_out = |head: &LoadedHead| store.has(HeadsLeaveOutAbsent) && *head == LoadedHead::Absent;
    found.filter(|head| !leaves_out(head)).collect()
}

fn head(store: &Wrong, key: SessionKey, now: Timestamp) -> Option<Head> {
    let mut records = store.records();
    let record = records.get_mut(&key)?;
    let is_live = now < record.head.idle_deadline && record.head.absolute_deadline.as_millis() > i64::MIN;
    if !is_live && !store.has(HeadsShowExpired) {
        return Option::None;
    }
    let head = record.head.clone();
    if store.has(HeadsTouch) && now > head.touched.after(Duration::from_secs(1)) {
        record.head.touched = now;
    }
    if store.has(HeadsAreCopies) {
        return Some(store.first_heads.lock().unwrap().entry(key).or_insert(head).clone());
    }
    Some(head)
}
