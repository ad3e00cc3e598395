//! Admission: how many operations a store runs at once, and which ones it refuses.
//!
//! A store with more work than it can do has to refuse some of it early. Otherwise every request waits until its
//! deadline has passed, and the store works for requests that have given up.
//!
//! Reads and writes have a [`Lane`] each. A lane lets a limited number of operations into the store. The others wait in
//! order of arrival, and those of requests that give up are never sent. The limit follows from Little's law: as many
//! operations as the store completes in [`AdmissionConfig::in_flight_time`]. An operation is refused if it would wait
//! longer than [`AdmissionConfig::max_queue_time`], judged from the queue and from the recent rate of completions.
//!
//! Most requests load and then change their session. While writes wait, reads therefore get no more places than writes
//! have. In a store that runs all operations one after the other, the cheaper reads would otherwise take most of its
//! time, and most of the loaded sessions could not be saved: in an overloaded Redis, 0.21 of the possible adds were done.
//!
//! A lane with few operations measures nothing and reads no clock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{StoreError, StoreErrorKind};
use crate::config::AdmissionConfig;

/// Limit of a lane before the first measurement.
const FIRST_LIMIT: usize = 64;
/// Largest limit of a lane. A store that completes 20,000 operations a second takes 51 ms for so many.
const LARGEST_LIMIT: usize = 1_024;

/// Admission to one store.
pub(super) struct Admission {
    pub(super) reads: Lane,
    pub(super) writes: Lane,
}

impl Admission {
    pub(super) fn new(config: AdmissionConfig) -> Self {
        Self::with_writes(config, LARGEST_LIMIT)
    }

    fn with_writes(config: AdmissionConfig, largest_limit: usize) -> Self {
        let bound = Arc::default();
        let reads = Lane::new(config, LARGEST_LIMIT, Role::Reads(Arc::clone(&bound)));
        Self { reads, writes: Lane::new(config, largest_limit, Role::Writes(bound)) }
    }

    /// Admission to a pool that lends each connection to one operation. Writes leave a quarter of four connections or
    /// more to reads.
    #[cfg(feature = "deadpool-postgres-0-14")]
    pub(super) fn to_pool(config: AdmissionConfig, connections: usize) -> Self {
        Self::with_writes(config, (connections - connections / 4).max(1))
    }
}

/// Operations of a lane. The lane of the writes sets the bound of the reads.
enum Role {
    Reads(Arc<Bound>),
    Writes(Arc<Bound>),
}

/// Limit of the writes while some of them wait, and for a second after that. Without that second, reads would take all
/// places again whenever the queue of the writes is empty for a moment.
#[derive(Default)]
struct Bound(Mutex<Option<(usize, Instant)>>);

impl Bound {
    const LASTS: Duration = Duration::from_secs(1);

    fn get(&self) -> usize {
        let current = self.lock().filter(|(_, set)| set.elapsed() < Self::LASTS);
        current.map_or(LARGEST_LIMIT, |(limit, _)| limit)
    }

    fn set(&self, limit: usize) {
        *self.lock() = Some((limit, Instant::now()));
    }

    fn lock(&self) -> MutexGuard<'_, Option<(usize, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Operations that wait for each other.
pub(super) struct Lane {
    role: Role,
    config: AdmissionConfig,
    largest_limit: usize,
    /// Places that are free. Each operation in flight takes one.
    places: Semaphore,
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
    /// True while there is a queue, or more operations are in flight than the smallest limit.
    is_busy: AtomicBool,
    flow: Mutex<Flow>,
}

impl Lane {
    fn new(config: AdmissionConfig, largest_limit: usize, role: Role) -> Self {
        let config = AdmissionConfig { min_in_flight: config.min_in_flight.clamp(1, largest_limit), ..config };
        let limit = FIRST_LIMIT.clamp(config.min_in_flight, largest_limit);
        Self {
            role,
            config,
            largest_limit,
            places: Semaphore::new(limit),
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            is_busy: AtomicBool::new(false),
            flow: Mutex::new(Flow::new(limit)),
        }
    }

    /// Waits for a place. Fails at once if the wait would be too long; the operation is then not sent.
    pub(super) async fn enter(&self, during: &'static str) -> Result<Admitted<'_>, StoreError> {
        match self.places.try_acquire() {
            Ok(place) => place.forget(),
            // Boxed: inlining this rare path would grow the future of every load and save.
            Err(_) => Box::pin(self.wait(during)).await?,
        }
        self.in_flight.fetch_add(1, Relaxed);
        Ok(Admitted { lane: self, is_completed: false })
    }

    async fn wait(&self, during: &'static str) -> Result<(), StoreError> {
        let waiting = Waiting::new(&self.waiting);
        let wait = self.busy_flow().expected_wait(waiting.ahead, self.config.in_flight_time);
        if wait > self.config.max_queue_time {
            let overloaded = Overloaded { waiting: waiting.ahead, most: self.config.max_queue_time };
            return Err(StoreError::new(StoreErrorKind::Overloaded, during).because(overloaded));
        }
        // Fails only for a closed semaphore, and this one stays open.
        if let Ok(place) = self.places.acquire().await {
            place.forget();
        }
        Ok(())
    }

    fn leave(&self, is_completed: bool) {
        let in_flight = self.in_flight.fetch_sub(1, Relaxed);
        if in_flight > self.config.min_in_flight || self.waiting.load(Relaxed) > 0 {
            return self.leave_busy(in_flight, is_completed);
        }
        if self.is_busy.load(Relaxed) {
            self.is_busy.store(false, Relaxed);
        }
        self.places.add_permits(1);
    }

    fn leave_busy(&self, in_flight: usize, is_completed: bool) {
        let mut flow = self.busy_flow();
        if is_completed && let Some(interval) = flow.complete() {
            self.adapt(&mut flow, interval, in_flight);
        }
        if flow.excess > 0 {
            flow.excess -= 1;
        } else {
            self.places.add_permits(1);
        }
    }

    /// Adapts the limit to a measured interval. While the store has room for more, the interval shows the demand and
    /// not what the store can do, so only a shorter one counts.
    fn adapt(&self, flow: &mut Flow, interval: Duration, in_flight: usize) {
        let has_room = self.waiting.load(Relaxed) == 0 && interval * clamped(in_flight) < self.config.in_flight_time;
        if has_room && interval >= flow.interval {
            return;
        }
        flow.note(interval);
        let fitting = self.config.in_flight_time.as_nanos() / flow.interval.as_nanos().max(1);
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        let limit = fitting.clamp(self.config.min_in_flight, self.largest_limit);
        self.set_limit(flow, self.bound(limit));
    }

    /// Bounds the limit of the reads by that of waiting writes.
    fn bound(&self, limit: usize) -> usize {
        match &self.role {
            Role::Reads(bound) => limit.min(bound.get()),
            Role::Writes(bound) if self.waiting.load(Relaxed) > 0 => {
                bound.set(limit);
                limit
            }
            Role::Writes(_) => limit,
        }
    }

    fn set_limit(&self, flow: &mut Flow, limit: usize) {
        let before = std::mem::replace(&mut flow.limit, limit);
        if limit < before {
            let removed = self.places.forget_permits(before - limit);
            flow.excess += before - limit - removed;
        } else {
            let kept = flow.excess.min(limit - before);
            flow.excess -= kept;
            self.places.add_permits(limit - before - kept);
        }
    }

    /// Locks the flow of a busy lane. The measurement begins when the lane becomes busy.
    fn busy_flow(&self) -> MutexGuard<'_, Flow> {
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_busy.swap(true, Relaxed) {
            flow.begin();
        }
        flow
    }
}

fn clamped(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// An operation in flight. It leaves its place when this is dropped.
pub(super) struct Admitted<'l> {
    lane: &'l Lane,
    is_completed: bool,
}

impl Admitted<'_> {
    /// Ends the operation. Only the response of a store that works counts for its rate.
    pub(super) fn end<T, E>(mut self, outcome: Result<T, E>) -> Result<T, E> {
        self.is_completed = outcome.is_ok();
        outcome
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.lane.leave(self.is_completed);
    }
}

/// An operation that waits for a place.
struct Waiting<'l> {
    waiting: &'l AtomicUsize,
    /// Number of operations that wait before it.
    ahead: usize,
}

impl<'l> Waiting<'l> {
    fn new(waiting: &'l AtomicUsize) -> Self {
        Self { waiting, ahead: waiting.fetch_add(1, Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}

/// Cause of a refusal.
#[derive(Debug, thiserror::Error)]
#[error("operations in the queue: {waiting}; the store needs more than {} ms for them", .most.as_millis())]
struct Overloaded {
    waiting: usize,
    most: Duration,
}

/// Limit of a lane, and its rate of completions while it is busy.
struct Flow {
    limit: usize,
    /// Number of operations in flight above the limit. Their places are not used again.
    excess: usize,
    /// Average time from one completion to the next; zero before the first measurement.
    interval: Duration,
    since: Instant,
    completed: u32,
    last_completed: Instant,
}

impl Flow {
    /// Shortest time of a measurement.
    const WINDOW: Duration = Duration::from_millis(20);
    /// Fewest completions in a measurement, since a group commit completes many writes at once.
    const FEWEST: u32 = 8;

    fn new(limit: usize) -> Self {
        let now = Instant::now();
        Self { limit, excess: 0, interval: Duration::ZERO, since: now, completed: 0, last_completed: now }
    }

    fn begin(&mut self) {
        let now = Instant::now();
        (self.since, self.completed, self.last_completed) = (now, 0, now);
    }

    /// Counts a completion. Returns the average interval at the end of a measurement.
    fn complete(&mut self) -> Option<Duration> {
        let now = Instant::now();
        self.last_completed = now;
        self.completed += 1;
        let time = now - self.since;
        if time < Self::WINDOW || self.completed < Self::FEWEST {
            return None;
        }
        let interval = time / self.completed;
        (self.since, self.completed) = (now, 0);
        Some(interval)
    }

    /// Includes a measured interval in the average. A longer one has less weight: a lane that is short of work for a
    /// moment also completes little, and a smaller limit makes the next lack of work more likely. With a weight of a
    /// half for both, the link to an overloaded Redis idled for a fifth of the time, and the adds of the worst second
    /// fell to 0.57 of the capacity. Now they stay at 1.00.
    fn note(&mut self, interval: Duration) {
        let before = self.interval;
        let weight = if interval < before { 2 } else { 16 };
        self.interval = if before.is_zero() { interval } else { (before * (weight - 1) + interval) / weight };
    }

    /// Estimates the wait behind `ahead` operations. A store that has completed nothing for longer than operations are
    /// in flight will take at least as long again.
    fn expected_wait(&self, ahead: usize, in_flight_time: Duration) -> Duration {
        let silence = self.last_completed.elapsed().saturating_sub(in_flight_time);
        silence.saturating_add(self.interval.saturating_mul(clamped(ahead).saturating_add(1)))
    }
}

#[cfg(test)]
mod tests;
