//! Options of a schema: the attributes of its struct.

/// Options that the struct's attributes set for the whole schema.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SchemaOptions {
    pub(crate) lazy: bool,
    pub(crate) on_invalid: OnInvalid,
    pub(crate) on_newer: OnNewer,
    pub(crate) has_transient: bool,
    pub(crate) lasting: bool,
}

impl SchemaOptions {
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lazy: false,
            on_invalid: OnInvalid::Refuse,
            on_newer: OnNewer::Refuse,
            has_transient: false,
            lasting: false,
        }
    }

    /// Marks the schema as lazy: it is fetched only when a guard needs it.
    #[must_use]
    pub const fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// Resets a field that does not decode to its default.
    #[must_use]
    pub const fn reset(mut self) -> Self {
        self.on_invalid = OnInvalid::Reset;
        self
    }

    /// Ignores data that a newer version stored and this one may not read.
    #[must_use]
    pub const fn discard_newer(mut self) -> Self {
        self.on_newer = OnNewer::Discard;
        self
    }

    /// Records that some field is never stored.
    #[must_use]
    pub const fn transient(mut self) -> Self {
        self.has_transient = true;
        self
    }

    /// Carries the schema over into the session of the next user.
    #[must_use]
    pub const fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }
}

impl Default for SchemaOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Handling of a stored value that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnInvalid {
    Refuse,
    Reset,
}

/// Handling of data that a newer version stored and this one may not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnNewer {
    Refuse,
    Discard,
}
