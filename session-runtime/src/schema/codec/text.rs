//! Encoding of values, which are checked before they are stored, and decoding of texts.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::read_back::{decimals_are_exact, from_text_of, is_doubtful, null_is_doubtful, reads_back};
use super::same::{KnownText, same_text};
use super::{Entries, EntryKey};
use crate::error::{ErrorKind, SessionError};
use crate::schema::{FieldSpec, SchemaSpec};

/// Stored keys of the entries so far, to find two entries that are written under the same key.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn is_new(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned())
    }
}

/// Returns the text of a value. Fails, naming the field, if serde refuses the value, or if a `null` in the text reads
/// as another value: a number that JSON lacks, such as NaN, is written as `null`, and so is `Some(())`.
pub(super) fn encode<T: Serialize + DeserializeOwned>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    value: &T,
) -> Result<String, SessionError> {
    let mut text = String::new();
    encode_into(&mut text, schema, field, value)?;
    Ok(text)
}

/// Encodes like [`encode`], but replaces the content of `text`, so that one buffer serves all entries of a map.
pub(super) fn encode_into<T: Serialize + DeserializeOwned>(
    text: &mut String,
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    value: &T,
) -> Result<(), SessionError> {
    let mut buffer = std::mem::take(text).into_bytes();
    buffer.clear();
    let written = serde_json::to_writer(&mut buffer, value).is_ok();
    *text = String::from_utf8(buffer).unwrap_or_default();
    let is_another = || null_is_doubtful(field) && text.contains("null") && !reads_back(field, value, text);
    if written && !is_another() { Ok(()) } else { Err(unencodable(schema, field)) }
}

/// Encodes a value that is about to be stored, and checks the text.
pub(crate) fn encode_to_store<T: Serialize + DeserializeOwned>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    value: &T,
) -> Result<String, SessionError> {
    let text = encode(schema, field, value)?;
    check(schema, field, value, &text)?;
    Ok(text)
}

/// Refuses a value that does not read back from its text. [`encode`] has already checked texts that contain `null`.
pub(super) fn check<T: Serialize + DeserializeOwned>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    value: &T,
    text: &str,
) -> Result<(), SessionError> {
    if field.shape.is_some_and(|shape| shape.has_decimals) && !decimals_are_exact() {
        return Err(SessionError::inexact_decimals(schema, field));
    }
    let is_checked = !is_doubtful(field) || text.contains("null");
    if is_checked || reads_back(field, value, text) { Ok(()) } else { Err(unencodable(schema, field)) }
}

/// Refuses an entry whose stored key does not read back as its key in the map.
pub(super) fn check_key<T: Entries>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    entries: &T,
    name: &str,
) -> Result<(), SessionError> {
    let is_read = || T::Key::read(name).is_some_and(|key| entries.holds(&key));
    if T::Key::IS_CANONICAL || is_read() { Ok(()) } else { Err(unencodable(schema, field)) }
}

pub(super) fn unencodable(schema: &'static SchemaSpec, field: &'static FieldSpec) -> SessionError {
    SessionError::at_field(ErrorKind::Unencodable, schema, field)
}

/// Decodes a text. The error names the field and the expected type, never the text.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    text: &str,
) -> Result<T, SessionError> {
    from_text_of(field, text).map_err(|error| SessionError::undecodable::<T>(schema, field, &error))
}

pub(super) fn decode_entry<T: Entries>(
    schema: &'static SchemaSpec,
    field: &'static FieldSpec,
    key: &str,
    text: &str,
) -> Result<(T::Key, T::Value), SessionError> {
    let key = T::Key::read(key).ok_or_else(|| SessionError::undecodable_key::<T::Key>(schema, field))?;
    Ok((key, decode(schema, field, text)?))
}

/// Returns whether `text`, which this program wrote, is the stored value. Another program may have spelled the same
/// value differently.
pub(super) fn is_same<T: Serialize + DeserializeOwned>(stored: &str, text: &str, field: &FieldSpec) -> bool {
    if stored == text {
        return true;
    }
    let respelled = || serde_json::to_string(&from_text_of::<T>(field, stored).ok()?).ok();
    let same = |stored: &str| same_text(Some(stored), Some(text), KnownText::of(field));
    same(stored) || respelled().is_some_and(|respelled| respelled != stored && same(&respelled))
}
