//! What a guard saw when it was opened: the record as loaded, with the request's own changes laid over it.
//!
//! A guard's changes are found against its own view, and only then laid over what the request knows by that time: a save
//! of another guard in between may have brought in what other requests stored, which this guard never touched.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::id::SessionKey;
use crate::record::{Text, Values};
use crate::schema::change::Change;

/// The stored texts as one guard sees them.
#[derive(Clone, Default)]
pub(crate) struct Snapshot {
    session: Option<SessionKey>,
    /// How often the request had started over.
    epoch: u32,
    values: Values,
    over: Overlay,
}

/// Set, or removed, since the record was loaded.
pub(crate) type Overlay = BTreeMap<Text, Option<Text>>;

impl Snapshot {
    /// The record of this session, with these changes.
    pub(crate) fn new(session: SessionKey, values: Values, over: Overlay) -> Self {
        Self { session: Some(session), epoch: 0, values, over }
    }

    /// Values of nobody's record.
    pub(crate) fn of_values(values: Values) -> Self {
        Self { values, ..Self::default() }
    }

    /// No record, with these changes.
    pub(crate) fn of_changes(over: Overlay) -> Self {
        Self { over, ..Self::default() }
    }

    /// The same, of a request that has started over that often.
    pub(crate) fn at(mut self, epoch: u32) -> Self {
        self.epoch = epoch;
        self
    }

    /// How often the request had started over when the view was made.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whose record it is.
    pub(crate) fn session(&self) -> Option<SessionKey> {
        self.session
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Text> {
        self.entry(name).map(|(_, text)| text)
    }

    /// The key as it is stored, and its text.
    pub(crate) fn entry(&self, name: &str) -> Option<(&Text, &Text)> {
        match self.over.get_key_value(name) {
            Some((name, over)) => over.as_ref().map(|text| (name, text)),
            None => self.values.entry(name),
        }
    }

    /// The keys that begin with `prefix`.
    pub(crate) fn prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Text, &'a Text)> {
        let stored =
            self.values.prefix(prefix).filter(|(name, _)| self.over.is_empty() || !self.over.contains_key(name));
        let over = self.over.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let over = over.take_while(move |(name, _)| Borrow::<str>::borrow(*name).starts_with(prefix));
        stored.map(|(name, text)| (name, text)).chain(over.filter_map(|(name, text)| Some((name, text.as_ref()?))))
    }

    /// The guard's own changes are part of what it sees from now on.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        self.over.extend(changes.iter().map(|change| (change.name.clone(), change.ours.clone())));
    }
}
