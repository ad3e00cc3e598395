//! Result of reading heads alone.

use super::{Loaded, StoreError, StoreErrorKind};
use crate::record::Head;

/// Result of [`Store::heads`](super::Store::heads) for one key.
///
/// # Examples
///
/// ```
/// use session_runtime::store::LoadedHead;
///
/// fn generation(found: &LoadedHead) -> Option<u64> {
///     match found {
///         LoadedHead::Alive(head) => Some(head.generation),
///         LoadedHead::Absent | LoadedHead::Unreadable => None,
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadedHead {
    /// There is no record, or it has expired.
    Absent,
    /// Head of a record that has not expired.
    Alive(Head),
    /// There is a record, and its head cannot be read.
    Unreadable,
}

impl LoadedHead {
    /// Converts the result of a load. A head that cannot be read is a result, not an error.
    pub(super) fn of_load(loaded: Result<Option<Loaded>, StoreError>) -> Result<Self, StoreError> {
        match loaded {
            Ok(Some(loaded)) => Ok(Self::Alive(loaded.record.head)),
            Ok(None) => Ok(Self::Absent),
            Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(Self::Unreadable),
            Err(error) => Err(error),
        }
    }
}
