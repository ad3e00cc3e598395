//! Other versions of a schema: upgrades, downgrades while a version is held, and the status of a stored version.

pub(crate) mod chain;
pub(crate) mod spec;
pub(crate) mod status;
pub(crate) mod upgrade;
pub(crate) mod versioned;
