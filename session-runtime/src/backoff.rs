//! Pauses before another attempt: doubled with each failure, or a random part of a given pause.

use std::time::Duration;

/// Pauses that double with each failure, from the first one up to the longest.
#[cfg(any(feature = "redis", feature = "postgres"))]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

#[cfg(any(feature = "redis", feature = "postgres"))]
impl Backoff {
    /// Pauses from `first` to `longest`. If `longest` is less than `first`, every pause is `first`.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.max(first), failures: 0 }
    }

    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }

    /// Counts a failure, and returns the pause after it.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// Forgets all failures.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Returns a random part of a pause, so that conflicting callers do not retry in step. Returns the whole pause if there
/// is no random number.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 1];
    let part = getrandom::fill(&mut random).map_or(u8::MAX, |()| random[0]);
    pause.saturating_mul(part.into()) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(feature = "redis", feature = "postgres"))]
    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(300));
        let pauses = [(); 5].map(|()| backoff.next_pause().as_millis());
        assert_eq!(pauses, [50, 100, 200, 300, 300]);
        backoff.reset();
        assert_eq!(backoff.next_pause(), Duration::from_millis(50));
    }

    #[cfg(any(feature = "redis", feature = "postgres"))]
    #[test]
    fn no_number_of_failures_overflows() {
        let mut backoff = Backoff::new(Duration::MAX / 2, Duration::ZERO);
        assert!((0..100).all(|_| backoff.next_pause() == Duration::MAX / 2));
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next_pause(), Duration::MAX / 2);
    }

    #[test]
    fn a_random_part_is_never_longer_than_the_pause() {
        let longest = Duration::from_millis(255);
        let parts: Vec<Duration> = (0..100).map(|_| jittered(longest)).collect();
        assert!(parts.iter().all(|part| *part <= longest));
        assert!(parts.iter().any(|part| *part != parts[0]));
    }
}
