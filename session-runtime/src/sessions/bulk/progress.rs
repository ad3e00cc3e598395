//! Progress of a scan, reported to a callback of the caller.

use std::fmt;
use std::sync::Arc;

use crate::store::Cursor;

/// Progress of a scan after one of its batches.
///
/// Its text is a line for a terminal, such as `37 %, 1500 sessions`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of sessions that were read.
    pub sessions: u64,
    /// Share of the store that was scanned, from 0 to 1. `None` if the store does not scan in the order of the keys, or
    /// gives no key.
    pub share: Option<f64>,
}

impl Progress {
    /// Returns the progress before the batch at `next`. Keys are random, so the key at which the next batch begins
    /// gives the share of the sessions before it.
    pub(super) fn new(sessions: u64, next: Option<&Cursor>) -> Self {
        let share = match next.map(Cursor::key) {
            None => Some(1.0),
            Some(key) => key.ok().map(|key| f64::from(key.as_bytes()[0]) / 256.0),
        };
        Self { sessions, share }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(share) = self.share {
            write!(f, "{:.0} %, ", 100.0 * share)?;
        }
        write!(f, "{} sessions", self.sessions)
    }
}

/// Callback for the progress of a scan. Default: none.
///
/// # Examples
///
/// ```
/// # use session_runtime::{MemoryStore, Sessions};
/// use session_runtime::migrate::{OnProgress, Options};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// # let sessions = Sessions::builder().store(MemoryStore::new()).build()?;
/// let progress = OnProgress::new(|progress| eprint!("\r{progress}"));
/// let report = sessions.migrate(Options { progress, ..Options::default() }).await?;
/// # assert_eq!(report.sessions, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct OnProgress(Option<Arc<dyn Fn(Progress) + Send + Sync>>);

impl OnProgress {
    /// Calls `callback` after each batch, on the task of the scan.
    pub fn new(callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(callback)))
    }

    pub(super) fn report(&self, sessions: u64, next: Option<&Cursor>) {
        if let Some(callback) = &self.0 {
            callback(Progress::new(sessions, next));
        }
    }
}

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "OnProgress(callback)" } else { "OnProgress(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionKey;

    #[test]
    fn the_share_follows_from_the_next_key() {
        let at = |first: u8| Cursor::from(SessionKey::from_bytes([first; 16]));
        let halfway = Progress::new(500, Some(&at(128)));
        assert_eq!((halfway.share, halfway.to_string()), (Some(128.0 / 256.0), "50 %, 500 sessions".to_owned()));
        assert_eq!(Progress::new(1000, None).to_string(), "100 %, 1000 sessions");
    }
}
