//! Save of a session whose secret another request has replaced meanwhile: a login gets a session of its own, and other
//! writes are refused.

use super::Save;
use crate::error::{ErrorKind, SessionError};
use crate::record::{Values, key};
use crate::request::changes::{Changes, IdentityChange, fresh_values, refused, start_over};
use crate::request::commit::Outcome;
use crate::schema::{FieldSpec, Renew, SchemaSpec};

impl Save<'_> {
    /// Handles a login by another request. A login of this request gets a session of its own, and never the record of
    /// the other request, which may belong to another user.
    pub(super) async fn renewed(&mut self) -> Result<Outcome, SessionError> {
        if self.is_optional() {
            return Ok(Outcome::Done);
        }
        if self.identity_change != IdentityChange::Login {
            return Err(SessionError::new(ErrorKind::Renewed));
        }
        let mut values = self.live.values.clone().into_new(&self.visit.core.versions);
        let changes = self.login_changes(&values)?;
        let had_user = self.had_user(&values);
        self.keep_for_login(&mut values);
        for (name, text) in fresh_values(&changes, &self.visit.core).iter() {
            values.set(name.clone(), text.clone());
        }
        for change in changes.values().filter(|change| change.ours.is_none()) {
            values.remove(&change.name);
            values.remove(change.field.deadline);
        }
        let values = self.visit.with_proof(values, self.requested);
        let expiry = self.requested.expiry.map_or(self.live.head.expiry, Into::into);
        let created = self.visit.create(values, self.live.values.stored(), expiry).await?;
        self.requested.clear_stored_changes();
        if had_user {
            self.visit.leave_user();
        }
        Ok(created)
    }

    /// Returns the changes that a login keeps. If the session already had a user, these are only the changes that hold
    /// nothing of it.
    fn login_changes(&self, loaded: &Values) -> Result<Changes, SessionError> {
        let mut changes = self.requested.changes.clone();
        if self.had_user(loaded) {
            start_over(&mut changes, self.requested.confirmed.clone())?;
        }
        refused(&changes).map_or(Ok(changes), Err)
    }

    /// Retains the loaded values that a login keeps: all except the `renew` fields, and only the lasting schemas if the
    /// session already had a user.
    fn keep_for_login(&self, values: &mut Values) {
        let (schemas, had_user) = (self.visit.core.schemas(), self.had_user(values));
        let kept = |schema: &SchemaSpec| self.requested.counts(schema) && (schema.lasting || !had_user);
        values.retain(|name| schemas.iter().any(|schema| key::is_of_schema(name, schema.key) && kept(schema)));
        let fields = schemas.iter().flat_map(|schema| schema.fields());
        for field in fields.filter(|field| field.renew != Renew::Off) {
            values.remove(field.name);
        }
    }

    /// Returns whether a field names a user.
    fn had_user(&self, values: &Values) -> bool {
        let fields =
            self.visit.core.schemas().iter().flat_map(|schema| schema.fields().map(move |field| (schema, field)));
        let is_user = |(schema, field): (&&SchemaSpec, &FieldSpec)| {
            field.renew == Renew::User && values.get(field.name).is_some_and(|text| !schema.is_initial(field, text))
        };
        fields.into_iter().any(is_user)
    }
}
