//! Typed values that a request has handed out: decoded once for each change, and kept as long as the visit.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::{Purpose, Visit};
use crate::error::{ErrorKind, SessionError};
#[cfg(feature = "axum")]
use crate::record::key;
#[cfg(feature = "axum")]
use crate::schema::FieldSpec;
use crate::schema::codec::Reader;
use crate::schema::snapshot::Snapshot;
use crate::schema::tracked::Tracked;
use crate::schema::{Schema, carry, read};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, OnceLock};

/// Typed values of one schema in this request.
#[derive(Default)]
pub(super) struct Slot {
    /// Counter that goes up with every finished write.
    version: AtomicUsize,
    decoded: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Value from which the next guard takes its transient fields.
    carrier: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

/// List of the values handed out, the newest last. They live as long as the visit.
struct Decoded<S> {
    version: usize,
    value: Arc<S>,
    next: OnceLock<Box<Self>>,
}

impl<S> Decoded<S> {
    fn new(version: usize, value: S) -> Self {
        Self { version, value: Arc::new(value), next: OnceLock::new() }
    }

    fn newest(&self) -> &Self {
        let mut node = self;
        while let Some(next) = node.next.get() {
            node = next;
        }
        node
    }
}

impl Visit {
    /// Returns the newest value of a schema, decoded again if it has changed.
    pub(crate) fn newest_value<S: Schema>(&self, at: usize) -> Result<&Arc<S>, SessionError> {
        let slot = &self.slots[at];
        let version = slot.version.load(Ordering::Acquire);
        let first = if let Some(first) = slot.decoded.get() {
            first
        } else {
            let first = Box::new(Decoded::new(version, self.decode::<S>(at)?));
            slot.decoded.get_or_init(|| first)
        };
        // A slot belongs to one schema, so the first value in it is always of this type.
        let first = first.downcast_ref::<Decoded<S>>();
        let mut newest = first.ok_or_else(|| SessionError::at_schema(ErrorKind::UnknownSchema, S::SPEC))?.newest();
        // Another reader may add a value first, and that value may be an older one.
        while newest.version < version {
            let next = Box::new(Decoded::new(version, self.decode::<S>(at)?));
            newest = newest.next.get_or_init(|| next).newest();
        }
        Ok(&newest.value)
    }

    /// Decodes the current values.
    fn decode<S: Schema>(&self, at: usize) -> Result<S, SessionError> {
        let snapshot = self.state().snapshot(S::SPEC, &self.core.versions, Purpose::Read)?;
        let mut value = read::<S>(&Reader::new(S::SPEC, &snapshot))?;
        self.with_carried(at, |carried| carry(carried, &mut value));
        Ok(value)
    }

    /// Opens the current values in accessors that record changes, and returns them with their snapshot.
    pub(crate) fn open<S: Schema>(&self, at: usize, purpose: Purpose) -> Result<(S::Mut, Snapshot), SessionError> {
        let snapshot = self.state().snapshot(S::SPEC, &self.core.versions, purpose)?;
        let mut tracked = Tracked::<S>::open(&snapshot)?;
        self.with_carried(at, |carried| tracked.carry_from(carried));
        if S::SPEC.has_user && self.state().has_user(S::SPEC) {
            tracked.watch_user(snapshot.clone());
        }
        Ok((S::WRAP(tracked), snapshot))
    }

    /// Runs `work` on the value from which transient fields are taken, if there is one.
    fn with_carried<S: Schema>(&self, at: usize, work: impl FnOnce(&S)) {
        if S::SPEC.has_transient {
            let carrier = self.carrier(at).clone();
            if let Some(carried) = carrier.as_deref().and_then(|carrier| carrier.downcast_ref()) {
                work(carried);
            }
        }
    }

    /// Returns whether the session, as this request sees it, holds a value of the schema.
    #[cfg(feature = "axum")]
    pub(crate) fn holds<S: Schema>(&self) -> Result<bool, SessionError> {
        let snapshot = self.state().snapshot(S::SPEC, &self.core.versions, Purpose::Read)?;
        let is_held = |field: &FieldSpec| {
            let mut names = snapshot.prefix(field.name).map(|(name, _)| name);
            !snapshot.has_expired(field) && names.any(|name| key::is_of_field(name, field.name))
        };
        Ok(S::SPEC.fields().any(is_held))
    }

    /// Invalidates the decoded values: the next read decodes them again.
    pub(crate) fn values_changed(&self) {
        (0..self.slots.len()).for_each(|at| self.value_changed(at));
    }

    /// Invalidates the decoded value of one schema.
    pub(super) fn value_changed(&self, at: usize) {
        self.slots[at].version.fetch_add(1, Ordering::Release);
    }

    /// Locks the transient fields of a schema for the next guard.
    pub(crate) fn carrier(&self, at: usize) -> MutexGuard<'_, Option<Arc<dyn Any + Send + Sync>>> {
        self.slots[at].carrier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn carry<S: Schema>(&self, at: usize, value: &S) {
        let mut carrier = (S::NEW)();
        carry(value, &mut carrier);
        *self.carrier(at) = Some(Arc::new(carrier));
    }
}
