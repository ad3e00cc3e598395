//! Stores that are wrong on purpose, one fault each. The kit must name the rule that a fault breaks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use session_runtime::clock::Timestamp;
use session_runtime::patch::{Deadline, NewSecret, Patch, Patched, Refusal, RestsOn};
use session_runtime::record::{Record, Values};
use session_runtime::store::{Created, Loaded, SWEEP_GRACE, StoreError, Wanted};
use session_runtime::testing::{conformance, head_at};
use session_runtime::{SessionKey, Store};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    PatchCreates,
    ChecksThenWrites,
    IgnoresBases,
    IgnoresRevision,
    BelievesUnchanged,
    IgnoresGeneration,
    ConflictBeforeRenewed,
    ConflictTellsNothing,
    ConflictWrites,
    ServesExpired,
    PatchesExpired,
    DropsUnknownKeys,
    CreateOverwrites,
    TotalsOfThePart,
    PrefixIsSchema,
    NamesArePatterns,
    NormalisesTexts,
    EveryPatchCounts,
    TouchesAlways,
    PeriodicAlways,
    DeleteLeavesValues,
    SweepsAtOnce,
    SweepIgnoresLimit,
    SweepLosesCount,
    ScanIsEmpty,
    FindIsEmpty,
    Panics,
}

use Fault::*;

/// Each fault with rules that must be reported for it; others may be too.
const FAULTS: [(Fault, &[&str]); 27] = [
    (PatchCreates, &["patch_of_absent_is_gone", "delete_is_final", "delete_wins_every_race"]),
    (ChecksThenWrites, &["increments_are_exact", "one_of_many_on_one_base_wins", "different_keys_all_survive"]),
    (IgnoresBases, &["conflict_tells_what_stands_there", "absence_is_a_base", "increments_are_exact"]),
    (IgnoresRevision, &["revision_is_a_base", "one_of_many_on_one_revision_wins"]),
    (BelievesUnchanged, &["changed_is_judged", "increments_are_exact"]),
    (IgnoresGeneration, &["other_generation_is_renewed", "renewed_comes_before_conflict"]),
    (ConflictBeforeRenewed, &["renewed_comes_before_conflict"]),
    (ConflictTellsNothing, &["conflict_tells_what_stands_there"]),
    (ConflictWrites, &["conflict_tells_what_stands_there"]),
    (ServesExpired, &["expired_loads_nothing"]),
    (PatchesExpired, &["patch_of_expired_is_gone", "gone_comes_before_renewed"]),
    (DropsUnknownKeys, &["unknown_keys_survive", "patch_sets_and_removes"]),
    (CreateOverwrites, &["create_is_exclusive", "one_of_many_creates_wins", "create_on_expired_is_taken"]),
    (TotalsOfThePart, &["totals_cover_the_whole_record"]),
    (PrefixIsSchema, &["wanted_schemas_are_loaded"]),
    (NamesArePatterns, &["names_are_bytes"]),
    (NormalisesTexts, &["created_record_comes_back"]),
    (EveryPatchCounts, &["revision_counts_changes_of_keys"]),
    (TouchesAlways, &["touch_needs_the_deadline_it_saw"]),
    (PeriodicAlways, &["periodic_needs_what_it_saw"]),
    (DeleteLeavesValues, &["delete_is_complete"]),
    (SweepsAtOnce, &["sweep_spares_the_living"]),
    (SweepIgnoresLimit, &["sweep_removes_no_more_than_its_limit"]),
    (SweepLosesCount, &["sweep_removes_the_expired", "sweep_removes_each_once"]),
    (ScanIsEmpty, &["scan_lists_every_record", "scan_resumes"]),
    (FindIsEmpty, &["find_is_honest"]),
    (Panics, &["created_record_comes_back", "delete_is_final", "increments_are_exact"]),
];

async fn report(fault: Fault) -> conformance::Report {
    conformance::check(Arc::new(Wrong { fault, records: Mutex::default() }), Timestamp::from_millis(1_000_000_000))
        .await
}

#[tokio::test]
async fn without_a_fault_every_rule_is_kept() {
    report(Fault::None).await.assert();
}

#[tokio::test]
async fn every_fault_is_reported_by_the_name_of_its_rule() {
    for (fault, rules) in FAULTS {
        let report = report(fault).await;
        for rule in rules {
            let named = report.failed().iter().any(|violation| violation.rule() == *rule);
            assert!(named, "{fault:?} is not reported as a breach of {rule}: {report}");
        }
    }
}

#[tokio::test]
async fn a_report_shows_rule_demand_and_what_was_seen() {
    let report = report(TotalsOfThePart).await;
    assert!(
        report.to_string().contains("totals_cover_the_whole_record: Bytes and number of keys are those"),
        "{report}"
    );
    assert!(std::panic::catch_unwind(|| report.assert()).is_err());
}

#[tokio::test]
async fn every_rule_has_a_name_and_a_demand_of_its_own() {
    let names: std::collections::BTreeSet<_> = conformance::rules().map(conformance::Rule::name).collect();
    let demands: std::collections::BTreeSet<_> = conformance::rules().map(conformance::Rule::demand).collect();
    assert_eq!((names.len(), demands.len()), (conformance::rules().count(), conformance::rules().count()));
}

/// Right but for its fault; as simple as a store can be.
struct Wrong {
    fault: Fault,
    records: Mutex<BTreeMap<SessionKey, Record>>,
}

impl Wrong {
    fn records(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Record>> {
        self.records.lock().unwrap()
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn wants(&self, wanted: &Wanted, name: &str) -> bool {
        match wanted.keys() {
            Some(keys) if self.has(PrefixIsSchema) => keys.iter().any(|key| name.starts_with(&format!("{key}."))),
            _ => wanted.wants(name),
        }
    }

    /// The patch as this store misunderstands it.
    fn misread(&self, mut patch: Patch, record: &Record) -> Patch {
        match (&mut patch.rests_on, self.fault) {
            (RestsOn::Values(expected), IgnoresBases) => expected.clear(),
            (RestsOn::Values(expected), BelievesUnchanged) if patch.unchanged.is_some() => expected.clear(),
            (RestsOn::Revision(revision), IgnoresRevision) => *revision = record.head.revision,
            _ => {}
        }
        match &mut patch.deadline {
            Some(Deadline::Touch { seen, .. }) if self.has(TouchesAlways) => *seen = record.head.expires,
            _ => {}
        }
        match &mut patch.secret {
            Some(NewSecret::Periodic { seen, seen_expires, .. }) if self.has(PeriodicAlways) => {
                (*seen, *seen_expires) = (record.head.secret, record.head.expires);
            }
            _ => {}
        }
        if self.has(IgnoresGeneration) {
            patch.generation = record.head.generation;
        }
        patch
    }

    fn refusal(&self, patch: &Patch, record: &Record) -> Option<Refusal> {
        let same_generation = Patch { generation: record.head.generation, ..patch.clone() };
        let judged = if self.has(ConflictBeforeRenewed) { &same_generation } else { patch };
        let refusal = judged.refusal(&record.head, |name| record.values.get(name));
        refusal.or_else(|| patch.refusal(&record.head, |name| record.values.get(name)))
    }

    fn apply(&self, patch: &Patch, record: &mut Record) {
        if self.has(DropsUnknownKeys) {
            record.values.retain(|name| patch.set.iter().any(|(set, _)| **set == *name));
        }
        if self.has(NamesArePatterns) && patch.remove.iter().any(|name| name.ends_with('%')) {
            record.values = Values::new();
        }
        patch.apply(&mut record.values);
        patch.apply_head(&mut record.head);
        record.head.revision += u64::from(self.has(EveryPatchCounts) && !patch.changes_values());
    }

    fn conflict(&self, patch: &Patch, record: &Record) -> Patched {
        let names = patch.expected().iter().map(|expected| &expected.name);
        let values = names.filter_map(|name| Some((name.clone(), record.values.get_text(name)?.clone())));
        let told = if self.has(ConflictTellsNothing) { Values::new() } else { values.collect() };
        Patched::Conflict(Record { head: record.head.clone(), values: told })
    }
}

#[session_runtime::async_trait]
impl Store for Wrong {
    async fn create(&self, key: SessionKey, mut record: Record) -> Result<Created, StoreError> {
        assert!(!self.has(Panics), "on purpose");
        if self.has(NormalisesTexts) {
            let trimmed = record.values.iter().map(|(name, text)| (name.clone(), text.replace(' ', "").into()));
            record.values = trimmed.collect();
        }
        let mut records = self.records();
        // A tombstone is what a store with two tables leaves when it forgets one of them.
        let tombstone = records.get(&key).filter(|record| record.head.ends.as_millis() == i64::MIN);
        let left = tombstone.map(|record| record.values.clone()).unwrap_or_default();
        let taken = records.contains_key(&key) && tombstone.is_none();
        if taken && !self.has(CreateOverwrites) {
            return Ok(Created::Taken);
        }
        record.values = left.iter().chain(record.values.iter()).cloned().collect();
        records.insert(key, record);
        Ok(Created::Done)
    }

    async fn load(&self, key: SessionKey, wanted: &Wanted, now: Timestamp) -> Result<Option<Loaded>, StoreError> {
        let Some(record) = self.records().get(&key).cloned() else { return Ok(Option::None) };
        if record.head.ends.as_millis() == i64::MIN || (now >= record.head.expires && !self.has(ServesExpired)) {
            return Ok(Option::None);
        }
        let (mut bytes, mut keys) = (record.values.bytes(), record.values.len());
        let picked = record.values.iter().filter(|(name, _)| self.wants(wanted, name));
        let record = Record { head: record.head, values: picked.cloned().collect() };
        if self.has(TotalsOfThePart) {
            (bytes, keys) = (record.values.bytes(), record.values.len());
        }
        Ok(Some(Loaded { record, bytes, keys, unreadable: Vec::new() }))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let found = self.records().get(&key).cloned();
        let live = |record: &Record| {
            record.head.ends.as_millis() > i64::MIN && (now < record.head.expires || self.has(PatchesExpired))
        };
        let mut record = match found.filter(live) {
            Some(record) => record,
            Option::None if self.has(PatchCreates) => Record { head: head_at(now.as_millis()), values: Values::new() },
            Option::None => return Ok(Patched::Gone),
        };
        let patch = self.misread(patch, &record);
        match self.refusal(&patch, &record) {
            Some(Refusal::Renewed) => return Ok(Patched::Renewed),
            Some(Refusal::Conflict) if self.has(ConflictWrites) => {
                let told = self.conflict(&patch, &record);
                self.apply(&patch, &mut record);
                self.records().insert(key, record);
                return Ok(told);
            }
            Some(Refusal::Conflict) => return Ok(self.conflict(&patch, &record)),
            Option::None => {}
        }
        if self.has(ChecksThenWrites) {
            // Without it nothing else runs between the look and the write: the tests use one thread.
            tokio::task::yield_now().await;
        }
        self.apply(&patch, &mut record);
        let head = record.head.clone();
        self.records().insert(key, record);
        Ok(Patched::Done(head))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let removed = self.records().remove(&key);
        if let Some(mut record) = removed.filter(|_| self.has(DeleteLeavesValues)) {
            record.head.ends = Timestamp::from_millis(i64::MIN);
            self.records().insert(key, record);
        }
        Ok(())
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        let grace = if self.has(SweepsAtOnce) { Duration::ZERO } else { SWEEP_GRACE };
        let mut left = if self.has(SweepIgnoresLimit) { usize::MAX } else { limit };
        let mut records = self.records();
        let before = records.len();
        records.retain(|_, record| {
            let keep = left == 0 || record.head.expires > now.before(grace);
            left -= usize::from(!keep);
            keep
        });
        Ok((before - records.len()).min(if self.has(SweepLosesCount) { 1 } else { usize::MAX }))
    }

    async fn scan(
        &self,
        from: Option<SessionKey>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(SessionKey, Record)>, StoreError> {
        let records = self.records();
        let live = records.iter().filter(|(key, record)| from < Some(**key) && now < record.head.expires);
        let limit = if self.has(ScanIsEmpty) { 0 } else { limit };
        Ok(live.take(limit).map(|(key, record)| (*key, record.clone())).collect())
    }

    async fn find(&self, _: &str, _: &str, _: Timestamp) -> Result<Vec<SessionKey>, StoreError> {
        match self.fault {
            FindIsEmpty => Ok(Vec::new()),
            _ => Err(StoreError::new(session_runtime::store::StoreErrorKind::Unsupported, "find")),
        }
    }
}
