//! Decoding of texts, and the check that the text of a value reads back as that value.
//!
//! serde writes some values that it cannot read: below a tag, where a key is left out, or nested deeper than
//! `serde_json` reads. A value is therefore read back before it is stored, unless its type is known to be read as it
//! was written. A build with debug assertions reads back the values of every type, so that tests find an impl that
//! breaks its promise.

use std::sync::LazyLock;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::form::form;
use crate::schema::FieldSpec;
use crate::schema::value::Reads;

/// Returns whether a text that contains `null` must be read back before it is accepted.
pub(super) fn null_is_doubtful(field: &FieldSpec) -> bool {
    cfg!(debug_assertions) || reads(field) != Reads::Always
}

/// Returns whether a text must be read back before it is stored.
pub(super) fn is_doubtful(field: &FieldSpec) -> bool {
    cfg!(debug_assertions) || reads(field) == Reads::Perhaps
}

fn reads(field: &FieldSpec) -> Reads {
    field.shape.map_or(Reads::Perhaps, |shape| (shape.reads)())
}

/// Returns whether the text that was written for a value reads as that value.
pub(super) fn reads_back<T: Serialize + DeserializeOwned>(field: &FieldSpec, value: &T, text: &str) -> bool {
    let Ok(read) = from_text_of::<T>(field, text) else { return false };
    let is_text = serde_json::to_string(&read).is_ok_and(|again| again == text);
    // Several values are written as `null`, and a set may be written in another order.
    (is_text && !text.contains("null")) || form(value).is_some_and(|written| form(&read) == Some(written))
}

/// Decodes a text.
///
/// With `serde_json/arbitrary_precision`, which any crate of the application may switch on, a number inside a tagged,
/// untagged or flattened type can only be read from a tree of values. A tree does not support `RawValue`, so the text
/// is tried as well.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    if *NUMBERS_ARE_TEXTS && let Ok(read) = serde_json::from_str::<Value>(text).and_then(serde_json::from_value) {
        return Ok(read);
    }
    serde_json::from_str(text)
}

/// Decodes the text of a field. A type that is known to read back needs no tree. A value that a tree would spell
/// differently, such as a `RawValue`, is read from the text.
pub(super) fn from_text_of<T: Serialize + DeserializeOwned>(
    field: &FieldSpec,
    text: &str,
) -> Result<T, serde_json::Error> {
    if reads(field) != Reads::Perhaps || !*NUMBERS_ARE_TEXTS {
        return serde_json::from_str(text);
    }
    let is_text = |read: &T| serde_json::to_string(read).is_ok_and(|again| again == text);
    match (from_text(text), serde_json::from_str(text)) {
        (Ok(tree), Ok(direct)) => Ok(if is_text(&direct) && !is_text(&tree) { direct } else { tree }),
        (read, _) => read,
    }
}

/// True if `serde_json/arbitrary_precision` is on, which passes a number to its type as a map.
static NUMBERS_ARE_TEXTS: LazyLock<bool> = LazyLock::new(|| serde_json::from_str::<IsMap>("0.5").is_ok_and(|is| is.0));

struct IsMap(bool);

impl<'de> Deserialize<'de> for IsMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl<'de> Visitor<'de> for Number {
            type Value = IsMap;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E>(self, _: f64) -> Result<IsMap, E> {
                Ok(IsMap(false))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<IsMap, A::Error> {
                while map.next_entry::<String, String>()?.is_some() {}
                Ok(IsMap(true))
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// Returns whether a `Decimal` is written with all its digits. With `rust_decimal/serde-float`, which any crate of the
/// application may switch on, it is written as a float.
#[cfg(feature = "rust_decimal")]
pub(crate) fn decimals_are_exact() -> bool {
    static ARE_EXACT: LazyLock<bool> = LazyLock::new(|| {
        let all_digits = rust_decimal::Decimal::MAX;
        let text = serde_json::to_string(&all_digits).unwrap_or_default();
        from_text::<rust_decimal::Decimal>(&text).is_ok_and(|read| read == all_digits)
    });
    *ARE_EXACT
}

#[cfg(not(feature = "rust_decimal"))]
pub(crate) const fn decimals_are_exact() -> bool {
    true
}
