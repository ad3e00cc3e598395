//! Removing what has expired. The engine does that by itself, some minutes later; so each sweep looks at a bounded number
//! of names, and the next goes on where it ended.

use std::sync::PoisonError;

use super::RedisStore;
use super::fault::Fault;
use super::together::{AT_ONCE, together};
use super::walk::{self, Place, STEP};
use crate::clock::Timestamp;
use crate::id::SessionKey;

/// Names that one sweep looks at, those of others included.
const MOST_NAMES: usize = 10_000;

impl RedisStore {
    /// Removes the expired among the next names, and goes round once at most.
    pub(super) async fn clean(&self, limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let masters = walk::masters(&self.wire).await?;
        let start = *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner);
        let rounds = if start == Place::default() { 1 } else { 2 };
        let (mut place, mut removed, mut names, mut ends) = (start, 0, 0, 0);
        while removed < limit && names < MOST_NAMES && ends < rounds {
            let step = walk::step(&self.wire, &self.namespace, &masters, place).await?;
            removed += self.remove_expired(&step.keys, limit - removed, before).await?;
            if removed == limit {
                // Others of this step may have expired too: the next sweep begins with it.
                break;
            }
            names += STEP.max(step.keys.len());
            place = step.next;
            ends += usize::from(place == Place::default());
        }
        *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner) = place;
        Ok(removed)
    }

    async fn remove_expired(&self, keys: &[SessionKey], limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let (mut removed, mut left) = (0, keys);
        while !left.is_empty() && removed < limit {
            let (now, later) = left.split_at(left.len().min(AT_ONCE).min(limit - removed));
            for was_removed in together(now.iter().map(|key| self.remove(*key, Some(before)))).await {
                removed += usize::from(was_removed?);
            }
            left = later;
        }
        Ok(removed)
    }
}
