//! Attributes of a struct that describe other versions: the second table that the derive writes.

use crate::error::SessionError;
use crate::schema::layout::{Compatible, Pin};
use crate::schema::section::RawSection;
use crate::schema::{Schema, SchemaSpec};

/// Section of an older version, or the error of its conversion.
pub(crate) type Downgraded = Result<RawSection, SessionError>;

/// Function that converts a section to the version of the previous struct, or to an older one.
pub(crate) type Downgrade = fn(RawSection, u16) -> Option<Downgraded>;

/// Attributes of a struct that describe other versions.
#[doc(hidden)]
pub struct History<S: Schema> {
    pub(crate) layout: Option<&'static [Pin]>,
    pub(crate) is_unreleased: bool,
    pub(crate) is_refused: bool,
    pub(crate) was: &'static [(u16, &'static [Pin])],
    pub(crate) migrate: &'static [Step],
    pub(crate) previous: Option<Previous<S>>,
    pub(crate) retired: &'static [&'static str],
    pub(crate) oldest: u16,
    pub(crate) readers: Option<u16>,
}

/// One step of `migrate`.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Step {
    pub(crate) from: u16,
    pub(crate) run: fn(&mut RawSection) -> Result<(), SessionError>,
}

/// Step from the previous struct.
#[doc(hidden)]
pub struct Previous<S> {
    pub(crate) spec: &'static SchemaSpec,
    pub(crate) compatible: Compatible,
    /// Key of the previous struct that a program of that version cannot read in its current form.
    pub(crate) unreadable: Option<&'static str>,
    pub(crate) upgrade: fn(RawSection, u16) -> Result<S, SessionError>,
    /// Conversion back to the previous struct, if there is an impl for it.
    pub(crate) downgrade: Option<Downgrade>,
}

impl<S: Schema> History<S> {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            layout: None,
            is_unreleased: false,
            is_refused: false,
            was: &[],
            migrate: &[],
            previous: None,
            retired: &[],
            oldest: 1,
            readers: None,
        }
    }

    /// Sets the recorded layout. A change of it under the same version does not compile.
    #[must_use]
    pub const fn layout(mut self, pins: &'static [Pin]) -> Self {
        self.layout = Some(pins);
        self
    }

    /// Marks the layout as not recorded yet.
    #[must_use]
    pub const fn unreleased(mut self) -> Self {
        self.is_unreleased = true;
        self
    }

    #[must_use]
    pub const fn was(mut self, was: &'static [(u16, &'static [Pin])]) -> Self {
        self.was = was;
        self
    }

    #[must_use]
    pub const fn migrate(mut self, steps: &'static [Step]) -> Self {
        self.migrate = steps;
        self
    }

    #[must_use]
    pub const fn previous(mut self, previous: Option<Previous<S>>, downgrade: Option<Downgrade>) -> Self {
        self.previous = match previous {
            Some(previous) => Some(Previous { downgrade, ..previous }),
            None => None,
        };
        self
    }

    /// Marks a struct that the macro has rejected, so that it causes no further errors.
    #[must_use]
    pub const fn refused(mut self) -> Self {
        self.is_refused = true;
        self
    }

    #[must_use]
    pub const fn retired(mut self, keys: &'static [&'static str]) -> Self {
        self.retired = keys;
        self
    }

    #[must_use]
    pub const fn oldest(mut self, version: u16) -> Self {
        self.oldest = version;
        self
    }

    #[must_use]
    pub const fn readers(mut self, version: u16) -> Self {
        self.readers = Some(version);
        self
    }
}

impl<S: Schema> Default for History<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Schema> History<S> {
    /// Returns whether `was` or `migrate` upgrades from this version.
    pub(crate) fn reads(&self, version: u16) -> bool {
        self.was.iter().any(|(was, _)| *was == version) || self.migrate.iter().any(|step| step.from == version)
    }
}

impl Step {
    #[must_use]
    pub const fn new(from: u16, run: fn(&mut RawSection) -> Result<(), SessionError>) -> Self {
        Self { from, run }
    }
}
