//! Parses `expires_after = "10m"`.

use proc_macro2::Ident;
use syn::parse::ParseStream;

use super::string;

/// Longest period: ten years of 365 days.
const MAX_MILLIS: u64 = 10 * 365 * 86_400_000;

/// Units with their milliseconds; longer names first.
const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Parses `= "10m"`; returns milliseconds.
pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<u64> {
    let literal = string(name, input)?;
    let message = match millis(&literal.value()) {
        Some(0) => "the value would expire at once: write a duration such as `\"10m\"`".to_owned(),
        Some(millis) if millis <= MAX_MILLIS => return Ok(millis),
        Some(_) => {
            "the longest duration is ten years, `\"3650d\"`: leave `expires_after` out for a value that never expires"
                .to_owned()
        }
        None => format!(
            "expected a duration such as `\"90s\"`, `\"10m\"` or `\"1h 30m\"`, with the units ms, s, m, h and d, found `{}`",
            literal.value()
        ),
    };
    Err(syn::Error::new_spanned(literal, message))
}

/// Returns the milliseconds of a duration such as `1h 30m`; `None` if it is malformed.
fn millis(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut sum = None;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let length = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let (_, millis) = UNITS.iter().find(|(known, _)| *known == unit)?;
        // A number that is too large is a duration that is too long.
        let part = number.parse::<u64>().map_or((!number.is_empty()).then_some(u64::MAX), Some)?;
        sum = Some(part.saturating_mul(*millis).saturating_add(sum.unwrap_or(0)));
        rest = after.trim_start();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_numbers_and_units() {
        for (text, expected) in [
            ("10m", 600_000),
            ("1500ms", 1_500),
            ("90s", 90_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (" 2d ", 172_800_000),
            ("0s", 0),
            ("99999999999999999999d", u64::MAX),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_unit_or_a_number_is_malformed() {
        for text in ["", " ", "10", "m", "10 m", "10min", "-1s", "1.5h", "10m,", "1h,30m", "10M", "١m"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
