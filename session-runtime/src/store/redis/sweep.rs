//! Removal of expired records. Each sweep looks at a bounded number of names, and the next one continues from there.
//! The engine removes records that no sweep has reached, some minutes after they expired.

use std::sync::PoisonError;

use futures_util::future::join_all;

use super::RedisStore;
use super::fault::Fault;
use super::scan_step::{self, STEP, SweepPosition};
use super::write::Doomed;
use super::{AT_ONCE, slots};
use crate::clock::Timestamp;
use crate::id::SessionKey;

/// Maximum number of names that one sweep looks at, including those of other programs.
const MOST_NAMES: usize = 10_000;

/// Maximum number of names that one sweep looks at for each session that it may remove, so that a small sweep is short
/// even if few sessions have expired.
const NAMES_FOR_EACH: usize = 100;

impl RedisStore {
    /// Removes the expired records among the next names, in at most one round over all names.
    pub(super) async fn clean(&self, limit: usize, before: Timestamp) -> Result<usize, Fault> {
        let masters = slots::masters(&self.servers).await?;
        let start = *self.sweep_from.lock().unwrap_or_else(PoisonError::into_inner);
        let rounds = if start == SweepPosition::default() { 1 } else { 2 };
        let most_names = limit.saturating_mul(NAMES_FOR_EACH).min(MOST_NAMES);
        let (mut position, mut removed, mut names, mut ends) = (start, 0, 0, 0);
        let mut count = limit.min(STEP);
        while removed < limit && names < most_names && ends < rounds {
            let step = scan_step::step(&self.servers, &self.namespace, &masters, position, count).await?;
            removed += self.remove_expired(&step.keys, limit - removed, before).await?;
            if removed == limit {
                // More sessions of this step may have expired: the next sweep starts with it.
                break;
            }
            names += count.max(step.keys.len());
            // Few of these sessions had expired, or few of the names were sessions.
            count = (2 * count).min(STEP);
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
            for was_removed in join_all(now.iter().map(|key| self.remove(*key, Doomed::Expired(before)))).await {
                removed += usize::from(was_removed?);
            }
            left = later;
        }
        Ok(removed)
    }
}
