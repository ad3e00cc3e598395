//! Failures of one request, for its catchers and for the log.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{ErrorKind, SessionError};

/// Failures of one request, in order. Each can be borrowed for the life of the request.
#[derive(Default)]
pub(crate) struct Failures {
    first: Next,
    /// True if the log has a line about the unavailable store.
    outage_logged: AtomicBool,
}

type Next = OnceLock<Box<Failure>>;

struct Failure {
    error: SessionError,
    next: Next,
}

impl Failures {
    /// Returns whether the error needs a line in the log. Every guard of a request fails if the store is unavailable,
    /// and one line about that is enough.
    pub(crate) fn is_news(&self, error: &SessionError) -> bool {
        error.kind() != ErrorKind::Unavailable || !self.outage_logged.swap(true, Ordering::Relaxed)
    }
}

impl Failures {
    /// Maximum number of failures kept for a request; later ones are dropped.
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

    /// Returns the latest failure, which is the one that a catcher handles.
    #[cfg(any(test, feature = "rocket"))]
    pub(crate) fn latest(&self) -> Option<&SessionError> {
        self.iter().last()
    }

    /// True if a guard or a save failed with an error that may be temporary.
    pub(crate) fn ask_to_retry(&self) -> bool {
        self.iter().any(|error| error.retry_after().is_some())
    }

    fn iter(&self) -> impl Iterator<Item = &SessionError> {
        std::iter::successors(self.first.get(), |failure| failure.next.get()).map(|failure| &failure.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
