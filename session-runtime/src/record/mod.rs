//! The stored form of a session: a head of fixed fields, and a flat map from stored keys to JSON texts.
//!
//! Takes the data that a store read; gives the values that the rest of the library decodes. A stored key is `<schema>`
//! for the metadata of a schema, `<schema>.<field>` for a field, and `<schema>.<field>/<entry>` for one entry of a map
//! or set that is stored entry by entry, or one element of a list that merges. `<schema>.<field>~` is the deadline of a
//! field with `expires_after`. The map is flat so that keys unknown to this program survive every save.
//!
//! Deliberately absent: decoding. The codec decodes a text when it is needed, and never before.

use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::expiry::StoredExpiry;

mod block;
pub(crate) mod bytes;
pub mod expiry;
pub(crate) mod key;
pub mod patch;
mod selection;
mod text;
mod values;

pub(crate) use block::RecordBlock;
pub use selection::Wanted;
pub use text::Text;
pub use values::Values;

/// Complete stored data of one session, created with [`Record::new`].
///
/// # Examples
///
/// ```
/// use session_runtime::record::Record;
///
/// fn coupon(record: &Record) -> Option<&str> {
///     record.values.get("cart.coupon")
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// Deadlines, secret and counters.
    pub head: Head,
    /// Stored keys with their JSON texts.
    pub values: Values,
}

impl Record {
    /// Creates a record.
    #[must_use]
    pub const fn new(head: Head, values: Values) -> Self {
        Self { head, values }
    }

    /// Returns the record in a block. Its values share the memory of the block.
    pub(crate) fn of_block(block: &RecordBlock) -> Self {
        Self { head: block.head().clone(), values: Values::of_block(block.clone()) }
    }

    /// Returns a block with the record. `bytes`: [size](Values::bytes) of the values.
    pub(crate) fn into_block(self, bytes: usize) -> RecordBlock {
        self.values.into_block(self.head, bytes)
    }
}

/// Part of a record that every operation needs: deadlines, secret and counters.
///
/// # Examples
///
/// ```
/// use session_runtime::record::Head;
///
/// fn is_logged_in_again(before: &Head, now: &Head) -> bool {
///     now.generation > before.generation
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Time of creation.
    pub created: Timestamp,
    /// Time of the last touch.
    pub touched: Timestamp,
    /// Moment from which the record counts as absent. Never after the absolute deadline.
    pub idle_deadline: Timestamp,
    /// Latest moment that the idle deadline can reach, whatever expiry is chosen: `remember` after the creation. It
    /// never changes.
    pub absolute_deadline: Timestamp,
    /// Expiry that the application chose for this session.
    pub expiry: StoredExpiry,
    /// Hash of the secret that the cookie must present.
    pub secret: SecretHash,
    /// Moment from which [`secret`](Self::secret) is valid.
    pub secret_since: Timestamp,
    /// Secret from before a periodic renewal, while it is still accepted.
    pub previous: Option<PreviousSecret>,
    /// Counter that every login, every renewal except a periodic one, and the end of the id raises.
    pub generation: u64,
    /// Moment at which [`generation`](Self::generation) was last raised.
    pub generation_since: Option<Timestamp>,
    /// Counter that every patch that sets or removes a key raises.
    pub revision: u64,
}

/// Secret from before a periodic renewal.
///
/// # Examples
///
/// ```
/// use session_runtime::clock::Timestamp;
/// use session_runtime::record::PreviousSecret;
///
/// fn is_accepted(previous: &PreviousSecret, now: Timestamp) -> bool {
///     previous.until.is_none_or(|until| now < until)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Hash of the secret.
    pub hash: SecretHash,
    /// End of its acceptance; `None` while the new secret has not been presented yet.
    pub until: Option<Timestamp>,
}
