//! Removing what has expired. The engine does that by itself, some minutes later; so each sweep looks at a bounded number
//! of names, and the next goes on where it ended.

use std::sync::PoisonError;

use super::RedisStore;
use super::fault::Fault;
use super::together::{AT_ONCE, together};
use super::walk::{self, Place, STEP};
use crate::clock::Timestamp;

/// Names that one sweep looks at, those of others included.
const MOST_NAMES: usize = 10_000;

impl RedisStore {
    /// Removes the expired among the next names, and goes round once at most.
    pub(super) async fn clean(&self, limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let masters = walk::masters(&self.wire).await?;
        let start = *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut place, mut removed, mut looks, mut ends) = (start, 0, 0, 0);
        while looks < MOST_NAMES && removed < limit {
            let step = walk::step(&self.wire, &self.namespace, &masters, place).await?;
            let mut left = &step.keys[..];
            while !left.is_empty() && removed < limit {
                let (now, later) = left.split_at(left.len().min(AT_ONCE).min(limit - removed));
                for was_removed in together(now.iter().map(|key| self.remove(*key, Some(before)))).await {
                    removed += usize::from(was_removed?);
                }
                left = later;
            }
            if !left.is_empty() {
                break;
            }
            looks += STEP.max(step.keys.len());
            place = step.next;
            ends += usize::from(place == Place::default());
            let is_round = if start == Place::default() { ends == 1 } else { ends == 2 };
            if is_round {
                break;
            }
        }
        *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner) = place;
        Ok(removed)
    }
}
