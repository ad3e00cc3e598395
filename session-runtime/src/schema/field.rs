//! Fields of a schema with their types: the rows of the table that the derive writes.

use std::marker::PhantomData;
use std::time::Duration;

use crate::schema::Schema;
use crate::schema::codec::Access;
use crate::schema::layout::Shape;
use crate::schema::spec::{FieldSpec, Kind, Merge, MergeFn, Renew};
use crate::schema::value::SessionValue;

/// One field of a schema: its position, its value in a new session, and accessors to read and write it. `K` selects
/// how the field is stored, see [`codec`](crate::codec).
#[doc(hidden)]
pub struct FieldAccess<S, T, K> {
    pub(crate) at: usize,
    initial: fn() -> T,
    get: fn(&S) -> &T,
    slot: fn(&mut S) -> &mut T,
    kind: PhantomData<K>,
}

#[doc(hidden)]
#[must_use]
pub const fn field_access<S, T, K>(
    at: usize,
    initial: fn() -> T,
    get: fn(&S) -> &T,
    slot: fn(&mut S) -> &mut T,
) -> FieldAccess<S, T, K> {
    FieldAccess { at, initial, get, slot, kind: PhantomData }
}

impl<S, T, K> Copy for FieldAccess<S, T, K> {}

impl<S, T, K> Clone for FieldAccess<S, T, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T, K> FieldAccess<S, T, K> {
    /// Returns the value in a new session.
    #[must_use]
    pub fn initial(&self) -> T {
        (self.initial)()
    }

    #[inline]
    pub(crate) fn get<'s>(&self, value: &'s S) -> &'s T {
        (self.get)(value)
    }

    #[inline]
    pub(crate) fn slot<'s>(&self, value: &'s mut S) -> &'s mut T {
        (self.slot)(value)
    }

    /// Returns the field's description, as the derive wrote it.
    pub(crate) fn spec(&self) -> &'static FieldSpec
    where
        S: Schema,
    {
        &S::FIELDS[self.at].spec
    }
}

/// Row of a field in the table that the derive writes.
#[doc(hidden)]
pub struct FieldOps<S: Schema> {
    pub(crate) spec: FieldSpec,
    pub(crate) access: &'static dyn Access<S>,
}

impl<S: Schema> FieldOps<S> {
    /// Sets the function that merges concurrent changes of the value.
    #[must_use]
    pub const fn merge(mut self, merge: MergeFn) -> Self {
        self.spec.merge = Merge::With(merge);
        self
    }

    /// Rejects concurrent changes of the value with 409.
    #[must_use]
    pub const fn reject(mut self) -> Self {
        self.spec.merge = Merge::Reject;
        self
    }

    /// Merges concurrent changes of the value by adding our difference to theirs.
    #[must_use]
    pub const fn sum(mut self, merge: MergeFn) -> Self {
        self.spec.merge = Merge::Sum(merge);
        self
    }

    /// Marks the field that names the user: a change is a login, or the session starts over.
    #[must_use]
    pub const fn renew(mut self) -> Self {
        self.spec.renew = Renew::User;
        self
    }

    /// Renews the id and keeps the data when the value changes.
    #[must_use]
    pub const fn renew_keep(mut self) -> Self {
        self.spec.renew = Renew::Keep;
        self
    }

    /// Marks a field by whose value sessions are looked up. The argument requires of the type that it can be indexed.
    #[must_use]
    pub const fn index(mut self, (): ()) -> Self {
        self.spec.index = true;
        self
    }

    /// Sets the bound of a list that is stored element by element.
    #[must_use]
    pub const fn max(mut self, max: usize) -> Self {
        self.spec.merge = Merge::Append { max };
        self
    }

    /// Lets the value, or each element of a list, expire so many milliseconds after it was set. `deadline` is the stored
    /// key of the value's deadline.
    #[must_use]
    pub const fn expires_after(mut self, millis: u64, deadline: &'static str) -> Self {
        self.spec.expires_after = Some(Duration::from_millis(millis));
        if let Kind::Whole = self.spec.kind {
            self.spec.deadline = deadline;
        }
        self
    }

    /// Shows the value as `…`.
    #[must_use]
    pub const fn redact(mut self) -> Self {
        self.spec.redact = true;
        self
    }

    /// Sets the shape of the stored value.
    #[must_use]
    pub const fn shape(mut self, shape: Option<&'static Shape>) -> Self {
        self.spec.shape = shape;
        self
    }

    /// Sets a shape that the field's author declares.
    #[must_use]
    pub const fn opaque(self, shape: &'static Shape) -> Self {
        self.shape(Some(shape))
    }

    /// Sets the key that older versions had.
    #[must_use]
    pub const fn renamed_from(mut self, key: &'static str) -> Self {
        self.spec.renamed_from = Some(key);
        self
    }

    /// Lets a writable view decode the field's entries when they are asked for.
    #[must_use]
    pub const fn deferred(mut self) -> Self {
        self.spec.deferred = true;
        self
    }

    /// Marks a set without order: `HashSet`.
    #[must_use]
    pub const fn unordered(mut self) -> Self {
        self.spec.unordered = true;
        self
    }
}

pub(crate) const fn has_user<S: Schema>(fields: &[FieldOps<S>]) -> bool {
    let mut at = 0;
    while at < fields.len() {
        if matches!(fields[at].spec.renew, Renew::User) {
            return true;
        }
        at += 1;
    }
    false
}

pub(crate) const fn defers<S: Schema>(fields: &[FieldOps<S>]) -> bool {
    let mut at = 0;
    while at < fields.len() {
        if fields[at].spec.deferred {
            return true;
        }
        at += 1;
    }
    false
}

/// Lookup of the shape of a type that may have none. The inherent constant exists for a type with a shape; otherwise,
/// the constant of `Unknown` applies.
#[doc(hidden)]
pub struct Known<T>(PhantomData<T>);

#[doc(hidden)]
pub trait Unknown {
    const __SHAPE: Option<&'static Shape> = None;
}

impl<T> Unknown for Known<T> {}

impl<T: SessionValue> Known<T> {
    pub const __SHAPE: Option<&'static Shape> = Some(const { &Shape::known::<T>() });
}
