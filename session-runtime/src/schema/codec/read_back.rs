//! Texts to values, and whether the text of a value is that value again.
//!
//! serde writes more than it reads: below a tag, where a key is left out, deeper than `serde_json` goes. A type that is not
//! known to be read as it was written is therefore read before it is stored. In a build with debug assertions each type
//! is, so that tests find an impl that breaks its promise.

use std::sync::LazyLock;

use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::form::form;
use crate::schema::FieldSpec;
use crate::schema::value::Reads;

/// Whether a text that holds a `null` must be read before its value is taken for written.
pub(super) fn null_is_doubtful(field: &FieldSpec) -> bool {
    cfg!(debug_assertions) || reads(field) != Reads::Always
}

/// Whether a text must be read before it is stored.
pub(super) fn is_doubtful(field: &FieldSpec) -> bool {
    cfg!(debug_assertions) || reads(field) == Reads::Perhaps
}

fn reads(field: &FieldSpec) -> Reads {
    field.shape.map_or(Reads::Perhaps, |shape| (shape.reads)())
}

/// Whether the text that was written for a value is read as that value.
pub(super) fn reads_back<T: Serialize + DeserializeOwned>(field: &FieldSpec, value: &T, text: &str) -> bool {
    let Ok(read) = from_text_of::<T>(field, text) else { return false };
    let is_text = serde_json::to_string(&read).is_ok_and(|again| again == text);
    // What is written as `null` may be several values; a set may be written in another order.
    (is_text && !text.contains("null")) || form(value).is_some_and(|written| form(&read) == Some(written))
}

/// The value of a text.
///
/// With `serde_json/arbitrary_precision`, which any crate of the application may switch on, a number inside a tagged,
/// untagged or flattened type is read from a tree of values only. A tree lacks `RawValue`, so the text is tried as well.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    if *NUMBERS_ARE_TEXTS && let Ok(read) = serde_json::from_str::<Value>(text).and_then(serde_json::from_value) {
        return Ok(read);
    }
    serde_json::from_str(text)
}

/// The value of a field's text. A type that is known to be read needs no tree, and what a tree respells, such as a
/// `RawValue`, is read from the text.
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

/// Whether `serde_json/arbitrary_precision` is on: a number is then given to its type as a map.
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

/// Whether a `Decimal` is written with all its digits: `rust_decimal/serde-float`, which any crate of the application may
/// switch on, writes a float.
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
