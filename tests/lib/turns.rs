//! Turns that another task of the thread gets beside some work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns the output of the work, and how often another task of the same thread ran meanwhile.
pub async fn turns_beside<T>(work: impl Future<Output = T>) -> (T, u64) {
    let turns = Arc::new(AtomicU64::new(0));
    let other = {
        let turns = Arc::clone(&turns);
        tokio::spawn(async move {
            loop {
                turns.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    let output = work.await;
    other.abort();
    (output, turns.load(Ordering::Relaxed))
}
