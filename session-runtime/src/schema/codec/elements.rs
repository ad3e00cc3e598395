//! Lists that are stored element by element, so that the elements of concurrent requests all survive.
//!
//! A removal names the elements that the request saw. An edit keeps the id of its element. See [`align`](super::align)
//! for the identity of elements and [`element_id`](super::element_id) for their order.

use std::any::Any;
use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::align::kept;
use super::element_id::{ElementIds, appended_at, is_element_id};
use super::read_back::from_text_of;
use super::text::{check, decode, encode, is_same};
use super::{Access, ByElement, ChangeRecorder, Reader};
use crate::clock::Timestamp;
use crate::error::SessionError;
use crate::record::Text;
use crate::schema::{FieldAccess, FieldSpec, Merge, OnInvalid, Schema, SchemaSpec};

/// Bound on the type of a list that `merge = append` stores element by element: `Vec`.
#[diagnostic::on_unimplemented(
    message = "`merge = append` needs a `Vec`, and `{Self}` cannot be stored element by element",
    label = "not a `Vec` of storable elements",
    note = "use a `Vec` whose elements implement `Serialize` and `DeserializeOwned`, or `merge = keys` for a map or a set"
)]
#[doc(hidden)]
pub trait Elements: Default {
    type Element: Serialize + DeserializeOwned;
    fn elements(&self) -> &[Self::Element];
    fn append(&mut self, element: Self::Element);
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Elements for Vec<T> {
    type Element = T;

    fn elements(&self) -> &[T] {
        self
    }

    fn append(&mut self, element: T) {
        self.push(element);
    }
}

/// Stored key with its text.
type Entry<'a> = (&'a Text, &'a Text);

impl<S: Schema, T: Elements + 'static> Access<S> for ByElement<S, T> {
    fn read(&self, value: &mut S, from: &Reader<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        for (name, text) in from.snapshot.in_order(spec.prefix) {
            if !has_expired(spec, name, from.snapshot.now()) {
                from.take(decode_element::<T>(from, spec, name, text), |element| self.slot(value).append(element))?;
            }
        }
        Ok(())
    }

    fn diff(&self, value: &S, changes: &mut ChangeRecorder<'_>) -> Result<(), SessionError> {
        let spec = self.spec();
        let elements = self.get(value).elements();
        let texts = elements.iter().map(|element| encode(S::SPEC, spec, element)).collect::<Result<Vec<_>, _>>()?;
        let stored = changes.snapshot.in_order(spec.prefix);
        let now = changes.snapshot.now();
        let is_seen = |entry: &Entry<'_>| !has_expired(spec, entry.0, now) && is_readable::<S, T>(spec, *entry);
        let (seen, unseen): (Vec<_>, Vec<_>) = stored.iter().copied().partition(is_seen);
        let kept = if changes.cleared { Vec::new() } else { kept_of::<T>(spec, &seen, &texts, !changes.set) };
        let edited = Edited::<T> { spec, elements, texts, kept };
        let changed = edited.differs_from(&seen);
        edited.report_unseen(&unseen, now, changed, changes);
        if !changed && !changes.complete {
            for entry in seen {
                changes.confirm(spec, Some(entry));
            }
            return Ok(());
        }
        edited.report_kept(S::SPEC, &seen, changes)?;
        edited.report_gone(&seen, changes);
        let ids = stored.iter().map(|(name, _)| &name[spec.prefix.len()..]);
        edited.report_new(S::SPEC, ids.rev().find(|id| is_element_id(id)), changes)
    }

    /// Returns the elements as one JSON list.
    fn show(&self, value: &S) -> Option<String> {
        let texts: Result<Vec<_>, _> = self.get(value).elements().iter().map(serde_json::to_string).collect();
        texts.ok().map(|texts| format!("[{}]", texts.join(",")))
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

/// Returns whether an element has expired.
fn has_expired(field: &FieldSpec, name: &str, now: Timestamp) -> bool {
    let deadline = |period| Some(appended_at(&name[field.prefix.len()..])?.after(period));
    field.expires_after.and_then(deadline).is_some_and(|deadline| now >= deadline)
}

/// Returns whether the guard has this element. Only with `on_invalid = reset` may it have skipped one.
fn is_readable<S: Schema, T: Elements>(field: &FieldSpec, (name, text): Entry<'_>) -> bool {
    let is_valid = || is_element_id(&name[field.prefix.len()..]) && from_text_of::<T::Element>(field, text).is_ok();
    S::SPEC.on_invalid == OnInvalid::Refuse || is_valid()
}

fn decode_element<T: Elements>(
    from: &Reader<'_>,
    field: &'static FieldSpec,
    name: &str,
    text: &str,
) -> Result<T::Element, SessionError> {
    if !is_element_id(&name[field.prefix.len()..]) {
        return Err(SessionError::no_element_id(from.schema, field));
    }
    decode(from.schema, field, text)
}

/// Returns the stored elements that are still there; see [`kept`].
fn kept_of<T: Elements>(field: &FieldSpec, seen: &[Entry<'_>], texts: &[String], edits: bool) -> Vec<usize> {
    let stored = seen.iter().enumerate().map(|(at, (_, stored))| match texts.get(at) {
        Some(text) if **text == ***stored => Cow::Borrowed(&***stored),
        _ => respelled::<T>(field, stored),
    });
    kept(&stored.collect::<Vec<_>>(), texts, edits)
}

/// Returns the text of a stored element as this program writes it.
fn respelled<'t, T: Elements>(field: &FieldSpec, text: &'t str) -> Cow<'t, str> {
    let element = from_text_of::<T::Element>(field, text).ok();
    element.and_then(|element| serde_json::to_string(&element).ok()).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// A list after an edit.
struct Edited<'e, T: Elements> {
    spec: &'static FieldSpec,
    elements: &'e [T::Element],
    texts: Vec<String>,
    /// Stored element that each of the first ones is. The others are new.
    kept: Vec<usize>,
}

impl<T: Elements> Edited<'_, T> {
    fn differs_from(&self, seen: &[Entry<'_>]) -> bool {
        let is_same =
            |(at, (_, stored)): (usize, &Entry<'_>)| is_same::<T::Element>(stored, &self.texts[at], self.spec);
        let counts = (seen.len(), seen.len());
        (self.kept.len(), self.texts.len()) != counts || !seen.iter().enumerate().all(is_same)
    }

    /// Number of elements above the bound. The oldest are not stored.
    fn excess(&self) -> usize {
        let Merge::Append { max } = self.spec.merge else { return 0 };
        self.texts.len().saturating_sub(max)
    }

    /// Removes the elements that the guard has not seen: expired ones with every change of the list, unreadable ones if
    /// the whole list was replaced.
    fn report_unseen(&self, unseen: &[Entry<'_>], now: Timestamp, changed: bool, changes: &mut ChangeRecorder<'_>) {
        for (name, text) in unseen {
            if changes.is_replaced() || changed && has_expired(self.spec, name, now) {
                changes.put(self.spec, Text::clone(name), Some(Text::clone(text)), None);
            }
        }
    }

    /// Stores the elements that were edited in place.
    fn report_kept(
        &self,
        schema: &'static SchemaSpec,
        seen: &[Entry<'_>],
        changes: &mut ChangeRecorder<'_>,
    ) -> Result<(), SessionError> {
        for (at, kept) in self.kept.iter().enumerate().skip(self.excess()) {
            let ((name, stored), text) = (seen[*kept], &self.texts[at]);
            if !changes.complete && is_same::<T::Element>(stored, text, self.spec) {
                changes.confirm(self.spec, Some((name, stored)));
                continue;
            }
            check(schema, self.spec, &self.elements[at], text)?;
            changes.put(self.spec, name.clone(), Some(stored.clone()), Some(text.as_str().into()));
        }
        Ok(())
    }

    /// Removes the elements that are no longer in the list, or are too many.
    fn report_gone(&self, seen: &[Entry<'_>], changes: &mut ChangeRecorder<'_>) {
        let mut kept = self.kept.iter().skip(self.excess()).peekable();
        for (at, (name, text)) in seen.iter().enumerate() {
            if kept.next_if_eq(&&at).is_none() {
                changes.put(self.spec, Text::clone(name), Some(Text::clone(text)), None);
            }
        }
    }

    /// Stores the new elements, with ids after the last one that is stored.
    fn report_new(
        &self,
        schema: &'static SchemaSpec,
        last: Option<&str>,
        changes: &mut ChangeRecorder<'_>,
    ) -> Result<(), SessionError> {
        let mut ids = ElementIds::after(last, changes.ids);
        for at in self.kept.len().max(self.excess())..self.texts.len() {
            let text = &self.texts[at];
            check(schema, self.spec, &self.elements[at], text)?;
            let mut name = String::from(self.spec.prefix);
            ids.push(&mut name, text)?;
            changes.put(self.spec, name.into(), None, Some(text.as_str().into()));
        }
        Ok(())
    }
}
