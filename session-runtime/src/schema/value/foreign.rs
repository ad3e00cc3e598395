//! Shapes of other crates' types, each behind the feature of its crate; `serde_json` is always available.
//!
//! A primitive is named after its stored form: types of two crates that write and read the same texts share a name. If
//! a feature of the other crate may change the form, our own feature fixes it where that is possible (`time`). All
//! values but ids are read back at each save, since the other crate may write texts that it does not read.

use super::{SessionValue, Ty};

impl SessionValue for serde_json::Value {
    const TY: Ty = Ty::Opaque("json");
}

impl SessionValue for serde_json::Map<String, serde_json::Value> {
    const TY: Ty = Ty::Map(&String::TY, &serde_json::Value::TY);
}

impl SessionValue for serde_json::Number {
    const TY: Ty = Ty::Prim("number");
}

/// Covers any time zone: the offset is stored, its name is not.
#[cfg(feature = "chrono")]
impl<Tz: chrono::TimeZone> SessionValue for chrono::DateTime<Tz> {
    const TY: Ty = Ty::Prim("datetime-rfc3339");
}

#[cfg(feature = "chrono")]
prims! {
    chrono::NaiveDateTime = "datetime-iso8601" chrono::NaiveDate = "date-iso8601" chrono::NaiveTime = "time-iso8601"
    chrono::Weekday = "weekday-short" chrono::Month = "month-name"
}

/// Stored as whole seconds, and nanoseconds that are never negative.
#[cfg(feature = "chrono")]
impl SessionValue for chrono::TimeDelta {
    const TY: Ty = <(i64, i32)>::TY;
}

#[cfg(feature = "time")]
prims! {
    time::OffsetDateTime = "datetime-offset" time::UtcDateTime = "datetime-utc" time::PrimitiveDateTime = "datetime-plain"
    time::Date = "date-plain" time::Time = "time-plain" time::UtcOffset = "offset" time::Duration = "seconds"
    time::Weekday = "weekday-name" time::Month = "month-name"
}

#[cfg(feature = "uuid")]
prims! { uuid::Uuid = "uuid" as Always uuid::NonNilUuid = "uuid-nonnil" as Always }

// Stored as text, unless another crate of the application switches on `serde-float`.
#[cfg(feature = "rust_decimal")]
prims! { rust_decimal::Decimal = "decimal" }

#[cfg(feature = "url")]
prims! { url::Url = "url" }

#[cfg(test)]
mod tests;
