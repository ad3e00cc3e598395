//! Every rule of the [store contract](crate::store), run against any store.
//!
//! Takes a store and the present moment, gives a [`Report`] that lists what holds and what does not, all at once. Each rule
//! works on fresh random keys, so a store may be shared and may be full. The rules of [`sweep`](Store::sweep) need it
//! alone: they remove everything that expired up to two hours after the moment given, and they count.
//!
//! | rules about | demand |
//! |---|---|
//! | create | byte for byte, exclusive |
//! | load | expired is absent, at least what is wanted, totals of all |
//! | patch | gone, renewed, conflict in this order; all or nothing; revision and totals |
//! | unchanged | what a patch says of an unchanged record counts for that one only |
//! | head | touch, choice and secrets apply on their conditions only |
//! | kept | what a patch writes comes back exactly, and what it does not name stays |
//! | delete | idempotent, final, complete |
//! | race | nothing is lost or half seen, a deleted record stays deleted |
//! | sweep | what expired a minute ago or earlier, and nothing else |
//! | scan | everything, page by page, whole and as it is now; or *unsupported*, never an empty list instead |
//!
//! Needs a tokio runtime; on one with several threads the races are real ones. Deliberately absent: restarts and crashes,
//! since only a store's own tests know how to bring them about.
//!
//! # Examples
//!
//! ```
//! use session_runtime::{MemoryStore, clock::Timestamp, testing::conformance};
//! use std::{sync::Arc, time::SystemTime};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let now = Timestamp::from(SystemTime::now());
//! conformance::check(Arc::new(MemoryStore::new()), now).await.assert();
//! # }
//! ```

mod create;
mod delete;
mod head;
mod kept;
mod load;
mod patch;
mod race;
mod scan;
mod sweep;
mod trial;
mod unchanged;
mod write;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use self::trial::{Broken, Trial};
use crate::clock::Timestamp;
use crate::store::Store;

type Verdict = Result<(), Broken>;

/// Runs every rule against a store, one after the other, with `now` as the present moment.
///
/// An engine that removes expired records by its own clock needs the real present.
///
/// # Examples
///
/// ```
/// use session_runtime::{MemoryStore, clock::Timestamp, testing::conformance};
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let report = conformance::check(Arc::new(MemoryStore::new()), Timestamp::from_millis(0)).await;
/// assert!(report.failed().is_empty());
/// # }
/// ```
pub async fn check(store: Arc<dyn Store>, now: Timestamp) -> Report {
    let mut report = Report { passed: Vec::new(), failed: Vec::new() };
    for rule in rules() {
        match rule.check(Arc::clone(&store), now).await {
            Ok(()) => report.passed.push(rule.name),
            Err(violation) => report.failed.push(violation),
        }
    }
    report
}

/// All rules, for a store that leaves some out or a test harness that shows each by name.
///
/// # Examples
///
/// ```
/// use session_runtime::testing::conformance;
///
/// assert!(conformance::rules().any(|rule| rule.name() == "delete_is_final"));
/// ```
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let rooms = [
        create::RULES,
        load::RULES,
        patch::RULES,
        write::RULES,
        unchanged::RULES,
        head::RULES,
        kept::RULES,
        delete::RULES,
        race::RULES,
        sweep::RULES,
        scan::RULES,
    ];
    rooms.into_iter().flatten()
}

/// One demand on a store.
///
/// # Examples
///
/// ```
/// use session_runtime::testing::conformance;
///
/// for rule in conformance::rules() {
///     println!("{}: {}", rule.name(), rule.demand());
/// }
/// ```
pub struct Rule {
    name: &'static str,
    demand: &'static str,
    run: fn(Trial) -> Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

impl Rule {
    /// Its name, made for test output and for leaving it out.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::testing::conformance;
    ///
    /// // A store whose engine removes expired records by itself.
    /// let rules = conformance::rules().filter(|rule| !rule.name().starts_with("sweep_removes"));
    /// # assert!(rules.count() < conformance::rules().count());
    /// ```
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it demands, in a sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::testing::conformance;
    ///
    /// assert!(conformance::rules().all(|rule| rule.demand().ends_with('.')));
    /// ```
    #[must_use]
    pub const fn demand(&self) -> &'static str {
        self.demand
    }

    /// Whether `store` keeps it. A store that panics does not.
    ///
    /// # Errors
    ///
    /// The violation, with what was seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, clock::Timestamp, testing::conformance};
    /// use std::sync::Arc;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let rule = conformance::rules().next().unwrap();
    /// assert!(rule.check(Arc::new(MemoryStore::new()), Timestamp::from_millis(0)).await.is_ok());
    /// # }
    /// ```
    pub async fn check(&self, store: Arc<dyn Store>, now: Timestamp) -> Result<(), Violation> {
        let verdict = trial::caught((self.run)(Trial::new(store, now))).await;
        verdict.map_err(|Broken(seen)| Violation { rule: self.name, demand: self.demand, seen })
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.name).finish()
    }
}

/// A rule that a store breaks.
///
/// # Examples
///
/// ```
/// use session_runtime::testing::conformance::Report;
///
/// fn worst(report: &Report) -> Option<&'static str> {
///     report.failed().first().map(|violation| violation.rule())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    rule: &'static str,
    demand: &'static str,
    seen: String,
}

impl Violation {
    /// The name of the rule.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} But {}", self.rule, self.demand, self.seen)
    }
}

impl std::error::Error for Violation {}

/// Which rules a store keeps and which it breaks.
///
/// # Examples
///
/// ```
/// use session_runtime::{MemoryStore, clock::Timestamp, testing::conformance};
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let report = conformance::check(Arc::new(MemoryStore::new()), Timestamp::from_millis(0)).await;
/// assert_eq!(report.passed().len(), conformance::rules().count());
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a report that nobody looks at hides what failed"]
pub struct Report {
    passed: Vec<&'static str>,
    failed: Vec<Violation>,
}

impl Report {
    /// The names of the rules that the store keeps.
    #[must_use]
    pub fn passed(&self) -> &[&'static str] {
        &self.passed
    }

    /// The rules that the store breaks.
    #[must_use]
    pub fn failed(&self) -> &[Violation] {
        &self.failed
    }

    /// Ends a test unless every rule is kept.
    ///
    /// # Panics
    ///
    /// With all violations, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, clock::Timestamp, testing::conformance};
    /// use std::sync::Arc;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// conformance::check(Arc::new(MemoryStore::new()), Timestamp::from_millis(0)).await.assert();
    /// # }
    /// ```
    pub fn assert(&self) {
        assert!(self.failed.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rules kept, {} broken", self.passed.len(), self.failed.len())?;
        self.failed.iter().try_for_each(|violation| write!(f, "\n  {violation}"))
    }
}
