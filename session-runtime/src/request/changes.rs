//! Changes of a request that are not yet saved: by stored key, each with the base text it was made from.
//!
//! Takes the changes that guards recorded. Gives the keys of a patch, the values of a new session, or the same changes
//! rebased on the values that another request stored meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{ErrorKind, SessionError};
use crate::record::patch::{Expected, Patch, Precondition};
use crate::record::{Text, Values, key};
use crate::request::core::Core;
use crate::schema::change::{Base, Change};
use crate::schema::codec::{KnownText, same_text};
use crate::schema::merge::{Merge, three_way};
use crate::schema::{Kind, Renew, SchemaSpec, deadline};
use crate::version::versioned::{VersionedValues, Versions};

/// Changes of one request, by stored key.
pub(crate) type Changes = BTreeMap<Text, Change>;

/// Combined effect of the changed `renew` fields. A field that leaves a value other than its default has no variant
/// here: the session then starts over, and the changes apply to an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdentityChange {
    /// No change of identity.
    Same,
    /// A `renew(keep)` field changed: a new id for the same data.
    Renewal,
    /// A `renew` field left its default: a login.
    Login,
}

/// Returns the combined effect of the changed `renew` fields.
pub(crate) fn identity_change(changes: &Changes) -> IdentityChange {
    let effects = changes.values().map(field_effect);
    effects.fold(IdentityChange::Same, |all, one| match (all, one) {
        (IdentityChange::Login, _) | (_, IdentityChange::Login) => IdentityChange::Login,
        (IdentityChange::Renewal, _) | (_, IdentityChange::Renewal) => IdentityChange::Renewal,
        (IdentityChange::Same, IdentityChange::Same) => IdentityChange::Same,
    })
}

fn field_effect(change: &Change) -> IdentityChange {
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

/// Returns whether any `renew` field changed, `renew(keep)` included.
pub(crate) fn renews(changes: &Changes) -> bool {
    identity_change(changes) != IdentityChange::Same
}

/// Returns the error for an edit of a value of the previous session, if there is such an edit.
pub(crate) fn refused(changes: &Changes) -> Option<SessionError> {
    let stale = changes.values().find(|change| change.stale)?;
    Some(SessionError::at_field(ErrorKind::PreviousUser, stale.schema, stale.field))
}

/// Rebases the changes on an empty session. A `confirmed` change is included unless its schema is lasting or its key
/// has another change.
pub(crate) fn start_over(changes: &mut Changes, confirmed: Option<Box<Changes>>) -> Result<(), SessionError> {
    let mut earlier = confirmed.map(|confirmed| *confirmed).unwrap_or_default();
    earlier.retain(|_, change| !change.schema.lasting);
    earlier.append(changes);
    for (name, change) in earlier {
        if let Some(change) = change.rebased_on_empty()? {
            changes.insert(name, change);
        }
    }
    Ok(())
}

/// Context of a change: the stored text of its key, and whether its guard belongs to an earlier session.
pub(crate) struct ChangeContext {
    pub(crate) stored: Base,
    /// True if the request has begun another session since the guard was opened. No stored value then conflicts with
    /// the change.
    pub(crate) moved: bool,
}

/// Adds a change, which a guard found against its own snapshot, to the changes of the request. A field that was set to
/// its current text goes to `confirmed`.
pub(crate) fn absorb(
    changes: &mut Changes,
    confirmed: &mut Option<Box<Changes>>,
    found: Change,
    context: ChangeContext,
) -> Result<(), SessionError> {
    if found.is_confirmation() {
        confirm(changes, confirmed, found);
        return Ok(());
    }
    let earlier = changes.get(&found.name);
    // The save refuses the earlier edit anyway, unless the whole field is set.
    if earlier.is_some_and(|earlier| earlier.stale) && !found.set {
        return Ok(());
    }
    let earlier = earlier.filter(|earlier| !earlier.stale);
    let (base, expired) = match earlier {
        Some(earlier) => (earlier.base.clone(), earlier.expired),
        None => (context.stored.text, context.stored.expired),
    };
    let current = earlier.map_or(base.as_deref(), |earlier| earlier.ours.as_deref());
    if is_rejected(&found, current, context.moved) {
        changes.insert(found.name.clone(), found);
        return Ok(());
    }
    let ours = on_current(&found, current, context.moved)?;
    let confirmed_before = confirmed.as_mut().and_then(|confirmed| confirmed.remove(&found.name));
    let was_confirmed = confirmed_before.is_some_and(|confirmed| confirmed.ours == found.base);
    // A text that a merge altered contains part of the other one.
    let set = ours == found.ours && (was_confirmed || replaces(&found, earlier));
    let mixed = !set && is_mixed(&found, earlier, current);
    keep(changes, confirmed, Change { base, expired, ours, set, mixed, ..found });
    Ok(())
}

/// True if the change is kept on the base that the guard saw, so that every save refuses it.
fn is_rejected(found: &Change, current: Option<&str>, moved: bool) -> bool {
    let is_rejecting = matches!(found.field.merge, Merge::Reject) && !found.stale && !moved;
    is_rejecting && !same_text(found.base.as_deref(), current, KnownText::of(found.field))
}

/// Returns the text of the change, applied to the current text of the request.
fn on_current(found: &Change, current: Option<&str>, moved: bool) -> Result<Option<Text>, SessionError> {
    let is_moved = moved && matches!(found.field.merge, Merge::Reject);
    if found.stale || is_moved || current == found.base.as_deref() {
        return Ok(found.ours.clone());
    }
    three_way(found, current)
}

/// True if the whole value is replaced. After a removal by an earlier guard, nothing of the removed value is left.
fn replaces(found: &Change, earlier: Option<&Change>) -> bool {
    let is_own = |earlier: &Change| earlier.set || earlier.ours.is_none() && found.base.is_none();
    found.set || earlier.is_some_and(is_own)
}

/// True if the text contains part of a stored value that is not its base.
fn is_mixed(found: &Change, earlier: Option<&Change>, current: Option<&str>) -> bool {
    earlier.is_some_and(|earlier| earlier.mixed) || current != found.base.as_deref() && !found.is_own()
}

/// Records the change, or removes the earlier one that it cancels out.
fn keep(changes: &mut Changes, confirmed: &mut Option<Box<Changes>>, change: Change) {
    // Two edits that cancel each other out leave an absent key absent.
    let is_absent = !change.set && change.base.is_none() && change.is_initial(change.ours.as_deref());
    if !change.is_void() && !is_absent {
        changes.insert(change.name.clone(), change);
        return;
    }
    changes.remove(&change.name);
    if change.is_confirmation() {
        confirmed.get_or_insert_default().insert(change.name.clone(), change);
    }
}

fn confirm(changes: &mut Changes, confirmed: &mut Option<Box<Changes>>, found: Change) {
    match changes.get_mut(&found.name) {
        Some(earlier) => earlier.set |= earlier.ours == found.ours,
        None => drop(confirmed.get_or_insert_default().insert(found.name.clone(), found)),
    }
}

/// Returns the schemas that have changes, each once. The stored keys of one schema are adjacent.
pub(crate) fn schemas_of(changes: &Changes) -> impl Iterator<Item = &'static SchemaSpec> {
    let mut last_schema = None;
    changes
        .values()
        .map(|change| change.schema)
        .filter(move |schema| last_schema.replace(schema.key) != Some(schema.key))
}

/// Adds the changes to the patch, with the metadata of their schemas and the precondition. The precondition is this
/// `revision` of the whole record if a section is rewritten in another version.
pub(crate) fn fill(
    patch: &mut Patch,
    changes: &Changes,
    core: &Core,
    values: &VersionedValues,
    revision: u64,
) -> Result<(), SessionError> {
    let mut expected = Vec::with_capacity(2);
    let mut last_schema = None;
    for change in changes.values() {
        if last_schema != Some(change.schema.key) {
            last_schema = Some(change.schema.key);
            expected.push(expect(patch, change.schema, &core.versions, values.stored().entry(change.schema.key)));
        }
        fill_change(patch, &mut expected, change, core, values.current());
    }
    patch.precondition = Precondition::Values(expected);
    for schema in schemas_of(changes) {
        if values.rewrite(schema, &core.versions, patch)? {
            patch.precondition = Precondition::Revision(revision);
        }
    }
    Ok(())
}

fn fill_change(patch: &mut Patch, expected: &mut Vec<Expected>, change: &Change, core: &Core, stored: &Values) {
    if change.needs_base() {
        expected.push(Expected { name: change.name.clone(), base: change.base.clone(), or_ours: false });
    }
    if change.field.has_deadline() {
        fill_deadline(patch, expected, change, core, stored);
    } else if change.field.kind == Kind::Whole {
        patch.remove.extend(unknown_deadline(stored, &change.name).cloned());
    }
    match &change.ours {
        Some(text) => patch.set.push((change.name.clone(), text.clone())),
        None => patch.remove.push(change.name.clone()),
    }
}

/// Returns the key of a deadline beside a field without `expires_after`, which a program with the attribute has stored.
/// It is removed with the value that it belongs to: it would count again for the same value, set later.
fn unknown_deadline<'v>(stored: &'v Values, field: &str) -> Option<&'v Text> {
    stored.prefix(field).map(|(name, _)| name).find(|name| key::is_deadline_of(name, field))
}

/// Adds the deadline of a change, and makes the precondition fail if the deadline has moved. What is expected is the
/// stored text, even if it has expired.
#[cold]
fn fill_deadline(patch: &mut Patch, expected: &mut Vec<Expected>, change: &Change, core: &Core, stored: &Values) {
    let name = Text::from(change.field.deadline);
    if change.needs_base() {
        if let Some(base) = expected.last_mut().filter(|_| change.expired) {
            base.base = stored.get_text(&change.name).cloned();
        }
        expected.push(Expected { base: stored.get_text(&name).cloned(), name: name.clone(), or_ours: false });
    }
    match &change.ours {
        Some(text) => patch.set.push((name, deadline::text(deadline::from(change.field, core.now()), text))),
        None => patch.remove.push(name),
    }
}

/// Returns the expectation that the metadata of a schema is as loaded. If there was none, the patch sets it.
fn expect(patch: &mut Patch, schema: &SchemaSpec, versions: &Versions, stored: Option<(&Text, &Text)>) -> Expected {
    if let Some((name, text)) = stored {
        return Expected { name: name.clone(), base: Some(text.clone()), or_ours: false };
    }
    let (name, text) = versions.metadata(schema);
    patch.set.push((name.clone(), text));
    Expected { name, base: None, or_ours: true }
}

/// Returns the values of a new session: each text that is set, and the metadata of its schema.
pub(crate) fn fresh_values(changes: &Changes, core: &Core) -> Values {
    let set = || changes.values().filter_map(|change| Some((change, change.ours.as_ref()?)));
    let schemas: BTreeSet<&str> = set().map(|(change, _)| change.schema.key).collect();
    let deadlines = set().filter(|(change, _)| change.field.has_deadline()).count();
    let mut values = Values::with_capacity(set().count() + deadlines + schemas.len());
    for (change, text) in set() {
        if values.get(change.schema.key).is_none() {
            let (name, text) = core.versions.metadata(change.schema);
            values.set(name, text);
        }
        values.set(change.name.clone(), text.clone());
        if change.field.has_deadline() {
            let at = deadline::from(change.field, core.now());
            values.set(change.field.deadline.into(), deadline::text(at, text));
        }
    }
    values
}

/// Returns the changes rebased on an empty session. Of a sum, the added difference remains.
pub(crate) fn rebase_on_empty(changes: &Changes) -> Result<Changes, SessionError> {
    let mut rebased = changes.clone();
    for change in rebased.values_mut().filter(|change| matches!(change.field.merge, Merge::With(_) | Merge::Sum(_))) {
        change.ours = three_way(change, None)?;
        (change.base, change.expired) = (None, false);
    }
    Ok(rebased)
}

/// Returns the changes rebased on the values that are stored now, without those that no longer change anything.
pub(crate) fn rebase(changes: &Changes, stored: impl Fn(&Change) -> Base) -> Result<Changes, SessionError> {
    let mut rebased = changes.clone();
    for change in rebased.values_mut() {
        let theirs = stored(change);
        change.merge(theirs)?;
    }
    rebased.retain(|_, change| !change.is_void());
    Ok(rebased)
}
