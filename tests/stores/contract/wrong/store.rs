//! One store with any of the faults: right but for that one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use session_runtime::clock::Timestamp;
use session_runtime::expiry::StoredExpiry;
use session_runtime::patch::{Deadline, NewSecret, Patch, Patched, Precondition, Refusal};
use session_runtime::record::{Head, PreviousSecret, Record, Text, Values};
use session_runtime::store::{
    Capability, Created, Cursor, Found, Loaded, LoadedHead, Page, SWEEP_GRACE, StoreError, Wanted,
};
use session_runtime::testing::head_at;
use session_runtime::testing::hint::hint_of;
use session_runtime::{SessionKey, Store};

use super::Fault::{self, *};
use super::{find, heads, scan};

/// Right but for its fault; as simple as a store can be.
pub(crate) struct Wrong {
    pub(super) fault: Fault,
    records: Mutex<BTreeMap<SessionKey, Record>>,
    /// The deadline at first, of each record.
    first_deadlines: Mutex<BTreeMap<SessionKey, Timestamp>>,
    /// Values of deleted records.
    left: Mutex<BTreeMap<SessionKey, Values>>,
    pub(super) indexed: Mutex<Vec<Text>>,
    /// The memory of a wrong scan.
    pub(super) memory: Mutex<scan::Memory>,
    /// The heads at first, of the records whose heads were read.
    pub(super) first_heads: Mutex<BTreeMap<SessionKey, Head>>,
}

impl Wrong {
    pub(crate) fn new(fault: Fault) -> Self {
        let (records, first_deadlines, left) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (indexed, memory, first_heads) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { fault, records, first_deadlines, left, indexed, memory, first_heads }
    }

    pub(super) fn records(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Record>> {
        self.records.lock().unwrap()
    }

    /// The key under which this store looks for a record.
    fn found_as(&self, key: SessionKey) -> SessionKey {
        let alike = |other: &&SessionKey| self.has(KeysIgnoreCase) && folded(**other) == folded(key);
        self.records().keys().find(alike).copied().unwrap_or(key)
    }

    pub(super) fn has(&self, fault: Fault) -> bool {
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
        let hint = hint_of(&patch);
        match (&mut patch.precondition, self.fault) {
            (Precondition::Values(expected), IgnoresBases) => expected.clear(),
            (Precondition::Values(expected), BelievesUnchanged) if hint.is_some() => expected.clear(),
            (Precondition::Revision(revision), IgnoresRevision) => *revision = record.head.revision,
            _ => {}
        }
        match &mut patch.deadline {
            Some(Deadline::Touch { seen, .. }) if self.has(TouchesAlways) => *seen = record.head.idle_deadline,
            _ => {}
        }
        match &mut patch.secret {
            Some(NewSecret::Periodic { seen, seen_expires, .. }) if self.has(PeriodicAlways) => {
                (*seen, *seen_expires) = (record.head.secret, record.head.idle_deadline);
            }
            _ => {}
        }
        if self.has(IgnoresGeneration) {
            patch.generation = record.head.generation;
        }
        if self.has(CountersAreFloats) {
            round(&mut patch, record);
        }
        if let (TouchInSeconds, Some(Deadline::Touch { touched, expires, .. })) = (self.fault, &mut patch.deadline) {
            (*touched, *expires) = (in_seconds(*touched), in_seconds(*expires));
        }
        if self.has(PatchCutsTexts) {
            patch.set.iter_mut().for_each(|(_, text)| *text = cut(text));
        }
        patch
    }

    /// Puts back what a deleted record left of a schema that the patch writes to.
    fn find_what_was_left(&self, key: SessionKey, patch: &Patch, record: &mut Record) {
        let left = self.left.lock().unwrap().get(&key).cloned().unwrap_or_default();
        for (name, text) in left.iter() {
            let is_new = !record.values.iter().any(|(here, _)| schema_of(here) == schema_of(name));
            if is_new && patch.set.iter().any(|(set, _)| schema_of(set) == schema_of(name)) {
                record.values.set(name.clone(), text.clone());
            }
        }
    }

    fn refusal(&self, patch: &Patch, record: &Record) -> Option<Refusal> {
        let mut same_generation = patch.clone();
        same_generation.generation = record.head.generation;
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
        if self.has(PadsNames) {
            let removes = |name: &str| patch.remove.iter().any(|removed| removed.trim_end() == name.trim_end());
            record.values.retain(|name| !removes(name));
        }
        if self.has(RemovesFirst) {
            Patch::on_generation(0).remove(patch.remove.iter().cloned()).apply(&mut record.values);
            Patch::on_generation(0).set(patch.set.iter().cloned()).apply(&mut record.values);
        } else {
            patch.apply(&mut record.values);
        }
        patch.apply_head(&mut record.head);
        self.lose(patch, &mut record.head);
        record.head.revision += u64::from(self.has(EveryPatchCounts) && !patch.changes_values());
    }

    /// Parts of the head that the patch does not name.
    fn lose(&self, patch: &Patch, head: &mut Head) {
        let touches = matches!(patch.deadline, Some(Deadline::Touch { .. }));
        match self.fault {
            TouchLosesPrevious if touches && patch.secret.is_none() => head.previous = Option::None,
            SetLosesGenerationMoment if patch.changes_values() && patch.secret.is_none() => {
                head.generation_since = Option::None;
            }
            ChoiceLosesEnd if matches!(patch.deadline, Some(Deadline::Choose { .. })) => {
                let without_end = |PreviousSecret { hash, .. }: &_| PreviousSecret { hash: *hash, until: Option::None };
                head.previous = head.previous.as_ref().map(without_end);
            }
            _ => {}
        }
    }

    fn conflict(&self, patch: &Patch, record: &Record) -> Patched {
        let names = patch.expected().iter().map(|expected| &expected.name);
        let values = names.filter_map(|name| Some((name.clone(), record.values.get_text(name)?.clone())));
        let shown = if self.has(ConflictAnswersNothing) { Values::new() } else { values.collect() };
        let whole = |text: &Text| if self.has(ConflictCutsTexts) { cut(text) } else { text.clone() };
        let shown = shown.iter().map(|(name, text)| (name.clone(), whole(text))).collect();
        Patched::Conflict(Record::new(record.head.clone(), shown))
    }
}

#[session_runtime::async_trait]
impl Store for Wrong {
    async fn create(&self, key: SessionKey, mut record: Record) -> Result<Created, StoreError> {
        assert!(!self.has(Panics), "on purpose");
        let key = self.found_as(key);
        self.first_deadlines.lock().unwrap().insert(key, record.head.idle_deadline);
        if self.has(NormalisesTexts) {
            let trimmed = record.values.iter().map(|(name, text)| (name.clone(), text.replace(' ', "").into()));
            record.values = trimmed.collect();
        }
        let mut records = self.records();
        // A tombstone is what a store with two tables leaves when it forgets one of them.
        let tombstone = records.get(&key).filter(|record| record.head.absolute_deadline.as_millis() == i64::MIN);
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
        let key = self.found_as(key);
        let Some(record) = self.records().get(&key).cloned() else { return Ok(Option::None) };
        if record.head.absolute_deadline.as_millis() == i64::MIN
            || (now >= record.head.idle_deadline && !self.has(ServesExpired))
        {
            return Ok(Option::None);
        }
        let (mut bytes, mut keys) = (record.values.bytes(), record.values.len());
        let picked = record.values.iter().filter(|(name, _)| self.wants(wanted, name));
        let record = Record::new(record.head, picked.cloned().collect());
        if self.has(TotalsOfThePart) {
            (bytes, keys) = (record.values.bytes(), record.values.len());
        }
        Ok(Some(Loaded::new(record, bytes, keys)))
    }

    async fn patch(&self, key: SessionKey, patch: Patch, now: Timestamp) -> Result<Patched, StoreError> {
        let key = self.found_as(key);
        let found = self.records().get(&key).cloned();
        let revives = self.has(TouchRevives) && patch.deadline.is_some() && !patch.changes_values();
        let live = |record: &Record| {
            record.head.absolute_deadline.as_millis() > i64::MIN
                && (now < record.head.idle_deadline || self.has(PatchesExpired) || revives)
        };
        let mut record = match found.filter(live) {
            Some(record) => record,
            Option::None if self.has(PatchCreates) => Record::new(head_at(now.as_millis()), Values::new()),
            Option::None => return Ok(Patched::Gone),
        };
        let patch = self.misread(patch, &record);
        match self.refusal(&patch, &record) {
            Some(Refusal::Renewed) => return Ok(Patched::Renewed),
            Some(Refusal::Conflict) if self.has(ConflictWrites) => {
                let shown = self.conflict(&patch, &record);
                self.apply(&patch, &mut record);
                self.records().insert(key, record);
                return Ok(shown);
            }
            Some(Refusal::Conflict) => return Ok(self.conflict(&patch, &record)),
            Option::None => {}
        }
        if self.has(ChecksThenWrites) {
            // Without it nothing else runs between the look and the write: the tests use one thread.
            tokio::task::yield_now().await;
        }
        if self.has(DeleteLeavesParts) {
            self.find_what_was_left(key, &patch, &mut record);
        }
        self.apply(&patch, &mut record);
        let head = record.head.clone();
        self.records().insert(key, record);
        Ok(Patched::Done(head))
    }

    async fn delete(&self, key: SessionKey) -> Result<(), StoreError> {
        let key = self.found_as(key);
        let removed = self.records().remove(&key);
        self.left.lock().unwrap().extend(removed.iter().map(|record| (key, record.values.clone())));
        if let Some(mut record) = removed.filter(|_| self.has(DeleteLeavesValues)) {
            record.head.absolute_deadline = Timestamp::from_millis(i64::MIN);
            self.records().insert(key, record);
        }
        Ok(())
    }

    async fn sweep(&self, limit: usize, now: Timestamp) -> Result<usize, StoreError> {
        let grace = if self.has(SweepsAtOnce) { Duration::ZERO } else { SWEEP_GRACE };
        let mut left = if self.has(SweepIgnoresLimit) { usize::MAX } else { limit };
        let mut records = self.records();
        let before = records.len();
        let first = self.first_deadlines.lock().unwrap();
        records.retain(|key, record| {
            let late = |deadline: Timestamp| deadline <= now.before(grace);
            let chosen = record.head.expiry != StoredExpiry::Default;
            let expired = match self.fault {
                SweepsTooLate => late(record.head.idle_deadline) && late(first[key]),
                SweepIgnoresChoices if chosen => late(first[key]) || late(record.head.idle_deadline),
                _ => late(record.head.idle_deadline),
            };
            let keep = left == 0 || !expired;
            left -= usize::from(!keep);
            keep
        });
        Ok((before - records.len()).min(if self.has(SweepLosesCount) { 1 } else { usize::MAX }))
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize, now: Timestamp) -> Result<Page, StoreError> {
        scan::page(self, from, limit.max(1), now)
    }

    async fn heads(&self, keys: &[SessionKey], now: Timestamp) -> Result<Vec<LoadedHead>, StoreError> {
        Ok(heads::heads(self, keys, now))
    }

    fn supports(&self, _: Capability) -> bool {
        !self.has(ClaimsNothing)
    }

    fn set_indexed_keys(&self, names: &[Text]) {
        self.indexed.lock().unwrap().extend(names.iter().cloned());
    }

    async fn find(&self, name: &str, text: &str, from: Option<&Cursor>, limit: usize) -> Result<Found, StoreError> {
        find::page(self, name, text, from, limit.max(1))
    }

    async fn delete_if(&self, key: SessionKey, generation: u64) -> Result<bool, StoreError> {
        let is_same = |record: &mut Record| record.head.generation == generation || self.has(DeleteIfIgnoresGeneration);
        let mut records = self.records();
        let is_doomed = records.get_mut(&key).is_some_and(is_same);
        if is_doomed {
            records.remove(&key);
        }
        Ok(is_doomed)
    }
}

/// Numbers that are equal as floats are equal here.
#[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "that is the fault")]
fn round(patch: &mut Patch, record: &Record) {
    let Head { generation, revision, .. } = record.head;
    if patch.generation as f64 == generation as f64 {
        patch.generation = generation;
    }
    match &mut patch.precondition {
        Precondition::Revision(expected) if *expected as f64 == revision as f64 => *expected = revision,
        _ => {}
    }
}

/// The text as a column of 65,535 bytes keeps it.
fn cut(text: &str) -> Text {
    let end = (0..=text.len().min(65_535)).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap()].into()
}

/// The moment as a column of whole seconds keeps it.
fn in_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis(moment.as_millis() / 1_000 * 1_000)
}

/// Equal for keys whose text differs in the case of its first letter.
fn folded(key: SessionKey) -> SessionKey {
    let mut bytes = *key.as_bytes();
    if (26 << 2..52 << 2).contains(&bytes[0]) {
        bytes[0] -= 26 << 2;
    }
    SessionKey::from_bytes(bytes)
}

fn schema_of(name: &str) -> &str {
    name.split('.').next().unwrap()
}
