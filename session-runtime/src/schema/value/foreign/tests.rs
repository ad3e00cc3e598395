//! Exact texts that other crates write, since stored sessions contain them.
#![cfg(any(feature = "chrono", feature = "time", feature = "uuid", feature = "rust_decimal", feature = "url"))]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::SessionValue;
use crate::schema::value::Ty;

/// Checks that the value is stored as this text, read from it, and recorded under this name.
fn check<T: Serialize + DeserializeOwned + SessionValue>(value: &T, name: &str, text: &str) {
    assert!(matches!(T::TY, Ty::Prim(known) if known == name), "{:?}", T::TY);
    same(value, &json!(text));
}

fn same<T: Serialize + DeserializeOwned>(value: &T, written: &Value) {
    assert_eq!(serde_json::to_value(value).unwrap(), *written);
    let read: T = serde_json::from_str(&written.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), *written);
}

#[cfg(feature = "chrono")]
#[test]
fn times_of_chrono() {
    let at = chrono::DateTime::from_timestamp(1_700_000_000, 5_000_000).unwrap();
    let east = at.with_timezone(&chrono::FixedOffset::east_opt(7200).unwrap());
    check(&at, "datetime-rfc3339", "2023-11-14T22:13:20.005Z");
    check(&east, "datetime-rfc3339", "2023-11-15T00:13:20.005+02:00");
    check(&at.naive_utc(), "datetime-iso8601", "2023-11-14T22:13:20.005");
    check(&at.date_naive(), "date-iso8601", "2023-11-14");
    check(&at.naive_utc().time(), "time-iso8601", "22:13:20.005");
    check(&chrono::Weekday::Mon, "weekday-short", "Mon");
    check(&chrono::Month::March, "month-name", "March");
    same(&chrono::TimeDelta::milliseconds(-1500), &json!([-2, 500_000_000]));
    assert!(matches!(chrono::TimeDelta::TY, Ty::Tuple([Ty::Prim("i64"), Ty::Prim("i32")])));
}

/// Times are stored as text, whatever features of `time` other crates switch on.
#[cfg(feature = "time")]
#[test]
fn times_of_time() {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_005_000_000).unwrap();
    let west = at.to_offset(time::UtcOffset::from_hms(-2, 0, 0).unwrap());
    check(&west, "datetime-offset", "2023-11-14 20:13:20.005 -02:00:00");
    check(&time::UtcDateTime::from_unix_timestamp(0).unwrap(), "datetime-utc", "1970-01-01 00:00:00.0");
    check(&time::PrimitiveDateTime::new(at.date(), at.time()), "datetime-plain", "2023-11-14 22:13:20.005");
    check(&at.date(), "date-plain", "2023-11-14");
    check(&at.time(), "time-plain", "22:13:20.005");
    check(&west.offset(), "offset", "-02:00:00");
    check(&time::Duration::milliseconds(-1500), "seconds", "-1.500000000");
    check(&time::Weekday::Monday, "weekday-name", "Monday");
    check(&time::Month::March, "month-name", "March");
}

/// Each crate reads the texts that the other writes under the same name. Only `chrono` reads years of five digits, so
/// dates have two names.
#[cfg(all(feature = "chrono", feature = "time"))]
#[test]
fn one_name_of_two_crates_is_one_text() {
    for month in 1..=12 {
        let month = json!(time::Month::try_from(month).unwrap());
        same::<chrono::Month>(&serde_json::from_value(month.clone()).unwrap(), &month);
    }
}

#[cfg(feature = "uuid")]
#[test]
fn ids() {
    let id = uuid::Uuid::from_u128(7);
    check(&id, "uuid", "00000000-0000-0000-0000-000000000007");
    check(&uuid::NonNilUuid::try_from(id).unwrap(), "uuid-nonnil", "00000000-0000-0000-0000-000000000007");
}

#[cfg(feature = "rust_decimal")]
#[test]
fn decimals() {
    check(&rust_decimal::Decimal::new(1230, 2), "decimal", "12.30");
}

#[cfg(feature = "url")]
#[test]
fn addresses() {
    check(&url::Url::parse("https://example.org/a?b=1").unwrap(), "url", "https://example.org/a?b=1");
}
