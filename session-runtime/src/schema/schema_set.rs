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

    /// Returns the schemas that `other` does not have.
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether all schemas of `other` are in this set.
    pub(crate) fn covers(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    /// Returns the set as bits, the first schema lowest.
    pub(crate) fn bits(self) -> u64 {
        self.0.into()
    }

    /// Returns the set with these bits. Bits above the schemas of an application are ignored.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(u32::try_from(bits & u64::from(u16::MAX)).unwrap_or(0))
    }

    /// Returns the schemas of both sets together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the schemas that are in both sets.
    pub(crate) fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether the sets have a schema in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        !self.common(other).is_empty()
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
        assert_eq!(set.without([1, 2].into_iter().collect()), [0, 15].into_iter().collect());
        assert!(set.covers([0, 15].into_iter().collect()) && !set.covers([0, 2].into_iter().collect()));
        assert_eq!(SchemaSet::from_bits(set.bits()), set);
    }
}
