//! Two requests at once, as the model has them.

use super::{Request, Values};

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

/// What is carried over.
pub(super) fn lasting(values: &Values) -> Values {
    Values { language: values.language, ..Values::default() }
}

impl Request {
    /// The user goes, and with the user all that the session held. Of a sum the difference stays, and what was edited
    /// where nothing was.
    pub(super) fn leave(&mut self, base: &Values) {
        let kept = lasting(&self.values);
        let ours = std::mem::replace(&mut self.values, kept);
        self.over = true;
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
