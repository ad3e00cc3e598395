//! Work on all stored sessions: counting their versions, and upgrading old ones.
//!
//! Scans in batches, which the store must support. Each session is saved by itself, with the precondition that nothing
//! in it has changed since it was read, and keeps its deadlines. Saved upgrades remain: an interrupted scan can be
//! started again, and skips sessions that are up to date. A session that cannot be read is counted and named, and the
//! scan goes on.
//!
//! Several sessions of a batch are saved at the same time. A batch has as many as take some milliseconds, and a pause
//! follows, so that requests keep most of the store. Each round trip to the store has a deadline of its own; a page and
//! the whole scan have none.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;

use crate::error::{ErrorKind, SessionError};
use crate::id::SessionKey;
use crate::pace::{Pace, give_way};
use crate::record::Record;
use crate::record::patch::{Patch, Patched, Precondition};
use crate::request::core::Core;
use crate::schema::SchemaSpec;
use crate::sessions::Sessions;
use crate::sessions::in_flight::InFlight;
use crate::store::{Cursor, Damage, Page, StoreError, StoreErrorKind, Wanted};
use crate::sync::Instant;
use crate::version::status::VersionStatus;
use crate::version::versioned::VersionedValues;

mod progress;

pub use progress::{OnProgress, Progress};

/// Options of [`Sessions::census`] and [`Sessions::migrate`].
///
/// # Examples
///
/// ```
/// use session_runtime::migrate::Options;
///
/// let look_only = Options { dry_run: true, ..Options::default() };
/// assert_eq!(look_only.batch, 500);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// True to save nothing. Default: `false`.
    pub dry_run: bool,
    /// Maximum number of sessions read at a time; at least one. Fewer are read if a batch takes longer than about 10 ms,
    /// down to 16. Default: 500.
    pub batch: usize,
    /// Number of sessions that are saved at the same time; at least one. Default: 16.
    pub in_flight: usize,
    /// Start position: the [`Report::next`] of an earlier scan of the same store. Default: the beginning.
    pub after: Option<Cursor>,
    /// Number of sessions after which the scan ends, once their batch is complete. [`Report::next`] is then the
    /// position to continue from. Default: all.
    pub most: Option<u64>,
    /// Callback after each batch. Default: none.
    pub progress: OnProgress,
}

impl Default for Options {
    fn default() -> Self {
        Self { dry_run: false, batch: 500, in_flight: 16, after: None, most: None, progress: OnProgress::default() }
    }
}

/// Outcome for one schema of one session.
///
/// # Examples
///
/// ```
/// use session_runtime::migrate::Outcome;
///
/// assert_eq!(Outcome::TooOld.to_string(), "too old");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The section is in the version that this program writes.
    Current,
    /// The section was upgraded to that version; in a dry run, it can be.
    Upgraded,
    /// A newer program stored the section.
    Newer,
    /// No upgrade leads from the stored version to the current one.
    TooOld,
    /// The stored version is that of this program, but the layout is not.
    Forked,
    /// A step of the upgrade failed, the metadata cannot be read, or the result would exceed a limit. The section is
    /// unchanged.
    Failed,
    /// Other requests changed the session again and again. Their last change stands.
    Busy,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "current",
            Self::Upgraded => "upgraded",
            Self::Newer => "newer",
            Self::TooOld => "too old",
            Self::Forked => "forked",
            Self::Failed => "failed",
            Self::Busy => "busy",
        })
    }
}

/// Counts of a scan, without any content of sessions.
///
/// # Examples
///
/// ```
/// # use session_runtime::{MemoryStore, Sessions, migrate::Options};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// # let sessions = Sessions::builder().store(MemoryStore::new()).build()?;
/// let report = sessions.census(Options::default()).await?;
/// assert_eq!(report.sessions, 0);
/// println!("{report}");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// True if nothing was saved.
    pub dry_run: bool,
    /// Number of sessions that were read. One that the store lists twice in a scan counts twice; a store that may do so
    /// documents it.
    pub sessions: u64,
    /// Number of sections by schema, stored version and outcome. The version is 0 if it cannot be read.
    pub counts: BTreeMap<(&'static str, u16, Outcome), u64>,
    /// Number of sessions that the store cannot read, by kind of damage. They are left unchanged.
    pub unreadable: BTreeMap<Damage, u64>,
    /// Keys of the first of these sessions, at most [`MOST_NAMED`](Self::MOST_NAMED).
    pub unreadable_keys: Vec<(SessionKey, Damage)>,
    /// Start position of the next scan, if [`Options::most`] ended this one.
    pub next: Option<Cursor>,
}

impl Report {
    /// Maximum number of unreadable sessions that are named; all are counted.
    pub const MOST_NAMED: usize = 100;

    /// Returns the number of sections with this outcome, in any version.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.counts.iter().filter(|((_, _, one), _)| *one == outcome).map(|(_, count)| count).sum()
    }

    fn add_unreadable(&mut self, key: SessionKey, damage: Damage) {
        *self.unreadable.entry(damage).or_default() += 1;
        if self.unreadable_keys.len() < Self::MOST_NAMED {
            self.unreadable_keys.push((key, damage));
        }
    }

    /// Counts a session that was read and, unless in a dry run, upgraded. Returns an error that ends the scan.
    fn add(&mut self, key: SessionKey, outcome: Result<Vec<Found>, SessionError>) -> Result<(), SessionError> {
        match outcome {
            Ok(found) => {
                self.sessions += 1;
                for (schema, version, outcome) in found {
                    *self.counts.entry((schema.key, version, outcome)).or_default() += 1;
                }
                Ok(())
            }
            // The record was damaged after the page was read.
            Err(error) if is_unreadable(&error) => {
                self.add_unreadable(key, Damage::Head);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// Shows a line for each count, one for each unreadable session that is named, and one for the total.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((schema, version, outcome), count) in &self.counts {
            let to_be = if self.dry_run && *outcome == Outcome::Upgraded { "to be " } else { "" };
            writeln!(f, "{schema}  version {version}  {to_be}{outcome}  {count}")?;
        }
        for (damage, count) in &self.unreadable {
            writeln!(f, "{damage}  {count}")?;
            let named = self.unreadable_keys.iter().filter(|(_, one)| one == damage);
            named.into_iter().try_for_each(|(key, _)| writeln!(f, "  {key}"))?;
        }
        write!(f, "{} sessions", self.sessions)
    }
}

/// Maximum number of attempts for a session that other requests change meanwhile.
const TRIES: usize = 20;

impl Sessions {
    /// Counts the stored versions, with the outcome that an upgrade by this program would have. Stores nothing.
    ///
    /// Pauses as [`migrate`](Self::migrate) does.
    ///
    /// # Errors
    ///
    /// The store is unavailable, or cannot scan.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions, migrate::{Options, Outcome}};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// # let visit = sessions.open([]);
    /// # visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// # visit.finish(200).await;
    /// let report = sessions.census(Options::default()).await?;
    /// assert_eq!(report.counts[&("cart", 1, Outcome::Current)], 1);
    /// # Ok(()) }
    /// ```
    pub async fn census(&self, options: Options) -> Result<Report, SessionError> {
        self.migrate(Options { dry_run: true, ..options }).await
    }

    /// Upgrades every stored session to the versions that this program writes.
    ///
    /// Safe while servers are running; can be interrupted and started again at any time. A session that cannot be
    /// upgraded is counted and left unchanged.
    ///
    /// After each batch, a pause of the same time leaves the store to requests; the runtime needs tokio's timers for it.
    /// So the work takes twice as long as the store needs for it.
    ///
    /// # Errors
    ///
    /// The store is unavailable, or cannot scan. [`deadline`](crate::SessionConfig::deadline) applies to each round trip
    /// to the store, not to a page or to the whole scan. After an error, no further session is begun, and those in
    /// flight are finished. Upgrades that are already saved remain.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Sessions, migrate::{Options, Outcome}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).build()?;
    /// let report = sessions.migrate(Options { batch: 100, ..Options::default() }).await?;
    /// assert_eq!(report.count(Outcome::Upgraded), 0);
    /// # Ok(()) }
    /// ```
    pub async fn migrate(&self, options: Options) -> Result<Report, SessionError> {
        let core = &*self.core;
        let mut report = Report { dry_run: options.dry_run, ..Report::default() };
        let (mut pace, mut after) = (Pace::of_bulk(options.batch), options.after);
        loop {
            let started = Instant::now();
            let page = core.run_in_steps(core.store().scan(after.as_ref(), pace.size(), core.now())).await?;
            after = upgrade_page(core, page, options.in_flight.max(1), &mut report).await?;
            let took = started.elapsed();
            options.progress.report(report.sessions, after.as_ref());
            if after.is_none() || options.most.is_some_and(|most| report.sessions >= most) {
                report.next = after;
                return Ok(report);
            }
            pace.pause_after(took).await;
        }
    }
}

/// Upgrades and counts the sessions of a page, `most` at the same time. Returns the cursor of the next page. After an
/// error, starts no further session, and returns once those in flight are finished.
async fn upgrade_page(
    core: &Core,
    page: Page,
    most: usize,
    report: &mut Report,
) -> Result<Option<Cursor>, SessionError> {
    for (key, damage) in page.unreadable {
        report.add_unreadable(key, damage);
    }
    let dry_run = report.dry_run;
    let (mut waiting, mut in_flight, mut outcome) = (page.sessions.into_iter(), InFlight::default(), Ok(()));
    loop {
        let free = if outcome.is_ok() { most - in_flight.len() } else { 0 };
        for (key, record) in waiting.by_ref().take(free) {
            in_flight.push(async move { (key, upgrade_session(core, key, record, dry_run).await) });
        }
        let Some((key, upgraded)) = in_flight.next().await else { return outcome.map(|()| page.next) };
        outcome = outcome.and(report.add(key, upgraded));
    }
}

fn is_unreadable(error: &SessionError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<StoreError>());
    cause.is_some_and(|cause| cause.kind() == StoreErrorKind::Corrupt)
}

type Found = (&'static SchemaSpec, u16, Outcome);

/// Upgrades one session, and loads it again after each conflict.
async fn upgrade_session(
    core: &Core,
    key: SessionKey,
    record: Record,
    dry_run: bool,
) -> Result<Vec<Found>, SessionError> {
    // A store in memory never waits, and other tasks of this thread must run too.
    give_way().await;
    let mut record = record;
    for _ in 0..TRIES {
        let (found, patch) = inspect(core, &record);
        if dry_run || patch.is_empty() {
            return Ok(found);
        }
        let (values, limits) = (&record.values, core.limits);
        if limits.check_patch(&patch, values, values.bytes(), values.len()).is_err() {
            return Ok(replace_upgraded(found, Outcome::Failed));
        }
        match core.run_in_steps(core.store().patch(key, patch, core.now())).await? {
            Patched::Done(_) => return Ok(found),
            Patched::Gone => return Ok(Vec::new()),
            Patched::Renewed | Patched::Conflict(_) => {}
        }
        match core.run_in_steps(core.store().load(key, &Wanted::all().fresh(), core.now())).await? {
            Some(loaded) => record = loaded.record,
            None => return Ok(Vec::new()),
        }
    }
    Ok(replace_upgraded(inspect(core, &record).0, Outcome::Busy))
}

fn replace_upgraded(found: Vec<Found>, instead: Outcome) -> Vec<Found> {
    let each =
        |(schema, version, outcome)| (schema, version, if outcome == Outcome::Upgraded { instead } else { outcome });
    found.into_iter().map(each).collect()
}

/// Returns the outcome for each stored schema, and the patch that upgrades all of them.
fn inspect(core: &Core, record: &Record) -> (Vec<Found>, Patch) {
    let mut values = VersionedValues::new(record.values.clone(), core.now());
    let mut patch = Patch::on_generation(record.head.generation);
    let mut found = Vec::new();
    for schema in core.schemas().iter().copied().filter(|schema| record.values.get(schema.key).is_some()) {
        let version = crate::version::status::version_of(schema, &record.values).unwrap_or(0);
        let outcome = match values.upgrade(schema, &core.versions) {
            Ok(VersionStatus::Older(_)) => rewrite(core, schema, &values, &mut patch),
            Ok(VersionStatus::Same) => Ok(Outcome::Current),
            Ok(VersionStatus::Newer { .. } | VersionStatus::Discarded) => Ok(Outcome::Newer),
            Err(error) => Err(error),
        };
        found.push((schema, version, outcome.unwrap_or_else(|error| refused(schema, &error))));
    }
    patch.precondition = Precondition::Revision(record.head.revision);
    (found, patch)
}

fn rewrite(
    core: &Core,
    schema: &'static SchemaSpec,
    values: &VersionedValues,
    patch: &mut Patch,
) -> Result<Outcome, SessionError> {
    let mut own = Patch::on_generation(patch.generation);
    values.rewrite(schema, &core.versions, &mut own)?;
    // While a version is held, the older version is the one to write.
    let outcome = if own.changes_values() { Outcome::Upgraded } else { Outcome::Current };
    patch.set.append(&mut own.set);
    patch.remove.append(&mut own.remove);
    Ok(outcome)
}

fn refused(schema: &'static SchemaSpec, error: &SessionError) -> Outcome {
    match error.kind() {
        ErrorKind::Newer => Outcome::Newer,
        ErrorKind::TooOld => Outcome::TooOld,
        ErrorKind::Forked => Outcome::Forked,
        _ => {
            tracing::warn!(schema = schema.key, "a stored session cannot be upgraded: {}", error.chain());
            Outcome::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_line_for_each_count() {
        let counts = [(("cart", 1, Outcome::Upgraded), 2), (("cart", 2, Outcome::Current), 40)].into();
        let report = Report { sessions: 42, counts, ..Report::default() };
        assert_eq!(report.to_string(), "cart  version 1  upgraded  2\ncart  version 2  current  40\n42 sessions");
        let census = Report { dry_run: true, ..report.clone() };
        assert!(census.to_string().starts_with("cart  version 1  to be upgraded  2\n"));
        assert_eq!((report.count(Outcome::Upgraded), report.count(Outcome::Failed)), (2, 0));
    }

    #[test]
    fn a_report_counts_all_unreadable_sessions_and_names_the_first() {
        let mut report = Report::default();
        for n in 0..=Report::MOST_NAMED {
            report.add_unreadable(SessionKey::from_bytes([n.to_le_bytes()[0]; 16]), Damage::Head);
        }
        report.add_unreadable(SessionKey::from_bytes([7; 16]), Damage::Missing);
        let text = report.to_string();
        assert!(text.starts_with("unreadable head  101\n  AAAAAAAAAAAAAAAAAAAAAA\n  AQEBAQEB"), "{text}");
        assert!(text.ends_with("missing part  1\n0 sessions"), "{text}");
        assert_eq!(report.unreadable_keys.len(), 100);
    }
}
