//! Deadlines of the fields with `expires_after`.
//!
//! ```text
//! cart.code     "7312"
//! cart.code~    {"at":1767225600000,"of":"9a41c07e"}    milliseconds since 1970, hash of the value it belongs to
//! ```
//!
//! A save stores both keys in one patch. A program that does not know the attribute removes the deadline that it has loaded
//! with the value that it changes. A deadline that it has not loaded belongs to another value then, and does not count.

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::record::{Text, Values};
use crate::schema::FieldSpec;
use crate::schema::layout::hash_of_text;

#[derive(Deserialize)]
struct Deadline {
    /// Milliseconds since 1970-01-01 UTC.
    at: i64,
    /// Hash of the value, in hexadecimal digits.
    of: String,
}

/// Returns the text of a deadline that belongs to this value.
pub(crate) fn text(at: Timestamp, value: &str) -> Text {
    format!("{{\"at\":{},\"of\":\"{:08x}\"}}", at.as_millis(), hash_of_text(value)).into()
}

/// Returns the deadline under `name`, if it can be read and belongs to this value.
pub(crate) fn read(values: &Values, name: &str, value: &str) -> Option<Timestamp> {
    let Deadline { at, of } = serde_json::from_str(values.get(name)?).ok()?;
    (u32::from_str_radix(&of, 16) == Ok(hash_of_text(value))).then_some(Timestamp::from_millis(at))
}

/// Returns the deadline of a value that is set at `now`.
pub(crate) fn from(field: &FieldSpec, now: Timestamp) -> Timestamp {
    now.after(field.expires_after.unwrap_or(Duration::MAX))
}

/// Returns whether the stored value of a field has expired.
pub(crate) fn has_passed(field: &FieldSpec, values: &Values, now: Timestamp) -> bool {
    let deadline = || read(values, field.deadline, values.get(field.name)?);
    field.has_deadline() && deadline().is_some_and(|deadline| now >= deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(deadline: &str) -> Values {
        [("cart.code".into(), "7".into()), ("cart.code~".into(), deadline.into())].into_iter().collect()
    }

    #[test]
    fn a_deadline_counts_for_its_value_alone() {
        let at = Timestamp::from_millis(1_767_225_600_000);
        let values = stored(&text(at, "7"));
        assert_eq!(read(&values, "cart.code~", "7"), Some(at));
        assert_eq!((read(&values, "cart.code~", "8"), read(&values, "cart.note~", "7")), (None, None));
    }

    #[test]
    fn a_damaged_deadline_does_not_count() {
        for damaged in ["", "7", "null", "[7,\"\"]", r#"{"at":7}"#, r#"{"at":7,"of":"x"}"#, r#"{"at":"7","of":"1"}"#] {
            assert_eq!(read(&stored(damaged), "cart.code~", "7"), None, "{damaged}");
        }
    }
}
