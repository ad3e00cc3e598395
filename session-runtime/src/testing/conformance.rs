//! Conformance kit: runs every rule of the [store contract](crate::store) against a store.
//!
//! Takes a store and the current time; returns a [`Report`] of all kept and broken rules. Each rule works on fresh
//! random keys, so the store may be shared and may hold other records. The rules of [`sweep`](Store::sweep) need
//! exclusive use of it: they count removals, and they remove every record that expired up to two hours after the given
//! time.
//!
//! | rules | requirement |
//! |---|---|
//! | create | stores byte for byte; never overwrites a record |
//! | load | leaves out expired records; returns at least the requested schemas, with the totals of the whole record |
//! | patch | returns gone, renewed or conflict, in this order; all or nothing; counts revision and totals |
//! | unchanged | a patch is judged by the stored record, whether or not it changed since the load |
//! | head | touch, choice of expiry and new secrets apply only under their conditions |
//! | kept | patched parts are loaded exactly, and all other parts stay |
//! | delete | idempotent, final, complete |
//! | race | no change is lost or half visible; a deleted record stays deleted |
//! | sweep | removes the records that expired a minute ago or earlier, and no others |
//! | scan | lists every record, page by page, whole and current; or *unsupported*, never an empty list instead |
//! | heads | the current heads of several records in the order of their keys; reading them moves no deadline |
//! | index | finds every record that holds a text, page by page; deletes by generation; or *unsupported* |
//!
//! Needs a tokio runtime; the races are real only if it has several threads. Deliberately absent: restarts and crashes,
//! which only a store's own tests can cause.
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
mod heads;
mod index;
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

/// Runs every rule against a store, one after the other, with `now` as the current time.
///
/// A store engine that removes expired records by its own clock needs the real time.
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

/// Returns all rules, for a store that leaves some out, or for a test harness that lists each by name.
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
        heads::RULES,
        index::RULES,
    ];
    rooms.into_iter().flatten()
}

/// Requirement on a store.
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
    /// Name of the rule, for test output and for leaving the rule out.
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

    /// Requirement in one sentence.
    #[must_use]
    pub const fn demand(&self) -> &'static str {
        self.demand
    }

    /// Checks that `store` keeps the rule. A store that panics breaks it.
    ///
    /// # Errors
    ///
    /// The violation, with the observed behaviour.
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

/// Rule that a store breaks, with the observed behaviour.
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
    /// Name of the broken rule.
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

/// Result of [`check`]: the rules that a store keeps and those that it breaks.
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
#[must_use = "an unread report hides failures"]
pub struct Report {
    passed: Vec<&'static str>,
    failed: Vec<Violation>,
}

impl Report {
    /// Names of the rules that the store keeps.
    #[must_use]
    pub fn passed(&self) -> &[&'static str] {
        &self.passed
    }

    /// Violations of the rules that the store breaks.
    #[must_use]
    pub fn failed(&self) -> &[Violation] {
        &self.failed
    }

    /// Panics unless every rule is kept.
    ///
    /// # Panics
    ///
    /// If there is a violation. The message lists all of them.
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
