//! Text to HTML: every text that is not a literal of this program goes through [`Escaped`].

use std::fmt;
use std::time::SystemTime;

use rocket::time::OffsetDateTime;

use crate::session::Currency;

/// Text that is safe between tags and inside quoted attributes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// Amount of money, `€18.50`.
pub(crate) struct Money(pub(crate) u64, pub(crate) Currency);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(cents, currency) = self;
        let sign = match currency {
            Currency::Eur => "€",
            Currency::Usd => "$",
        };
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

/// Time to the minute, for people and for programs.
pub(crate) struct Moment(pub(crate) SystemTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::from(self.0);
        let (date, hour, minute) = (moment.date(), moment.hour(), moment.minute());
        write!(f, r#"<time datetime="{date}T{hour:02}:{minute:02}Z">{date} {hour:02}:{minute:02} UTC</time>"#)
    }
}
