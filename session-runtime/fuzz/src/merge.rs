//! Two requests, or two patches, on one record: different keys commute, and one key is merged by its `merge` attribute.

use std::collections::{BTreeMap, BTreeSet};

use session_runtime::patch::{Expected, Patch, Patched, Precondition};
use session_runtime::record::{Record, Text, Values};
use session_runtime::store::{Loaded, Wanted};
use session_runtime::{ErrorKind, MemoryStore, Session, SessionKey, Sessions, Store};

use super::input::{Input, text};
use super::reference::{encode, halves};
use super::world::{fresh_head, now, run};

#[derive(Session)]
#[session(key = "m", version = 1)]
struct Merged {
    plain: u8,
    other: u8,
    #[session(merge = sum)]
    total: i8,
    #[session(merge = sum)]
    count: u8,
    #[session(merge = reject)]
    strict: u8,
    #[session(merge = keys)]
    lines: BTreeMap<u8, u8>,
    #[session(merge = keys(sum))]
    cart: BTreeMap<u8, i8>,
    #[session(merge = keys)]
    tags: BTreeSet<u8>,
}

const ID: [u8; 32] = [0x5a; 32];

struct Site {
    store: std::sync::Arc<MemoryStore>,
    sessions: Sessions,
    cookie: String,
}

thread_local! {
    static SITE: Site = Site::new();
}

impl Site {
    fn new() -> Self {
        let store = std::sync::Arc::new(MemoryStore::new());
        let sessions = Sessions::builder().store(store.clone()).clock(now).schemas::<Merged>().build().unwrap();
        Self { store, sessions, cookie: format!("__Host-Http-id={}", encode(&ID)) }
    }

    fn begin(&self, values: Values) {
        let (key, secret) = halves(&ID);
        run(self.store.delete(key)).unwrap();
        run(self.store.create(key, Record::new(fresh_head(secret), values))).unwrap();
    }

    fn stored(&self) -> Loaded {
        let loaded = run(self.store.load(key(), &Wanted::all(), now().into())).unwrap().unwrap();
        assert_eq!((loaded.bytes, loaded.keys), (loaded.record.values.bytes(), loaded.record.values.len()));
        loaded
    }
}

fn key() -> SessionKey {
    halves(&ID).0
}

/// The first byte chooses between requests and bare patches.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    SITE.with(|site| match input.choice(2) {
        0 => check_requests(site, &mut input),
        _ => check_patches(site, &mut input),
    });
}

/// The result of two changes of one field.
#[derive(Clone, Copy)]
enum Rule {
    Last,
    Reject,
    Sum(i128, i128),
}

/// One thing that a handler does.
#[derive(Clone, Copy)]
struct Step {
    field: usize,
    how: usize,
    entry: u8,
    value: u8,
}

impl Step {
    fn read(input: &mut Input<'_>) -> Self {
        let what = input.byte();
        Self {
            field: usize::from(what % 8),
            how: usize::from(what / 8 % 4),
            entry: input.byte() % 4,
            value: input.byte(),
        }
    }

    fn name(self) -> &'static str {
        ["plain", "other", "total", "count", "strict", "lines", "cart", "tags"][self.field]
    }

    fn is_signed(self) -> bool {
        matches!(self.name(), "total" | "cart")
    }

    fn number(self) -> i128 {
        if self.is_signed() { i128::from(self.value.cast_signed()) } else { i128::from(self.value) }
    }
}

/// The steps of one request. Of two steps for one plain field only the later is kept, so that the model stays plain.
fn steps(input: &mut Input<'_>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for _ in 0..input.choice(6) {
        let step = Step::read(input);
        steps.retain(|earlier| earlier.field != step.field || step.field >= 5);
        steps.push(step);
    }
    steps
}

/// A record as the model has it: stored keys to numbers, an element of a set being 1.
type Model = BTreeMap<String, i128>;

fn values(model: &Model, metadata: bool) -> Values {
    let mut values = Values::new();
    if metadata {
        values.set("m".into(), r#"{"v":1}"#.into());
    }
    values.set("n.unknown".into(), "7".into());
    values.set("m.unknown".into(), "{".into());
    for (name, number) in model {
        let text = if name.starts_with("m.tags/") { "true".into() } else { number.to_string() };
        values.set(name.as_str().into(), text.into());
    }
    values
}

/// Changes by stored key. `None` is a removal.
type Changes = BTreeMap<String, Option<i128>>;

/// The changes that these steps make in a record of these values.
fn changes(base: &Model, steps: &[Step]) -> Changes {
    let mut after = base.clone();
    let mut changes = BTreeMap::new();
    for step in steps {
        let field = format!("m.{}", step.name());
        let (entry, number) = (format!("{field}/{}", step.entry), step.number());
        match (step.field, step.how) {
            // Edited: an absent key stays absent if the value is still the default.
            (0..5, 0 | 1) if base.get(&field).map_or(number == 0, |have| *have == number) => {}
            (0..5, 2) if base.get(&field) == Some(&number) => {}
            (0..5, 3) if !base.contains_key(&field) => {}
            (0..5, 3) => drop(changes.insert(field, None)),
            (0..5, _) => drop(changes.insert(field, Some(number))),
            (7, 0 | 1) => drop(after.insert(entry, 1)),
            (_, 0 | 1) => drop(after.insert(entry, number)),
            (_, 2) => drop(after.remove(&entry)),
            _ => after.retain(|name, _| !name.starts_with(&format!("{field}/"))),
        }
    }
    for name in base.keys().chain(after.keys()).filter(|name| name.contains('/')) {
        if base.get(name) != after.get(name) {
            changes.insert(name.clone(), after.get(name).copied());
        }
    }
    changes
}

fn rule(name: &str) -> Rule {
    match name.split('/').next() {
        Some("m.total" | "m.cart") => Rule::Sum(-128, 127),
        Some("m.count") => Rule::Sum(0, 255),
        Some("m.strict") => Rule::Reject,
        _ => Rule::Last,
    }
}

/// One request's changes laid over what is stored now; `false` and nothing if one of them is refused.
fn lay(base: &Model, changes: &Changes, stored: &mut Model) -> bool {
    let mut after = stored.clone();
    for (name, ours) in changes {
        let (base, theirs) = (base.get(name).copied(), stored.get(name).copied());
        let merged = match rule(name) {
            _ if base == theirs => *ours,
            Rule::Last => *ours,
            Rule::Reject => return false,
            Rule::Sum(..) if theirs.is_none() && ours.is_none() => None,
            Rule::Sum(least, most) => {
                let sum = theirs.unwrap_or(0) + ours.unwrap_or(0) - base.unwrap_or(0);
                Some(sum.clamp(least, most)).filter(|sum| ours.is_some() || *sum != 0)
            }
        };
        match merged {
            Some(number) => drop(after.insert(name.clone(), number)),
            None => drop(after.remove(name)),
        }
    }
    *stored = after;
    true
}

fn check_requests(site: &Site, input: &mut Input<'_>) {
    let metadata = input.choice(2) == 0;
    let mut base = Model::new();
    if metadata {
        let first = changes(&base, &steps(input));
        assert!(lay(&Model::new(), &first, &mut base));
    }
    let (a, b) = (steps(input), steps(input));
    let (ours, theirs) = (changes(&base, &a), changes(&base, &b));
    let one = check_order(site, metadata, &base, [(&a, &ours), (&b, &theirs)]);
    if ours.keys().all(|name| !theirs.contains_key(name)) {
        let other = check_order(site, metadata, &base, [(&b, &theirs), (&a, &ours)]);
        assert!(one == other, "requests that change different keys commute");
    }
}

/// Both load, then the first finishes, then the second; the record as it is then.
fn check_order(site: &Site, metadata: bool, base: &Model, requests: [(&[Step], &Changes); 2]) -> Values {
    site.begin(values(base, metadata));
    let visits = requests.map(|(steps, _)| {
        let visit = site.sessions.open([&*site.cookie]);
        let mut guard = run(visit.write::<Merged>()).unwrap();
        for step in steps {
            act(*step, &mut guard);
        }
        drop(guard);
        visit
    });
    let mut expected = base.clone();
    for (visit, (_, changes)) in visits.iter().zip(requests) {
        let finished = run(visit.finish(200));
        let fits = lay(base, changes, &mut expected);
        assert_eq!(finished.error.map(|error| error.kind()), (!fits).then_some(ErrorKind::Rejected));
        assert!(finished.cookie.header().is_none());
    }
    let stored = site.stored().record.values;
    let written = requests.iter().any(|(_, changes)| !changes.is_empty());
    assert!(stored == values(&expected, metadata || written), "{:?}\n{expected:?}", stored.iter().collect::<Vec<_>>());
    stored
}

fn act(step: Step, guard: &mut MergedMut) {
    let (entry, value, signed) = (step.entry, step.value, step.value.cast_signed());
    macro_rules! plain {
        ($value:expr, $field:ident $edit:ident $set:ident $clear:ident) => {
            match step.how {
                0 => *guard.$edit() = $value,
                1 => guard.update(|all| all.$field = $value),
                2 => guard.$set($value),
                _ => guard.$clear(),
            }
        };
    }
    macro_rules! map {
        ($value:expr, $edit:ident $clear:ident) => {
            match step.how {
                0 | 1 => drop(guard.$edit().insert(entry, $value)),
                2 => drop(guard.$edit().remove(&entry)),
                _ => guard.$clear(),
            }
        };
    }
    match step.name() {
        "plain" => plain!(value, plain plain_mut set_plain clear_plain),
        "other" => plain!(value, other other_mut set_other clear_other),
        "total" => plain!(signed, total total_mut set_total clear_total),
        "count" => plain!(value, count count_mut set_count clear_count),
        "strict" => plain!(value, strict strict_mut set_strict clear_strict),
        "lines" => map!(value, lines_mut clear_lines),
        "cart" => map!(signed, cart_mut clear_cart),
        _ => match step.how {
            0 | 1 => drop(guard.tags_mut().insert(entry)),
            2 => drop(guard.tags_mut().remove(&entry)),
            _ => guard.clear_tags(),
        },
    }
}

/// A plain map, and what a patch does to it.
type Texts = BTreeMap<String, String>;

fn check_patches(site: &Site, input: &mut Input<'_>) {
    let base: Texts =
        (0..input.choice(6)).map(|at| (["a", "b", "c"][at % 3].to_owned() + &name(input), name(input))).collect();
    let (a, b) = (patch(input, "a", &base), patch(input, "b", &base));
    let one = check_both(site, &base, [&a, &b]);
    let other = check_both(site, &base, [&b, &a]);
    assert!(one == other, "patches of different keys commute");
}

fn name(input: &mut Input<'_>) -> String {
    text(input.piece(), &[(1, "m."), (2, "/"), (3, "\u{0}")])
}

fn patch(input: &mut Input<'_>, prefix: &str, base: &Texts) -> Patch {
    let mut patch = Patch::on_generation(0);
    let mut expected = Vec::new();
    for _ in 0..input.choice(5) {
        let how = input.byte();
        let known = base.keys().filter(|name| name.starts_with(prefix)).nth(usize::from(how >> 4));
        let name: Text = known.cloned().unwrap_or_else(|| prefix.to_owned() + &name(input)).into();
        if how & 1 == 0 {
            patch.set.push((name.clone(), self::name(input).into()));
        } else {
            patch.remove.push(name.clone());
        }
        let right = base.get(&*name).map(|text| Text::from(text.as_str()));
        match how >> 1 & 7 {
            0 if how & 0x40 == 0 => expected.push(Expected::new(name, Some("else".into())).or_ours()),
            0 => expected.push(Expected::new(name, Some("else".into()))),
            1 | 2 => expected.push(Expected::new(name, right)),
            _ => {}
        }
    }
    patch.precondition = Precondition::Values(expected);
    patch
}

/// One after the other, each against the plain map.
fn check_both(site: &Site, base: &Texts, patches: [&Patch; 2]) -> Values {
    let mut model = base.clone();
    site.begin(base.iter().map(|(name, text)| (Text::from(&**name), Text::from(&**text))).collect());
    let mut revision = 0;
    for patch in patches {
        let fits = fits(patch, &model);
        let answer = run(site.store.patch(key(), patch.clone(), now().into())).unwrap();
        if fits {
            revision += u64::from(!patch.set.is_empty() || !patch.remove.is_empty());
            apply(patch, &mut model);
        }
        match answer {
            Patched::Done(head) => assert!(fits && head.revision == revision),
            Patched::Conflict(record) => assert!(!fits && answers_the_expected_texts(&record, patch, &model)),
            other => panic!("{other:?}"),
        }
    }
    let stored = site.stored().record.values;
    let listed: Texts = stored.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    assert_eq!(listed, model);
    assert_eq!(stored.len(), model.len());
    stored
}

fn fits(patch: &Patch, model: &Texts) -> bool {
    patch.expected().iter().all(|expected| {
        let have = model.get(&*expected.name).map(String::as_str);
        let ours = patch.set.iter().find(|(name, _)| *name == expected.name).map(|(_, text)| &**text);
        have == expected.base.as_deref() || (expected.or_ours && have == ours)
    })
}

fn apply(patch: &Patch, model: &mut Texts) {
    for (name, text) in &patch.set {
        model.insert(name.to_string(), text.to_string());
    }
    for name in &patch.remove {
        model.remove(&**name);
    }
}

fn answers_the_expected_texts(record: &Record, patch: &Patch, model: &Texts) -> bool {
    let is_expected =
        |expected: &Expected| record.values.get(&expected.name) == model.get(&*expected.name).map(String::as_str);
    patch.expected().iter().all(is_expected)
}
