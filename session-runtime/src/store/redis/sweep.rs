//! Removal of expired records. Each sweep looks at a bounded number of names, and the next one continues from there.
//! The engine removes records that no sweep has reached, some minutes after they expired.

use std::sync::PoisonError;

use futures_util::future::join_all;

use super::RedisStore;
use super::fault::Fault;
use super::scan_step::{self, STEP, SweepPosition};
use super::{AT_ONCE, slots};
use crate::clock::Timestamp;
use crate::id::SessionKey;

/// Number of names that one sweep looks at, including those of other programs.
const MOST_NAMES: usize = 10_000;

impl RedisStore {
    /// Removes the expired records among the next names, in at most one round over all names.
    pub(super) async fn clean(&self, limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let masters = slots::masters(&self.servers).await?;
        let start = *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner);
        let rounds = if start == SweepPosition::default() { 1 } else { 2 };
        let (mut position, mut removed, mut names, mut ends) = (start, 0, 0, 0);
        while removed < limit && names < MOST_NAMES && ends < rounds {
            let step = scan_step::step(&self.servers, &self.namespace, &masters, position).await?;
            removed += self.remove_expired(&step.keys, limit - removed, before).await?;
            if removed == limit {
                // More sessions of this step may have expired: the next sweep starts with it.
                break;
            }
            names += STEP.max(step.keys.len());
            position = step.next;
            ends += usize::from(position == SweepPosition::default());
        }
        *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner) = position;
        Ok(removed)
    }

    async fn remove_expired(&self, keys: &[SessionKey], limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let (mut removed, mut left) = (0, keys);
        while !left.is_empty() && removed < limit {
            let (now, later) = left.split_at(left.len().min(AT_ONCE).min(limit - removed));
            for was_removed in join_all(now.iter().map(|key| self.remove(*key, Some(before)))).await {
                removed += usize::from(was_removed?);
            }
            left = later;
        }
        Ok(removed)
    }
}
