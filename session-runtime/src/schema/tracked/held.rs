//! Value inside [`Tracked`](super::Tracked): with all its fields, or with some of them deferred.

use crate::error::SessionError;
use crate::schema::codec::Reader;
use crate::schema::codec::deferred::Deferred;
use crate::schema::snapshot::Snapshot;
use crate::schema::{Schema, read};

/// Value of a schema that a guard holds.
///
/// The constant `DEFERS` precedes each look at `deferred`, so that an accessor of a schema without the attribute
/// `entries` compiles to one address, as that of a plain field does.
pub(super) struct Held<S: Schema> {
    /// The value of a schema that defers nothing; otherwise that of a new session, and unused.
    value: S,
    deferred: Option<Box<Deferred<S>>>,
}

impl<S: Schema> Held<S> {
    const DEFERS: bool = S::SPEC.defers;

    /// Decodes the stored texts, except the entries of deferred fields.
    pub(super) fn open(snapshot: &Snapshot) -> Result<Self, SessionError> {
        // A constant block, so that no code is generated for the other case.
        if const { Self::DEFERS } {
            let deferred = Some(Box::new(Deferred::new(snapshot.clone())?));
            Ok(Self { value: (S::NEW)(), deferred })
        } else {
            Ok(Self { value: read(&Reader::new(S::SPEC, snapshot))?, deferred: None })
        }
    }

    /// Returns the value with all its fields, and decodes those that are deferred.
    #[inline]
    pub(super) fn whole(&self) -> &S {
        match &self.deferred {
            Some(deferred) if Self::DEFERS => deferred.whole(),
            _ => &self.value,
        }
    }

    /// Returns the value for an edit of any field, and decodes those that are deferred.
    #[inline]
    pub(super) fn complete(&mut self) -> &mut S {
        self.whole();
        self.slot()
    }

    /// Returns the value for an edit of the field at this position.
    #[inline]
    pub(super) fn slot_of(&mut self, at: usize) -> &mut S {
        if Self::DEFERS && S::FIELDS[at].spec.deferred {
            self.whole();
        }
        self.slot()
    }

    /// Returns the value for an edit of fields that are not deferred.
    #[inline]
    pub(super) fn slot(&mut self) -> &mut S {
        match &mut self.deferred {
            Some(deferred) if Self::DEFERS => deferred.slot(),
            _ => &mut self.value,
        }
    }

    /// Runs `work` on the value. Deferred fields are empty unless they are decoded.
    #[inline]
    pub(super) fn with<R>(&self, work: impl FnOnce(&S) -> R) -> R {
        match &self.deferred {
            Some(deferred) if Self::DEFERS => deferred.with(work),
            _ => work(&self.value),
        }
    }

    /// Returns the deferred form, unless all fields are decoded.
    #[inline]
    pub(super) fn deferred(&self) -> Option<&Deferred<S>> {
        self.deferred.as_deref().filter(|deferred| Self::DEFERS && !deferred.is_whole())
    }

    /// Returns the deferred form, unless all fields are decoded.
    #[inline]
    pub(super) fn deferred_mut(&mut self) -> Option<&mut Deferred<S>> {
        self.deferred.as_deref_mut().filter(|deferred| Self::DEFERS && !deferred.is_whole())
    }

    /// Returns the error of an entry that could not be read or stored.
    #[inline]
    pub(super) fn failure(&self) -> Option<&SessionError> {
        self.deferred.as_deref().filter(|_| Self::DEFERS)?.failure()
    }
}
