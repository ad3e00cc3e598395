//! The stored form of a session: a head of fixed facts and a flat map from stored key to JSON text.
//!
//! Takes what a store read, gives what the rest of the library decodes. A stored key is `<schema>` for the metadata of a
//! schema, `<schema>.<field>` for a field, `<schema>.<field>/<entry>` for one entry of a map or set that is stored entry
//! by entry. Flat, so that keys which this program does not know survive every save.
//!
//! Deliberately absent: parsing. A text is read by the codec when somebody asks for it, and never before.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::SecretHash;
use crate::record::expiry::StoredExpiry;

pub mod expiry;
pub mod patch;
mod selection;

pub use selection::Wanted;

/// A stored key or a stored JSON text, shared instead of copied.
///
/// # Examples
///
/// ```
/// use session_runtime::record::Text;
///
/// let text: Text = "{}".into();
/// ```
pub type Text = Arc<str>;

/// Everything a store keeps of one session.
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
pub struct Record {
    /// Deadlines, secret and counters.
    pub head: Head,
    /// The stored keys with their JSON texts.
    pub values: Values,
}

/// The part of a record that every operation needs: deadlines, secret and counters.
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
    /// When the record was created.
    pub created: Timestamp,
    /// When the idle deadline was last moved.
    pub touched: Timestamp,
    /// From this moment on the record counts as absent: the earliest of the deadlines.
    pub expires: Timestamp,
    /// The latest that any choice of an expiry can reach: `remember` after the creation. Nothing moves it.
    pub ends: Timestamp,
    /// What the application chose for this session.
    pub expiry: StoredExpiry,
    /// The hash that the cookie's secret must have.
    pub secret: SecretHash,
    /// Since when [`secret`](Self::secret) is valid.
    pub secret_since: Timestamp,
    /// The secret from before a periodic renewal, as long as it is still accepted.
    pub previous: Option<PreviousSecret>,
    /// Raised by every login and every explicit renewal.
    pub generation: u64,
    /// When [`generation`](Self::generation) was last raised.
    pub generation_since: Option<Timestamp>,
    /// Raised by every patch that sets or removes a key.
    pub revision: u64,
}

/// The secret from before a periodic renewal.
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
    /// Its hash.
    pub hash: SecretHash,
    /// Until when it is accepted; `None` while the new secret has not been presented yet.
    pub until: Option<Timestamp>,
}

/// Stored keys with their JSON texts, in bytewise order of the keys.
///
/// A clone shares them until one of the two is changed.
///
/// # Examples
///
/// ```
/// use session_runtime::record::Values;
///
/// let mut values = Values::new();
/// values.set("cart.items/7".into(), "2".into());
/// values.set("cart.items/10".into(), "1".into());
/// let lines: Vec<&str> = values.prefix("cart.items/").map(|(key, _)| key.as_ref()).collect();
/// assert_eq!(lines, ["cart.items/10", "cart.items/7"]);
/// ```
#[derive(Clone, Default)]
pub struct Values {
    entries: Option<Arc<Vec<(Text, Text)>>>,
}

impl Values {
    /// No keys at all.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(session_runtime::record::Values::new().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: None }
    }

    /// How many keys there are.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there is no key.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert!(!values.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// The bytes of all keys and texts, as [limits](crate::config::Limits) count them.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.bytes(), "cart.coupon1".len());
    /// ```
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries().iter().map(|(key, text)| key.len() + text.len()).sum()
    }

    /// The text under `key`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.get("cart.coupon"), Some("1"));
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.get_text(key).map(AsRef::as_ref)
    }

    /// The text under `key`, to be shared.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.get_text("cart.coupon").map(AsRef::as_ref), Some("1"));
    /// ```
    #[must_use]
    pub fn get_text(&self, key: &str) -> Option<&Text> {
        self.entry(key).map(|(_, text)| text)
    }

    /// The key as it is stored, and its text.
    pub(crate) fn entry(&self, key: &str) -> Option<(&Text, &Text)> {
        let at = position(self.entries(), key).ok()?;
        let (key, text) = &self.entries()[at];
        Some((key, text))
    }

    /// Puts `text` under `key` and returns what was there.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.set("cart.coupon".into(), "2".into()).as_deref(), Some("1"));
    /// ```
    pub fn set(&mut self, key: Text, text: Text) -> Option<Text> {
        let entries = self.entries_mut();
        // Stores deliver keys in order, so the common case is an append.
        if entries.last().is_none_or(|(last, _)| **last < *key) {
            entries.push((key, text));
            return None;
        }
        match position(entries, &key) {
            Ok(at) => Some(std::mem::replace(&mut entries[at].1, text)),
            Err(at) => {
                entries.insert(at, (key, text));
                None
            }
        }
    }

    /// Removes `key` and returns what was there.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.remove("cart.coupon").as_deref(), Some("1"));
    /// ```
    pub fn remove(&mut self, key: &str) -> Option<Text> {
        let at = position(self.entries(), key).ok()?;
        Some(self.entries_mut().remove(at).1)
    }

    /// Keeps the keys for which `keep` says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// values.retain(|key| !key.starts_with("cart."));
    /// assert!(values.is_empty());
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries_mut().retain(|(key, _)| keep(key));
    }

    /// All keys with their texts, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.iter().count(), 1);
    /// ```
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Text, Text)> {
        self.entries().iter()
    }

    /// The keys that begin with `prefix`, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.prefix("cart.").len(), 1);
    /// ```
    #[must_use]
    pub fn prefix<'a>(&'a self, prefix: &str) -> impl ExactSizeIterator<Item = &'a (Text, Text)> + use<'a> {
        let entries = self.entries();
        let start = entries.partition_point(|(key, _)| **key < *prefix);
        let count = entries[start..].partition_point(|(key, _)| key.starts_with(prefix));
        entries[start..start + count].iter()
    }

    /// The keys of one schema: its metadata, its fields and their entries.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::record::Values;
    ///
    /// let mut values = Values::new();
    /// values.set("cart.coupon".into(), "1".into());
    /// assert_eq!(values.of_schema("cart").count(), 1);
    /// ```
    pub fn of_schema<'a>(&'a self, schema: &str) -> impl Iterator<Item = &'a (Text, Text)> + use<'a> {
        let metadata = position(self.entries(), schema).ok().map(|at| &self.entries()[at]);
        metadata.into_iter().chain(self.prefix(&[schema, "."].concat()))
    }

    /// Those that are wanted; shared if all of them are.
    pub(crate) fn pick(&self, wanted: &Wanted) -> Self {
        let is_wanted = |group: &&[(Text, Text)]| wanted.wants(&group[0].0);
        if self.groups().all(|group| is_wanted(&group)) {
            return self.clone();
        }
        let entries: Vec<_> = self.groups().filter(is_wanted).flatten().cloned().collect();
        Self { entries: Some(Arc::new(entries)) }
    }

    /// The keys in runs of one schema each. The metadata of a schema is a run of its own, since the keys of another may
    /// stand between it and its fields: `cart`, `cart-2`, `cart.items`.
    fn groups(&self) -> impl Iterator<Item = &[(Text, Text)]> {
        let mut rest = self.entries();
        std::iter::from_fn(move || {
            let (first, _) = rest.first()?;
            let length = match first.bytes().position(|byte| byte == b'.') {
                Some(dot) => rest.partition_point(|(name, _)| name.starts_with(&first[..=dot])),
                None => 1,
            };
            let (group, others) = rest.split_at(length);
            rest = others;
            Some(group)
        })
    }

    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { entries: Some(Arc::new(Vec::with_capacity(keys))) }
    }

    fn entries(&self) -> &[(Text, Text)] {
        self.entries.as_ref().map_or(&[], |entries| entries)
    }

    fn entries_mut(&mut self) -> &mut Vec<(Text, Text)> {
        Arc::make_mut(self.entries.get_or_insert_default())
    }
}

fn position(entries: &[(Text, Text)], key: &str) -> Result<usize, usize> {
    entries.binary_search_by(|(have, _)| (**have).cmp(key))
}

/// Whether a stored key is of this schema: its metadata, a field or an entry.
pub(crate) fn belongs(name: &str, schema: &str) -> bool {
    name.strip_prefix(schema).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl Eq for Values {}

/// Of two pairs with one key the later counts.
impl FromIterator<(Text, Text)> for Values {
    fn from_iter<I: IntoIterator<Item = (Text, Text)>>(pairs: I) -> Self {
        let mut entries: Vec<_> = pairs.into_iter().collect();
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.reverse();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|(a, _), (b, _)| a == b);
        }
        Self { entries: (!entries.is_empty()).then(|| Arc::new(entries)) }
    }
}

/// Says how many keys there are and no more: keys and texts are the visitor's own.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("keys", &self.len()).finish_non_exhaustive()
    }
}
