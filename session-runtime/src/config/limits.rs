//! Limits on the size of a record, and their check before a save.

use crate::error::{ErrorKind, SessionError};
use crate::record::Values;
use crate::record::patch::Patch;

/// Maximum size of a record.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, config::Limits};
///
/// let config = SessionConfig::new().limits(Limits { record_bytes: 64 * 1024, ..Limits::default() });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all stored keys and JSON texts of one session. Default: 1,048,576 (1 MiB).
    pub record_bytes: usize,
    /// Number of stored keys of one session. Default: 10,000.
    pub record_keys: usize,
}

impl Limits {
    pub(crate) fn check(self, bytes: usize, keys: usize) -> Result<(), SessionError> {
        if bytes <= self.record_bytes && keys <= self.record_keys {
            return Ok(());
        }
        let Self { record_bytes, record_keys } = self;
        let detail = format!("{bytes} bytes in {keys} keys, allowed are {record_bytes} bytes in {record_keys} keys");
        Err(SessionError::with(ErrorKind::TooLarge, detail))
    }

    /// Checks the size that a record of `bytes` and `keys` has after the patch. A patch that only shrinks the record
    /// always passes, so that a session over the limit can be made smaller.
    pub(crate) fn check_patch(
        self,
        patch: &Patch,
        values: &Values,
        bytes: usize,
        keys: usize,
    ) -> Result<(), SessionError> {
        let came = patch.set.iter().fold((0, 0), |came, (name, text)| (came.0 + name.len() + text.len(), came.1 + 1));
        let (most_bytes, most_keys) = (bytes.saturating_add(came.0), keys.saturating_add(came.1));
        if most_bytes <= self.record_bytes && most_keys <= self.record_keys {
            // Fits even if the patch replaces nothing.
            return Ok(());
        }
        let have = |name: &str| values.get(name).map_or((0, 0), |text| (name.len() + text.len(), 1));
        let mut went = (0, 0);
        for name in patch.set.iter().map(|(name, _)| name).chain(&patch.remove) {
            let (bytes, keys) = have(name);
            went = (went.0 + bytes, went.1 + keys);
        }
        if came.0 <= went.0 && came.1 <= went.1 {
            return Ok(());
        }
        self.check(most_bytes.saturating_sub(went.0), most_keys.saturating_sub(went.1))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 1024 * 1024, record_keys: 10_000 }
    }
}
