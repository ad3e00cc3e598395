//! A schema's metadata entry: which version wrote its fields, and who may read and write them.
//!
//! ```text
//! {"v":1}                                  a version 1 that is not pinned
//! {"v":3,"r":2,"w":3,"l":"9a41c07e"}       r, w: the lowest versions that may read, and write; l: the layout's hash
//! ```
//!
//! What is left out: `r` and `w` are then `v`, and an absent `l` is compared with nothing.

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

/// How a program's version stands to the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionStatus {
    /// The same, or nothing is stored.
    Same,
    /// Stored by this older version, which can be upgraded.
    Older(u16),
    /// Stored by a newer one that lets this one read, and perhaps write.
    Newer { writable: bool },
    /// Stored by a newer one, and to be passed over.
    Discarded,
}

/// What this program writes.
pub(crate) fn written(schema: &SchemaSpec) -> Text {
    if schema.version == 1 && schema.layout.is_none() {
        return r#"{"v":1}"#.into();
    }
    text(schema.version, (schema.readers, schema.writers), schema.layout)
}

/// The entry of a version, with the lowest ones that may read and write it, and the hash of its layout.
pub(crate) fn text(version: u16, (readers, writers): (u16, u16), layout: Option<u32>) -> Text {
    let layout = layout.map(|layout| format!(",\"l\":\"{layout:08x}\"")).unwrap_or_default();
    format!("{{\"v\":{version},\"r\":{readers},\"w\":{writers}{layout}}}").into()
}

/// The version that wrote what is stored, if that can be read.
pub(crate) fn version_of(schema: &SchemaSpec, values: &Values) -> Option<u16> {
    values.get(schema.key).and_then(parse).map(|metadata| metadata.v)
}

/// How this program stands to what is stored.
pub(crate) fn version_status(
    schema: &'static SchemaSpec,
    ours: &str,
    values: &Values,
) -> Result<VersionStatus, SessionError> {
    let Some(text) = values.get(schema.key) else { return Ok(VersionStatus::Same) };
    // What this program writes needs no parser.
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
    // serde would take a list for the members in their order.
    let is_object = text.trim_start().starts_with('{');
    serde_json::from_str(text).ok().filter(|_| is_object)
}

/// Two branches may both have shipped this version.
fn same(schema: &'static SchemaSpec, metadata: &Metadata) -> Result<VersionStatus, SessionError> {
    match (&metadata.l, schema.layout.map(|layout| format!("{layout:08x}"))) {
        (Some(theirs), Some(ours)) if *theirs != ours => {
            // Told only if it is a hash: who wrote it may have written anything.
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
    fn a_newer_version_says_who_may_read_and_write() {
        assert_eq!(check(r#"{"v":3,"r":1,"w":1}"#), Ok(VersionStatus::Newer { writable: true }));
        assert_eq!(check(r#"{"v":3,"r":1,"w":2}"#), Ok(VersionStatus::Newer { writable: false }));
        assert_eq!(check(r#"{"v":3,"r":2,"w":2}"#), Err(ErrorKind::Newer));
    }

    #[test]
    fn an_unpinned_first_version_says_its_number_only() {
        assert_eq!(&*written(Cart::SPEC), r#"{"v":1}"#);
    }
}
