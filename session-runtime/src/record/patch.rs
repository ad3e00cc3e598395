//! What one request changed, and what that rests on: the only way in which a stored record changes.
//!
//! A patch is applied as a whole or not at all, inside one atomic step of the store, to a record that exists. A store
//! that holds whole records under a lock or in a transaction needs three calls: [`Patch::refusal`], [`Patch::apply`] on
//! the values, [`Patch::apply_head`] on the head. An engine with scripts of its own follows the same order.

use std::fmt;

use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::expiry::StoredExpiry;
use crate::record::{Head, PreviousSecret, Record, Text, Values};

/// A request's changes to one record.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::Patch;
///
/// let patch = Patch { set: vec![("cart.coupon".into(), "\"SPRING\"".into())], ..Patch::on_generation(0) };
/// assert!(patch.changes_values());
/// ```
#[derive(Clone)]
pub struct Patch {
    /// The login generation that was loaded; with another one the answer is [`Patched::Renewed`].
    pub generation: u64,
    /// What must still be as it was loaded; otherwise the answer is [`Patched::Conflict`].
    pub precondition: Precondition,
    /// Keys to set, with their texts.
    pub set: Vec<(Text, Text)>,
    /// Keys to remove; one that is absent already is fine.
    pub remove: Vec<Text>,
    /// A change of the deadline.
    pub deadline: Option<Deadline>,
    /// A change of the secret.
    pub secret: Option<NewSecret>,
    /// A hint, for stores that apply a patch faster to a record that nobody has changed since; others ignore it.
    pub unchanged: Option<Unchanged>,
}

/// What holds if the record is still of the revision that the patch was made from.
///
/// Then everything that the patch [rests on](Patch::precondition) holds, since each change of a key raises the revision, and
/// the totals are these. With another revision it says nothing: the patch is judged by what it rests on.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::{Patch, Unchanged};
/// use session_runtime::store::Loaded;
///
/// /// A coupon for a session that had none.
/// fn with_coupon(loaded: &Loaded) -> Patch {
///     let Loaded { record, bytes, keys, .. } = loaded;
///     let (bytes, keys) = (bytes + "cart.coupon".len() + "1".len(), keys + 1);
///     let unchanged = Some(Unchanged { revision: record.head.revision, bytes, keys });
///     let set = vec![("cart.coupon".into(), "1".into())];
///     Patch { set, unchanged, ..Patch::on_generation(record.head.generation) }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unchanged {
    /// The revision that was loaded.
    pub revision: u64,
    /// Bytes of all keys and texts of the whole record, once this patch is applied to that revision.
    pub bytes: usize,
    /// Number of keys of the whole record, once this patch is applied to that revision.
    pub keys: usize,
}

impl Unchanged {
    /// What a patch may say of a record that was loaded with these totals. Nothing if it would be refused, if the totals
    /// are damaged, or if it changes so many keys that it is not worth looking them up. It names each key once.
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
}

/// Of more keys a patch says no totals.
const FEW_KEYS: usize = 8;

/// What a patch rests on.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::{Patch, Precondition};
///
/// let patch = Patch { precondition: Precondition::Revision(7), ..Patch::on_generation(0) };
/// assert!(patch.expected().is_empty());
/// ```
#[derive(Clone, Debug)]
pub enum Precondition {
    /// These keys must be as expected; all others may have changed.
    Values(Vec<Expected>),
    /// Nothing in the record may have changed.
    Revision(u64),
}

/// A key that must still hold what was loaded.
///
/// Carries the text itself; a store across a network sends a hash of it, of 64 bits at least.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::Expected;
///
/// let still_absent = Expected { name: "cart.visits".into(), base: None, or_ours: false };
/// ```
#[derive(Clone)]
pub struct Expected {
    /// The stored key.
    pub name: Text,
    /// What was loaded; `None` if the key was absent.
    pub base: Option<Text>,
    /// Whether the very text that this patch sets is fine too.
    pub or_ours: bool,
}

/// A change of the deadline.
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
    /// The session was used. Left out if the deadline is not the one that was `seen`.
    Touch {
        /// The deadline that was loaded.
        seen: Timestamp,
        /// The new [`Head::touched`].
        touched: Timestamp,
        /// The new [`Head::expires`].
        expires: Timestamp,
    },
    /// The application chose another expiry. Applies whatever stands there.
    Choose {
        /// The choice.
        expiry: StoredExpiry,
        /// The new [`Head::touched`].
        touched: Timestamp,
        /// The new [`Head::expires`].
        expires: Timestamp,
    },
}

/// A change of the secret.
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
    /// A login, a logout by field, or an explicit renewal: the old secret is dead, the generation goes up by one.
    Raise {
        /// The new secret's hash.
        hash: SecretHash,
        /// The present moment.
        at: Timestamp,
    },
    /// A periodic renewal: the old secret stays valid for a while. Left out if secret or deadline are not the ones seen.
    Periodic {
        /// The secret that was loaded.
        seen: SecretHash,
        /// The deadline that was loaded.
        seen_expires: Timestamp,
        /// The new secret's hash.
        hash: SecretHash,
        /// The present moment.
        at: Timestamp,
    },
    /// The secret of a periodic renewal was presented: the one before it ends. Left out if the secret is not the one seen.
    Presented {
        /// The secret that was presented.
        seen: SecretHash,
        /// Until when the one before it is still accepted.
        until: Timestamp,
    },
}

impl Deadline {
    /// Whether the head is as this change leaves it.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Deadline;
    /// use session_runtime::record::Head;
    ///
    /// fn applied(deadline: &Deadline, stored: &Head) -> bool {
    ///     deadline.is_in(stored)
    /// }
    /// ```
    #[must_use]
    pub fn is_in(&self, head: &Head) -> bool {
        let (Self::Touch { touched, expires, .. } | Self::Choose { touched, expires, .. }) = self;
        (head.touched, head.expires) == (*touched, *expires)
    }
}

/// What became of a patch.
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
pub enum Patched {
    /// It is stored. The head as it stands now.
    Done(Head),
    /// There is no such record, or it has expired: nothing was written.
    Gone,
    /// Another login generation: nothing was written, and no value is told.
    Renewed,
    /// Something it rests on has changed: nothing was written. The head, and the expected keys as they stand now.
    Conflict(Record),
}

/// Says how much and no more: names and texts are the visitor's own.
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

/// Why a patch cannot be applied to the record that is there.
///
/// # Examples
///
/// ```
/// use session_runtime::patch::Refusal;
///
/// assert_ne!(Refusal::Renewed, Refusal::Conflict);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another login generation.
    Renewed,
    /// Something it rests on has changed.
    Conflict,
}

impl Patch {
    /// An empty patch that rests on a login generation only.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Patch;
    ///
    /// let patch = Patch { set: vec![("cart.coupon".into(), "1".into())], ..Patch::on_generation(0) };
    /// assert_eq!(patch.generation, 0);
    /// ```
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
        }
    }

    /// Whether it sets or removes a key.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Patch;
    ///
    /// let patch = Patch { set: vec![("cart.coupon".into(), "1".into())], ..Patch::on_generation(0) };
    /// assert!(patch.changes_values());
    /// ```
    #[must_use]
    pub fn changes_values(&self) -> bool {
        !self.set.is_empty() || !self.remove.is_empty()
    }

    /// Whether there is nothing to do at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Patch;
    ///
    /// let patch = Patch { set: vec![("cart.coupon".into(), "1".into())], ..Patch::on_generation(0) };
    /// assert!(!patch.is_empty() && Patch::on_generation(0).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.changes_values() && self.deadline.is_none() && self.secret.is_none()
    }

    /// What it says of an unchanged record, if it does nothing there but set up to `most` keys, each once.
    #[cfg(any(feature = "redis", feature = "postgres"))]
    pub(crate) fn only_sets(&self, most: usize) -> Option<Unchanged> {
        let rests_on_it = |unchanged: &Unchanged| match self.precondition {
            Precondition::Revision(demanded) => demanded == unchanged.revision,
            Precondition::Values(_) => true,
        };
        let names = || self.set.iter().map(|(name, _)| name);
        let is_once = |(at, name)| names().take(at).all(|before| before != name);
        let only_sets = (1..=most).contains(&self.set.len())
            && self.remove.is_empty()
            && self.deadline.is_none()
            && self.secret.is_none()
            && names().enumerate().all(is_once);
        self.unchanged.filter(|unchanged| only_sets && rests_on_it(unchanged))
    }

    /// The keys that must still be as they were loaded.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Patch;
    ///
    /// let patch = Patch { set: vec![("cart.coupon".into(), "1".into())], ..Patch::on_generation(0) };
    /// assert!(patch.expected().is_empty());
    /// ```
    #[must_use]
    pub fn expected(&self) -> &[Expected] {
        match &self.precondition {
            Precondition::Values(expected) => expected,
            Precondition::Revision(_) => &[],
        }
    }

    /// Why it cannot be applied to what is there; `current` looks a key up. Generation first, then the rest.
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

    /// Sets and removes the keys; says how many bytes of keys and texts came and how many went.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::patch::Patch;
    /// use session_runtime::record::Values;
    ///
    /// let patch = Patch { set: vec![("cart.coupon".into(), "1".into())], ..Patch::on_generation(0) };
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

    /// Moves revision, deadline and secret.
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
        // Wrapping: only equality counts, and a damaged number must not stop a store.
        head.revision = head.revision.wrapping_add(u64::from(self.changes_values()));
        let seen = head.expires;
        self.apply_deadline(head);
        self.apply_secret(head, seen);
    }

    fn apply_deadline(&self, head: &mut Head) {
        match self.deadline {
            Some(Deadline::Touch { seen, .. }) if seen != head.expires => {}
            Some(Deadline::Touch { touched, expires, .. }) => {
                (head.touched, head.expires) = (touched, expires);
            }
            Some(Deadline::Choose { expiry, touched, expires }) => {
                (head.expiry, head.touched, head.expires) = (expiry, touched, expires);
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
