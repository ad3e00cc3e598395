//! Value inside [`Tracked`](super::Tracked): with all its fields, or with some of them deferred.

use crate::error::SessionError;
use crate::schema::Schema;
use crate::schema::codec::deferred::Deferred;

/// Value of a schema that a guard holds.
pub(super) enum Held<S: Schema> {
    Whole(S),
    /// Boxed, since only schemas with the attribute `entries` need it.
    Deferred(Box<Deferred<S>>),
}

impl<S: Schema> Held<S> {
    /// Returns the value with all its fields, and decodes those that are deferred.
    #[inline]
    pub(super) fn whole(&self) -> &S {
        match self {
            Self::Whole(value) => value,
            Self::Deferred(deferred) => deferred.whole(),
        }
    }

    /// Returns the value for an edit of any field, and decodes those that are deferred.
    pub(super) fn complete(&mut self) -> &mut S {
        self.whole();
        self.slot()
    }

    /// Returns the value for an edit of the field at this position.
    #[inline]
    pub(super) fn slot_of(&mut self, at: usize) -> &mut S {
        match self {
            Self::Whole(value) => value,
            Self::Deferred(_) if S::FIELDS[at].spec.deferred => self.complete(),
            Self::Deferred(deferred) => deferred.slot(),
        }
    }

    /// Returns the value for an edit of fields that are not deferred.
    #[inline]
    pub(super) fn slot(&mut self) -> &mut S {
        match self {
            Self::Whole(value) => value,
            Self::Deferred(deferred) => deferred.slot(),
        }
    }

    /// Runs `work` on the value. Deferred fields are empty unless they are decoded.
    #[inline]
    pub(super) fn with<R>(&self, work: impl FnOnce(&S) -> R) -> R {
        match self {
            Self::Whole(value) => work(value),
            Self::Deferred(deferred) => deferred.with(work),
        }
    }

    /// Returns the deferred form, unless all fields are decoded.
    #[inline]
    pub(super) fn deferred(&self) -> Option<&Deferred<S>> {
        match self {
            Self::Whole(_) => None,
            Self::Deferred(deferred) => Some(&**deferred).filter(|deferred| !deferred.is_whole()),
        }
    }

    /// Returns the deferred form, unless all fields are decoded.
    #[inline]
    pub(super) fn deferred_mut(&mut self) -> Option<&mut Deferred<S>> {
        match self {
            Self::Whole(_) => None,
            Self::Deferred(deferred) => Some(&mut **deferred).filter(|deferred| !deferred.is_whole()),
        }
    }

    /// Returns the error of an entry that could not be read or stored.
    pub(super) fn failure(&self) -> Option<&SessionError> {
        match self {
            Self::Whole(_) => None,
            Self::Deferred(deferred) => deferred.failure(),
        }
    }
}
