//! What a request changes before it is saved: by stored key, each with the text that it rests on.
//!
//! Takes what the guards recorded; gives the keys of a patch, the values of a new session, or the same changes laid over
//! what another request stored meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, SessionError};
use crate::record::patch::{Expected, Patch, Precondition};
use crate::record::{Text, Values};
use crate::schema::change::Change;
use crate::schema::codec::{KnownText, same_text};
use crate::schema::merge::{Merge, three_way};
use crate::schema::{Renew, SchemaSpec};
use crate::version::versioned::{Versioned, Versions};

/// All that one request changes, by stored key.
pub(crate) type Changes = BTreeMap<Text, Change>;

/// The effect of the changed `renew` fields, all taken together. A field that leaves a value other than its default is
/// not among them: from then on the changes lie on an empty session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityChange {
    /// None.
    Same,
    /// A `renew(keep)` field changed: a new id for the same data.
    Renewal,
    /// A `renew` field left its default: a login.
    Login,
}

/// The effect of the changed `renew` fields, all taken together.
pub(crate) fn identity_change(changes: &Changes) -> IdentityChange {
    let turns = changes.values().map(field_turn);
    turns.fold(IdentityChange::Same, |all, one| match (all, one) {
        (IdentityChange::Login, _) | (_, IdentityChange::Login) => IdentityChange::Login,
        (IdentityChange::Renewal, _) | (_, IdentityChange::Renewal) => IdentityChange::Renewal,
        (IdentityChange::Same, IdentityChange::Same) => IdentityChange::Same,
    })
}

fn field_turn(change: &Change) -> IdentityChange {
    let identity_change = match change.field.renew {
        Renew::Off => return IdentityChange::Same,
        Renew::Keep => IdentityChange::Renewal,
        Renew::User => IdentityChange::Login,
    };
    if change.is_initial(change.base.as_deref()) && change.is_initial(change.ours.as_deref()) {
        IdentityChange::Same
    } else {
        identity_change
    }
}

/// Whether any `renew` field changed, `renew(keep)` included.
pub(crate) fn renews(changes: &Changes) -> bool {
    identity_change(changes) != IdentityChange::Same
}

/// An edit of a value of the session before, if there is one.
pub(crate) fn refused(changes: &Changes) -> Option<SessionError> {
    let stale = changes.values().find(|change| change.stale)?;
    Some(SessionError::at_field(ErrorKind::PreviousUser, stale.schema, stale.field))
}

/// Changes laid over an empty session, `confirmed` ones below the others.
pub(crate) fn start_over(changes: &mut Changes, confirmed: Option<Box<Changes>>) -> Result<(), SessionError> {
    let mut earlier = confirmed.map(|confirmed| *confirmed).unwrap_or_default();
    earlier.retain(|_, change| !change.schema.lasting);
    earlier.append(changes);
    for (name, change) in earlier {
        if let Some(change) = change.on_nothing()? {
            changes.insert(name, change);
        }
    }
    Ok(())
}

/// What the request knows of the stored text of a change, and of the guard that made it.
pub(crate) struct Ground {
    pub(crate) stored: Option<Text>,
    /// The request has begun another session since the guard was opened, so there is nothing to reject the change for.
    pub(crate) moved: bool,
}

/// Takes over a change that a guard found against its own view, laid over what the request knows now. A field set to the
/// text that is there goes to `confirmed`.
pub(crate) fn absorb(
    changes: &mut Changes,
    confirmed: &mut Option<Box<Changes>>,
    found: Change,
    ground: Ground,
) -> Result<(), SessionError> {
    let earlier = changes.get(&found.name);
    if found.is_confirmation() {
        confirm(changes, confirmed, found);
        return Ok(());
    }
    // The save refuses it all the same, unless the whole field is set.
    if earlier.is_some_and(|earlier| earlier.stale) && !found.set {
        return Ok(());
    }
    let earlier = earlier.filter(|earlier| !earlier.stale);
    let base = earlier.map_or(ground.stored, |earlier| earlier.base.clone());
    let now = earlier.map_or(base.as_deref(), |earlier| earlier.ours.as_deref());
    let is_current = now == found.base.as_deref();
    let ours = match found.field.merge {
        _ if found.stale || is_current => found.ours.clone(),
        Merge::Reject if ground.moved => found.ours.clone(),
        // Kept on the base that the guard saw: the save refuses it, and goes on refusing it.
        Merge::Reject if !same_text(found.base.as_deref(), now, KnownText::of(found.field)) => {
            changes.insert(found.name.clone(), found);
            return Ok(());
        }
        _ => three_way(&found, now)?,
    };
    // What a guard puts where an earlier one has removed the value holds nothing of it.
    let is_own = |earlier: &Change| earlier.set || earlier.ours.is_none() && found.base.is_none();
    let is_confirmed = |confirmed: &mut Box<Changes>| confirmed.remove(&found.name).is_some();
    let set = found.set || earlier.is_some_and(is_own) || confirmed.as_mut().is_some_and(is_confirmed);
    // Two edits that cancel each other out leave an absent key absent.
    let absent =
        !set && base.is_none() && ours.as_deref().is_some_and(|ours| found.schema.is_initial(found.field, ours));
    let is_mixed = |earlier: &Change| earlier.mixed;
    let mixed = !set && (earlier.is_some_and(is_mixed) || !is_current && !found.is_own());
    let change = Change { base, ours, set, mixed, ..found };
    if change.base != change.ours && !absent {
        changes.insert(change.name.clone(), change);
        return Ok(());
    }
    changes.remove(&change.name);
    if change.is_confirmation() {
        confirmed.get_or_insert_default().insert(change.name.clone(), change);
    }
    Ok(())
}

fn confirm(changes: &mut Changes, confirmed: &mut Option<Box<Changes>>, found: Change) {
    match changes.get_mut(&found.name) {
        Some(earlier) => earlier.set = true,
        None => drop(confirmed.get_or_insert_default().insert(found.name.clone(), found)),
    }
}

/// The schemas that the changes belong to, each once: their stored keys lie side by side.
pub(crate) fn schemas_of(changes: &Changes) -> impl Iterator<Item = &'static SchemaSpec> {
    let mut last_schema = None;
    changes
        .values()
        .map(|change| change.schema)
        .filter(move |schema| last_schema.replace(schema.key) != Some(schema.key))
}

/// Puts the changes into the patch, with the metadata of their schemas and what they rest on: the whole record, of that
/// revision, where a schema is stored in another version than it is seen in.
pub(crate) fn fill(
    patch: &mut Patch,
    changes: &Changes,
    versions: &Versions,
    values: &Versioned,
    revision: u64,
) -> Result<(), SessionError> {
    let mut expected = Vec::with_capacity(2);
    let mut last_schema = None;
    for change in changes.values() {
        if last_schema != Some(change.schema.key) {
            last_schema = Some(change.schema.key);
            expected.push(expect(patch, change.schema, versions, values.stored().entry(change.schema.key)));
        }
        if change.field.merge.needs_base() {
            expected.push(Expected { name: change.name.clone(), base: change.base.clone(), or_ours: false });
        }
        match &change.ours {
            Some(text) => patch.set.push((change.name.clone(), text.clone())),
            None => patch.remove.push(change.name.clone()),
        }
    }
    patch.precondition = Precondition::Values(expected);
    for schema in schemas_of(changes) {
        if values.rewrite(schema, versions, patch)? {
            patch.precondition = Precondition::Revision(revision);
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
pub(crate) fn fresh_values(changes: &Changes, versions: &Versions) -> Values {
    let set = || changes.values().filter_map(|change| Some((change, change.ours.as_ref()?)));
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
pub(crate) fn rebase_on_nothing(changes: &Changes) -> Result<Changes, SessionError> {
    let mut rebased = changes.clone();
    for change in rebased.values_mut().filter(|change| matches!(change.field.merge, Merge::With(_) | Merge::Sum(_))) {
        change.ours = three_way(change, None)?;
        change.base = None;
    }
    Ok(rebased)
}

/// The changes laid over what is stored now.
pub(crate) fn rebase(changes: &Changes, stored: impl Fn(&Change) -> Option<Text>) -> Result<Changes, SessionError> {
    let mut rebased = changes.clone();
    for change in rebased.values_mut() {
        let theirs = stored(change);
        change.merge(theirs)?;
    }
    rebased.retain(|_, change| change.base != change.ours);
    Ok(rebased)
}
