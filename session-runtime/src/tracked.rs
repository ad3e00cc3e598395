//! A value beside the set of its fields that were written: what the generated `…Mut` types are made of.
//!
//! The only mutable access names a field and marks it, so nothing is written past the tracking, not even by code of the
//! struct's own module. A mark is one bit; what really changed is found by comparison when the guard ends.

use std::fmt;
use std::ops::Deref;

use crate::codec::Changes;
use crate::error::SessionError;
use crate::pending::Change;
use crate::schema::{Place, Schema};
use crate::view::View;

/// A schema's value and which of its fields were touched, set or cleared.
#[doc(hidden)]
pub struct Tracked<S: Schema> {
    value: S,
    touched: S::Marks,
    set: S::Marks,
    cleared: S::Marks,
}

impl<S: Schema> Tracked<S> {
    pub(crate) fn new(value: S) -> Self {
        Self { value, touched: S::Marks::default(), set: S::Marks::default(), cleared: S::Marks::default() }
    }

    /// The field, to be edited in place.
    #[inline]
    pub fn edit<T, K>(&mut self, field: Place<S, T, K>) -> &mut T {
        mark(&mut self.touched, field.at);
        field.slot(&mut self.value)
    }

    /// Replaces the field; stored even if it is the default.
    #[inline]
    pub fn set<T, K>(&mut self, field: Place<S, T, K>, value: T) {
        mark(&mut self.set, field.at);
        unmark(&mut self.cleared, field.at);
        *self.edit(field) = value;
    }

    /// [`set`](Self::set) for an `Option`, given what is inside.
    #[inline]
    pub fn set_some<U, K>(&mut self, field: Place<S, Option<U>, K>, value: U) {
        self.set(field, Some(value));
    }

    /// Returns the value and leaves the default.
    #[inline]
    pub fn take<T, K>(&mut self, field: Place<S, T, K>) -> T {
        mark(&mut self.cleared, field.at);
        unmark(&mut self.set, field.at);
        let initial = field.initial();
        std::mem::replace(self.edit(field), initial)
    }

    /// Back to the default; the key leaves the stored map.
    #[inline]
    pub fn clear<T, K>(&mut self, field: Place<S, T, K>) {
        drop(self.take(field));
    }

    /// Free editing; changes are found by comparison.
    pub fn update<R>(&mut self, edit: impl FnOnce(&mut S) -> R) -> R {
        self.touched.as_mut().fill(u64::MAX);
        edit(&mut self.value)
    }

    pub(crate) fn value(&self) -> &S {
        &self.value
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.touched.as_ref().iter().any(|word| *word != 0)
    }

    /// Every marked field whose value is not what the guard saw. The marks are gone then.
    pub(crate) fn take_changes(&mut self, view: &View) -> Result<Vec<Change>, SessionError> {
        let mut changes = Changes::new(S::SPEC, view);
        for (at, field) in S::FIELDS.iter().enumerate().filter(|(at, _)| has(&self.touched, *at)) {
            changes.begin(has(&self.set, at), has(&self.cleared, at));
            field.place.diff(&self.value, &mut changes)?;
        }
        let found = changes.into_found();
        (self.touched, self.set, self.cleared) = Default::default();
        Ok(found)
    }
}

impl<S: Schema> Deref for Tracked<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.value
    }
}

/// The fields as JSON; `…` for those marked `redact`.
impl<S: Schema> fmt::Debug for Tracked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct(S::KEY);
        for field in S::FIELDS {
            let shown = if field.spec.redact { None } else { field.place.show(&self.value) };
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
