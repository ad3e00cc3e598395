//! A schema's stored keys from an older version to this one, and back to an older one while a rollout is on hold.
//!
//! Takes the stored texts of one schema and the version that wrote them; gives the texts as this version would have
//! stored them. Keys that no version in the chain knows stay. Nothing is written here: what a lift found is stored with
//! the first real change.
//!
//! ```text
//! was(2 = "…")          the same keys, perhaps under a new name
//! migrate(from = 1, …)  a function edits the texts, one version up
//! previous = CartV2     the section is read as CartV2, of whatever version below, and converted
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ErrorKind, SessionError};
use crate::record::{Text, Values, belongs};
use crate::schema::codec::{Changes, KnownText, Reader, from_text, same_text};
use crate::schema::history::Previous;
use crate::schema::layout::{Pin, compatible, hash_of, unreadable};
use crate::schema::view::View;
use crate::schema::{Kind, Schema, SchemaSpec, read};
use crate::version::status;

/// The way down, if there is one.
pub(crate) type Lowering = Result<RawSection, SessionError>;

/// One schema's stored keys with their JSON texts: what `migrate(from = …, with = …)` edits.
///
/// Keys are named without the schema: `items`, and `items/7` for an entry of a map that is stored entry by entry.
///
/// # Examples
///
/// ```
/// use session_runtime::RawSection;
///
/// /// Version 1 kept one coupon, version 2 keeps a list of them.
/// fn list_of_coupons(cart: &mut RawSection) -> Result<(), serde_json::Error> {
///     if let Some(coupon) = cart.read::<String>("coupon")? {
///         cart.remove("coupon");
///         cart.write("coupons", &[coupon])?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct RawSection {
    schema: &'static str,
    values: Values,
}

impl RawSection {
    /// What belongs to the schema, its metadata left out.
    pub(crate) fn of(schema: &'static SchemaSpec, values: &Values) -> Self {
        let mut section = values.clone();
        section.retain(|name| name != schema.key && belongs(name, schema.key));
        Self { schema: schema.key, values: section }
    }

    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.schema)
    }

    /// The JSON text under a key.
    ///
    /// # Examples
    ///
    /// ```
    /// fn has_coupon(cart: &session_runtime::RawSection) -> bool {
    ///     cart.get("coupon").is_some()
    /// }
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(&self.name(key))
    }

    /// The value under a key, `None` if it is absent.
    ///
    /// # Errors
    ///
    /// The text is not one of this type.
    ///
    /// # Examples
    ///
    /// ```
    /// fn quantity(cart: &session_runtime::RawSection) -> Result<u32, serde_json::Error> {
    ///     Ok(cart.read("quantity")?.unwrap_or(0))
    /// }
    /// ```
    pub fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, serde_json::Error> {
        self.get(key).map(from_text).transpose()
    }

    /// Sets a key.
    ///
    /// # Errors
    ///
    /// The value cannot be written as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// fn in_cents(cart: &mut session_runtime::RawSection) -> Result<(), serde_json::Error> {
    ///     let euros: u64 = cart.read("total")?.unwrap_or(0);
    ///     cart.write("total", &(euros * 100))
    /// }
    /// ```
    pub fn write<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), serde_json::Error> {
        let text = serde_json::to_string(value)?;
        self.values.set(self.name(key).into(), text.into());
        Ok(())
    }

    /// Removes a key, and says whether it was there.
    ///
    /// # Examples
    ///
    /// ```
    /// fn forget(cart: &mut session_runtime::RawSection) -> Result<(), std::convert::Infallible> {
    ///     cart.remove("old_total");
    ///     Ok(())
    /// }
    /// ```
    pub fn remove(&mut self, key: &str) -> bool {
        self.values.remove(&self.name(key)).is_some()
    }

    /// The keys, in bytewise order.
    ///
    /// # Examples
    ///
    /// ```
    /// fn lines(cart: &session_runtime::RawSection) -> usize {
    ///     cart.keys().filter(|key| key.starts_with("items/")).count()
    /// }
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| &name[self.schema.len() + 1..])
    }

    /// Moves a key and, of a map that is stored entry by entry, its entries. The version that wrote them knew nothing of
    /// the new name, so what is there already was left by somebody else.
    fn rename(&mut self, from: &str, to: &str) {
        let (from, to) = (self.name(from), self.name(to));
        let moved: Vec<(Text, Text)> = self
            .values
            .prefix(&from)
            .filter(|(name, _)| matches!(name.as_bytes().get(from.len()), None | Some(b'/')))
            .cloned()
            .collect();
        for (name, text) in moved {
            self.values.remove(&name);
            self.values.set(format!("{to}{}", &name[from.len()..]).into(), text);
        }
    }

    fn view(&self) -> View {
        View::of_values(self.values.clone())
    }
}

/// Names are the schema's own, texts the visitor's.
impl std::fmt::Debug for RawSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSection").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// From the version that wrote it to this one.
pub(crate) fn lift<S: Schema>(mut section: RawSection, mut from: u16) -> Result<RawSection, SessionError> {
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

/// A step writes texts of any type, so each text that it changed is read before it may be stored.
fn steps_are_readable<S: Schema>(section: &RawSection, before: &RawSection, from: u16) -> Result<(), SessionError> {
    let mut written = section.values.clone();
    written.retain(|name| before.values.get(name) != section.values.get(name));
    let view = View::of_values(written);
    let read = read::<S>(&Reader::strict(S::SPEC, &view));
    read.map(drop).map_err(|error| SessionError::upgrade(S::SPEC, from, S::VERSION).because(error))
}

/// Whether this program can read what that older version wrote, as far as this struct knows.
pub(crate) fn reads<S: Schema>(version: u16) -> bool {
    let history = &S::HISTORY;
    let below = history.previous.as_ref().is_some_and(|previous| {
        version == previous.spec.version || version < previous.spec.version && (previous.spec.reads)(version)
    });
    version >= history.oldest && (version == S::VERSION || history.reads(version) || below)
}

/// Of those fields that the older layout has under their old name.
fn apply_renames(schema: &SchemaSpec, older: &[Pin], section: &mut RawSection) {
    for field in schema.fields() {
        if let Some(from) = field.renamed_from.filter(|from| older.iter().any(|(key, _)| key == from)) {
            section.rename(from, field.key());
        }
    }
}

/// The section with the value in place of what any version of the chain stored.
fn stored_form<S: Schema>(value: &S, mut section: RawSection) -> Result<RawSection, SessionError> {
    let nothing = View::default();
    let mut changes = Changes::new(S::SPEC, &nothing);
    for field in S::FIELDS {
        field.place.diff(value, &mut changes)?;
    }
    let mut texts = BTreeMap::new();
    for change in changes.into_found() {
        if let Some(text) = change.ours {
            texts.insert(change.name, (text, KnownText::of(change.field)));
        }
    }
    let mut stored = Values::with_capacity(texts.len());
    for (name, text) in section.values.iter() {
        match texts.remove(name) {
            Some((new, known)) => {
                // The spelling of another program stays.
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
    section.values = stored;
    Ok(section)
}

/// Whether a field of the schema, or of a version before it, has this stored key.
fn is_known(schema: &SchemaSpec, name: &str) -> bool {
    let key = |field: &str| {
        let rest = name.get(schema.key.len() + 1..).and_then(|rest| rest.strip_prefix(field));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let has = |schema: &SchemaSpec| {
        schema.fields().any(|field| field.is_stored() && (key(field.key()) || field.renamed_from.is_some_and(key)))
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

/// Set by name to what is the default.
fn is_default(schema: &SchemaSpec, name: &str, text: &str) -> bool {
    schema.fields().any(|field| field.kind == Kind::Whole && field.name == name && schema.is_initial(field, text))
}

/// Down to an older version; `None` if there is no way.
pub(crate) fn lower<S: Schema>(values: &Values, to: u16) -> Option<Lowering> {
    lower_section::<S>(RawSection::of(S::SPEC, values), to)
}

fn lower_section<S: Schema>(section: RawSection, to: u16) -> Option<Lowering> {
    let history = &S::HISTORY;
    if to == S::VERSION {
        return Some(Ok(section));
    }
    let renames = S::SPEC.fields().any(|field| field.renamed_from.is_some());
    if !renames && history.was.iter().any(|(was, _)| *was == to) {
        return Some(Ok(section));
    }
    let lower = history.previous.as_ref().filter(|previous| to <= previous.spec.version)?.lower?;
    lower(section, to)
}

/// The metadata of an older version that this program can write; `None` if there is no way down to it.
pub(crate) fn held<S: Schema>(version: u16) -> Option<Text> {
    let history = &S::HISTORY;
    if version == S::VERSION {
        return Some(status::written(S::SPEC));
    }
    let renames = S::SPEC.fields().any(|field| field.renamed_from.is_some());
    if let Some((_, pins)) = history.was.iter().find(|(was, _)| *was == version).filter(|_| !renames) {
        return Some(status::text(version, (version, version), Some(hash_of(pins))));
    }
    let previous = history.previous.as_ref().filter(|previous| previous.lower.is_some())?;
    (previous.spec.held)(version)
}

/// The error of an upgrade is kept as a cause, so it must be one.
#[diagnostic::on_unimplemented(
    message = "the error of an upgrade must implement `Error + Send + Sync + 'static`, and `{Self}` does not",
    label = "its conversion fails with `{Self}`",
    note = "implement `std::error::Error` for it"
)]
#[doc(hidden)]
pub trait UpgradeError: Error + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Error + Send + Sync + 'static> UpgradeError for E {}

/// One struct from the one below it.
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

/// The step from `P`.
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
        lower: None,
    }
}

fn upgrade<S, P>(section: RawSection, from: u16) -> Result<S, SessionError>
where
    P: Schema,
    S: Schema + UpgradeFrom<P>,
    <S as UpgradeFrom<P>>::Error: UpgradeError,
{
    let section = lift::<P>(section, from)?;
    let view = section.view();
    let previous = read::<P>(&Reader::new(P::SPEC, &view))?;
    S::upgrade_from(previous).map_err(|error| SessionError::upgrade(S::SPEC, P::VERSION, S::VERSION).because(error))
}

/// Whether there is a way from `S` back to `P`: an inherent constant where there is, the trait's where not.
#[doc(hidden)]
pub struct Lowers<S, P>(PhantomData<(S, P)>);

/// Down to a version of the struct below, or below that.
pub(crate) type Lower = fn(RawSection, u16) -> Option<Lowering>;

#[doc(hidden)]
pub trait CannotLower {
    const __LOWER: Option<Lower> = None;
}

impl<S, P> CannotLower for Lowers<S, P> {}

impl<S: Schema, P: Schema + TryFrom<S, Error: UpgradeError>> Lowers<S, P> {
    pub const __LOWER: Option<Lower> = Some(|section, to| match lower_to::<S, P>(section) {
        Ok(section) => lower_section::<P>(section, to),
        Err(error) => Some(Err(error)),
    });
}

fn lower_to<S: Schema, P: Schema + TryFrom<S, Error: UpgradeError>>(section: RawSection) -> Lowering {
    let view = section.view();
    let value = read::<S>(&Reader::new(S::SPEC, &view))?;
    let value =
        P::try_from(value).map_err(|error| SessionError::upgrade(S::SPEC, S::VERSION, P::VERSION).because(error))?;
    // What this version alone has goes; the older one knows nothing of it.
    let mut kept = section;
    kept.values.retain(|name| !is_known(S::SPEC, name) || is_known(P::SPEC, name));
    stored_form(&value, kept)
}

/// A step that edits the texts.
#[doc(hidden)]
pub fn run_step<E: UpgradeError>(
    step: impl FnOnce(&mut RawSection) -> Result<(), E>,
    section: &mut RawSection,
) -> Result<(), SessionError> {
    step(section).map_err(|error| SessionError::new(ErrorKind::Upgrade).because(error))
}
