//! A value beside the set of its fields that were written: what the generated `…Mut` types are made of.
//!
//! The only mutable access names a field and marks it, so nothing is written past the tracking, not even by code of the
//! struct's own module. A mark is one bit; what really changed is found by comparison when the guard ends.

use std::fmt;
use std::ops::Deref;

use crate::codec::Changes;
use crate::error::SessionError;
use crate::pending::Change;
use crate::schema::{Field, Schema};
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
    pub fn edit<const I: usize, T>(&mut self) -> &mut T
    where
        S: Field<I, T>,
    {
        mark::<I>(&mut self.touched);
        S::PLACE.slot(&mut self.value)
    }

    /// Replaces the field; stored even if it is the default.
    #[inline]
    pub fn set<const I: usize, T>(&mut self, value: T)
    where
        S: Field<I, T>,
    {
        mark::<I>(&mut self.set);
        unmark::<I>(&mut self.cleared);
        *self.edit::<I, T>() = value;
    }

    /// [`set`](Self::set) for an `Option`, given what is inside.
    #[inline]
    pub fn set_some<const I: usize, U>(&mut self, value: U)
    where
        S: Field<I, Option<U>>,
    {
        self.set::<I, _>(Some(value));
    }

    /// Returns the value and leaves the default.
    #[inline]
    pub fn take<const I: usize, T>(&mut self) -> T
    where
        S: Field<I, T>,
    {
        mark::<I>(&mut self.cleared);
        unmark::<I>(&mut self.set);
        std::mem::replace(self.edit::<I, T>(), S::PLACE.initial())
    }

    /// Back to the default; the key leaves the stored map.
    #[inline]
    pub fn clear<const I: usize, T>(&mut self)
    where
        S: Field<I, T>,
    {
        drop(self.take::<I, T>());
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
            (field.diff)(&self.value, &mut changes)?;
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
            let shown = if field.spec.redact { None } else { (field.show)(&self.value) };
            fields.field(field.spec.key(), &format_args!("{}", shown.as_deref().unwrap_or("…")));
        }
        fields.finish_non_exhaustive()
    }
}

#[inline]
fn mark<const I: usize>(marks: &mut impl AsMut<[u64]>) {
    marks.as_mut()[I / 64] |= 1 << (I % 64);
}

#[inline]
fn unmark<const I: usize>(marks: &mut impl AsMut<[u64]>) {
    marks.as_mut()[I / 64] &= !(1 << (I % 64));
}

fn has(marks: &impl AsRef<[u64]>, at: usize) -> bool {
    marks.as_ref()[at / 64] & (1 << (at % 64)) != 0
}
