//! The outcome of the requests that were in flight when the server died.

use std::fmt;
use std::ops::AddAssign;

/// Unanswered requests of one sort. Either is right; that both happen shows that the kills came at all moments.
#[derive(Clone, Copy, Default)]
pub(super) struct Fate {
    /// Committed, and the server died before its answer.
    pub(super) stored: usize,
    /// The server died before the commit.
    pub(super) undone: usize,
}

impl Fate {
    pub(super) const fn of(was_stored: bool) -> Self {
        if was_stored { Self { stored: 1, undone: 0 } } else { Self { stored: 0, undone: 1 } }
    }

    pub(super) const fn total(self) -> usize {
        self.stored + self.undone
    }
}

impl AddAssign for Fate {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.undone += other.undone;
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} of them stored)", self.total(), self.stored)
    }
}

/// The requests that got no answer, by what they wanted.
#[derive(Clone, Copy, Default)]
pub(super) struct Unanswered {
    pub(super) adds: Fate,
    pub(super) creates: Fate,
    pub(super) logins: Fate,
    pub(super) logouts: Fate,
}

impl Unanswered {
    pub(super) fn all(self) -> Fate {
        let mut all = Fate::default();
        for fate in [self.adds, self.creates, self.logins, self.logouts] {
            all += fate;
        }
        all
    }
}

impl AddAssign for Unanswered {
    fn add_assign(&mut self, other: Self) {
        self.adds += other.adds;
        self.creates += other.creates;
        self.logins += other.logins;
        self.logouts += other.logouts;
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adds, creates, logins, logouts } = self;
        write!(f, "{adds} adds, {creates} first writes, {logins} logins, {logouts} logouts")
    }
}
