//! Changes of a request, one per stored key.

use crate::error::SessionError;
use crate::record::Text;
use crate::schema::merge::{Merge, three_way};
use crate::schema::{FieldSpec, Kind, Renew, SchemaSpec};

/// One stored key that a request sets or removes.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) schema: &'static SchemaSpec,
    pub(crate) field: &'static FieldSpec,
    pub(crate) name: Text,
    /// Text that the request loaded.
    pub(crate) base: Option<Text>,
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

    /// Returns whether the field or entry was set to the text that it already had.
    pub(crate) fn is_confirmation(&self) -> bool {
        self.set && self.base.is_some() && self.base == self.ours
    }

    /// Merges the change with the text that another request stored. A text that the merge alters no longer counts as
    /// set.
    pub(crate) fn merge(&mut self, theirs: Option<Text>) -> Result<(), SessionError> {
        let merged = three_way(self, theirs.as_deref())?;
        self.mixed |= !self.is_own();
        self.set &= merged == self.ours;
        (self.base, self.ours) = (theirs, merged);
        Ok(())
    }

    /// Rebases the change on an empty session. A value that was set, or that was made without a stored value, stays;
    /// of a sum, the difference stays. An edit of any other value is kept as stale, since it contains part of that
    /// value. Returns `None` if nothing is left of the change.
    pub(crate) fn on_nothing(mut self) -> Result<Option<Self>, SessionError> {
        if self.schema.lasting || self.stale {
            return Ok(Some(self));
        }
        let is_own = self.is_own();
        if !is_own && matches!(self.field.merge, Merge::Sum(_)) {
            self.ours = three_way(&self, None)?.filter(|text| self.field.kind != Kind::Entries || &**text != "0");
        }
        if !is_own && self.is_initial(self.ours.as_deref()) {
            return Ok(None);
        }
        self.stale = !is_own && !matches!(self.field.merge, Merge::Sum(_));
        self.base = None;
        Ok(self.ours.is_some().then_some(self))
    }
}

/// Changes that one guard made.
#[derive(Default)]
pub(crate) struct Found {
    /// True if a `renew` field left a value that was not its default.
    pub(crate) over: bool,
    /// Edits of the previous user's values, against the guard's snapshot.
    pub(crate) before: Vec<Change>,
    /// All other changes: against the guard's snapshot, or against an empty session if the session starts over.
    pub(crate) changes: Vec<Change>,
}
