//! Changes of one request and their precondition: the only way in which a stored record changes.
//!
//! A patch is applied as a whole or not at all, in one atomic step of the store, to a record that exists. A store that
//! holds whole records under a lock or in a transaction needs three calls: [`Patch::refusal`], [`Patch::apply`] on the
//! values, [`Patch::apply_head`] on the head. An engine with scripts of its own follows the same order.

use std::fmt;

use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::expiry::StoredExpiry;
use crate::record::values::position;
use crate::record::{Head, PreviousSecret, Record, Text, Values};

pub(crate) mod unchanged;

use unchanged::UnchangedHint;

/// Changes of one request to one record, created with [`Patch::on_generation`].
///
/// A store that wraps another one and stores other keys or texts must create a new patch for the inner store. A patch
/// that was received and then edited may lead to wrong totals.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::Patch;
///
/// let patch = Patch::on_generation(0).set([("cart.coupon", "\"SPRING\"")]).remove(["cart.note"]);
/// assert!(patch.changes_values());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Patch {
    /// Generation that was loaded. With another one the result is [`Patched::Renewed`].
    pub generation: u64,
    /// Precondition for the patch to apply. If it does not hold, the result is [`Patched::Conflict`].
    pub precondition: Precondition,
    /// Keys to set, with their texts.
    pub set: Vec<(Text, Text)>,
    /// Keys to remove; a key that is already absent is not an error.
    pub remove: Vec<Text>,
    /// Change of the deadline.
    pub deadline: Option<Deadline>,
    /// Change of the secret.
    pub secret: Option<NewSecret>,
    /// Hint for stores that apply a patch faster to a record that has not changed since the load.
    pub(crate) unchanged: Option<UnchangedHint>,
    /// Hint for stores that index sessions apart: the absolute deadline of the record.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only Redis indexes sessions apart"))]
    pub(crate) absolute_deadline: Option<Timestamp>,
}

/// Condition that must hold for a patch to apply.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::{Patch, Precondition};
///
/// let patch = Patch::on_generation(0).precondition(Precondition::Revision(7));
/// assert!(patch.expected().is_empty());
/// ```
#[derive(Clone, Debug)]
pub enum Precondition {
    /// These keys must have the expected texts; all others may have changed.
    Values(Vec<Expected>),
    /// The record must still have this revision: nothing in it may have changed.
    Revision(u64),
}

/// Stored key that must be unchanged since the load, created with [`Expected::new`].
///
/// Carries the text itself; a store across a network sends a hash of it, of at least 64 bits.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::Expected;
///
/// let still_absent = Expected::new("cart.visits", None);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Expected {
    /// Stored key.
    pub name: Text,
    /// Text that was loaded; `None` if the key was absent.
    pub base: Option<Text>,
    /// True if the text that this patch sets is accepted as well.
    pub or_ours: bool,
}

impl Expected {
    /// Expects this text under a key; `None` expects that the key is absent.
    #[must_use]
    pub fn new(name: impl Into<Text>, base: Option<Text>) -> Self {
        Self { name: name.into(), base, or_ours: false }
    }

    /// Also accepts the text that the patch sets.
    #[must_use]
    pub fn or_ours(mut self) -> Self {
        self.or_ours = true;
        self
    }
}

/// Change of the deadline.
///
/// # Examples
///
/// ```
/// use session_runtime::clock::Timestamp;
/// use session_runtime::patch::Deadline;
///
/// let at = Timestamp::from_millis;
/// let used = Deadline::Touch { seen: at(100), touched: at(50), expires: at(150) };
/// ```
#[derive(Clone, Debug)]
pub enum Deadline {
    /// The session was used. Skipped if the stored deadline is not the one that was `seen`.
    Touch {
        /// Deadline that was loaded.
        seen: Timestamp,
        /// New [`Head::touched`].
        touched: Timestamp,
        /// New [`Head::idle_deadline`].
        expires: Timestamp,
    },
    /// The application chose another expiry. Applied to any stored deadline.
    Choose {
        /// Chosen expiry.
        expiry: StoredExpiry,
        /// New [`Head::touched`].
        touched: Timestamp,
        /// New [`Head::idle_deadline`].
        expires: Timestamp,
    },
}

/// Change of the secret.
///
/// # Examples
///
/// ```
/// use session_runtime::clock::Timestamp;
/// use session_runtime::{id::SecretHash, patch::NewSecret};
///
/// let login = NewSecret::Raise { hash: SecretHash::from_bytes([1; 32]), at: Timestamp::from_millis(0) };
/// ```
#[derive(Clone, Debug)]
pub enum NewSecret {
    /// A login, a logout by field, a changed `renew(keep)` field, or an explicit renewal: the old secret becomes
    /// invalid, and the generation goes up by one.
    Raise {
        /// Hash of the new secret.
        hash: SecretHash,
        /// Current time.
        at: Timestamp,
    },
    /// A periodic renewal: the old secret stays valid for a while. Skipped if the secret or the deadline is not the one
    /// that was seen.
    Periodic {
        /// Hash of the secret that was loaded.
        seen: SecretHash,
        /// Deadline that was loaded.
        seen_expires: Timestamp,
        /// Hash of the new secret.
        hash: SecretHash,
        /// Current time.
        at: Timestamp,
    },
    /// The new secret of a periodic renewal was presented, which sets an end for the previous one. Skipped if the
    /// secret is not the one that was seen.
    Presented {
        /// Hash of the secret that was presented.
        seen: SecretHash,
        /// End of the acceptance of the previous secret.
        until: Timestamp,
    },
}

impl Deadline {
    /// Returns whether the head has the times of this change.
    #[must_use]
    pub fn is_in(&self, head: &Head) -> bool {
        let (Self::Touch { touched, expires, .. } | Self::Choose { touched, expires, .. }) = self;
        (head.touched, head.idle_deadline) == (*touched, *expires)
    }
}

/// Result of a patch.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::Patched;
///
/// fn is_stored(answer: &Patched) -> bool {
///     matches!(answer, Patched::Done(_))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Patched {
    /// The patch is stored. Contains the head after it.
    Done(Head),
    /// The record does not exist or has expired. Nothing was written.
    Gone,
    /// The record has another generation. Nothing was written, and no values are returned.
    Renewed,
    /// The precondition does not hold. Nothing was written. Contains the head, and the expected keys with their current
    /// texts.
    Conflict(Record),
}

/// Shows counts instead of keys and texts, which are the visitor's data.
impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Patch");
        fields.field("sets", &self.set.len()).field("removes", &self.remove.len());
        fields.field("deadline", &self.deadline).field("secret", &self.secret).finish_non_exhaustive()
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("or_ours", &self.or_ours).finish_non_exhaustive()
    }
}

/// Reason why a patch cannot be applied to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The record has another generation.
    Renewed,
    /// The precondition does not hold.
    Conflict,
}

impl Patch {
    /// Returns an empty patch that requires this generation and nothing else.
    #[must_use]
    pub const fn on_generation(generation: u64) -> Self {
        let precondition = Precondition::Values(Vec::new());
        Self {
            generation,
            precondition,
            set: Vec::new(),
            remove: Vec::new(),
            deadline: None,
            secret: None,
            unchanged: None,
            absolute_deadline: None,
        }
    }

    /// Adds keys to set, with their texts.
    #[must_use]
    pub fn set<K: Into<Text>, T: Into<Text>>(mut self, pairs: impl IntoIterator<Item = (K, T)>) -> Self {
        self.set.extend(pairs.into_iter().map(|(name, text)| (name.into(), text.into())));
        self
    }

    /// Adds keys to remove.
    #[must_use]
    pub fn remove<K: Into<Text>>(mut self, names: impl IntoIterator<Item = K>) -> Self {
        self.remove.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets the precondition.
    #[must_use]
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Sets the change of the deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the change of the secret.
    #[must_use]
    pub fn secret(mut self, secret: NewSecret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Returns whether the patch sets or removes a key.
    #[must_use]
    pub fn changes_values(&self) -> bool {
        !self.set.is_empty() || !self.remove.is_empty()
    }

    /// Returns whether the patch changes nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.changes_values() && self.deadline.is_none() && self.secret.is_none()
    }

    /// Returns the keys that must be unchanged since the load.
    #[must_use]
    pub fn expected(&self) -> &[Expected] {
        match &self.precondition {
            Precondition::Values(expected) => expected,
            Precondition::Revision(_) => &[],
        }
    }

    /// Returns the reason why the patch cannot be applied to this head and these values; `current` looks up a key. The
    /// generation is checked first, then the precondition.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::{Patch, Refusal};
    /// use session_runtime::record::Record;
    ///
    /// fn judge(patch: &Patch, record: &Record) -> Option<Refusal> {
    ///     patch.refusal(&record.head, |name| record.values.get(name))
    /// }
    /// ```
    #[must_use]
    pub fn refusal<T: AsRef<str>>(&self, head: &Head, mut current: impl FnMut(&str) -> Option<T>) -> Option<Refusal> {
        if head.generation != self.generation {
            return Some(Refusal::Renewed);
        }
        let as_loaded = match &self.precondition {
            Precondition::Revision(revision) => head.revision == *revision,
            Precondition::Values(expected) => expected.iter().all(|expected| {
                let current = current(&expected.name);
                self.accepts(expected, current.as_ref().map(AsRef::as_ref))
            }),
        };
        (!as_loaded).then_some(Refusal::Conflict)
    }

    fn accepts(&self, expected: &Expected, current: Option<&str>) -> bool {
        let ours = || self.set.iter().find(|(name, _)| *name == expected.name).map(|(_, text)| &**text);
        current == expected.base.as_deref() || (expected.or_ours && current == ours())
    }

    /// Sets and removes the keys. Returns how many bytes of keys and texts were added, and how many were removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Patch;
    /// use session_runtime::record::Values;
    ///
    /// let patch = Patch::on_generation(0).set([("cart.coupon", "1")]);
    /// let mut values = Values::new();
    /// assert_eq!(patch.apply(&mut values), ("cart.coupon1".len(), 0));
    /// ```
    pub fn apply(&self, values: &mut Values) -> (usize, usize) {
        let (mut came, mut went) = (0, 0);
        for (name, text) in &self.set {
            came += name.len() + text.len();
            went += values.set(name.clone(), text.clone()).map_or(0, |old| name.len() + old.len());
        }
        for name in &self.remove {
            went += values.remove(name).map_or(0, |old| name.len() + old.len());
        }
        (came, went)
    }

    /// Replaces texts of keys that are all among the entries, and returns how many bytes of texts were added and removed.
    /// `None`, with nothing changed, if the patch adds or removes a key.
    pub(super) fn replace_texts(&self, entries: &mut [(Text, Text)]) -> Option<(usize, usize)> {
        let keeps_keys = self.remove.is_empty() && self.set.iter().all(|(name, _)| position(entries, name).is_ok());
        keeps_keys.then(|| {
            let (mut came, mut went) = (0, 0);
            for (name, text) in &self.set {
                if let Ok(at) = position(entries, name) {
                    let old = std::mem::replace(&mut entries[at].1, text.clone());
                    (came, went) = (came + text.len(), went + old.len());
                }
            }
            (came, went)
        })
    }

    /// Updates the revision, the deadline and the secret.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Patch;
    /// use session_runtime::record::Record;
    ///
    /// fn store(patch: &Patch, record: &mut Record) {
    ///     patch.apply(&mut record.values);
    ///     patch.apply_head(&mut record.head);
    /// }
    /// ```
    pub fn apply_head(&self, head: &mut Head) {
        // Wraps: revisions are only compared for equality, and a damaged number must not stop a store.
        head.revision = head.revision.wrapping_add(u64::from(self.changes_values()));
        let seen = head.idle_deadline;
        self.apply_deadline(head);
        self.apply_secret(head, seen);
    }

    fn apply_deadline(&self, head: &mut Head) {
        match self.deadline {
            Some(Deadline::Touch { seen, .. }) if seen != head.idle_deadline => {}
            Some(Deadline::Touch { touched, expires, .. }) => {
                (head.touched, head.idle_deadline) = (touched, expires);
            }
            Some(Deadline::Choose { expiry, touched, expires }) => {
                (head.expiry, head.touched, head.idle_deadline) = (expiry, touched, expires);
            }
            None => {}
        }
    }

    fn apply_secret(&self, head: &mut Head, expires: Timestamp) {
        match self.secret {
            Some(NewSecret::Raise { hash, at }) => {
                (head.secret, head.secret_since, head.previous) = (hash, at, None);
                (head.generation, head.generation_since) = (head.generation.wrapping_add(1), Some(at));
            }
            Some(NewSecret::Periodic { seen, seen_expires, hash, at })
                if head.secret == seen && expires == seen_expires =>
            {
                head.previous = Some(PreviousSecret { hash: head.secret, until: None });
                (head.secret, head.secret_since) = (hash, at);
            }
            Some(NewSecret::Presented { seen, until }) if head.secret == seen => {
                if let Some(previous) = &mut head.previous {
                    previous.until.get_or_insert(until);
                }
            }
            _ => {}
        }
    }
}
