//! Schema value that tracks which of its fields were written; the generated `…Mut` types wrap it.
//!
//! Every mutable access marks the fields that it exposes, so no write bypasses the tracking, not even in the struct's
//! own module. A mark is one bit; the actual changes are found by comparison when the guard ends.

use std::fmt;
use std::ops::Deref;

use crate::error::SessionError;
use crate::schema::change::{Change, GuardChanges};
use crate::schema::codec::{ByEntry, ChangeRecorder, IdSource, SingleEntries};
use crate::schema::snapshot::Snapshot;
use crate::schema::{FieldAccess, FieldOps, FieldSpec, Renew, Schema, carry};

mod held;

use held::Held;

/// Value of a schema, with marks for the fields that were touched, set or cleared.
#[doc(hidden)]
pub struct Tracked<S: Schema> {
    value: Held<S>,
    touched: S::Marks,
    set: S::Marks,
    cleared: S::Marks,
    user: User<S>,
}

/// User of the session, if a field of this schema names one.
enum User<S: Schema> {
    /// No stored `renew` field has a value that could change.
    Unwatched,
    /// A `renew` field of the stored session is not at its default. A comparison with the snapshot detects its change.
    Watched(Box<Snapshot>),
    /// The user has left: the other fields have started from their defaults.
    Gone(Box<Before<S>>),
}

/// Fields as they were before the user left.
struct Before<S: Schema> {
    value: S,
    /// Fields that had been edited, but not set as a whole.
    edited: S::Marks,
}

impl<S: Schema> Tracked<S> {
    /// Decodes the stored texts, except the entries of deferred fields.
    pub(crate) fn open(snapshot: &Snapshot) -> Result<Self, SessionError> {
        let (touched, set, cleared) = Default::default();
        Ok(Self { value: Held::open(snapshot)?, touched, set, cleared, user: User::Unwatched })
    }

    /// Watches the user that a field of the session names. If that field changes, the others start over.
    pub(crate) fn watch_user(&mut self, snapshot: Snapshot) {
        self.user = User::Watched(Box::new(snapshot));
    }

    /// Copies the transient fields of another value.
    pub(crate) fn carry_from(&mut self, other: &S) {
        carry(other, self.value.slot());
    }

    /// Returns the field, to be edited in place.
    #[inline]
    pub fn edit<T, K>(&mut self, field: FieldAccess<S, T, K>) -> &mut T {
        self.look();
        mark(&mut self.touched, field.at);
        field.slot(self.value.slot_of(field.at))
    }

    /// Replaces the field. The value is stored even if it is the default.
    #[inline]
    pub fn set<T, K>(&mut self, field: FieldAccess<S, T, K>, value: T) {
        *self.edit(field) = value;
        mark(&mut self.set, field.at);
        unmark(&mut self.cleared, field.at);
        self.look();
    }

    /// Sets an `Option` to `Some(value)`; see [`set`](Self::set).
    #[inline]
    pub fn set_some<T: IsOption<U>, U, K>(&mut self, field: FieldAccess<S, T, K>, value: U) {
        self.set(field, T::some(value));
    }

    /// Returns the value and leaves the default.
    #[inline]
    pub fn take<T, K>(&mut self, field: FieldAccess<S, T, K>) -> T {
        let initial = field.initial();
        let taken = std::mem::replace(self.edit(field), initial);
        mark(&mut self.cleared, field.at);
        unmark(&mut self.set, field.at);
        self.look();
        taken
    }

    /// Resets the field to its default and removes its key from the stored map.
    #[inline]
    pub fn clear<T, K>(&mut self, field: FieldAccess<S, T, K>) {
        drop(self.take(field));
    }

    /// Returns one entry of the field. Decodes no other while the field is deferred.
    pub fn entry<T: SingleEntries + 'static>(&self, field: ByEntry<S, T>, key: &T::Key) -> Option<T::Value> {
        match self.value.deferred() {
            Some(deferred) => deferred.entry(field, key),
            None => field.get(self.value.whole()).get(key).cloned(),
        }
    }

    /// Sets or removes one entry of the field.
    pub(crate) fn put_entry<T: SingleEntries + 'static>(
        &mut self,
        field: ByEntry<S, T>,
        key: T::Key,
        value: Option<T::Value>,
    ) {
        if let Some(deferred) = self.value.deferred_mut() {
            deferred.put(field, &key, value);
            mark(&mut self.touched, field.at);
            return;
        }
        let entries = self.edit(field);
        match value {
            Some(value) => entries.put(key, value),
            None => drop(entries.remove(&key)),
        }
    }

    /// Edits any fields; the changes are found by comparison.
    pub fn update<R>(&mut self, edit: impl FnOnce(&mut S) -> R) -> R {
        self.look();
        self.touched.as_mut().fill(u64::MAX);
        let result = edit(self.value.complete());
        self.look();
        result
    }

    /// Runs `work` on the value, in which deferred fields are empty.
    pub(crate) fn with_value<R>(&self, work: impl FnOnce(&S) -> R) -> R {
        self.value.with(work)
    }

    /// Returns whether there may be changes, or an error of an entry that was asked for.
    pub(crate) fn has_changes(&self) -> bool {
        self.is_touched() || self.failure().is_some()
    }

    /// Returns the error of an entry that could not be read or stored.
    pub(crate) fn failure(&self) -> Option<&SessionError> {
        self.value.failure()
    }

    fn is_touched(&self) -> bool {
        self.touched.as_ref().iter().any(|word| *word != 0)
    }

    /// Detects that the user has left. An edit in place is detected at the next access.
    #[inline]
    pub(crate) fn look(&mut self) {
        if let User::Watched(snapshot) = &self.user
            && self.is_touched()
            && self.leaves(snapshot)
        {
            self.start_over();
        }
    }

    #[cold]
    fn leaves(&self, snapshot: &Snapshot) -> bool {
        let users = S::FIELDS.iter().enumerate().filter(|(_, field)| field.spec.renew == Renew::User);
        users.into_iter().any(|(at, field)| self.ends_user(at, field, snapshot))
    }

    /// Returns whether the field ends the session of its user. A value that cannot be encoded does not; it is an error
    /// when the changes are taken.
    fn ends_user(&self, at: usize, field: &FieldOps<S>, snapshot: &Snapshot) -> bool {
        let mut changes = ChangeRecorder::new(S::SPEC, snapshot);
        changes.begin(has(&self.set, at), has(&self.cleared, at));
        has(&self.touched, at)
            && self.value.with(|value| field.access.diff(value, &mut changes)).is_ok()
            && changes.into_changes().iter().any(Change::ends_user)
    }

    /// Keeps the fields that were set or cleared and those that name the user. The others start from their defaults.
    #[cold]
    fn start_over(&mut self) {
        let mut fresh = (S::NEW)();
        let mut edited = S::Marks::default();
        self.value.complete();
        for (at, field) in S::FIELDS.iter().enumerate().filter(|(at, _)| has(&self.touched, *at)) {
            if self.is_replaced(at) || field.spec.renew == Renew::User {
                field.access.swap(self.value.slot(), &mut fresh);
            } else {
                mark(&mut edited, at);
            }
        }
        let value = std::mem::replace(self.value.slot(), fresh);
        for at in (0..S::FIELDS.len()).filter(|at| has(&edited, *at)) {
            unmark(&mut self.touched, at);
        }
        self.user = User::Gone(Box::new(Before { value, edited }));
    }

    /// Returns a change for every marked field whose value differs from the snapshot and, with `confirms`, for each
    /// one that was set to the value it had. `ids` gives the ids of new elements of lists. Then the marks are cleared,
    /// and later changes build on these. Fails with the error of an entry that could not be read or stored.
    pub(crate) fn take_changes(
        &mut self,
        snapshot: &Snapshot,
        confirms: bool,
        ids: IdSource<'_>,
    ) -> Result<GuardChanges, SessionError> {
        self.look();
        if let Some(error) = self.failure() {
            return Err(error.clone());
        }
        let found = if let User::Gone(before) = &self.user {
            self.after_user(before, snapshot, ids)?
        } else {
            let changes = ChangeRecorder::new(S::SPEC, snapshot).confirming(confirms).ids(ids);
            let changes = self.value.with(|value| self.diff(value, &self.touched, changes))?;
            GuardChanges { changes, ..GuardChanges::default() }
        };
        if found.starts_over {
            self.user = User::Unwatched;
        }
        if let Some(deferred) = self.value.deferred_mut() {
            deferred.rebase();
        }
        (self.touched, self.set, self.cleared) = Default::default();
        Ok(found)
    }

    #[cold]
    fn after_user(
        &self,
        before: &Before<S>,
        snapshot: &Snapshot,
        ids: IdSource<'_>,
    ) -> Result<GuardChanges, SessionError> {
        let mut edited = S::Marks::default();
        let kept = (0..S::FIELDS.len()).filter(|at| has(&before.edited, *at) && !self.is_replaced(*at));
        kept.for_each(|at| mark(&mut edited, at));
        let before = self.diff(&before.value, &edited, ChangeRecorder::new(S::SPEC, snapshot).ids(ids))?;
        let nothing = Snapshot::default();
        let changes = ChangeRecorder::new(S::SPEC, &nothing).ids(ids);
        let changes = self.value.with(|value| self.diff(value, &self.touched, changes))?;
        Ok(GuardChanges { starts_over: true, before, changes })
    }

    fn diff(&self, value: &S, fields: &S::Marks, mut changes: ChangeRecorder<'_>) -> Result<Vec<Change>, SessionError> {
        for (at, field) in S::FIELDS.iter().enumerate().filter(|(at, _)| has(fields, *at)) {
            changes.begin(has(&self.set, at), has(&self.cleared, at));
            match self.value.deferred().filter(|_| field.spec.deferred) {
                Some(deferred) => deferred.report(&field.spec, &mut changes)?,
                None => field.access.diff(value, &mut changes)?,
            }
        }
        Ok(changes.into_changes())
    }

    /// Returns the fields that were set or cleared as a whole.
    pub(crate) fn replaced(&self) -> Vec<&'static FieldSpec> {
        let fields = S::FIELDS.iter().enumerate().filter(|(at, _)| self.is_replaced(*at));
        fields.map(|(_, field)| &field.spec).collect()
    }

    /// Returns whether nothing of the previous value is left in the field.
    fn is_replaced(&self, at: usize) -> bool {
        has(&self.set, at) || has(&self.cleared, at)
    }
}

/// The standard library's `Option`. Required of the type of a field that is spelled `Option`.
#[diagnostic::on_unimplemented(
    message = "a field that is spelled `Option` is an optional value, and `{Self}` is a type of another crate or module",
    label = "not `std::option::Option`",
    note = "give your type another name than `Option`, or use it under an alias"
)]
#[doc(hidden)]
pub trait IsOption<U> {
    fn some(value: U) -> Self;
}

impl<U> IsOption<U> for Option<U> {
    fn some(value: U) -> Self {
        Some(value)
    }
}

impl<S: Schema> Deref for Tracked<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        self.value.whole()
    }
}

/// Shows the fields as JSON, and `…` for those that are marked `redact` or not decoded.
impl<S: Schema> fmt::Debug for Tracked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct(S::KEY);
        let is_deferred = self.value.deferred().is_some();
        for field in S::FIELDS {
            let is_hidden = field.spec.redact || is_deferred && field.spec.deferred;
            let shown = if is_hidden { None } else { self.value.with(|value| field.access.show(value)) };
            fields.field(field.spec.key(), &format_args!("{}", shown.as_deref().unwrap_or("…")));
        }
        fields.finish_non_exhaustive()
    }
}

#[inline]
fn mark(marks: &mut impl AsMut<[u64]>, at: usize) {
    marks.as_mut()[at / 64] |= 1 << (at % 64);
}

#[inline]
fn unmark(marks: &mut impl AsMut<[u64]>, at: usize) {
    marks.as_mut()[at / 64] &= !(1 << (at % 64));
}

fn has(marks: &impl AsRef<[u64]>, at: usize) -> bool {
    marks.as_ref()[at / 64] & (1 << (at % 64)) != 0
}
