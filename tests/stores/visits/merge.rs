//! Two requests at once, as the model has them.

use std::collections::BTreeSet;

use session_runtime::MemoryStore;

use super::model::{Request, Values};
use super::{Edit, Step, check};

/// Base, theirs and ours to what is stored, and whether anything is written; nothing if a `reject` field changed twice.
pub(super) fn merge(base: &Values, theirs: &Values, ours: &Values) -> Option<(Values, bool)> {
    let mut merged = theirs.clone();
    let mut writes = false;
    if ours.coupon != base.coupon {
        (merged.coupon, writes) = (ours.coupon, true);
    }
    if ours.user != base.user {
        (merged.user, writes) = (ours.user, true);
    }
    if ours.language != base.language {
        (merged.language, writes) = (ours.language, true);
    }
    if ours.visits != base.visits {
        (merged.visits, writes) = (theirs.visits + ours.visits - base.visits, true);
    }
    if ours.address != base.address {
        if theirs.address != base.address {
            return None;
        }
        (merged.address, writes) = (ours.address, true);
    }
    for item in 0..3_u8 {
        let [base, theirs, ours] = [base, theirs, ours].map(|values| values.items.get(&item).copied());
        let count = |entry: Option<u32>| i64::from(entry.unwrap_or(0));
        let sum = u32::try_from((count(theirs) + count(ours) - count(base)).max(0)).unwrap();
        let entry = match (theirs, ours) {
            _ if ours == base => continue,
            _ if theirs == base => ours,
            (None, None) => None,
            (_, None) => Some(sum).filter(|sum| *sum > 0),
            (_, Some(_)) => Some(sum),
        };
        writes |= entry != theirs;
        match entry {
            Some(count) => merged.items.insert(item, count),
            None => merged.items.remove(&item),
        };
    }
    Some((merged, writes))
}

/// The part that is carried over.
pub(super) fn lasting(values: &Values) -> Values {
    Values { language: values.language, ..Values::default() }
}

/// Fields and items that this request has removed: a value that it puts there holds nothing of the one before.
#[derive(Default)]
pub(super) struct Emptied {
    coupon: bool,
    address: bool,
    items: BTreeSet<u8>,
}

impl Emptied {
    pub(super) fn note(&mut self, edit: Edit) {
        match edit {
            Edit::Coupon(None) => self.coupon = true,
            Edit::Address(None) => self.address = true,
            Edit::NoItem(item) => drop(self.items.insert(item)),
            _ => {}
        }
    }

    /// The values without those that were removed.
    fn without(&self, values: &Values) -> Values {
        let mut left = values.clone();
        left.coupon = left.coupon.filter(|_| !self.coupon);
        left.address = left.address.filter(|_| !self.address);
        left.items.retain(|item, _| !self.items.contains(item));
        left
    }
}

impl Request {
    /// The user goes, and with the user all that the session held. Of a sum the difference stays, and what was edited
    /// where nothing was.
    pub(super) fn leave(&mut self, loaded: &Values) {
        let base = &self.emptied.without(loaded);
        let kept = lasting(&self.values);
        let ours = std::mem::replace(&mut self.values, kept);
        self.starts_over = true;
        self.values.visits = ours.visits - base.visits;
        for (field, ours, base) in [
            (&mut self.values.coupon, ours.coupon, base.coupon),
            (&mut self.values.address, ours.address, base.address),
        ] {
            if ours != base {
                *field = ours.filter(|_| base.is_none());
                self.refused |= ours.is_some() && base.is_some();
            }
        }
        for (item, count) in ours.items.iter().filter(|(item, count)| base.items.get(item) != Some(count)) {
            match base.items.get(item) {
                None => drop(self.values.items.insert(*item, *count)),
                Some(base) if count > base => drop(self.values.items.insert(*item, count - base)),
                Some(_) => {}
            }
        }
    }
}

/// Two requests use up what only one may have: of two removals of a `reject` field one is refused.
#[test]
fn of_two_removals_of_a_reject_field_one_is_refused() {
    let store = std::sync::Arc::new(MemoryStore::new());
    let open = |request| Step::Open { request, browser: 0 };
    let write = |request, address| Step::Write { request, edit: Edit::Address(address) };
    let finish = |request| Step::Finish { request, failed: false };
    let first = [open(0), write(0, Some(1)), finish(0)];
    let both = [open(0), write(0, None), open(1), Step::Read(1), finish(0), write(1, None), finish(1)];
    check(|| store.clone(), &[&first[..], &both].concat());
}

/// A quantity that a request puts where it has removed the previous user's is its own, and goes along.
#[test]
fn an_item_that_was_removed_first_goes_along_with_its_whole_count() {
    let store = std::sync::Arc::new(MemoryStore::new());
    let open = Step::Open { request: 0, browser: 0 };
    let write = |edit| Step::Write { request: 0, edit };
    let finish = Step::Finish { request: 0, failed: false };
    let first = [open.clone(), write(Edit::User(Some(1))), write(Edit::Item(1, 1)), finish.clone()];
    let second = [open, write(Edit::NoItem(1)), write(Edit::Item(1, 1)), write(Edit::User(Some(2))), finish];
    check(|| store.clone(), &[&first[..], &second].concat());
}
