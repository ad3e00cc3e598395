//! Removal of expired records. The engine removes them by itself some minutes later, so each sweep looks at a bounded
//! number of names, and the next one continues from there.

use std::sync::PoisonError;

use super::RedisStore;
use super::fault::Fault;
use super::together::{AT_ONCE, together};
use super::walk::{self, Place, STEP};
use crate::clock::Timestamp;
use crate::id::SessionKey;

/// Number of names that one sweep looks at, including those of other programs.
const MOST_NAMES: usize = 10_000;

impl RedisStore {
    /// Removes the expired records among the next names, in at most one round over all names.
    pub(super) async fn clean(&self, limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let masters = walk::masters(&self.wire).await?;
        let start = *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner);
        let rounds = if start == Place::default() { 1 } else { 2 };
        let (mut place, mut removed, mut names, mut ends) = (start, 0, 0, 0);
        while removed < limit && names < MOST_NAMES && ends < rounds {
            let step = walk::step(&self.wire, &self.namespace, &masters, place).await?;
            removed += self.remove_expired(&step.keys, limit - removed, before).await?;
            if removed == limit {
                // More sessions of this step may have expired: the next sweep starts with it.
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
