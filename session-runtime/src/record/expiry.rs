//! Idle and absolute deadline, the session's own choice between them, and when a use moves the idle one.
//!
//! Takes settings, the choice and the present moment; gives deadlines. Everything is judged on the server: the cookie's
//! `Max-Age` only tells the browser when to stop asking (NIST SP 800-63B: cookie expiry shall not be relied on).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::clock::{InWords, Timestamp};
use crate::record::Head;

/// How long one session lives, chosen with [`SessionHandle::set_expiry`](crate::SessionHandle::set_expiry) and kept by
/// later requests.
///
/// | choice | idle deadline | cookie |
/// |---|---|---|
/// | `Default` | as configured | as configured |
/// | `After(d)` | `d` after the last use, instead of `idle` | persistent |
/// | `At(t)` | the moment `t`, not moved by use | persistent |
/// | `BrowserClose` | as configured | until the browser closes |
///
/// Each has a ceiling that no request moves: `absolute` after the creation for `Default` and `BrowserClose`, `remember`
/// after the creation for `After` and `At`. A choice beyond it is cut, and a line in the log says so.
///
/// # Examples
///
/// ```
/// use session_runtime::Expiry;
/// use std::time::Duration;
///
/// let remember_me = Expiry::After(Duration::from_secs(14 * 24 * 60 * 60));
/// assert_ne!(remember_me, Expiry::Default);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// What the configuration says.
    Default,
    /// This long after the last use; `remember` after the creation at the latest.
    After(Duration),
    /// At this moment; `remember` after the creation at the latest.
    At(SystemTime),
    /// When the browser closes, and by the configured deadlines at the latest.
    BrowserClose,
}

/// An [`Expiry`] as a record keeps it; `Display` and `FromStr` are its stored text.
///
/// # Examples
///
/// ```
/// use session_runtime::expiry::StoredExpiry;
///
/// let choice = StoredExpiry::After { millis: 60_000 };
/// assert_eq!(choice.to_string(), "after 60000");
/// assert_eq!("after 60000".parse(), Ok(choice));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredExpiry {
    /// What the configuration says.
    Default,
    /// This long after the last use.
    After {
        /// Milliseconds.
        millis: u64,
    },
    /// At this moment.
    At(Timestamp),
    /// When the browser closes.
    BrowserClose,
}

impl From<Expiry> for StoredExpiry {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::Default => Self::Default,
            Expiry::After(duration) => Self::After { millis: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) },
            Expiry::At(moment) => Self::At(moment.into()),
            Expiry::BrowserClose => Self::BrowserClose,
        }
    }
}

impl StoredExpiry {
    /// Its kind, and its duration or moment in milliseconds, for stored forms that are bytes or numbers.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn to_parts(self) -> (u8, i64) {
        match self {
            Self::Default => (0, 0),
            Self::After { millis } => (1, millis.cast_signed()),
            Self::At(moment) => (2, moment.as_millis()),
            Self::BrowserClose => (3, 0),
        }
    }

    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn from_parts(kind: u8, number: i64) -> Option<Self> {
        match kind {
            0 => Some(Self::Default),
            1 => Some(Self::After { millis: number.cast_unsigned() }),
            2 => Some(Self::At(Timestamp::from_millis(number))),
            3 => Some(Self::BrowserClose),
            _ => None,
        }
    }

    /// The application named a time of this session's own.
    pub(crate) fn is_chosen(self) -> bool {
        matches!(self, Self::After { .. } | Self::At(_))
    }

    /// Whether the cookie outlives the browser.
    pub(crate) fn persistent(self, configured: bool) -> bool {
        match self {
            Self::Default => configured,
            Self::After { .. } | Self::At(_) => true,
            Self::BrowserClose => false,
        }
    }
}

impl fmt::Display for StoredExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::After { millis } => write!(f, "after {millis}"),
            Self::At(moment) => write!(f, "at {}", moment.as_millis()),
            Self::BrowserClose => f.write_str("browser-close"),
        }
    }
}

/// The text is not a stored expiry.
///
/// # Examples
///
/// ```
/// use session_runtime::expiry::{InvalidExpiry, StoredExpiry};
///
/// assert_eq!("never".parse::<StoredExpiry>(), Err(InvalidExpiry));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stored expiry")]
pub struct InvalidExpiry;

impl FromStr for StoredExpiry {
    type Err = InvalidExpiry;

    fn from_str(text: &str) -> Result<Self, InvalidExpiry> {
        match text.split_once(' ') {
            None if text == "default" => Ok(Self::Default),
            None if text == "browser-close" => Ok(Self::BrowserClose),
            Some(("after", millis)) => Ok(Self::After { millis: millis.parse().map_err(|_| InvalidExpiry)? }),
            Some(("at", millis)) => {
                millis.parse().map(|millis| Self::At(Timestamp::from_millis(millis))).map_err(|_| InvalidExpiry)
            }
            _ => Err(InvalidExpiry),
        }
    }
}

/// How often a use of the session moves its idle deadline.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, expiry::TouchEvery};
/// use std::time::Duration;
///
/// let config = SessionConfig::new().touch_every(TouchEvery::Period(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TouchEvery {
    /// At most once in a tenth of the idle time. The default.
    #[default]
    TenthOfIdle,
    /// At most once in this period.
    Period(Duration),
    /// Only writes move it.
    Off,
}

/// What bounds the life of a record: both are set when it is created, and nothing moves them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) created: Timestamp,
    pub(crate) ends: Timestamp,
}

impl Head {
    pub(crate) fn span(&self) -> Span {
        Span { created: self.created, ends: self.ends }
    }
}

/// The configured times, as the core uses them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    /// Never shorter than `absolute`.
    pub(crate) remember: Duration,
    pub(crate) touch_every: TouchEvery,
    pub(crate) renew_every: Option<Duration>,
    pub(crate) renew_grace: Duration,
}

impl Lifetime {
    /// The deadline that a record gets when it is created: the later of both ceilings, since a choice may come later.
    pub(crate) fn ends(&self, created: Timestamp) -> Timestamp {
        created.after(self.remember)
    }

    /// When a session that is used now stops being valid.
    pub(crate) fn expires(&self, choice: StoredExpiry, span: Span, now: Timestamp) -> Timestamp {
        self.wanted(choice, now).min(self.ceiling(choice, span))
    }

    /// Logs that a session's choice reaches beyond its ceiling.
    pub(crate) fn report_cut(&self, choice: StoredExpiry, span: Span, now: Timestamp) {
        let ceiling = self.ceiling(choice, span);
        if choice.is_chosen() && self.wanted(choice, now) > ceiling {
            tracing::warn!(
                "the expiry chosen for a session is cut to {} after its creation; raise `session.remember` to allow more",
                InWords(ceiling.since(span.created))
            );
        }
    }

    /// The deadline without a ceiling.
    fn wanted(&self, choice: StoredExpiry, now: Timestamp) -> Timestamp {
        match choice {
            StoredExpiry::Default | StoredExpiry::BrowserClose => now.after(self.idle),
            StoredExpiry::After { millis } => now.after(Duration::from_millis(millis)),
            StoredExpiry::At(moment) => moment,
        }
    }

    /// A record that was created under other settings keeps the deadline that it got then.
    fn ceiling(&self, choice: StoredExpiry, span: Span) -> Timestamp {
        let most = if choice.is_chosen() { self.remember } else { self.absolute };
        span.created.after(most).min(span.ends)
    }

    /// The idle deadline to be written because the session was used now, if it is time for that.
    pub(crate) fn touch(&self, head: &Head, writes: bool, now: Timestamp) -> Option<Timestamp> {
        let due = match self.touch_period(head) {
            Some(period) => now.since(head.touched) >= period,
            None => writes,
        };
        let expires = self.expires(head.expiry, head.span(), now);
        (due && expires > head.expires).then_some(expires)
    }

    fn touch_period(&self, head: &Head) -> Option<Duration> {
        let idle = match head.expiry {
            StoredExpiry::After { millis } => Duration::from_millis(millis),
            _ => self.idle,
        };
        let period = match self.touch_every {
            TouchEvery::TenthOfIdle => idle / 10,
            TouchEvery::Period(period) => period,
            TouchEvery::Off => return None,
        };
        // At most half of what the last touch gave, which may be less than `idle`: the settings have changed since.
        Some(period.min(head.expires.since(head.touched) / 2))
    }

    /// Whether the secret is old enough for a periodic renewal.
    pub(crate) fn renewal_due(&self, head: &Head, now: Timestamp) -> bool {
        self.renew_every.is_some_and(|period| now.since(head.secret_since) >= period)
    }
}

#[cfg(test)]
mod tests;
