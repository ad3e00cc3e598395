//! Idle and absolute deadline, the session's own choice of expiry, and the rule for touches.
//!
//! Takes settings, the choice and the current time; gives deadlines. The server enforces all of them: the cookie's
//! `Max-Age` only limits how long the browser sends the cookie (NIST SP 800-63B: cookie expiry shall not be relied on).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::clock::{InWords, Timestamp};
use crate::record::Head;

/// Lifetime of one session, chosen with [`SessionHandle::set_expiry`](crate::SessionHandle::set_expiry) and kept for
/// later requests.
///
/// | choice | idle deadline | cookie |
/// |---|---|---|
/// | `Default` | as configured | as configured |
/// | `After(d)` | `d` after the last use, instead of `idle` | persistent |
/// | `At(t)` | the moment `t`, not extended by use | persistent |
/// | `BrowserClose` | as configured | until the browser closes |
///
/// Each choice has a ceiling that no request moves: `absolute` after the creation for `Default` and `BrowserClose`,
/// `remember` after the creation for `After` and `At`. A choice beyond it is cut to the ceiling, with a warning in the
/// log.
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
#[non_exhaustive]
pub enum Expiry {
    /// Configured lifetime.
    Default,
    /// End this long after the last use; at the latest `remember` after the creation.
    After(Duration),
    /// End at this moment; at the latest `remember` after the creation.
    At(SystemTime),
    /// End when the browser closes; at the latest at the configured deadlines.
    BrowserClose,
}

/// Stored form of an [`Expiry`]; `Display` and `FromStr` use its text in the record.
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
    /// Configured lifetime.
    Default,
    /// End this long after the last use.
    After {
        /// Milliseconds.
        millis: u64,
    },
    /// End at this moment.
    At(Timestamp),
    /// End when the browser closes.
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
    /// True if the application chose a time for this session.
    pub(crate) fn is_chosen(self) -> bool {
        matches!(self, Self::After { .. } | Self::At(_))
    }

    /// Returns whether the cookie survives the end of the browser session.
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

/// Error for a text that is not a stored expiry.
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

/// Rule for when a use of the session extends its idle deadline.
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
#[non_exhaustive]
pub enum TouchEvery {
    /// At most once in a tenth of the idle time. The default.
    #[default]
    TenthOfIdle,
    /// At most once in this period.
    Period(Duration),
    /// Only with a write.
    Off,
}

/// Creation and latest end of a record; both are set when it is created and never change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) created: Timestamp,
    pub(crate) absolute_deadline: Timestamp,
}

impl Head {
    pub(crate) fn span(&self) -> Span {
        Span { created: self.created, absolute_deadline: self.absolute_deadline }
    }
}

/// Configured times, as the core uses them.
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
    /// Returns the latest end of a new record: the later of both ceilings, since a choice may come later.
    pub(crate) fn absolute_deadline(&self, created: Timestamp) -> Timestamp {
        created.after(self.remember)
    }

    /// Returns the moment when a session that is used now expires.
    pub(crate) fn idle_deadline(&self, choice: StoredExpiry, span: Span, now: Timestamp) -> Timestamp {
        self.wanted(choice, now).min(self.ceiling(choice, span))
    }

    /// Logs a warning if the choice of a session exceeds its ceiling.
    pub(crate) fn report_cut(&self, choice: StoredExpiry, span: Span, now: Timestamp) {
        let ceiling = self.ceiling(choice, span);
        if choice.is_chosen() && self.wanted(choice, now) > ceiling {
            tracing::warn!(
                "the expiry chosen for a session is cut to {} after its creation; raise `session.remember` to allow more",
                InWords(ceiling.since(span.created))
            );
        }
    }

    /// Returns the deadline without a ceiling.
    fn wanted(&self, choice: StoredExpiry, now: Timestamp) -> Timestamp {
        match choice {
            StoredExpiry::Default | StoredExpiry::BrowserClose => now.after(self.idle),
            StoredExpiry::After { millis } => now.after(Duration::from_millis(millis)),
            StoredExpiry::At(moment) => moment,
        }
    }

    /// Returns the ceiling of a choice. It is never after the latest end that the record got at its creation, even if
    /// the settings have changed since.
    fn ceiling(&self, choice: StoredExpiry, span: Span) -> Timestamp {
        let most = if choice.is_chosen() { self.remember } else { self.absolute };
        span.created.after(most).min(span.absolute_deadline)
    }

    /// Returns the new idle deadline if a touch is due now.
    pub(crate) fn touch(&self, head: &Head, writes: bool, now: Timestamp) -> Option<Timestamp> {
        let due = match self.touch_period(head) {
            Some(period) => now.since(head.touched) >= period,
            None => writes,
        };
        let expires = self.idle_deadline(head.expiry, head.span(), now);
        (due && expires > head.idle_deadline).then_some(expires)
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
        // At most half of the time that the last touch granted; after a change of settings this may be less than
        // `idle`.
        Some(period.min(head.idle_deadline.since(head.touched) / 2))
    }

    /// Returns whether the secret is old enough for a periodic renewal.
    pub(crate) fn renewal_due(&self, head: &Head, now: Timestamp) -> bool {
        self.renew_every.is_some_and(|period| now.since(head.secret_since) >= period)
    }
}

#[cfg(test)]
mod tests;
