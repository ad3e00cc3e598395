//! The failures of one request, for its catchers and for the log.

#[cfg(feature = "rocket")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{ErrorKind, SessionError};

/// The failures of one request, in their order. Each can be borrowed for as long as the request lives.
#[derive(Default)]
pub(crate) struct Failures {
    #[cfg(feature = "rocket")]
    first: Next,
    /// The log has a line about the store that is down.
    outage_logged: AtomicBool,
}

#[cfg(feature = "rocket")]
type Next = OnceLock<Box<Failure>>;

#[cfg(feature = "rocket")]
struct Failure {
    error: SessionError,
    next: Next,
}

impl Failures {
    /// Whether the error deserves a line in the log. Every guard of a request fails if the store is down, and one line
    /// about that is enough.
    pub(crate) fn is_news(&self, error: &SessionError) -> bool {
        error.kind() != ErrorKind::Unavailable || !self.outage_logged.swap(true, Ordering::Relaxed)
    }
}

#[cfg(feature = "rocket")]
impl Failures {
    /// A request that fails more often than this forgets the rest.
    const MOST: usize = 16;

    pub(crate) fn add(&self, error: &SessionError) {
        let mut failure = Box::new(Failure { error: error.clone(), next: Next::new() });
        let mut end = &self.first;
        for _ in 0..Self::MOST {
            match end.set(failure) {
                Ok(()) => return,
                Err(again) => failure = again,
            }
            let Some(before) = end.get() else { return };
            end = &before.next;
        }
    }

    /// The failure that a catcher is called for.
    pub(crate) fn latest(&self) -> Option<&SessionError> {
        self.iter().last()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SessionError> {
        std::iter::successors(self.first.get(), |failure| failure.next.get()).map(|failure| &failure.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "rocket")]
    #[test]
    fn failures_are_kept_in_order_and_bounded() {
        let failures = Failures::default();
        for kind in [ErrorKind::Undecodable, ErrorKind::Unavailable] {
            failures.add(&SessionError::new(kind));
        }
        assert_eq!(failures.latest().map(SessionError::kind), Some(ErrorKind::Unavailable));
        for _ in 0..100_000 {
            failures.add(&SessionError::new(ErrorKind::Gone));
        }
        assert_eq!(failures.iter().count(), Failures::MOST);
        assert_eq!(failures.iter().next().map(SessionError::kind), Some(ErrorKind::Undecodable));
    }

    #[test]
    fn an_outage_is_news_once() {
        let failures = Failures::default();
        let news = |kind| failures.is_news(&SessionError::new(kind));
        assert!(news(ErrorKind::Unavailable) && !news(ErrorKind::Unavailable));
        assert!(news(ErrorKind::Undecodable) && news(ErrorKind::Undecodable));
    }
}
