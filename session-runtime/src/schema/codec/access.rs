//! Reading and comparing one field of a struct, for each way in which a field is stored.

use std::any::Any;
use std::collections::BTreeMap;

use super::read_back::from_text_of;
use super::same::{KnownText, same_text};
use super::text::{Names, check, check_key, decode, decode_entry, encode, encode_into, is_same, unencodable};
use super::{
    Access, ByEntry, ChangeRecorder, Entries, EntryKey, Expiring, Reader, Storable, Transient, TransientField, Whole,
};
use crate::error::SessionError;
use crate::record::Text;
use crate::schema::{FieldAccess, OnInvalid, Schema};

/// Stored key with its text.
type Entry<'a> = (&'a Text, &'a Text);

impl<S: Schema, T: Storable + 'static> Access<S> for Whole<S, T> {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        let Some(text) = from.snapshot.get(spec.name) else { return Ok(()) };
        from.take(decode(from.schema, spec, text), |stored| *self.slot(value) = stored)
    }

    fn diff(&self, value: &S, changes: &mut ChangeRecorder<'_>) -> Result<(), SessionError> {
        let stored = changes.snapshot.entry(self.spec().name);
        self.diff_with(value, stored, changes)
    }

    fn show(&self, value: &S) -> Option<String> {
        serde_json::to_string(self.get(value)).ok()
    }

    fn initial(&self) -> Box<dyn Any> {
        Box::new(FieldAccess::initial(self))
    }

    fn is_initial(&self, text: &str) -> bool {
        self.reads_as_initial(text)
    }

    fn swap(&self, a: &mut S, b: &mut S) {
        std::mem::swap(self.slot(a), self.slot(b));
    }
}

impl<S: Schema, T: Storable + 'static> Access<S> for Expiring<S, T> {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        let Some((_, text)) = from.snapshot.live_entry(spec) else { return Ok(()) };
        from.take(decode(from.schema, spec, text), |stored| *self.slot(value) = stored)
    }

    fn diff(&self, value: &S, changes: &mut ChangeRecorder<'_>) -> Result<(), SessionError> {
        let (spec, found) = (self.spec(), changes.found.len());
        let stored = changes.snapshot.live_entry(spec);
        self.diff_with(value, stored, changes)?;
        match stored {
            _ if changes.found.len() > found => {}
            // An equal value that is set begins a new period.
            Some((name, text)) if changes.is_replaced() => {
                changes.put(spec, name.clone(), Some(text.clone()), Some(text.clone()));
            }
            Some(_) => {}
            None => changes.drop_expired(spec),
        }
        Ok(())
    }

    fn show(&self, value: &S) -> Option<String> {
        serde_json::to_string(self.get(value)).ok()
    }

    fn initial(&self) -> Box<dyn Any> {
        Box::new(FieldAccess::initial(self))
    }

    fn is_initial(&self, text: &str) -> bool {
        self.reads_as_initial(text)
    }

    fn swap(&self, a: &mut S, b: &mut S) {
        std::mem::swap(self.slot(a), self.slot(b));
    }
}

impl<S: Schema, T: Storable + 'static, K> FieldAccess<S, T, K> {
    /// Reports the value if it differs from the stored one.
    fn diff_with(
        &self,
        value: &S,
        stored: Option<Entry<'_>>,
        changes: &mut ChangeRecorder<'_>,
    ) -> Result<(), SessionError> {
        let spec = self.spec();
        let value = self.get(value);
        let text = encode(S::SPEC, spec, value)?;
        let base = stored.map(|(_, text)| text);
        let is_initial = || self.is_initial_text(&text);
        let cleared = changes.cleared && is_initial();
        // `None` is written as `null`. An absent key means the same, unless the default is another value.
        let absent = cleared || text == "null" && is_initial();
        let untouched = || !changes.set && !changes.cleared && is_initial();
        let unchanged = match base {
            Some(base) if !cleared && is_same::<T>(base, &text, spec) => true,
            // A value that does not decode stays stored until the application really replaces it.
            Some(base) => untouched() && from_text_of::<T>(spec, base).is_err(),
            None => absent || (!changes.set && is_initial()),
        };
        if unchanged {
            changes.confirm(spec, stored);
        } else {
            if !absent {
                check(S::SPEC, spec, value, &text)?;
            }
            let (name, base) = stored.map_or_else(|| (spec.name.into(), None), named);
            changes.put(spec, name, base, (!absent).then(|| text.into()));
        }
        Ok(())
    }

    fn reads_as_initial(&self, text: &str) -> bool {
        // A value that `on_invalid = reset` skips reads as the default.
        let passed_over = || S::SPEC.on_invalid == OnInvalid::Reset && from_text_of::<T>(self.spec(), text).is_err();
        self.is_initial_text(text) || passed_over()
    }

    /// Returns whether `text` is the encoding of the value in a new session.
    fn is_initial_text(&self, text: &str) -> bool {
        let initial = serde_json::to_string(&FieldAccess::initial(self));
        initial.is_ok_and(|initial| same_text(Some(&initial), Some(text), KnownText::of(self.spec())))
    }
}

/// Number of stored keys up to which entries are put into their map one by one. Of more, the map is built at once. With
/// [`Snapshot::entry_near`](crate::schema::snapshot::Snapshot::entry_near), an add to a map of 9,990 entries in memory
/// takes 0.8 ms instead of 2.4.
const FEW: usize = 32;

impl<S: Schema, T: Entries + 'static> Access<S> for ByEntry<S, T> {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        let mut many = Vec::new();
        let is_few = from.snapshot.stored_keys() <= FEW;
        for (name, text) in from.snapshot.prefix(spec.prefix) {
            let entry = decode_entry::<T>(from.schema, spec, &name[spec.prefix.len()..], text);
            from.take(
                entry,
                |(key, element)| {
                    if is_few { self.slot(value).put(key, element) } else { many.push((key, element)) }
                },
            )?;
        }
        if !is_few {
            self.slot(value).put_all(many);
        }
        Ok(())
    }

    fn diff(&self, value: &S, changes: &mut ChangeRecorder<'_>) -> Result<(), SessionError> {
        let (spec, value) = (self.spec(), self.get(value));
        let snapshot = changes.snapshot;
        // Capacity for any integer as a key.
        let mut name = String::with_capacity(spec.prefix.len() + 40);
        name.push_str(spec.prefix);
        let (mut text, mut kept, mut near) = (String::new(), 0, 0);
        let mut names = Names::default();
        value.each(&mut |key, element| {
            name.truncate(spec.prefix.len());
            key.write(&mut name).map_err(|()| unencodable(S::SPEC, spec))?;
            encode_into(&mut text, S::SPEC, spec, element)?;
            if !T::Key::IS_CANONICAL && !names.is_new(&name) {
                return Err(unencodable(S::SPEC, spec));
            }
            let base = snapshot.entry_near(&name, &mut near);
            kept += usize::from(base.is_some());
            if base.is_some_and(|(_, base)| is_same::<T::Value>(base, &text, spec)) {
                changes.confirm(spec, base);
            } else {
                check_key(S::SPEC, spec, value, &name[spec.prefix.len()..])?;
                check(S::SPEC, spec, element, &text)?;
                let (name, base) = base.map_or_else(|| (name.as_str().into(), None), named);
                changes.put(spec, name, base, Some(text.as_str().into()));
            }
            Ok(())
        })?;
        if snapshot.prefix(spec.prefix).count() == kept {
            return Ok(());
        }
        for (name, text) in snapshot.prefix(spec.prefix) {
            let gone = match decode_entry::<T>(S::SPEC, spec, &name[spec.prefix.len()..], text) {
                Ok((key, _)) => !value.holds(&key),
                // An entry that was skipped on reading was not removed by the application, unless it replaced the
                // whole field.
                Err(_) => changes.is_replaced() && !changes.found.iter().any(|change| change.name == *name),
            };
            if gone {
                changes.put(spec, name.clone(), Some(text.clone()), None);
            }
        }
        Ok(())
    }

    /// Returns the entries as one JSON object.
    fn show(&self, value: &S) -> Option<String> {
        let mut entries = BTreeMap::new();
        let shown = self.get(value).each(&mut |key, element| {
            let mut name = String::new();
            let field = (S::SPEC, self.spec());
            key.write(&mut name).map_err(|()| unencodable(field.0, field.1))?;
            entries.insert(name, encode(field.0, field.1, element)?);
            Ok(())
        });
        let lines: Vec<String> = entries.iter().map(|(key, element)| format!("\"{key}\":{element}")).collect();
        shown.ok().map(|()| format!("{{{}}}", lines.join(",")))
    }

    fn initial(&self) -> Box<dyn Any> {
        Box::new(FieldAccess::initial(self))
    }

    /// Returns false, since no single text holds the whole field.
    fn is_initial(&self, _: &str) -> bool {
        false
    }

    fn swap(&self, a: &mut S, b: &mut S) {
        std::mem::swap(self.slot(a), self.slot(b));
    }
}

impl<S: Schema, T: Transient + 'static> Access<S> for TransientField<S, T> {
    fn read(&self, _: &mut S, _: &Reader<'_>) -> Result<(), SessionError> {
        Ok(())
    }

    fn diff(&self, _: &S, _: &mut ChangeRecorder<'_>) -> Result<(), SessionError> {
        Ok(())
    }

    fn show(&self, _: &S) -> Option<String> {
        None
    }

    fn initial(&self) -> Box<dyn Any> {
        Box::new(FieldAccess::initial(self))
    }

    fn is_initial(&self, _: &str) -> bool {
        true
    }

    fn carry(&self, value: &S, next: &mut S) {
        self.slot(next).clone_from(self.get(value));
    }

    fn swap(&self, a: &mut S, b: &mut S) {
        std::mem::swap(self.slot(a), self.slot(b));
    }
}

/// Returns a stored key with its text, both shared with the record.
fn named((name, text): (&Text, &Text)) -> (Text, Option<Text>) {
    (name.clone(), Some(text.clone()))
}
