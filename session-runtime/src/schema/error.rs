//! Errors that name a schema or one of its fields.

use super::{FieldSpec, SchemaSpec};
use crate::error::{ErrorKind, SessionError};

impl SessionError {
    pub(crate) fn at_schema(kind: ErrorKind, schema: &'static SchemaSpec) -> Self {
        Self::named(kind, schema.key, None)
    }

    pub(crate) fn at_field(kind: ErrorKind, schema: &'static SchemaSpec, field: &'static FieldSpec) -> Self {
        Self::named(kind, schema.key, Some(field.key()))
    }

    pub(crate) fn newer(schema: &'static SchemaSpec, stored: u16) -> Self {
        Self::at_versions(ErrorKind::Newer, schema, format!("version {stored}, this program has {}", schema.version))
    }

    pub(crate) fn read_only(schema: &'static SchemaSpec) -> Self {
        let detail = format!("this program (version {}) can read it but would lose data by writing", schema.version);
        Self::at_versions(ErrorKind::Newer, schema, detail)
    }

    pub(crate) fn too_old(schema: &'static SchemaSpec, stored: u16) -> Self {
        Self::at_versions(ErrorKind::TooOld, schema, format!("version {stored}, this program has {}", schema.version))
    }

    pub(crate) fn forked(schema: &'static SchemaSpec, stored: &str, ours: &str) -> Self {
        let detail = format!("version {}, layout {stored}, this program has {ours}", schema.version);
        Self::at_versions(ErrorKind::Forked, schema, detail)
    }

    pub(crate) fn upgrade(schema: &'static SchemaSpec, from: u16, to: u16) -> Self {
        Self::at_versions(ErrorKind::Upgrade, schema, format!("from version {from} to {to}"))
    }

    fn at_versions(kind: ErrorKind, schema: &'static SchemaSpec, detail: String) -> Self {
        Self::at_schema(kind, schema).detailed(detail)
    }

    /// Replaces the error of a failed step, which lacks the schema and the versions, by one that names them. The cause
    /// is kept.
    pub(crate) fn at_step(self, schema: &'static SchemaSpec, from: u16, to: u16) -> Self {
        Self::upgrade(schema, from, to).caused_as(self)
    }

    pub(crate) fn undecodable<T>(
        schema: &'static SchemaSpec,
        field: &'static FieldSpec,
        error: &serde_json::Error,
    ) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "another type",
            _ => "broken JSON",
        };
        let expected = std::any::type_name::<T>();
        let detail = format!("expected `{expected}`, found {what} at column {}", error.column());
        Self::at_field(ErrorKind::Undecodable, schema, field).detailed(detail)
    }

    pub(crate) fn undecodable_key<T>(schema: &'static SchemaSpec, field: &'static FieldSpec) -> Self {
        let detail = format!("expected entry keys of type `{}`", std::any::type_name::<T>());
        Self::at_field(ErrorKind::Undecodable, schema, field).detailed(detail)
    }

    pub(crate) fn no_element_id(schema: &'static SchemaSpec, field: &'static FieldSpec) -> Self {
        Self::at_field(ErrorKind::Undecodable, schema, field).detailed("expected the ids of list elements as keys")
    }

    pub(crate) fn inexact_decimals(schema: &'static SchemaSpec, field: &'static FieldSpec) -> Self {
        let detail = "a `Decimal` would lose digits: a crate of this program switches on `rust_decimal/serde-float`";
        Self::at_field(ErrorKind::Unencodable, schema, field).detailed(detail)
    }
}
