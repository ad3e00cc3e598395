//! The metadata of a schema: the version that wrote its section, and the versions that may read and write it.
//!
//! ```text
//! {"v":1}                                  version 1, layout not pinned
//! {"v":3,"r":2,"w":3,"l":"9a41c07e"}       r, w: lowest versions that may read and write; l: hash of the layout
//! ```
//!
//! `r` and `w` default to `v`. Without `l`, layouts are not compared.

use serde::Deserialize;

use crate::error::{ErrorKind, SessionError};
use crate::record::{Text, Values};
use crate::schema::{OnNewer, SchemaSpec};

#[derive(Deserialize)]
pub(crate) struct Metadata {
    v: u16,
    r: Option<u16>,
    w: Option<u16>,
    l: Option<String>,
}

/// Relation of the stored version to the version of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionStatus {
    /// Same version, or nothing is stored.
    Same,
    /// Older version, which can be upgraded.
    Older(u16),
    /// Newer version, which this program may read and perhaps write.
    Newer { writable: bool },
    /// Newer version, which this program ignores.
    Discarded,
}

/// Returns the metadata that this program writes.
pub(crate) fn written(schema: &SchemaSpec) -> Text {
    if schema.version == 1 && (schema.layout)().is_none() {
        return r#"{"v":1}"#.into();
    }
    text(schema.version, (schema.readers, schema.writers), (schema.layout)())
}

/// Returns the metadata of a version: the lowest versions that may read and write it, and the hash of its layout.
pub(crate) fn text(version: u16, (readers, writers): (u16, u16), layout: Option<u32>) -> Text {
    let layout = layout.map(|layout| format!(",\"l\":\"{layout:08x}\"")).unwrap_or_default();
    format!("{{\"v\":{version},\"r\":{readers},\"w\":{writers}{layout}}}").into()
}

/// Returns the version of the stored section, if its metadata can be read.
pub(crate) fn version_of(schema: &SchemaSpec, values: &Values) -> Option<u16> {
    values.get(schema.key).and_then(stored_version)
}

/// Returns the version in the metadata of a section, if it can be read.
pub(crate) fn stored_version(metadata: &str) -> Option<u16> {
    parse(metadata).map(|metadata| metadata.v)
}

/// Compares the stored version with the version of this program.
pub(crate) fn version_status(
    schema: &'static SchemaSpec,
    ours: &str,
    values: &Values,
) -> Result<VersionStatus, SessionError> {
    let Some(text) = values.get(schema.key) else { return Ok(VersionStatus::Same) };
    // Metadata that this program wrote needs no parsing.
    if text == ours {
        return Ok(VersionStatus::Same);
    }
    let unreadable = || SessionError::at_schema(ErrorKind::Undecodable, schema);
    let metadata = parse(text).ok_or_else(unreadable)?;
    match metadata.v {
        0 => Err(unreadable()),
        v if v == schema.version => same(schema, &metadata),
        v if v > schema.version => newer(schema, &metadata),
        v if (schema.reads)(v) => Ok(VersionStatus::Older(v)),
        v => Err(SessionError::too_old(schema, v)),
    }
}

fn parse(text: &str) -> Option<Metadata> {
    // serde also accepts an array of the members in order.
    let is_object = text.trim_start().starts_with('{');
    serde_json::from_str(text).ok().filter(|_| is_object)
}

/// Compares the layouts, since two branches may both have shipped this version.
fn same(schema: &'static SchemaSpec, metadata: &Metadata) -> Result<VersionStatus, SessionError> {
    match (&metadata.l, (schema.layout)().map(|layout| format!("{layout:08x}"))) {
        (Some(theirs), Some(ours)) if *theirs != ours => {
            // Shown only if it is a hash: the stored text may be anything.
            let is_hash = theirs.len() == 8 && theirs.bytes().all(|byte| byte.is_ascii_hexdigit());
            Err(SessionError::forked(schema, if is_hash { theirs } else { "unknown" }, &ours))
        }
        _ => Ok(VersionStatus::Same),
    }
}

fn newer(schema: &'static SchemaSpec, metadata: &Metadata) -> Result<VersionStatus, SessionError> {
    let allows = |least: Option<u16>| least.unwrap_or(metadata.v) <= schema.version;
    if allows(metadata.r) {
        Ok(VersionStatus::Newer { writable: allows(metadata.w) })
    } else if schema.on_newer == OnNewer::Discard {
        Ok(VersionStatus::Discarded)
    } else {
        Err(SessionError::newer(schema, metadata.v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[derive(crate::Session)]
    #[session(key = "cart", version = 1)]
    struct Cart {
        _coupon: Option<String>,
    }

    fn check(text: &str) -> Result<VersionStatus, ErrorKind> {
        let values = [("cart".into(), text.into())].into_iter().collect();
        version_status(Cart::SPEC, &written(Cart::SPEC), &values).map_err(|error| error.kind())
    }

    /// Found by fuzzing: `{"v":+1}` was read as version 1.
    #[test]
    fn metadata_that_is_no_json_is_refused() {
        for text in [
            r#"{"v":+1}"#,
            r#"{"v":01}"#,
            r#"{"v":001}"#,
            r#"{"v":}"#,
            r#"{"v":0}"#,
            r#"{"v":-1}"#,
            r#"[1,1,1,"0badf00d"]"#,
        ] {
            assert_eq!(check(text), Err(ErrorKind::Undecodable), "{text}");
        }
        for text in [r#"{"v":1}"#, r#" { "v" : 1 } "#, r#"{"v":1,"later":{}}"#] {
            assert_eq!(check(text), Ok(VersionStatus::Same), "{text}");
        }
        assert_eq!(check(r#"{"v":2}"#), Err(ErrorKind::Newer));
    }

    #[test]
    fn a_newer_version_states_its_readers_and_writers() {
        assert_eq!(check(r#"{"v":3,"r":1,"w":1}"#), Ok(VersionStatus::Newer { writable: true }));
        assert_eq!(check(r#"{"v":3,"r":1,"w":2}"#), Ok(VersionStatus::Newer { writable: false }));
        assert_eq!(check(r#"{"v":3,"r":2,"w":2}"#), Err(ErrorKind::Newer));
    }

    #[test]
    fn an_unpinned_first_version_states_only_its_number() {
        assert_eq!(&*written(Cart::SPEC), r#"{"v":1}"#);
    }
}
