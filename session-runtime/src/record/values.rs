//! Stored keys with their JSON texts.

use std::fmt;
use std::sync::Arc;

use crate::record::{Head, RecordBlock, Text, Wanted, key};

/// Stored keys with their JSON texts, in bytewise order of the keys.
///
/// Clones share their content until one of them is changed.
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
    entries: Entries,
}

#[derive(Clone, Default)]
enum Entries {
    #[default]
    None,
    Own(Arc<Vec<(Text, Text)>>),
    /// Entries of a block, which are copied before a change.
    OfBlock(RecordBlock),
}

impl Values {
    /// Returns an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Entries::None }
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// True if there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Returns the bytes of all keys and texts, as [limits](crate::config::Limits) count them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries().iter().map(|(key, text)| key.len() + text.len()).sum()
    }

    /// Returns the text under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.get_text(key).map(AsRef::as_ref)
    }

    /// Returns the text under `key` in its shared form.
    #[must_use]
    pub fn get_text(&self, key: &str) -> Option<&Text> {
        self.entry(key).map(|(_, text)| text)
    }

    /// Returns the stored key and its text.
    pub(crate) fn entry(&self, key: &str) -> Option<(&Text, &Text)> {
        let at = position(self.entries(), key).ok()?;
        let (key, text) = &self.entries()[at];
        Some((key, text))
    }

    /// Returns the stored key and its text. Looks first at the keys from the `near`th on, and then sets `near` to the
    /// key after the one found. A map in the order of its keys finds most of its entries so.
    pub(crate) fn entry_near(&self, key: &str, near: &mut usize) -> Option<(&Text, &Text)> {
        let entries = self.entries();
        let looks = *near..entries.len().min(*near + LOOKS);
        let at = looks.into_iter().find(|at| *entries[*at].0 == *key).or_else(|| position(entries, key).ok())?;
        *near = at + 1;
        let (key, text) = &entries[at];
        Some((key, text))
    }

    /// Stores `text` under `key` and returns the text that it replaces.
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

    /// Removes `key` and returns its text.
    pub fn remove(&mut self, key: &str) -> Option<Text> {
        let at = position(self.entries(), key).ok()?;
        Some(self.entries_mut().remove(at).1)
    }

    /// Keeps the keys for which `keep` returns true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries_mut().retain(|(key, _)| keep(key));
    }

    /// Returns all keys with their texts, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Text, Text)> {
        self.entries().iter()
    }

    /// Returns the keys that begin with `prefix`, with their texts, in order.
    #[must_use]
    pub fn prefix<'a>(&'a self, prefix: &str) -> impl ExactSizeIterator<Item = &'a (Text, Text)> + use<'a> {
        let entries = self.entries();
        let start = entries.partition_point(|(key, _)| **key < *prefix);
        let count = entries[start..].partition_point(|(key, _)| key.starts_with(prefix));
        entries[start..start + count].iter()
    }

    /// Returns the keys of one schema, with their texts: its metadata, its fields and their entries.
    pub fn of_schema<'a>(&'a self, schema: &str) -> impl Iterator<Item = &'a (Text, Text)> + use<'a> {
        let metadata = position(self.entries(), schema).ok().map(|at| &self.entries()[at]);
        metadata.into_iter().chain(self.prefix(&key::prefix_of_fields(schema)))
    }

    /// Keeps the wanted keys; copies nothing if all are wanted.
    pub(crate) fn pick(self, wanted: &Wanted) -> Self {
        let is_wanted = |group: &&[(Text, Text)]| wanted.wants(&group[0].0);
        if self.groups().all(|group| is_wanted(&group)) {
            return self;
        }
        let entries: Vec<_> = self.groups().filter(is_wanted).flatten().cloned().collect();
        Self { entries: Entries::Own(Arc::new(entries)) }
    }

    /// Returns the keys in runs of one schema each. The metadata of a schema is a run of its own, since keys of another
    /// schema may stand between it and its fields: `cart`, `cart-2`, `cart.items`.
    fn groups(&self) -> impl Iterator<Item = &[(Text, Text)]> {
        let mut rest = self.entries();
        std::iter::from_fn(move || {
            let (first, _) = rest.first()?;
            let length = match key::schema_prefix(first) {
                "" => 1,
                schema => rest.partition_point(|(name, _)| name.starts_with(schema)),
            };
            let (group, others) = rest.split_at(length);
            rest = others;
            Some(group)
        })
    }

    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { entries: Entries::Own(Arc::new(Vec::with_capacity(keys))) }
    }

    /// Returns the values of a block, and shares its memory.
    pub(crate) const fn of_block(block: RecordBlock) -> Self {
        Self { entries: Entries::OfBlock(block) }
    }

    pub(super) fn into_block(self, head: Head, bytes: usize) -> RecordBlock {
        let shared = match self.entries {
            Entries::Own(entries) => match Arc::try_unwrap(entries) {
                Ok(entries) => return RecordBlock::new(head, bytes, entries.into_iter()),
                Err(shared) => Entries::Own(shared),
            },
            others => others,
        };
        RecordBlock::new(head, bytes, shared.as_slice().iter().cloned())
    }

    fn entries(&self) -> &[(Text, Text)] {
        self.entries.as_slice()
    }

    fn entries_mut(&mut self) -> &mut Vec<(Text, Text)> {
        self.entries.to_mut()
    }
}

impl Entries {
    fn as_slice(&self) -> &[(Text, Text)] {
        match self {
            Self::None => &[],
            Self::Own(entries) => entries,
            Self::OfBlock(block) => block.entries(),
        }
    }

    /// Copies shared entries.
    fn to_mut(&mut self) -> &mut Vec<(Text, Text)> {
        if !matches!(self, Self::Own(_)) {
            *self = Self::Own(Arc::new(self.as_slice().to_vec()));
        }
        match self {
            Self::Own(entries) => Arc::make_mut(entries),
            Self::None | Self::OfBlock(_) => unreachable!("the entries are owned"),
        }
    }
}

/// Number of keys at which [`Values::entry_near`] looks. The bytewise order of numbers puts `101` between `1009` and
/// `1010`, so more than one.
const LOOKS: usize = 4;

/// Searches entries in bytewise order of their keys.
pub(super) fn position(entries: &[(Text, Text)], key: &str) -> Result<usize, usize> {
    entries.binary_search_by(|(have, _)| (**have).cmp(key))
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl Eq for Values {}

/// Keeps the later of two pairs with the same key.
impl FromIterator<(Text, Text)> for Values {
    fn from_iter<I: IntoIterator<Item = (Text, Text)>>(pairs: I) -> Self {
        let mut entries: Vec<_> = pairs.into_iter().collect();
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.reverse();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|(a, _), (b, _)| a == b);
        }
        Self { entries: if entries.is_empty() { Entries::None } else { Entries::Own(Arc::new(entries)) } }
    }
}

/// Shows the number of keys only: keys and texts are the visitor's data.
impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("keys", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The search for a key begins beside the key before. Wherever that is, each key is found, and no other.
    #[test]
    fn a_key_is_found_wherever_the_search_begins() {
        let name = |number: u32| Text::from(format!("cart.items/{number}"));
        let values: Values = (0..40).map(|number| (name(3 * number), number.to_string().into())).collect();
        for begin in 0..=values.len() {
            for number in 0..130 {
                let mut near = begin;
                let found = values.entry_near(&name(number), &mut near).map(|(_, text)| &**text);
                assert_eq!(found, values.get(&name(number)), "{number} from {begin}");
                let next = values.iter().position(|(key, _)| *key == name(number)).map_or(begin, |at| at + 1);
                assert_eq!(near, next);
            }
        }
    }
}
