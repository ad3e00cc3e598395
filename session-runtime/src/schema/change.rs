//! Changes of a request, one per stored key.

use crate::clock::Timestamp;
use crate::record::{Text, Values};
use crate::schema::{FieldSpec, Merge, Renew, SchemaSpec, deadline};

/// One stored key that a request sets or removes.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each fact about a change is independent of the others")]
pub(crate) struct Change {
    pub(crate) schema: &'static SchemaSpec,
    pub(crate) field: &'static FieldSpec,
    pub(crate) name: Text,
    /// Text that the request loaded; `None` if it has expired.
    pub(crate) base: Option<Text>,
    /// True if the base is absent because the stored text has expired.
    pub(crate) expired: bool,
    /// Text to be stored.
    pub(crate) ours: Option<Text>,
    /// True if the application replaced the whole value. The value is then stored even if it is the default, and
    /// contains nothing of the previous one.
    pub(crate) set: bool,
    /// True if the text contains part of a stored value that is no longer its base, because another request changed
    /// that value.
    pub(crate) mixed: bool,
    /// True for an edit of a value of the session that this request has ended. The save refuses it.
    pub(crate) stale: bool,
}

impl Change {
    /// Returns whether `text` is the value of the field in a new session.
    pub(crate) fn is_initial(&self, text: Option<&str>) -> bool {
        text.is_none_or(|text| self.schema.is_initial(self.field, text))
    }

    /// Returns whether the text contains nothing of a stored value: it was set, names the user, or was made from a
    /// default.
    pub(crate) fn is_own(&self) -> bool {
        self.set || self.field.renew == Renew::User || !self.mixed && self.is_initial(self.base.as_deref())
    }

    /// Returns whether a user leaves: the field names the user, and its previous value was not the default.
    pub(crate) fn ends_user(&self) -> bool {
        self.field.renew == Renew::User && !self.is_initial(self.base.as_deref())
    }

    /// Puts the change on the base of an earlier change, on which it is based.
    pub(crate) fn rebase_on(&mut self, earlier: Self) {
        (self.base, self.expired) = (earlier.base, earlier.expired);
        self.set |= earlier.set || earlier.ours.is_none();
        self.mixed = !self.set && (self.mixed || earlier.mixed);
    }

    /// Returns whether the field or entry was set to the text that it already had, and nothing is to be stored.
    pub(crate) fn is_confirmation(&self) -> bool {
        self.set && self.base.is_some() && self.base == self.ours && !self.field.has_deadline()
    }

    /// Returns whether there is nothing to store. A field with a deadline that was set restarts its period, even with
    /// the same value; one that was cleared after it had expired is removed.
    pub(crate) fn is_void(&self) -> bool {
        let writes = || self.set && self.field.has_deadline() && (self.ours.is_some() || self.expired);
        self.base == self.ours && !writes()
    }

    /// Returns whether a patch must check that the stored text is still the base. An edit of a list element requires that
    /// the element still exists. The removal of an expired value requires that no new value has taken its place.
    pub(crate) fn needs_base(&self) -> bool {
        match self.field.merge {
            Merge::LastWrite => self.expired && self.ours.is_none(),
            Merge::Append { .. } => self.base.is_some() && self.ours.is_some(),
            Merge::Reject | Merge::With(_) | Merge::Sum(_) => true,
        }
    }
}

/// Stored text of a key, as a request sees it.
#[derive(Default)]
pub(crate) struct Base {
    /// The text; `None` if it is absent or has expired.
    pub(crate) text: Option<Text>,
    pub(crate) expired: bool,
}

impl Base {
    /// Returns the base of a change of this field among the stored values.
    pub(crate) fn of(change: &Change, values: &Values, now: Timestamp) -> Self {
        let text = values.get_text(&change.name);
        let expired = text.is_some() && deadline::has_passed(change.field, values, now);
        Self { text: text.filter(|_| !expired).cloned(), expired }
    }
}

impl From<Option<Text>> for Base {
    fn from(text: Option<Text>) -> Self {
        Self { text, expired: false }
    }
}

/// Changes that one guard made.
#[derive(Default)]
pub(crate) struct GuardChanges {
    /// True if a `renew` field left a value that was not its default.
    pub(crate) starts_over: bool,
    /// Edits of the previous user's values, against the guard's snapshot.
    pub(crate) before: Vec<Change>,
    /// All other changes: against the guard's snapshot, or against an empty session if the session starts over.
    pub(crate) changes: Vec<Change>,
}
