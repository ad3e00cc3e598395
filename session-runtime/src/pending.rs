//! What a request changes before it is saved: by stored key, each with the text that it rests on.
//!
//! Takes what the guards recorded; gives the keys of a patch, the values of a new session, or the same changes laid over
//! what another request stored meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{KnownText, same_text};
use crate::error::SessionError;
use crate::merge::{Merge, three_way};
use crate::patch::{Expected, Patch, RestsOn};
use crate::record::{Text, Values};
use crate::schema::{FieldSpec, SchemaSpec};
use crate::versions::{Versioned, Versions};

/// One stored key that a request sets or removes.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) schema: &'static SchemaSpec,
    pub(crate) field: &'static FieldSpec,
    pub(crate) name: Text,
    /// What was there when the request loaded.
    pub(crate) base: Option<Text>,
    /// What is to be there.
    pub(crate) ours: Option<Text>,
    /// Set by name, so stored even if it is the default.
    pub(crate) set: bool,
}

/// All that one request changes, by stored key.
pub(crate) type Pending = BTreeMap<Text, Change>;

/// What happened to the `renew` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    Same,
    /// From the default to a value: somebody logged in.
    Login,
    /// Back to the default.
    Logout,
    /// From one value to another: somebody else logged in.
    StartOver,
}

/// What happened to the `renew` fields, all taken together.
pub(crate) fn turn(pending: &Pending) -> Turn {
    let changes = pending.values().filter(|change| change.field.renew);
    changes.map(field_turn).fold(Turn::Same, |all, one| match (all, one) {
        (Turn::StartOver, _) | (_, Turn::StartOver) => Turn::StartOver,
        (Turn::Login, _) | (_, Turn::Login) => Turn::Login,
        (Turn::Logout, _) | (_, Turn::Logout) => Turn::Logout,
        (Turn::Same, Turn::Same) => Turn::Same,
    })
}

fn field_turn(change: &Change) -> Turn {
    let is_default = |text: Option<&str>| text.is_none_or(|text| change.schema.is_initial(change.field, text));
    match (is_default(change.base.as_deref()), is_default(change.ours.as_deref())) {
        (true, true) => Turn::Same,
        (true, false) => Turn::Login,
        (false, true) => Turn::Logout,
        (false, false) => Turn::StartOver,
    }
}

/// Whether any `renew` field changed.
pub(crate) fn renews(pending: &Pending) -> bool {
    turn(pending) != Turn::Same
}

/// Takes over what a guard found changed against its own view, laid over what the request knows now. `moved`: the request
/// has begun another session since, so there is nothing to reject the change for.
pub(crate) fn absorb(
    pending: &mut Pending,
    in_flight: &Pending,
    found: Change,
    stored: &Values,
    moved: bool,
) -> Result<(), SessionError> {
    let earlier = pending.get(&found.name);
    let under_way = in_flight.get(&found.name).map(|change| change.ours.clone());
    let stored_now = || under_way.unwrap_or_else(|| stored.get_text(&found.name).cloned());
    let base = earlier.map_or_else(stored_now, |earlier| earlier.base.clone());
    let now = earlier.map_or(base.as_deref(), |earlier| earlier.ours.as_deref());
    let ours = match found.field.merge {
        _ if now == found.base.as_deref() => found.ours,
        Merge::Reject if moved => found.ours,
        // Kept on the base that the guard saw: the save refuses it, and goes on refusing it.
        Merge::Reject if !same_text(found.base.as_deref(), now, KnownText::of(found.field)) => {
            pending.insert(found.name.clone(), found);
            return Ok(());
        }
        _ => three_way(&found, now)?,
    };
    let set = found.set || earlier.is_some_and(|earlier| earlier.set);
    // Two edits that cancel each other out leave an absent key absent.
    let absent =
        !set && base.is_none() && ours.as_deref().is_some_and(|ours| found.schema.is_initial(found.field, ours));
    if ours == base || absent {
        pending.remove(&found.name);
    } else {
        pending.insert(found.name.clone(), Change { base, ours, set, ..found });
    }
    Ok(())
}

/// The schemas that the changes belong to, each once: their stored keys lie side by side.
pub(crate) fn schemas_of(pending: &Pending) -> impl Iterator<Item = &'static SchemaSpec> {
    let mut last_schema = None;
    pending
        .values()
        .map(|change| change.schema)
        .filter(move |schema| last_schema.replace(schema.key) != Some(schema.key))
}

/// Puts the changes into the patch, with the metadata of their schemas and what they rest on: the whole record, of that
/// revision, where a schema is stored in another version than it is seen in.
pub(crate) fn fill(
    patch: &mut Patch,
    pending: &Pending,
    versions: &Versions,
    values: &Versioned,
    revision: u64,
) -> Result<(), SessionError> {
    let mut expected = Vec::with_capacity(2);
    let mut last_schema = None;
    for change in pending.values() {
        if last_schema != Some(change.schema.key) {
            last_schema = Some(change.schema.key);
            expected.push(expect(patch, change.schema, versions, values.stored().entry(change.schema.key)));
        }
        if change.field.merge.rests_on_base() {
            expected.push(Expected { name: change.name.clone(), base: change.base.clone(), or_ours: false });
        }
        match &change.ours {
            Some(text) => patch.set.push((change.name.clone(), text.clone())),
            None => patch.remove.push(change.name.clone()),
        }
    }
    patch.rests_on = RestsOn::Values(expected);
    for schema in schemas_of(pending) {
        if values.rewrite(schema, versions, patch)? {
            patch.rests_on = RestsOn::Revision(revision);
        }
    }
    Ok(())
}

/// A schema's metadata must be as it was loaded; where there was none, the patch brings it.
fn expect(patch: &mut Patch, schema: &SchemaSpec, versions: &Versions, stored: Option<(&Text, &Text)>) -> Expected {
    if let Some((name, text)) = stored {
        return Expected { name: name.clone(), base: Some(text.clone()), or_ours: false };
    }
    let (name, text) = versions.metadata(schema);
    patch.set.push((name.clone(), text));
    Expected { name, base: None, or_ours: true }
}

/// What a new session stores: every change that sets something, and the metadata of its schema.
pub(crate) fn fresh_values(pending: &Pending, versions: &Versions) -> Values {
    let set = || pending.values().filter_map(|change| Some((change, change.ours.as_ref()?)));
    let schemas: BTreeSet<&str> = set().map(|(change, _)| change.schema.key).collect();
    // As much as is needed and no more: a store in memory keeps it.
    let mut values = Values::with_capacity(set().count() + schemas.len());
    for (change, text) in set() {
        if values.get(change.schema.key).is_none() {
            let (name, text) = versions.metadata(change.schema);
            values.set(name, text);
        }
        values.set(change.name.clone(), text.clone());
    }
    values
}

/// The changes as they would be if the session had been empty: what was added to a sum, and not the sum.
pub(crate) fn rebase_on_nothing(pending: &Pending) -> Result<Pending, SessionError> {
    let mut rebased = pending.clone();
    for change in rebased.values_mut().filter(|change| matches!(change.field.merge, Merge::With(_))) {
        change.ours = three_way(change, None)?;
        change.base = None;
    }
    Ok(rebased)
}

/// The changes laid over what is stored now.
pub(crate) fn rebase(pending: &Pending, stored: &Values) -> Result<Pending, SessionError> {
    let mut rebased = pending.clone();
    for change in rebased.values_mut() {
        let theirs = stored.get_text(&change.name).cloned();
        change.ours = three_way(change, theirs.as_deref())?;
        change.base = theirs;
    }
    rebased.retain(|_, change| change.base != change.ours);
    Ok(rebased)
}
