//! The visitor's session: three schemas in one record, and the limit on attempts.

use session_runtime::{Session, SessionError};

/// Identity of the visitor.
#[derive(Session)]
#[session(key = "auth", version = 1)]
pub(crate) struct AuthSession {
    /// Number of the account. A change gives the session a new id, and drops every value of the account before.
    #[session(renew, index)]
    pub(crate) account: Option<i64>,
    /// Number of the password with which the session began: see `guards::User`.
    pub(crate) password: u32,
    /// Name of the browser, for the page "where you are logged in".
    pub(crate) browser: String,
}

/// Messages for the next page, kept across a logout.
#[derive(Session)]
#[session(key = "notices", version = 1, lasting)]
pub(crate) struct Notices {
    /// Taken by the next page, so each is shown once.
    #[session(merge = append(max = 10), expires_after = "10m")]
    pub(crate) notices: Vec<String>,
}

/// Wrong passwords of this visitor, kept across a logout.
///
/// This bounds what one browser can try. It is no limit for an attacker, who drops the cookie and begins again: limits
/// by address and by account belong in front of it.
#[derive(Session)]
#[session(key = "attempts", version = 1, lasting)]
pub(crate) struct Attempts {
    /// Attempts of the last quarter of an hour that have not succeeded.
    #[session(merge = sum, expires_after = "15m")]
    pub(crate) failed: u32,
}

/// Minutes until a visitor may try again.
pub(crate) const PAUSE_MINUTES: u32 = 15;
const MAX_FAILED: u32 = 5;

impl NoticesMut {
    pub(crate) fn add(&mut self, notice: impl Into<String>) {
        self.notices_mut().push(notice.into());
    }
}

/// Counts an attempt before the password is compared; returns false if there were too many.
///
/// `update_now` decides on a fresh load, so of many requests at once no more pass than the limit allows. A count at the
/// end of each request would come too late: all of them would have read the same number.
pub(crate) async fn may_try(attempts: &mut Session<'_, Attempts>) -> Result<bool, SessionError> {
    let count = |attempts: &mut AttemptsMut| {
        let may_try = *attempts.failed() < MAX_FAILED;
        if may_try {
            *attempts.failed_mut() += 1;
        }
        may_try
    };
    attempts.update_now(count).await
}

/// Takes back the attempt that has succeeded, and no other: a visitor with an account of their own cannot log in to it
/// in order to begin counting again.
pub(crate) fn has_succeeded(attempts: &mut AttemptsMut) {
    let failed = attempts.failed_mut();
    *failed = failed.saturating_sub(1);
}
