//! One stored key that a request sets or removes.

use crate::record::Text;
use crate::schema::{FieldSpec, Renew, SchemaSpec};

/// One stored key that a request sets or removes.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) schema: &'static SchemaSpec,
    pub(crate) field: &'static FieldSpec,
    pub(crate) name: Text,
    /// The text that the request loaded.
    pub(crate) base: Option<Text>,
    /// The text to be stored.
    pub(crate) ours: Option<Text>,
    /// The application replaced the whole value: stored even if it is the default, and free of the value before.
    pub(crate) set: bool,
    /// Holds some of a stored value that is no longer its base, because another request has changed that value.
    pub(crate) mixed: bool,
    /// An edit of a value of the session that this request has ended; the save refuses it.
    pub(crate) stale: bool,
}

impl Change {
    /// Whether the text is the value of the field in a new session.
    pub(crate) fn is_initial(&self, text: Option<&str>) -> bool {
        text.is_none_or(|text| self.schema.is_initial(self.field, text))
    }

    /// Whether it holds nothing of a stored value: it was set, names the user, or was made from a default.
    pub(crate) fn is_own(&self) -> bool {
        self.set || self.field.renew == Renew::User || !self.mixed && self.is_initial(self.base.as_deref())
    }

    /// Whether a user goes: the field names one, and leaves a value that is not its default.
    pub(crate) fn ends_user(&self) -> bool {
        self.field.renew == Renew::User && !self.is_initial(self.base.as_deref())
    }

    /// The field or entry was set to the text that is there already.
    pub(crate) fn is_confirmation(&self) -> bool {
        self.set && self.base.is_some() && self.base == self.ours
    }
}

/// The changes that one guard made.
#[derive(Default)]
pub(crate) struct Found {
    /// A `renew` field left a value that was not its default.
    pub(crate) over: bool,
    /// Edits of the values before that, against the view of the guard.
    pub(crate) before: Vec<Change>,
    /// All other changes: against the view, or against nothing if the session starts over.
    pub(crate) changes: Vec<Change>,
}
