//! Upgrades a stored section to the current version, and downgrades it while a version is held.
//!
//! Takes the stored texts of one schema and the version that wrote them; gives the texts as this version would have
//! stored them. Keys that are unknown to all versions in the chain stay. Nothing is written here: an upgraded section
//! is stored with the first real change.
//!
//! ```text
//! was(2 = "…")          the same keys, perhaps under a new name
//! migrate(from = 1, …)  a function edits the texts, one version up
//! previous = CartV2     the section is read as CartV2, after an upgrade from any version below, and converted
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::marker::PhantomData;

use crate::error::{ErrorKind, SessionError};
use crate::record::{Text, Values, key};
use crate::schema::codec::{ChangeRecorder, KnownText, Reader, same_text};
use crate::schema::history::{Downgrade, Downgraded, Previous};
use crate::schema::layout::{Pin, compatible, hash_of, unreadable};
use crate::schema::section::RawSection;
use crate::schema::snapshot::Snapshot;
use crate::schema::{Kind, Schema, SchemaSpec, deadline, read};
use crate::version::status;

/// Upgrades a section from the version that wrote it to this one.
pub(crate) fn upgrade_section<S: Schema>(mut section: RawSection, mut from: u16) -> Result<RawSection, SessionError> {
    let history = &S::HISTORY;
    let mut before_steps = None;
    while from < S::VERSION {
        if from < history.oldest {
            break;
        }
        if let Some((_, pins)) = history.was.iter().find(|(was, _)| *was == from) {
            apply_renames(S::SPEC, pins, &mut section);
            if let Some((_, before)) = &mut before_steps {
                apply_renames(S::SPEC, pins, before);
            }
            from = S::VERSION;
            continue;
        }
        if let Some(step) = history.migrate.iter().find(|step| step.from == from) {
            before_steps.get_or_insert_with(|| (from, section.clone()));
            (step.run)(&mut section).map_err(|error| error.at_step(S::SPEC, from, from + 1))?;
            from += 1;
            continue;
        }
        let Some(previous) = history.previous.as_ref().filter(|previous| from <= previous.spec.version) else { break };
        let value = (previous.upgrade)(section.clone(), from)?;
        return stored_form(&value, section);
    }
    if from != S::VERSION {
        return Err(SessionError::too_old(S::SPEC, from));
    }
    if let Some((first, before)) = before_steps {
        steps_are_readable::<S>(&section, &before, first)?;
    }
    Ok(section)
}

/// Checks that the texts that a step has changed can be read. A step can write texts of any type, so this is checked
/// before they are stored.
fn steps_are_readable<S: Schema>(section: &RawSection, before: &RawSection, from: u16) -> Result<(), SessionError> {
    let mut written = section.values.clone();
    written.retain(|name| before.values.get(name) != section.values.get(name));
    let snapshot = Snapshot::of_values(written, section.now);
    let read = read::<S>(&Reader::strict(S::SPEC, &snapshot));
    read.map(drop).map_err(|error| SessionError::upgrade(S::SPEC, from, S::VERSION).because(error))
}

/// Returns whether this program can read a section of that version, as far as this struct defines it.
pub(crate) fn reads<S: Schema>(version: u16) -> bool {
    let history = &S::HISTORY;
    let below = history.previous.as_ref().is_some_and(|previous| {
        version == previous.spec.version || version < previous.spec.version && (previous.spec.reads)(version)
    });
    version >= history.oldest && (version == S::VERSION || history.reads(version) || below)
}

/// Renames the fields that the older layout has under their old name.
fn apply_renames(schema: &SchemaSpec, older: &[Pin], section: &mut RawSection) {
    for field in schema.fields() {
        if let Some(from) = field.renamed_from.filter(|from| older.iter().any(|(key, _)| key == from)) {
            section.rename(from, field.key());
        }
    }
}

/// Returns the section with the value in place of the texts that any version of the chain stored.
fn stored_form<S: Schema>(value: &S, mut section: RawSection) -> Result<RawSection, SessionError> {
    let mut texts = texts_of(value, &section)?;
    let mut stored = Values::with_capacity(texts.len());
    for (name, text) in section.values.iter() {
        match texts.remove(name) {
            Some((new, known)) => {
                // Another program's spelling of an equal value stays.
                let is_same = same_text(Some(text), Some(&new), known);
                stored.set(name.clone(), if is_same { text.clone() } else { new });
            }
            None if is_known(S::SPEC, name) && !is_default(S::SPEC, name, text) => {}
            None => drop(stored.set(name.clone(), text.clone())),
        }
    }
    for (name, (text, _)) in texts {
        stored.set(name, text);
    }
    set_deadlines(S::SPEC, &section, &mut stored);
    section.values = stored;
    Ok(section)
}

/// Texts to be stored, with what is known of each.
type Texts = BTreeMap<Text, (Text, KnownText)>;

/// Returns the texts of a value. Elements of lists keep their ids, and values that expire their deadlines.
fn texts_of<S: Schema>(value: &S, section: &RawSection) -> Result<Texts, SessionError> {
    let elements = section.elements(S::SPEC.fields().filter(|field| field.kind == Kind::Elements));
    let mut changes = ChangeRecorder::new(S::SPEC, &elements).complete();
    for field in S::FIELDS {
        field.access.diff(value, &mut changes)?;
    }
    let mut texts = Texts::new();
    for change in changes.into_changes() {
        if let Some(text) = change.ours {
            texts.insert(change.name, (text, KnownText::of(change.field)));
        }
    }
    Ok(texts)
}

/// Stores the deadlines of the values that expire: those that the section has, and new ones for values that had none.
fn set_deadlines(schema: &SchemaSpec, section: &RawSection, stored: &mut Values) {
    for field in schema.fields().filter(|field| field.has_deadline()) {
        if let Some(value) = stored.get(field.name) {
            let at = section.deadline_of(field).unwrap_or_else(|| deadline::from(field, section.now));
            let text = deadline::text(at, value);
            stored.set(field.deadline.into(), text);
        }
    }
}

/// True if a field of the schema, or of a version before it, has this stored key.
fn is_known(schema: &SchemaSpec, name: &str) -> bool {
    let Some(name) = key::in_schema(name, schema.key) else { return false };
    let is_of = |field: &str| key::is_of_field(name, field);
    let has = |schema: &SchemaSpec| {
        schema.fields().any(|field| field.is_stored() && (is_of(field.key()) || field.renamed_from.is_some_and(is_of)))
    };
    let mut next = Some(schema);
    while let Some(schema) = next {
        if has(schema) {
            return true;
        }
        next = schema.previous;
    }
    false
}

/// True if a field with this name is stored whole and the text is its default.
fn is_default(schema: &SchemaSpec, name: &str, text: &str) -> bool {
    schema.fields().any(|field| field.kind == Kind::Whole && field.name == name && schema.is_initial(field, text))
}

/// Downgrades a section to an older version; `None` if that is impossible.
pub(crate) fn downgrade_section<S: Schema>(section: RawSection, to: u16) -> Option<Downgraded> {
    let history = &S::HISTORY;
    if to == S::VERSION {
        return Some(Ok(section));
    }
    let renames = S::SPEC.fields().any(|field| field.renamed_from.is_some());
    if !renames && history.was.iter().any(|(was, _)| *was == to) {
        return Some(Ok(section));
    }
    let downgrade = history.previous.as_ref().filter(|previous| to <= previous.spec.version)?.downgrade?;
    downgrade(section, to)
}

/// Returns the metadata of an older version that this program can write; `None` if it cannot downgrade to it.
pub(crate) fn downgraded_metadata<S: Schema>(version: u16) -> Option<Text> {
    let history = &S::HISTORY;
    if version == S::VERSION {
        return Some(status::written(S::SPEC));
    }
    let renames = S::SPEC.fields().any(|field| field.renamed_from.is_some());
    if let Some((_, pins)) = history.was.iter().find(|(was, _)| *was == version).filter(|_| !renames) {
        return Some(status::text(version, (version, version), Some(hash_of(pins))));
    }
    let previous = history.previous.as_ref().filter(|previous| previous.downgrade.is_some())?;
    (previous.spec.downgraded_metadata)(version)
}

/// Error of an upgrade: it is kept as a cause, so it must implement `Error`.
#[diagnostic::on_unimplemented(
    message = "the error of an upgrade must implement `Error + Send + Sync + 'static`, and `{Self}` does not",
    label = "its conversion fails with `{Self}`",
    note = "implement `std::error::Error` for it"
)]
#[doc(hidden)]
pub trait UpgradeError: Error + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Error + Send + Sync + 'static> UpgradeError for E {}

/// Conversion of a struct from the version below it.
#[diagnostic::on_unimplemented(
    message = "no upgrade from `{P}` to `{Self}`",
    label = "nothing converts it",
    note = "write `impl From<{P}> for {Self}` (or `TryFrom`, if the upgrade can fail)"
)]
#[doc(hidden)]
pub trait UpgradeFrom<P>: Sized {
    type Error;
    fn upgrade_from(previous: P) -> Result<Self, Self::Error>;
}

#[diagnostic::do_not_recommend]
impl<P, S: TryFrom<P>> UpgradeFrom<P> for S {
    type Error = S::Error;

    fn upgrade_from(previous: P) -> Result<Self, S::Error> {
        Self::try_from(previous)
    }
}

/// Returns the step from `P`.
pub(crate) const fn previous<S, P>() -> Previous<S>
where
    P: Schema,
    S: Schema + UpgradeFrom<P, Error: UpgradeError>,
{
    Previous {
        spec: P::SPEC,
        compatible: compatible::<S, P>(),
        unreadable: unreadable::<S, P>(),
        upgrade: upgrade::<S, P>,
        downgrade: None,
    }
}

fn upgrade<S, P>(section: RawSection, from: u16) -> Result<S, SessionError>
where
    P: Schema,
    S: Schema + UpgradeFrom<P>,
    <S as UpgradeFrom<P>>::Error: UpgradeError,
{
    let section = upgrade_section::<P>(section, from)?;
    let snapshot = section.snapshot();
    let previous = read::<P>(&Reader::new(P::SPEC, &snapshot))?;
    S::upgrade_from(previous).map_err(|error| SessionError::upgrade(S::SPEC, P::VERSION, S::VERSION).because(error))
}

/// Lookup of the conversion from `S` back to `P`: an inherent constant where it exists, otherwise the trait's.
#[doc(hidden)]
pub struct Downgrades<S, P>(PhantomData<(S, P)>);

#[doc(hidden)]
pub trait CannotDowngrade {
    const __DOWNGRADE: Option<Downgrade> = None;
}

impl<S, P> CannotDowngrade for Downgrades<S, P> {}

impl<S: Schema, P: Schema + TryFrom<S, Error: UpgradeError>> Downgrades<S, P> {
    pub const __DOWNGRADE: Option<Downgrade> = Some(|section, to| match downgrade_to::<S, P>(section) {
        Ok(section) => downgrade_section::<P>(section, to),
        Err(error) => Some(Err(error)),
    });
}

fn downgrade_to<S: Schema, P: Schema + TryFrom<S, Error: UpgradeError>>(section: RawSection) -> Downgraded {
    let snapshot = section.snapshot();
    let value = read::<S>(&Reader::new(S::SPEC, &snapshot))?;
    let value =
        P::try_from(value).map_err(|error| SessionError::upgrade(S::SPEC, S::VERSION, P::VERSION).because(error))?;
    // Drops the keys that only this version has: the older one does not define them.
    let mut kept = section;
    kept.values.retain(|name| !is_known(S::SPEC, name) || is_known(P::SPEC, name));
    stored_form(&value, kept)
}

/// Runs a step that edits the texts.
#[doc(hidden)]
pub fn run_step<E: UpgradeError>(
    step: impl FnOnce(&mut RawSection) -> Result<(), E>,
    section: &mut RawSection,
) -> Result<(), SessionError> {
    step(section).map_err(|error| SessionError::new(ErrorKind::Upgrade).because(error))
}
