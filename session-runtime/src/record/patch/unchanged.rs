//! Hint of a patch for a store that applies it faster to a record that has not changed since the load.

use crate::record::patch::Patch;
#[cfg(any(feature = "redis", feature = "postgres"))]
use crate::record::patch::Precondition;
use crate::record::{Head, Values};

/// Revision from which a patch was made, and the totals after the patch.
///
/// If the record still has this revision, the precondition of the patch holds, since each change of a key raises the
/// revision, and the totals are correct. With another revision the hint means nothing: the precondition decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "conformance"),
    expect(unreachable_pub, reason = "public for the tests of this library, through `testing::hint`")
)]
pub struct UnchangedHint {
    /// Revision that was loaded.
    pub revision: u64,
    /// Bytes of all keys and texts of the whole record after this patch is applied to that revision.
    pub bytes: usize,
    /// Number of keys of the whole record after this patch is applied to that revision.
    pub keys: usize,
}

/// Maximum number of changed keys for which a hint is given.
const FEW_KEYS: usize = 8;

impl UnchangedHint {
    /// Returns the hint for a patch to a record that was loaded with these totals. `None` if the patch would be
    /// refused, if the totals are damaged, or if the patch changes so many keys that looking them up costs too much.
    /// The patch must name each key once.
    pub(crate) fn since(patch: &Patch, head: &Head, values: &Values, bytes: usize, keys: usize) -> Option<Self> {
        let changes = patch.set.len() + patch.remove.len();
        if changes > FEW_KEYS || patch.refusal(head, |name| values.get(name)).is_some() {
            return None;
        }
        let mut after = Self { revision: head.revision, bytes, keys };
        for (name, text) in &patch.set {
            after.bytes = after.bytes.checked_add(name.len() + text.len())?;
            after.keys = after.keys.checked_add(1)?;
        }
        for name in patch.set.iter().map(|(name, _)| name).chain(&patch.remove) {
            if let Some(old) = values.get(name) {
                after.bytes = after.bytes.checked_sub(name.len() + old.len())?;
                after.keys = after.keys.checked_sub(1)?;
            }
        }
        Some(after)
    }

    /// Returns the hint of a patch that only sets keys: at least one, at most `most`, and each once.
    #[cfg(any(feature = "redis", feature = "postgres"))]
    pub(crate) fn of_sets(patch: &Patch, most: usize) -> Option<Self> {
        let is_same_base = |hint: &Self| match patch.precondition {
            Precondition::Revision(required) => required == hint.revision,
            Precondition::Values(_) => true,
        };
        let names = || patch.set.iter().map(|(name, _)| name);
        let is_once = |(at, name)| names().take(at).all(|before| before != name);
        let only_sets = (1..=most).contains(&patch.set.len())
            && patch.remove.is_empty()
            && patch.deadline.is_none()
            && patch.secret.is_none()
            && names().enumerate().all(is_once);
        patch.unchanged.filter(|hint| only_sets && is_same_base(hint))
    }
}
