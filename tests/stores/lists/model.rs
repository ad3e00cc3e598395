//! A plain model of one session with a list that merges and values that expire.

/// Bound of the list.
pub(super) const MAX: usize = 4;
/// Milliseconds after which an element or a value expires.
pub(super) const PERIOD: i64 = 1_000;

/// An element of the list. Every value that a test writes occurs once, so that a value identifies its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Time in its id, and a number that is its own.
    pub(super) id: (i64, u32),
    pub(super) value: u32,
}

/// A value with its deadline.
pub(super) type Expiring<T> = Option<(T, i64)>;

/// The stored session.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    pub(super) list: Vec<Element>,
    pub(super) code: Expiring<u8>,
    pub(super) seat: Expiring<u8>,
    pub(super) hits: Expiring<i64>,
}

/// A change of a value that expires, on what the request loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed<T> {
    /// The stored value, even if it had expired.
    loaded: Expiring<T>,
    /// The same, unless it had expired.
    base: Option<T>,
    pub(super) ours: Option<T>,
    /// The value was set or cleared as a whole.
    set: bool,
}

impl<T: Copy + PartialEq> Changed<T> {
    pub(super) fn load(loaded: Expiring<T>, now: i64) -> Self {
        let base = live(loaded, now);
        Self { loaded, base, ours: base, set: false }
    }

    pub(super) fn set(&mut self, value: T) {
        (self.ours, self.set) = (Some(value), true);
    }

    pub(super) fn edit(&mut self, value: T) {
        self.ours = Some(value);
    }

    /// Edits the value back to its default, which is not stored for its own sake.
    pub(super) fn edit_to_default(&mut self, default: T) {
        self.ours = if self.set || self.base.is_some() { Some(default) } else { None };
    }

    /// Clearing what is absent is no change, unless something has expired there.
    pub(super) fn clear(&mut self) {
        let has_expired = self.base.is_none() && self.loaded.is_some() && !self.is_written();
        if self.ours.is_some() || has_expired {
            // Nothing is left of a value that this request alone has written.
            (self.ours, self.set) = (None, self.loaded.is_some());
        }
    }

    fn is_written(&self) -> bool {
        self.set || self.ours != self.base
    }

    /// Returns the stored value after a save at `now`. `merge` gets theirs if it is not the base; `None`: refused.
    fn save(
        self,
        stored: Expiring<T>,
        opened: i64,
        now: i64,
        merge: impl Fn(&Self, Option<T>) -> Option<Merged<T>>,
    ) -> Option<Expiring<T>> {
        if !self.is_written() {
            return Some(stored);
        }
        let theirs = live(stored, opened);
        if self.base.is_none() && self.ours.is_none() {
            // Only a value that had expired is removed.
            let is_that = self.loaded.is_some() && theirs.is_none();
            return Some(if is_that { None } else { stored });
        }
        let merged = if theirs == self.base { Merged::Stored(self.ours) } else { merge(&self, theirs)? };
        Some(match merged {
            Merged::Stored(value) => value.map(|value| (value, now + PERIOD)),
            Merged::Theirs => stored,
        })
    }
}

/// Result of a merge.
enum Merged<T> {
    Stored(Option<T>),
    /// Nothing is left of the change.
    Theirs,
}

fn live<T: Copy>(stored: Expiring<T>, now: i64) -> Option<T> {
    stored.filter(|(_, deadline)| now < *deadline).map(|(value, _)| value)
}

/// A request that has loaded the session.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) opened: i64,
    pub(super) list: Vec<Element>,
    /// Stored elements that had expired when the request loaded them.
    expired: Vec<(i64, u32)>,
    removed: Vec<(i64, u32)>,
    edited: Vec<Element>,
    new: Vec<Element>,
    pub(super) code: Changed<u8>,
    pub(super) seat: Changed<u8>,
    pub(super) hits: Changed<i64>,
}

impl Request {
    pub(super) fn open(stored: &Stored, now: i64) -> Self {
        let (expired, list): (Vec<_>, Vec<_>) = stored.list.iter().partition(|element| element.id.0 + PERIOD <= now);
        Self {
            opened: now,
            list,
            expired: expired.into_iter().map(|element: Element| element.id).collect(),
            removed: Vec::new(),
            edited: Vec::new(),
            new: Vec::new(),
            code: Changed::load(stored.code, now),
            seat: Changed::load(stored.seat, now),
            hits: Changed::load(stored.hits, now),
        }
    }

    /// Replaces the list. The first elements of `values` are those at `kept`, and the others are new.
    /// `replaced`: it was set or cleared as a whole.
    pub(super) fn rewrite(&mut self, kept: &[usize], values: &[u32], replaced: bool, now: i64, number: &mut u32) {
        let before: Vec<_> = self.list.iter().map(|element| element.value).collect();
        let is_same = kept.len() == before.len() && before == values;
        let last = self.expired.iter().copied().chain(self.list.iter().map(|element| element.id)).max();
        if is_same {
            if replaced {
                self.removed.append(&mut self.expired);
            }
            return;
        }
        let excess = values.len().saturating_sub(MAX);
        let kept_ids = kept.iter().map(|at| Some(self.list[*at].id));
        let mut time = last.map_or(now, |(time, _)| now.max(time + 1));
        let ids: Vec<_> = kept_ids.chain(std::iter::repeat(None)).zip(values).skip(excess).collect();
        let before = std::mem::take(&mut self.list);
        for (id, value) in ids {
            let id = id.unwrap_or_else(|| {
                *number += 1;
                time += 1;
                (time - 1, *number)
            });
            self.list.push(Element { id, value: *value });
        }
        self.note(&before);
    }

    /// Records the difference from the list before.
    fn note(&mut self, before: &[Element]) {
        for element in before {
            match self.list.iter().find(|now| now.id == element.id) {
                None => self.remove(element.id),
                Some(now) if now.value != element.value => self.edit(*now),
                Some(_) => {}
            }
        }
        self.new.extend(self.list.iter().filter(|now| before.iter().all(|before| before.id != now.id)));
        self.removed.append(&mut self.expired);
    }

    fn remove(&mut self, id: (i64, u32)) {
        let was_new = self.new.len();
        self.new.retain(|new| new.id != id);
        self.edited.retain(|edited| edited.id != id);
        if was_new == self.new.len() {
            self.removed.push(id);
        }
    }

    fn edit(&mut self, element: Element) {
        if let Some(new) = self.new.iter_mut().find(|new| new.id == element.id) {
            *new = element;
        } else {
            self.edited.retain(|edited| edited.id != element.id);
            self.edited.push(element);
        }
    }

    /// Saves the changes at `now`. Returns false, and stores nothing, if a change is refused.
    pub(super) fn save(self, stored: &mut Stored, now: i64) -> bool {
        let opened = self.opened;
        let mut after = stored.clone();
        after.list.retain(|element| !self.removed.contains(&element.id));
        for edited in &self.edited {
            after.list.iter_mut().filter(|element| element.id == edited.id).for_each(|element| *element = *edited);
        }
        after.list.extend(self.new);
        // Stable: the order of elements of one time is known from the store only.
        after.list.sort_by_key(|element| element.id.0);
        let code = self.code.save(stored.code, opened, now, |changed, _| Some(Merged::Stored(changed.ours)));
        let seat = self.seat.save(stored.seat, opened, now, |_, _| None);
        let hits = self.hits.save(stored.hits, opened, now, |changed, theirs| {
            let sum = theirs.unwrap_or(0) + changed.ours.unwrap_or(0) - changed.base.unwrap_or(0);
            let is_absent = changed.ours.is_none() && (theirs.is_none() || sum == 0);
            let merged = (!is_absent).then_some(sum);
            let restarts = changed.set && merged == changed.ours;
            let is_void = merged.is_some() && merged == theirs && !restarts;
            Some(if is_void { Merged::Theirs } else { Merged::Stored(merged) })
        });
        let (Some(code), Some(seat), Some(hits)) = (code, seat, hits) else { return false };
        *stored = Stored { code, seat, hits, ..after };
        true
    }
}
