//! Record as a guard saw it when it was opened: the loaded texts with the request's own changes applied.
//!
//! The changes of a guard are found against its own snapshot, and only then applied to the current state of the
//! request. In between, a save of another guard may have loaded changes of other requests, which this guard never
//! touched.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::clock::Timestamp;
use crate::id::SessionKey;
use crate::record::{Text, Values};
use crate::schema::change::Change;
use crate::schema::{FieldSpec, deadline};

/// Stored texts as one guard sees them.
#[derive(Clone)]
pub(crate) struct Snapshot {
    session: Option<SessionKey>,
    /// Number of times that the request had started over.
    epoch: u32,
    values: Values,
    overlay: Overlay,
    /// Time with which the deadlines of values are compared.
    now: Timestamp,
}

/// Texts set since the record was loaded; `None` for a removed key.
pub(crate) type Overlay = BTreeMap<Text, Option<Text>>;

impl Snapshot {
    /// Creates a snapshot of the record of this session, with these changes.
    pub(crate) fn new(session: SessionKey, values: Values, overlay: Overlay, now: Timestamp) -> Self {
        Self { session: Some(session), epoch: 0, values, overlay, now }
    }

    /// Creates a snapshot of values that belong to no session.
    pub(crate) fn of_values(values: Values, now: Timestamp) -> Self {
        Self { values, now, ..Self::default() }
    }

    /// Creates a snapshot of these changes, without a record.
    pub(crate) fn of_changes(overlay: Overlay) -> Self {
        Self { overlay, ..Self::default() }
    }

    /// Sets the number of times that the request has started over.
    pub(crate) fn at(mut self, epoch: u32) -> Self {
        self.epoch = epoch;
        self
    }

    /// Returns the number of times that the request had started over when the snapshot was made.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Returns the key of the session that the record belongs to.
    pub(crate) fn session(&self) -> Option<SessionKey> {
        self.session
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Text> {
        self.entry(name).map(|(_, text)| text)
    }

    /// Returns the key as it is stored, and its text.
    pub(crate) fn entry(&self, name: &str) -> Option<(&Text, &Text)> {
        match self.overlay.get_key_value(name) {
            Some((name, overlay)) => overlay.as_ref().map(|text| (name, text)),
            None => self.values.entry(name),
        }
    }

    /// Returns the key of a field as it is stored, and its text, unless that has expired.
    pub(crate) fn live_entry(&self, field: &FieldSpec) -> Option<(&Text, &Text)> {
        self.entry(field.name).filter(|_| !self.has_expired(field))
    }

    /// Returns whether the stored text of a field has expired. A text that this request has written has not.
    pub(crate) fn has_expired(&self, field: &FieldSpec) -> bool {
        !self.overlay.contains_key(field.name) && deadline::has_passed(field, &self.values, self.now)
    }

    /// Returns the time with which deadlines are compared.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the key as it is stored, and its text; see [`Values::entry_near`].
    pub(crate) fn entry_near(&self, name: &str, near: &mut usize) -> Option<(&Text, &Text)> {
        if self.overlay.is_empty() { self.values.entry_near(name, near) } else { self.entry(name) }
    }

    /// Returns the number of stored keys, without the changes.
    pub(crate) fn stored_keys(&self) -> usize {
        self.values.len()
    }

    /// Returns the keys that begin with `prefix`, with their texts.
    pub(crate) fn prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Text, &'a Text)> {
        let stored =
            self.values.prefix(prefix).filter(|(name, _)| self.overlay.is_empty() || !self.overlay.contains_key(name));
        let overlay = self.overlay.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let overlay = overlay.take_while(move |(name, _)| Borrow::<str>::borrow(*name).starts_with(prefix));
        stored.map(|(name, text)| (name, text)).chain(overlay.filter_map(|(name, text)| Some((name, text.as_ref()?))))
    }

    /// Returns the keys that begin with `prefix`, with their texts, in bytewise order of the keys.
    pub(crate) fn in_order<'a>(&'a self, prefix: &'a str) -> Vec<(&'a Text, &'a Text)> {
        let mut all: Vec<_> = self.prefix(prefix).collect();
        if !self.overlay.is_empty() {
            all.sort_unstable_by_key(|(name, _)| *name);
        }
        all
    }

    /// Sets or removes a key.
    pub(crate) fn set(&mut self, name: Text, text: Option<Text>) {
        self.overlay.insert(name, text);
    }

    /// Applies the guard's own changes, so that the snapshot includes them.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        self.overlay.extend(changes.iter().map(|change| (change.name.clone(), change.ours.clone())));
    }
}

/// An empty snapshot. No deadline has passed in it.
impl Default for Snapshot {
    fn default() -> Self {
        let now = Timestamp::from_millis(i64::MIN);
        Self { session: None, epoch: 0, values: Values::new(), overlay: Overlay::new(), now }
    }
}
