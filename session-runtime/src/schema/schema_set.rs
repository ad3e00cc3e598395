//! Sets of schemas of one application.

use crate::schema::SchemaSpec;

/// Set of schemas, by their index in the application. An application has at most sixteen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SchemaSet(u32);

impl SchemaSet {
    pub(crate) const EMPTY: Self = Self(0);
    pub(crate) const ALL: Self = Self(u32::MAX);

    /// Returns the set of one schema.
    pub(crate) fn one(at: usize) -> Self {
        Self(Self::bit(at))
    }

    pub(crate) fn contains(self, at: usize) -> bool {
        self.0 & Self::bit(at) != 0
    }

    pub(crate) fn insert(&mut self, at: usize) {
        self.0 |= Self::bit(at);
    }

    pub(crate) fn remove(&mut self, at: usize) {
        self.0 &= !Self::bit(at);
    }

    /// Adds all schemas of another set.
    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Returns whether the sets have a schema in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the schemas of an application that are in this set, in their order.
    pub(crate) fn of(self, schemas: &[&'static SchemaSpec]) -> impl Iterator<Item = &'static SchemaSpec> {
        schemas.iter().enumerate().filter(move |(at, _)| self.contains(*at)).map(|(_, schema)| *schema)
    }

    fn bit(at: usize) -> u32 {
        1 << at
    }
}

impl FromIterator<usize> for SchemaSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Self {
        Self(indexes.into_iter().map(Self::bit).fold(0, std::ops::BitOr::bitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_inserted() {
        let mut set = SchemaSet::EMPTY;
        assert!(set.is_empty() && !set.contains(0) && !set.overlaps(SchemaSet::ALL));
        for at in [3, 0, 15, 3] {
            set.insert(at);
        }
        assert_eq!(set, [0, 3, 15].into_iter().collect());
        set.remove(3);
        set.remove(4);
        assert_eq!((0..16).filter(|at| set.contains(*at)).collect::<Vec<_>>(), [0, 15]);
        assert!(set.overlaps([15].into_iter().collect()) && !set.overlaps([1, 3].into_iter().collect()));
        set.add([1, 15].into_iter().collect());
        assert_eq!(set, [0, 1, 15].into_iter().collect());
    }
}
