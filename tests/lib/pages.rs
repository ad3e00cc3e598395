//! A walk over all pages of a scan.

use session_runtime::clock::Timestamp;
use session_runtime::record::Record;
use session_runtime::store::{Damage, Page};
use session_runtime::{SessionKey, Store};

/// All sessions, in the order of their keys, from pages of at most `limit`.
///
/// # Panics
///
/// If a page fails, or holds a session that cannot be read.
pub async fn all(store: &(impl Store + ?Sized), limit: usize, now: Timestamp) -> Vec<(SessionKey, Record)> {
    let (sessions, unreadable) = all_and_unreadable(store, limit, now).await;
    assert!(unreadable.is_empty(), "{} sessions cannot be read", unreadable.len());
    sessions
}

/// All sessions and all that cannot be read, in the order of their keys.
///
/// # Panics
///
/// If a page fails.
pub async fn all_and_unreadable(
    store: &(impl Store + ?Sized),
    limit: usize,
    now: Timestamp,
) -> (Vec<(SessionKey, Record)>, Vec<(SessionKey, Damage)>) {
    let (mut all, mut all_unreadable, mut from) = (Vec::new(), Vec::new(), None);
    loop {
        let page = store.scan(from.as_ref(), limit, now).await.expect("a page");
        let Page { sessions, unreadable, next, .. } = page;
        assert!(sessions.len() <= limit, "a page of {limit} held {}", sessions.len());
        all.extend(sessions);
        all_unreadable.extend(unreadable);
        from = next;
        if from.is_none() {
            all.sort_unstable_by_key(|(key, _)| *key);
            all_unreadable.sort_unstable_by_key(|(key, _)| *key);
            return (all, all_unreadable);
        }
    }
}
