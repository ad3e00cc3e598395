//! Value of a schema whose entries are decoded when they are asked for.
//!
//! A map with the attribute `entries` begins without its entries. An entry that is asked for is looked up among the
//! stored texts and decoded; an edit of it is kept as a text. The first access to a whole map, or to the struct itself,
//! decodes the maps with these edits, and from then on they are like any other field.
//!
//! Other fields are decoded when the guard is opened, so that only an entry can fail later. An entry that does not decode
//! fails the request, unless `on_invalid = reset` skips it. One that no access meets stays stored and fails nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::text::unencodable;
use super::{ByEntry, ChangeRecorder, Reader, SingleEntries};
use crate::error::SessionError;
use crate::record::Text;
use crate::schema::snapshot::Snapshot;
use crate::schema::{FieldSpec, OnInvalid, Schema, read_part};

/// Value of a schema with [deferred](FieldSpec::deferred) fields.
pub(crate) struct Deferred<S: Schema> {
    /// The value with all its fields, once a caller has asked for it.
    whole: OnceLock<S>,
    /// The value without the deferred fields, until it moves to `whole`. Locked by one caller at a time.
    partial: Mutex<Option<S>>,
    /// Stored texts, with the changes that were taken before.
    snapshot: Snapshot,
    /// Edits of entries, by stored key, while the fields are deferred.
    edits: BTreeMap<Text, Edit>,
    /// First error of an entry that was asked for.
    failure: OnceLock<SessionError>,
}

/// Text of an edited entry, `None` for a removed one; or the error of a value that cannot be stored.
type Edit = Result<Option<Text>, SessionError>;

impl<S: Schema> Deferred<S> {
    /// Decodes the fields that are not deferred.
    pub(crate) fn new(snapshot: Snapshot) -> Result<Self, SessionError> {
        let mut partial = (S::NEW)();
        read_part(&mut partial, &Reader::new(S::SPEC, &snapshot), false)?;
        Ok(Self {
            whole: OnceLock::new(),
            partial: Mutex::new(Some(partial)),
            snapshot,
            edits: BTreeMap::new(),
            failure: OnceLock::new(),
        })
    }

    /// Returns whether all fields are decoded. Entries are then edited in their map.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.get().is_some()
    }

    /// Returns the value with all its fields. Entries that do not decode are left out.
    pub(crate) fn whole(&self) -> &S {
        self.whole.get_or_init(|| self.complete())
    }

    fn complete(&self) -> S {
        let mut value = self.partial().take().unwrap_or_else(S::NEW);
        let mut snapshot = self.snapshot.clone();
        for (name, edit) in &self.edits {
            let text = edit.clone().unwrap_or_else(|error| {
                self.fail(error);
                None
            });
            snapshot.set(name.clone(), text);
        }
        if let Err(error) = read_part(&mut value, &Reader::new(S::SPEC, &snapshot), true) {
            self.fail(error);
            let rest = read_part(&mut value, &Reader::lenient(S::SPEC, &snapshot), true);
            debug_assert!(rest.is_ok(), "a lenient reader skips what does not decode");
        }
        value
    }

    /// Returns the value for edits. The deferred fields are empty unless the value is whole.
    pub(crate) fn slot(&mut self) -> &mut S {
        match self.whole.get_mut() {
            Some(whole) => whole,
            None => self.partial.get_mut().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(S::NEW),
        }
    }

    /// Runs `work` on the value. The deferred fields are empty unless the value is whole.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&S) -> R) -> R {
        match self.whole.get() {
            Some(whole) => work(whole),
            None => work(self.partial().get_or_insert_with(S::NEW)),
        }
    }

    fn partial(&self) -> MutexGuard<'_, Option<S>> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes one entry, and no other.
    pub(crate) fn entry<T: SingleEntries + 'static>(&self, field: ByEntry<S, T>, key: &T::Key) -> Option<T::Value> {
        let name = field.name_of(key)?;
        let text = match self.edits.get(&*name) {
            Some(edit) => edit.as_ref().ok()?.as_ref(),
            None => self.snapshot.get(&name),
        };
        match field.decode_single(key, &name, text?) {
            Ok(value) => value,
            Err(error) => {
                if S::SPEC.on_invalid == OnInvalid::Refuse {
                    self.fail(error);
                }
                None
            }
        }
    }

    /// Sets or removes one entry. A value that cannot be stored makes the save fail, unless another replaces it before.
    pub(crate) fn put<T: SingleEntries + 'static>(
        &mut self,
        field: ByEntry<S, T>,
        key: &T::Key,
        value: Option<T::Value>,
    ) {
        let Some(name) = field.name_of(key) else {
            if value.is_some() {
                self.fail(unencodable(S::SPEC, field.spec()));
            }
            return;
        };
        let stored = self.snapshot.get(&name);
        let edit = value.map(|value| field.text_of(key, &name, value, stored)).transpose();
        let is_stored = match &edit {
            Ok(Some(text)) => stored == Some(text),
            // An entry that was skipped was not removed.
            Ok(None) => stored.is_none_or(|text| !field.is_readable(&name, text)),
            Err(_) => false,
        };
        if is_stored {
            self.edits.remove(&*name);
        } else {
            self.edits.insert(name.into(), edit);
        }
    }

    /// Reports the entries of a field that were edited.
    pub(crate) fn report(
        &self,
        field: &'static FieldSpec,
        changes: &mut ChangeRecorder<'_>,
    ) -> Result<(), SessionError> {
        for (name, edit) in self.edits.iter().filter(|(name, _)| name.starts_with(field.prefix)) {
            let stored = self.snapshot.entry(name);
            let (name, base) = stored.map_or_else(|| (name, None), |(name, text)| (name, Some(text.clone())));
            changes.put(field, name.clone(), base, edit.clone()?);
        }
        Ok(())
    }

    /// Bases later edits on those that were reported.
    pub(crate) fn rebase(&mut self) {
        for (name, edit) in std::mem::take(&mut self.edits) {
            if let Ok(text) = edit {
                self.snapshot.set(name, text);
            }
        }
    }

    fn fail(&self, error: SessionError) {
        // The first error counts.
        _ = self.failure.set(error);
    }

    /// Returns the error of an entry that could not be read or stored.
    pub(crate) fn failure(&self) -> Option<&SessionError> {
        self.failure.get()
    }
}
