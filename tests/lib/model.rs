//! Random operations of three interleaved requests, on a store, against a plain map.
//!
//! A request keeps what its last load found, and its patches rest on that, however much has happened since. Every
//! answer and, after every step, all records must be the model's. More cases: `PROPTEST_CASES=10000`.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a check that cannot go on has failed")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use session_runtime::clock::Timestamp;
use session_runtime::expiry::StoredExpiry;
use session_runtime::id::SecretHash;
use session_runtime::patch::{Deadline, Expected, NewSecret, Patch, Patched, Precondition};
use session_runtime::record::{Head, PreviousSecret, Record};
use session_runtime::store::{Created, SWEEP_GRACE, Wanted};
use session_runtime::testing::head_at;
use session_runtime::testing::hint::{UnchangedHint, hinted};
use session_runtime::{SessionKey, Store};

const NAMES: [&str; 6] = ["cart", "cart.coupon", "cart.items/7", "cart.items/8", "auth.user", "cartoon.x"];
/// The long one is sent as a hash where it is a base.
const TEXTS: [&str; 4] = ["1", r#"{"v":1}"#, "ä", LONG];
const LONG: &str = match std::str::from_utf8(&[b'7'; 600]) {
    Ok(text) => text,
    Err(_) => "",
};

/// One operation of a request, or of the world around.
#[derive(Clone, Debug)]
pub struct Step(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Create { session: u8, expires: i64, texts: Vec<(usize, usize)> },
    Load { request: usize, session: u8, wanted: usize },
    Patch { request: usize, edit: Edit },
    Delete(u8),
    Pass(i64),
    Sweep(usize),
    Reopen,
}

#[derive(Clone, Debug)]
struct Edit {
    set: Vec<(usize, usize)>,
    remove: Vec<usize>,
    basis: Basis,
    deadline: Option<(bool, i64)>,
    secret: Option<(u8, u8)>,
    /// Describes the unchanged record in the patch.
    hints: bool,
}

#[derive(Clone, Debug)]
enum Basis {
    Revision,
    Values(Vec<(usize, bool)>),
}

/// Up to 60 of them.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(kind().prop_map(Step), 1..60)
}

/// Runs the steps on fresh stores from `open`, on records that no other test writes, and removes the remaining records.
///
/// # Panics
///
/// If the store differs from the plain map.
pub fn check<S: Store>(open: impl Fn() -> S, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut trial = Trial::new(open);
        for step in steps {
            trial.run(step).await;
        }
        for key in trial.model.records.keys() {
            trial.store().delete(*key).await.unwrap();
        }
    });
}

/// Passes steps and a number to `case`, for one in so many of the cases that proptest runs otherwise.
///
/// # Panics
///
/// If a case does, with the fewest steps that make it so.
pub fn one_in(share: u32, case: impl Fn(u32, &[Step])) {
    let number = Cell::new(0);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(ProptestConfig { cases: (config.cases / share).max(1), ..config });
    let outcome = runner.run(&steps(), |steps| {
        number.set(number.get() + 1);
        case(number.get(), &steps);
        Ok(())
    });
    outcome.unwrap_or_else(|failed| panic!("{failed}"));
}

fn kind() -> impl Strategy<Value = Kind> {
    let texts = || prop::collection::vec((0..NAMES.len(), 0..TEXTS.len()), 0..4);
    // Tens of seconds, so that a deadline is often met to the millisecond.
    let tens = |most: i64| (0..most).prop_map(|tens| tens * 10);
    let create = (0..3_u8, tens(20), texts());
    let basis = prop_oneof![
        1 => Just(Basis::Revision),
        3 => prop::collection::vec((0..NAMES.len(), any::<bool>()), 0..3).prop_map(Basis::Values),
    ];
    let secret = prop::option::weighted(0.3, (0..3_u8, 1..4_u8));
    let remove = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(0..NAMES.len(), 1..3)];
    let deadline = prop::option::weighted(0.3, (any::<bool>(), tens(20)));
    let edit = (texts(), remove, basis, deadline, secret, any::<bool>());
    let edit = edit.prop_map(|(set, remove, basis, deadline, secret, hints)| Edit {
        set,
        remove,
        basis,
        deadline,
        secret,
        hints,
    });
    prop_oneof![
        3 => create.prop_map(|(session, expires, texts)| Kind::Create { session, expires, texts }),
        4 => (0..3_usize, 0..3_u8, 0..4_usize).prop_map(|(request, session, wanted)| Kind::Load { request, session, wanted }),
        8 => (0..3_usize, edit).prop_map(|(request, edit)| Kind::Patch { request, edit }),
        1 => (0..3_u8).prop_map(Kind::Delete),
        2 => tens(9).prop_map(Kind::Pass),
        1 => (1..4_usize).prop_map(Kind::Sweep),
        1 => Just(Kind::Reopen),
    ]
}

type Texts = BTreeMap<String, String>;

/// The contract of a store in its plainest form.
#[derive(Default)]
struct Model {
    records: BTreeMap<SessionKey, (Head, Texts)>,
}

impl Model {
    fn live(&self, key: SessionKey, now: Timestamp) -> Option<&(Head, Texts)> {
        self.records.get(&key).filter(|(head, _)| now < head.idle_deadline)
    }

    fn patch(&mut self, key: SessionKey, patch: &Patch, now: Timestamp) -> Answer {
        if self.live(key, now).is_none() {
            return Answer::Gone;
        }
        let (head, texts) = self.records.get_mut(&key).unwrap();
        if head.generation != patch.generation {
            return Answer::Renewed;
        }
        let conflict = match &patch.precondition {
            Precondition::Revision(revision) => head.revision != *revision,
            Precondition::Values(expected) => expected.iter().any(|expected| {
                let have = texts.get(&*expected.name).map(String::as_str);
                let ours = patch.set.iter().find(|(name, _)| *name == expected.name).map(|(_, text)| &**text);
                have != expected.base.as_deref() && !(expected.or_ours && have == ours)
            }),
        };
        if conflict {
            return Answer::Conflict;
        }
        change(texts, patch);
        if !patch.set.is_empty() || !patch.remove.is_empty() {
            head.revision += 1;
        }
        change_head(head, patch);
        Answer::Done
    }

    fn sweep(&mut self, now: Timestamp) -> usize {
        let before = self.records.len();
        self.records.retain(|_, (head, _)| head.idle_deadline > now.before(SWEEP_GRACE));
        before - self.records.len()
    }
}

fn change_head(head: &mut Head, patch: &Patch) {
    let expires_before = head.idle_deadline;
    match patch.deadline {
        Some(Deadline::Touch { seen, touched, expires }) if seen == head.idle_deadline => {
            (head.touched, head.idle_deadline) = (touched, expires);
        }
        Some(Deadline::Choose { expiry, touched, expires }) => {
            (head.expiry, head.touched, head.idle_deadline) = (expiry, touched, expires);
        }
        _ => {}
    }
    match patch.secret {
        Some(NewSecret::Raise { hash, at }) => {
            (head.secret, head.secret_since, head.previous) = (hash, at, None);
            head.generation += 1;
            head.generation_since = Some(at);
        }
        Some(NewSecret::Periodic { seen, seen_expires, hash, at })
            if seen == head.secret && seen_expires == expires_before =>
        {
            head.previous = Some(PreviousSecret { hash: head.secret, until: None });
            (head.secret, head.secret_since) = (hash, at);
        }
        Some(NewSecret::Presented { seen, until }) if seen == head.secret => {
            if let Some(previous) = &mut head.previous
                && previous.until.is_none()
            {
                previous.until = Some(until);
            }
        }
        _ => {}
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Gone,
    Renewed,
    Conflict,
}

/// A store, the model, and what each request has loaded.
struct Trial<S, O> {
    store: Option<S>,
    open: O,
    model: Model,
    now: Timestamp,
    created: u64,
    requests: [Option<(SessionKey, Head, Texts)>; 3],
}

/// The first byte chooses the memory store's shard and the order in `SQLite`.
fn key(session: u8) -> SessionKey {
    SessionKey::from_bytes([session * 100; 16])
}

impl<S: Store, O: Fn() -> S> Trial<S, O> {
    /// Some engines judge by their own clock too, so the first moment is the present.
    fn new(open: O) -> Self {
        let store = Some(open());
        let now = SystemTime::now().into();
        Self { store, open, model: Model::default(), now, created: 0, requests: [const { None }; 3] }
    }

    fn store(&self) -> &S {
        self.store.as_ref().unwrap()
    }

    fn after(&self, seconds: i64) -> Timestamp {
        self.now.after(Duration::from_secs(seconds.unsigned_abs()))
    }

    async fn run(&mut self, Step(step): &Step) {
        match step {
            Kind::Create { session, expires, texts } => self.create(key(*session), *expires, texts).await,
            Kind::Load { request, session, wanted } => self.load(*request, key(*session), *wanted).await,
            Kind::Patch { request, edit } => self.patch(*request, edit).await,
            Kind::Delete(session) => {
                self.model.records.remove(&key(*session));
                self.store().delete(key(*session)).await.unwrap();
            }
            Kind::Pass(seconds) => self.now = self.after(*seconds),
            Kind::Sweep(limit) => self.sweep(*limit).await,
            Kind::Reopen => {
                self.store = None;
                self.store = Some((self.open)());
            }
        }
        self.compare().await;
    }

    async fn create(&mut self, key: SessionKey, expires: i64, texts: &[(usize, usize)]) {
        let texts: Texts = texts.iter().map(|(name, text)| (NAMES[*name].into(), TEXTS[*text].into())).collect();
        // Keys are used again here, which random ones never are: a revision is of one record only.
        self.created += 1;
        let head =
            Head { idle_deadline: self.after(expires), revision: self.created << 32, ..head_at(self.now.as_millis()) };
        let values = texts.iter().map(|(name, text)| (name.as_str().into(), text.as_str().into())).collect();
        let answer = self.store().create(key, Record::new(head.clone(), values)).await.unwrap();
        // One that has expired is still there until it is swept.
        let taken = self.model.records.contains_key(&key);
        assert_eq!(answer, if taken { Created::Taken } else { Created::Done });
        self.model.records.entry(key).or_insert((head, texts));
    }

    async fn load(&mut self, request: usize, key: SessionKey, wanted: usize) {
        let wanted =
            [Wanted::all(), Wanted::schemas(&["cart"]), Wanted::schemas(&["auth", "cart"]), Wanted::schemas(&[])]
                [wanted]
                .clone();
        let loaded = self.store().load(key, &wanted, self.now).await.unwrap();
        let live = self.model.live(key, self.now);
        assert_eq!(loaded.is_some(), live.is_some());
        let Some((loaded, (head, texts))) = loaded.zip(live) else { return };
        assert_eq!(loaded.record.head, *head);
        for (name, text) in texts {
            let found = loaded.record.values.get(name);
            assert!(found == Some(text) || (found.is_none() && !wanted.wants(name)), "{name}");
        }
        assert!(loaded.record.values.iter().all(|(name, _)| texts.contains_key(&**name)));
        self.requests[request] = Some((key, head.clone(), texts.clone()));
    }

    async fn patch(&mut self, request: usize, edit: &Edit) {
        let Some((key, head, texts)) = self.requests[request].clone() else { return };
        let patch = self.written(edit, &head, &texts);
        let answer = self.store().patch(key, patch.clone(), self.now).await.unwrap();
        let expected = self.model.patch(key, &patch, self.now);
        let stored = self.model.records.get(&key);
        let answer = match answer {
            Patched::Done(head) => {
                assert_eq!(Some(&head), stored.map(|(head, _)| head));
                Answer::Done
            }
            Patched::Gone => Answer::Gone,
            Patched::Renewed => Answer::Renewed,
            Patched::Conflict(theirs) => {
                let (head, texts) = stored.unwrap();
                assert_eq!(theirs.head, *head);
                for name in patch.expected().iter().map(|expected| &*expected.name) {
                    assert_eq!(theirs.values.get(name), texts.get(name).map(String::as_str));
                }
                Answer::Conflict
            }
            other => panic!("the model has no answer {other:?}"),
        };
        assert_eq!(answer, expected);
    }

    /// The patch of a request that has loaded this head and these texts.
    fn written(&self, edit: &Edit, head: &Head, texts: &Texts) -> Patch {
        let mut patch = Patch::on_generation(head.generation);
        patch.set = edit.set.iter().map(|(name, text)| (NAMES[*name].into(), TEXTS[*text].into())).collect();
        patch.remove = edit.remove.iter().map(|name| NAMES[*name].into()).collect();
        patch.precondition = match &edit.basis {
            Basis::Revision => Precondition::Revision(head.revision),
            Basis::Values(names) => {
                let expected = names.iter().map(|(name, or_ours)| {
                    let base = texts.get(NAMES[*name]).map(|text| text.as_str().into());
                    // Which text is ours is clear where the key is named once.
                    let changes = edit.set.iter().map(|(name, _)| name).chain(&edit.remove);
                    let is_clear = changes.filter(|changed| *changed == name).count() == 1;
                    let expected = Expected::new(NAMES[*name], base);
                    if *or_ours && is_clear { expected.or_ours() } else { expected }
                });
                Precondition::Values(expected.collect())
            }
        };
        patch.deadline = edit.deadline.map(|(touch, seconds)| {
            let (touched, expires) = (self.now, self.after(seconds));
            let expiry = StoredExpiry::After { millis: seconds.unsigned_abs() };
            if touch {
                Deadline::Touch { seen: head.idle_deadline, touched, expires }
            } else {
                Deadline::Choose { expiry, touched, expires }
            }
        });
        patch.secret = edit.secret.map(|(kind, hash)| {
            let (hash, at) = (SecretHash::from_bytes([hash; 32]), self.now);
            match kind {
                0 => NewSecret::Raise { hash, at },
                1 => NewSecret::Periodic { seen: head.secret, seen_expires: head.idle_deadline, hash, at },
                _ => NewSecret::Presented { seen: head.secret, until: self.after(10) },
            }
        });
        if edit.hints { with_hint(patch, head, texts) } else { patch }
    }

    /// Batch after batch until one is not full.
    async fn sweep(&mut self, limit: usize) {
        let mut removed = 0;
        loop {
            let batch = self.store().sweep(limit, self.now).await.unwrap();
            assert!(batch <= limit);
            removed += batch;
            if batch < limit {
                break;
            }
        }
        assert_eq!(removed, self.model.sweep(self.now));
    }

    /// Every live record equals the model, byte for byte.
    async fn compare(&self) {
        let listed = crate::pages::all(self.store(), 10, self.now).await;
        let live: Vec<_> = self.model.records.iter().filter(|(_, (head, _))| self.now < head.idle_deadline).collect();
        assert_eq!(listed.len(), live.len());
        for ((key, record), (expected_key, (head, texts))) in listed.into_iter().zip(live) {
            assert_eq!((&key, &record.head), (expected_key, head));
            let stored: Texts = record.values.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
            assert_eq!(&stored, texts);
            let loaded = self.store().load(key, &Wanted::schemas(&[]), self.now).await.unwrap().unwrap();
            assert_eq!((loaded.bytes, loaded.keys), (record.values.bytes(), record.values.len()));
        }
    }
}

/// Adds the totals after the patch, if the record is still as it was loaded.
fn with_hint(patch: Patch, head: &Head, texts: &Texts) -> Patch {
    let mut after = texts.clone();
    change(&mut after, &patch);
    let bytes = after.iter().map(|(name, text)| name.len() + text.len()).sum();
    hinted(patch, UnchangedHint { revision: head.revision, bytes, keys: after.len() })
}

fn change(texts: &mut Texts, patch: &Patch) {
    for (name, text) in &patch.set {
        texts.insert(name.to_string(), text.to_string());
    }
    for name in &patch.remove {
        texts.remove(&**name);
    }
}
