//! Values of a record in two forms: as stored, and in the versions of this program's schemas.
//!
//! A section of an older version is upgraded in memory when a guard first needs it. A read never stores the result. The
//! first real change stores the whole section in the new form, in one patch whose precondition is the whole record. If
//! an older program has changed the record meanwhile, the patch is a conflict, and the upgrade is repeated. While a
//! version is held, the section is downgraded in the same way.
//!
//! ```text
//!          upgrade              changes              downgrade, if held
//! stored ───────────▶ as seen ───────────▶ as changed ─────────────────▶ stored
//! ```

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::record::patch::Patch;
use crate::record::{Text, Values, key};
use crate::schema::SchemaSpec;
use crate::schema::change::{Base, Change};
use crate::schema::schema_set::SchemaSet;
use crate::schema::section::RawSection;
use crate::version::status::{VersionStatus, version_status, written};

/// Metadata that this program writes for each schema, shared by all sessions of the process.
pub(crate) struct Versions(Vec<Version>);

struct Version {
    schema: &'static SchemaSpec,
    name: Text,
    written: Text,
    /// Older version to write for now, and its metadata.
    hold: Option<(u16, Text)>,
}

impl Versions {
    pub(crate) fn new(schemas: &[&'static SchemaSpec], hold: &BTreeMap<String, u16>) -> Result<Self, SessionError> {
        if let Some(unknown) = hold.keys().find(|key| !schemas.iter().any(|schema| schema.key == **key)) {
            let detail = format!("`hold` names `{unknown}`, which is no session schema of this application");
            return Err(SessionError::with(ErrorKind::Config, detail));
        }
        let version = |schema: &&'static SchemaSpec| Version::new(schema, hold.get(schema.key).copied());
        Ok(Self(schemas.iter().map(version).collect::<Result<_, _>>()?))
    }

    fn of(&self, schema: &SchemaSpec) -> Option<(usize, &Version)> {
        self.0.iter().enumerate().find(|(_, version)| version.schema.key == schema.key)
    }

    /// Returns the name and the text of the metadata that a first write stores.
    pub(crate) fn metadata(&self, schema: &SchemaSpec) -> (Text, Text) {
        match self.of(schema) {
            Some((_, version)) => (version.name.clone(), version.written.clone()),
            None => (schema.key.into(), written(schema)),
        }
    }

    /// Returns the values of a new record in the form to be stored. A section that is taken over from another record,
    /// `before`, and already has this version there is not downgraded, because the held version may be unable to
    /// represent it.
    pub(crate) fn to_store(&self, mut values: Values, before: &Values, now: Timestamp) -> Result<Values, SessionError> {
        for version in &self.0 {
            let Some((held, metadata)) = &version.hold else { continue };
            let is_ours = |values: &Values| values.get(version.schema.key) == Some(&*version.written);
            if is_ours(&values) && !is_ours(before) {
                let section = RawSection::of(version.schema.key, &values, now);
                let section = downgraded(version.schema, section, *held)?;
                values.retain(|name| !key::is_of_schema(name, version.schema.key));
                section.values().iter().for_each(|(name, text)| drop(values.set(name.clone(), text.clone())));
                values.set(version.name.clone(), metadata.clone());
            }
        }
        Ok(values)
    }
}

impl Version {
    fn new(schema: &'static SchemaSpec, hold: Option<u16>) -> Result<Self, SessionError> {
        let hold = match hold.filter(|held| *held != schema.version) {
            Some(held) => Some((held, held_metadata(schema, held)?)),
            None => None,
        };
        Ok(Self { schema, name: schema.key.into(), written: written(schema), hold })
    }
}

/// Returns the metadata of a held version. Stops the launch if there is no downgrade.
fn held_metadata(schema: &'static SchemaSpec, held: u16) -> Result<Text, SessionError> {
    (schema.downgraded_metadata)(held).ok_or_else(|| SessionError::with(ErrorKind::Config, why_not_held(schema, held)))
}

fn why_not_held(schema: &'static SchemaSpec, held: u16) -> String {
    let (key, version) = (schema.key, schema.version);
    if !(1..version).contains(&held) {
        return format!(
            "schema `{key}` cannot be held at version {held}: this program has version {version}, and only an \
             older version can be held"
        );
    }
    let previous = schema.previous.map_or("the struct of that version", |previous| previous.name);
    format!(
        "schema `{key}` cannot be held at version {held}: that needs `impl TryFrom<{}> for {previous}`, and `previous`",
        schema.name
    )
}

fn downgraded(schema: &'static SchemaSpec, section: RawSection, held: u16) -> Result<RawSection, SessionError> {
    (schema.downgrade)(section, held).unwrap_or_else(|| Err(SessionError::at_schema(ErrorKind::Config, schema)))
}

/// Values of a record, as they are stored and as this program sees them.
#[derive(Clone)]
pub(crate) struct VersionedValues {
    stored: Values,
    current: Values,
    /// Schemas whose values differ from the stored ones.
    upgraded: SchemaSet,
    /// Time with which deadlines are compared: that of the request or job.
    now: Timestamp,
}

impl VersionedValues {
    pub(crate) fn new(stored: Values, now: Timestamp) -> Self {
        Self { current: stored.clone(), stored, upgraded: SchemaSet::EMPTY, now }
    }

    /// Returns the time with which deadlines are compared.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the stored text of a changed key.
    pub(crate) fn base_of(&self, change: &Change) -> Base {
        Base::of(change, &self.current, self.now)
    }

    pub(crate) fn stored(&self) -> &Values {
        &self.stored
    }

    pub(crate) fn current(&self) -> &Values {
        &self.current
    }

    /// Replaces the stored values, and upgrades the same schemas as before.
    pub(crate) fn set_stored(&mut self, stored: Values, versions: &Versions) -> Result<(), SessionError> {
        let upgraded = self.upgraded;
        *self = Self::new(stored, self.now);
        let mut each = versions.0.iter().enumerate().filter(|(at, _)| upgraded.contains(*at));
        each.try_for_each(|(_, version)| self.upgrade(version.schema, versions).map(drop))
    }

    /// Sets or removes a key in both forms. Must not be used for a section of an older version.
    pub(crate) fn set(&mut self, name: &str, text: Option<&Text>) {
        for values in [&mut self.stored, &mut self.current] {
            match text {
                Some(text) => drop(values.set(name.into(), text.clone())),
                None => drop(values.remove(name)),
            }
        }
    }

    /// Removes all keys of a schema, in any version.
    pub(crate) fn without(mut self, schema: &'static SchemaSpec, versions: &Versions) -> Self {
        for values in [&mut self.stored, &mut self.current] {
            values.retain(|name| !key::is_of_schema(name, schema.key));
        }
        if let Some((at, _)) = versions.of(schema) {
            self.upgraded.remove(at);
        }
        self
    }

    /// Compares the stored version of a schema with this program's.
    pub(crate) fn status_of(
        &self,
        schema: &'static SchemaSpec,
        versions: &Versions,
    ) -> Result<VersionStatus, SessionError> {
        versions
            .of(schema)
            .map_or(Ok(VersionStatus::Same), |(_, version)| version_status(schema, &version.written, &self.stored))
    }

    /// Upgrades a schema to this program's version, unless that has been done.
    pub(crate) fn upgrade(
        &mut self,
        schema: &'static SchemaSpec,
        versions: &Versions,
    ) -> Result<VersionStatus, SessionError> {
        let Some((at, version)) = versions.of(schema) else { return Ok(VersionStatus::Same) };
        let status = version_status(schema, &version.written, &self.stored)?;
        if !self.upgraded.contains(at) {
            match status {
                VersionStatus::Older(from) => {
                    let section = (schema.upgrade)(RawSection::of(schema.key, &self.stored, self.now), from)?;
                    self.set_current(at, schema, section.values());
                }
                VersionStatus::Discarded => self.set_current(at, schema, &Values::new()),
                VersionStatus::Same | VersionStatus::Newer { .. } => {}
            }
        }
        Ok(status)
    }

    fn set_current(&mut self, at: usize, schema: &SchemaSpec, section: &Values) {
        self.current.retain(|name| name == schema.key || !key::is_of_schema(name, schema.key));
        section.iter().for_each(|(name, text)| drop(self.current.set(name.clone(), text.clone())));
        self.upgraded.insert(at);
    }

    /// Refuses a write if this program may only read the stored version.
    pub(crate) fn check_writable(
        &mut self,
        schema: &'static SchemaSpec,
        versions: &Versions,
    ) -> Result<(), SessionError> {
        match self.upgrade(schema, versions)? {
            VersionStatus::Newer { writable: false } => Err(SessionError::read_only(schema)),
            _ => Ok(()),
        }
    }

    /// Rewrites the changes of this schema in a patch if the section is seen in another version than it is stored, or
    /// will be stored in another version than it is seen. The patch then has the differences between the stored section
    /// and the section to be stored, and needs the whole record as its precondition. Returns whether it was rewritten.
    pub(crate) fn rewrite(
        &self,
        schema: &'static SchemaSpec,
        versions: &Versions,
        patch: &mut Patch,
    ) -> Result<bool, SessionError> {
        let Some((at, version)) = versions.of(schema) else { return Ok(false) };
        let is_upgraded = self.upgraded.contains(at);
        let hold = version.hold.as_ref().filter(|(held, _)| self.is_at_most(schema, version, *held));
        if !is_upgraded && hold.is_none() {
            return Ok(false);
        }
        let mut after = self.current.clone();
        patch.apply(&mut after);
        let after = RawSection::of(schema.key, &after, self.now).stored_as(&self.stored);
        let (section, metadata) = match hold {
            Some((held, metadata)) => (downgraded(schema, after, *held)?, metadata),
            None => (after, &version.written),
        };
        patch.set.retain(|(name, _)| !key::is_of_schema(name, schema.key));
        patch.remove.retain(|name| !key::is_of_schema(name, schema.key));
        if self.stored.get(schema.key) != Some(metadata) {
            patch.set.push((version.name.clone(), metadata.clone()));
        }
        let before = RawSection::of(schema.key, &self.stored, self.now);
        let (before, after) = (before.values(), section.values());
        let changed = after.iter().filter(|(name, text)| before.get(name) != Some(text));
        patch.set.extend(changed.cloned());
        let gone = before.iter().filter(|(name, _)| after.get(name).is_none());
        patch.remove.extend(gone.map(|(name, _)| name.clone()));
        Ok(true)
    }

    /// Returns whether the stored version is not above the held one, so that writing the held one loses nothing.
    fn is_at_most(&self, schema: &'static SchemaSpec, version: &Version, held: u16) -> bool {
        match version_status(schema, &version.written, &self.stored) {
            Ok(VersionStatus::Same) => self.stored.get(schema.key).is_none(),
            Ok(VersionStatus::Older(from)) => from <= held,
            _ => false,
        }
    }

    /// Returns the values for a new record, with upgraded sections in their present version.
    pub(crate) fn into_new(self, versions: &Versions) -> Values {
        let mut values = self.current;
        for (at, version) in versions.0.iter().enumerate() {
            if self.upgraded.contains(at) && values.get(version.schema.key).is_some() {
                values.set(version.name.clone(), version.written.clone());
            }
        }
        values
    }
}
