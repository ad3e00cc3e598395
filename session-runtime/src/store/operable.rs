//! The view of an operator on a store: findings about its settings. For the command line.

#![cfg_attr(
    not(all(feature = "redis", feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "each store uses a part")
)]

use std::time::Duration;

use async_trait::async_trait;

use super::Store;

/// A store that was opened without creating anything, and whose settings can be checked.
#[async_trait]
pub(crate) trait Operable: Store {
    /// Checks the settings of the store, one finding for each property. Changes nothing.
    async fn findings(&self, limits: Limits) -> Vec<Finding>;

    /// True if the sweeps so far have looked at every session. A store whose sweep is bounded returns false in between.
    fn is_swept(&self) -> bool {
        true
    }
}

/// Limits above which a finding is a warning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Age of an open transaction.
    pub(crate) transaction: Duration,
    /// Size of a write-ahead log, in bytes.
    pub(crate) log: u64,
}

/// Verdict on a property of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// A permission to look is missing.
    Unknown,
    /// A promise of the library is at risk.
    Warning,
    /// A promise of the library is broken.
    Wrong,
}

/// Verdict on one property of a store, with the value that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) property: &'static str,
    pub(crate) detail: String,
}

impl Verdict {
    /// Returns the word for the verdict.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Wrong => "wrong",
        }
    }

    /// Returns the finding of this verdict.
    pub(crate) fn on(self, property: &'static str, detail: impl Into<String>) -> Finding {
        Finding { verdict: self, property, detail: detail.into() }
    }
}

/// Difference between two clocks from which deadlines are visibly wrong.
const CLOCK_WARNING: Duration = Duration::from_secs(5);
/// Half of the grace that sweeps and lookups give to other clocks.
const CLOCK_WRONG: Duration = Duration::from_secs(30);

/// Returns the finding for a server's clock that is `ahead` milliseconds ahead of this machine's.
#[cfg(any(feature = "redis", feature = "postgres"))]
pub(crate) fn clock(ahead: i64) -> Finding {
    let difference = Duration::from_millis(ahead.unsigned_abs());
    let direction = if ahead < 0 { "behind" } else { "ahead of" };
    let detail = format!("the server is {:.1} s {direction} this machine", difference.as_secs_f64());
    match difference {
        _ if difference >= CLOCK_WRONG => {
            Verdict::Wrong.on("clock", format!("{detail}; clocks may differ by at most 60 s, synchronize them"))
        }
        _ if difference >= CLOCK_WARNING => Verdict::Warning.on("clock", format!("{detail}; synchronize them")),
        _ => Verdict::Ok.on("clock", detail),
    }
}

/// Age of expired sessions that a running program would have swept.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) const UNSWEPT: Duration = Duration::from_secs(10 * 60);
/// Number of such sessions that are counted.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) const MOST_UNSWEPT: i64 = 10_000;

/// Returns the finding for the number of sessions that expired more than [`UNSWEPT`] ago.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn unswept(sessions: i64) -> Finding {
    match sessions {
        0 => Verdict::Ok.on("sweep", "no session expired more than 10 minutes ago"),
        ..MOST_UNSWEPT => {
            let detail =
                format!("{sessions} sessions expired more than 10 minutes ago; does a program run that sweeps?");
            Verdict::Warning.on("sweep", detail)
        }
        _ => Verdict::Warning.on("sweep", "10,000 or more sessions expired over 10 minutes ago; run `session sweep`"),
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_less_than_half_the_grace() {
        use Verdict::{Ok, Warning, Wrong};
        let verdicts = [0, 4_999, -5_000, 29_999, 30_000, -90_000, i64::MIN].map(|ahead| clock(ahead).verdict);
        assert_eq!(verdicts, [Ok, Ok, Warning, Warning, Wrong, Wrong, Wrong]);
        assert!(clock(-90_000).detail.starts_with("the server is 90.0 s behind this machine"));
    }

    #[test]
    fn sessions_that_are_not_swept_are_a_warning() {
        assert_eq!(unswept(0).verdict, Verdict::Ok);
        assert!(unswept(3).detail.starts_with("3 sessions") && unswept(3).verdict == Verdict::Warning);
        assert!(unswept(MOST_UNSWEPT).detail.starts_with("10,000 or more"));
    }
}
