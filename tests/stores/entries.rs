//! Entries of maps that are read and written one at a time: random edits of two requests at once, mixed with accesses to
//! whole maps, against plain maps; and single cases.
//!
//! The plain maps predict all that each guard shows, and the stored data after each request. More cases:
//! `PROPTEST_CASES=10000`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use session_runtime::store::Wanted;
use session_runtime::{EntryKey, MemoryStore, Session, SessionConfig, SessionKey, Sessions, SqliteStore, Store, Visit};

mod cases;
mod cost;

/// Key that serde writes, so that it is checked against the stored text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Sku(u8);

impl EntryKey for Sku {}

#[derive(Session)]
#[session(key = "shop", version = 1)]
struct Shop {
    #[session(merge = keys, entries)]
    prices: BTreeMap<Sku, u8>,
    #[session(merge = keys(sum), entries)]
    counts: HashMap<u8, i8>,
    theme: u32,
}

impl Shop {
    /// Reads a map without its accessor.
    fn lines(&self) -> usize {
        self.prices.len() + self.counts.len()
    }
}

/// Contents of a session.
#[derive(Clone, Debug, Default, PartialEq)]
struct Plain {
    prices: BTreeMap<u8, u8>,
    counts: BTreeMap<u8, i8>,
    theme: u32,
}

#[derive(Clone, Debug)]
enum Step {
    /// Opens a request, unless it is in flight.
    Open(usize),
    /// Opens a guard, makes these edits in it, and may save them at once.
    Write {
        request: usize,
        edits: Vec<Edit>,
        saves: bool,
    },
    /// Opens a guard that reads.
    Read(usize),
    Finish(usize),
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    Get(u8),
    Set(u8, u8),
    Remove(u8),
    /// Opens an entry, and leaves it as it is.
    Open(u8),
    Add(u8, i8),
    RemoveCount(u8),
    Theme,
    ReadWhole,
    ReadCounts,
    Method,
    SetInMap(u8, u8),
    AddInMap(u8, i8),
    SetWhole(u8, u8),
    SetSame,
    Clear,
    ClearCounts,
    Take,
    Update(u8, u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    let key = || 0..4_u8;
    prop_oneof![
        6 => key().prop_map(Edit::Get),
        6 => (key(), 0..3_u8).prop_map(|(key, value)| Edit::Set(key, value)),
        3 => key().prop_map(Edit::Remove),
        2 => key().prop_map(Edit::Open),
        6 => (key(), prop_oneof![-2..3_i8, Just(100), Just(-100)]).prop_map(|(key, more)| Edit::Add(key, more)),
        3 => key().prop_map(Edit::RemoveCount),
        1 => Just(Edit::Theme),
        1 => Just(Edit::ReadWhole),
        1 => Just(Edit::ReadCounts),
        1 => Just(Edit::Method),
        1 => (key(), 0..3_u8).prop_map(|(key, value)| Edit::SetInMap(key, value)),
        1 => (key(), -2..3_i8).prop_map(|(key, more)| Edit::AddInMap(key, more)),
        1 => (key(), 0..3_u8).prop_map(|(key, value)| Edit::SetWhole(key, value)),
        1 => Just(Edit::SetSame),
        1 => Just(Edit::Clear),
        1 => Just(Edit::ClearCounts),
        1 => Just(Edit::Take),
        1 => (key(), 0..3_u8).prop_map(|(key, value)| Edit::Update(key, value)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let request = || 0..2_usize;
    let edits = prop::collection::vec(edit(), 0..6);
    prop_oneof![
        3 => request().prop_map(Step::Open),
        8 => (request(), edits, prop::bool::weighted(0.2))
            .prop_map(|(request, edits, saves)| Step::Write { request, edits, saves }),
        2 => request().prop_map(Step::Read),
        3 => request().prop_map(Step::Finish),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

/// A request in flight: the values that its changes are based on, and those that it shows.
struct Request {
    visit: Visit,
    base: Plain,
    ours: Plain,
}

impl Request {
    /// Merges the changes of one map into the stored one.
    fn merge<V: Copy + PartialEq>(
        [base, ours]: [&BTreeMap<u8, V>; 2],
        stored: &mut BTreeMap<u8, V>,
        merge: impl Fn(Option<V>, Option<V>, Option<V>) -> Option<V>,
    ) {
        for key in (0..4).filter(|key| base.get(key) != ours.get(key)) {
            let of = |map: &BTreeMap<u8, V>| map.get(&key).copied();
            match merge(of(base), of(stored), of(ours)) {
                Some(value) => drop(stored.insert(key, value)),
                None => drop(stored.remove(&key)),
            }
        }
    }

    fn save(&self, stored: &mut Plain) {
        let Self { base, ours, .. } = self;
        Self::merge([&base.prices, &ours.prices], &mut stored.prices, |_, _, ours| ours);
        Self::merge([&base.counts, &ours.counts], &mut stored.counts, sum);
        if base.theme != ours.theme {
            stored.theme = ours.theme;
        }
    }
}

/// The documented merge of `keys(sum)`.
fn sum(base: Option<i8>, theirs: Option<i8>, ours: Option<i8>) -> Option<i8> {
    if base == theirs || theirs.is_none() && ours.is_none() {
        return ours;
    }
    let number = |value: Option<i8>| i16::from(value.unwrap_or(0));
    let sum = (number(theirs) + number(ours) - number(base)).clamp(i8::MIN.into(), i8::MAX.into());
    Some(i8::try_from(sum).unwrap()).filter(|sum| ours.is_some() || *sum != 0)
}

struct Trial<S> {
    store: Arc<S>,
    sessions: Sessions,
    cookie: String,
    key: SessionKey,
    stored: Plain,
    requests: [Option<Request>; 2],
}

impl<S: Store> Trial<S> {
    async fn new(store: S) -> Self {
        let store = Arc::new(store);
        let config = SessionConfig::new().deadline(Duration::from_secs(60));
        let sessions = Sessions::builder().store(Arc::clone(&store)).config(config).schemas::<Shop>().build().unwrap();
        let visit = sessions.open([]);
        visit.write::<Shop>().await.unwrap().set_theme(0);
        let finished = visit.finish(200).await;
        let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        let (key, stored, requests) = (visit.key().unwrap(), Plain::default(), [const { None }; 2]);
        Self { store, sessions, cookie, key, stored, requests }
    }

    async fn run(&mut self, step: &Step) {
        match step {
            Step::Open(request) => self.open(*request).await,
            Step::Write { request, edits, saves } => self.write(*request, edits, *saves).await,
            Step::Read(request) => self.read(*request).await,
            Step::Finish(request) => self.finish(*request).await,
        }
    }

    async fn open(&mut self, request: usize) {
        if self.requests[request].is_none() {
            let visit = self.sessions.open([self.cookie.as_str()]);
            drop(visit.write::<Shop>().await.unwrap());
            self.requests[request] = Some(Request { visit, base: self.stored.clone(), ours: self.stored.clone() });
        }
    }

    async fn write(&mut self, request: usize, edits: &[Edit], saves: bool) {
        let Some(Request { visit, ours, .. }) = &mut self.requests[request] else { return };
        let mut shop = visit.write::<Shop>().await.unwrap();
        for edit in edits {
            apply(*edit, &mut shop, ours);
        }
        if saves {
            shop.save().await.unwrap();
            drop(shop);
            // The request sees what is stored now, and bases its later changes on that.
            let request = self.requests[request].as_mut().unwrap();
            request.save(&mut self.stored);
            (request.base, request.ours) = (self.stored.clone(), self.stored.clone());
            self.compare().await;
        }
    }

    /// A guard that reads shows the values, whether they are read one by one or all at once.
    async fn read(&mut self, request: usize) {
        let Some(Request { visit, ours, .. }) = &self.requests[request] else { return };
        let read = visit.read_entries::<Shop>().await.unwrap();
        for key in 0..4 {
            assert_eq!(read.prices_get(&Sku(key)), ours.prices.get(&key).copied());
            assert_eq!(read.counts_get(&key), ours.counts.get(&key).copied());
        }
        assert_eq!(shown(&read), *ours);
        assert_eq!(shown(visit.read::<Shop>().await.unwrap()), *ours);
    }

    async fn finish(&mut self, request: usize) {
        let Some(request) = self.requests[request].take() else { return };
        assert!(request.visit.finish(200).await.error.is_none());
        request.save(&mut self.stored);
        self.compare().await;
    }

    async fn compare(&self) {
        let loaded = self.store.load(self.key, &Wanted::all(), SystemTime::now().into()).await.unwrap();
        let values = loaded.unwrap().record.values;
        let mut stored = Plain { theme: self.stored.theme, ..Plain::default() };
        for (name, text) in values.prefix("shop.prices/") {
            stored.prices.insert(name["shop.prices/".len()..].parse().unwrap(), text.parse().unwrap());
        }
        for (name, text) in values.prefix("shop.counts/") {
            stored.counts.insert(name["shop.counts/".len()..].parse().unwrap(), text.parse().unwrap());
        }
        assert_eq!(stored, self.stored);
    }
}

fn shown(shop: &Shop) -> Plain {
    let prices = shop.prices().iter().map(|(sku, price)| (sku.0, *price)).collect();
    let counts = shop.counts().iter().map(|(key, count)| (*key, *count)).collect();
    assert_eq!(shop.lines(), shop.prices().len() + shop.counts().len());
    Plain { prices, counts, theme: *shop.theme() }
}

/// Makes an edit through the guard, and in the plain maps.
fn apply(edit: Edit, shop: &mut ShopMut, plain: &mut Plain) {
    match edit {
        Edit::Get(key) => {
            assert_eq!(shop.prices_get(&Sku(key)), plain.prices.get(&key).copied());
            assert_eq!(shop.counts_get(&key), plain.counts.get(&key).copied());
        }
        Edit::Set(key, value) => {
            *shop.prices_entry(Sku(key)) = Some(value);
            plain.prices.insert(key, value);
        }
        Edit::Remove(key) => assert_eq!(shop.prices_entry(Sku(key)).take(), plain.prices.remove(&key)),
        Edit::Open(key) => assert_eq!(*shop.prices_entry(Sku(key)), plain.prices.get(&key).copied()),
        Edit::Add(key, more) => {
            let mut entry = shop.counts_entry(key);
            let count = entry.get_or_insert_default();
            *count = count.saturating_add(more);
            let count = plain.counts.entry(key).or_default();
            *count = count.saturating_add(more);
        }
        Edit::RemoveCount(key) => assert_eq!(shop.counts_entry(key).take(), plain.counts.remove(&key)),
        Edit::Theme => {
            *shop.theme_mut() += 1;
            plain.theme += 1;
        }
        _ => apply_to_whole(edit, shop, plain),
    }
}

/// Makes an edit that needs a whole map.
fn apply_to_whole(edit: Edit, shop: &mut ShopMut, plain: &mut Plain) {
    match edit {
        Edit::ReadWhole => assert_eq!(shown(shop), *plain),
        Edit::ReadCounts => assert_eq!(shop.counts().len(), plain.counts.len()),
        Edit::Method => assert_eq!(shop.lines(), plain.prices.len() + plain.counts.len()),
        Edit::SetInMap(key, value) => {
            shop.prices_mut().insert(Sku(key), value);
            plain.prices.insert(key, value);
        }
        Edit::AddInMap(key, more) => {
            *shop.counts_mut().entry(key).or_default() = plain.counts.get(&key).unwrap_or(&0).saturating_add(more);
            let count = plain.counts.entry(key).or_default();
            *count = count.saturating_add(more);
        }
        Edit::SetWhole(key, value) => {
            shop.set_prices(BTreeMap::from([(Sku(key), value)]));
            plain.prices = BTreeMap::from([(key, value)]);
        }
        Edit::SetSame => shop.set_prices(plain.prices.iter().map(|(key, value)| (Sku(*key), *value)).collect()),
        Edit::Clear => {
            shop.clear_prices();
            plain.prices.clear();
        }
        Edit::ClearCounts => {
            shop.clear_counts();
            plain.counts.clear();
        }
        Edit::Take => {
            let taken = shop.take_prices().into_iter().map(|(sku, price)| (sku.0, price));
            assert_eq!(taken.collect::<BTreeMap<_, _>>(), std::mem::take(&mut plain.prices));
        }
        Edit::Update(key, value) => {
            shop.update(|shop| shop.prices.insert(Sku(key), value));
            plain.prices.insert(key, value);
        }
        _ => {}
    }
}

fn check<S: Store>(store: S, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut trial = Trial::new(store).await;
        for step in steps {
            trial.run(step).await;
        }
    });
}

proptest! {
    /// C112: single entries and whole maps, mixed in any order by two requests at once, are plain maps.
    #[test]
    fn entries_in_memory_are_those_of_plain_maps(steps in steps()) {
        check(MemoryStore::new(), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// C112: single entries and whole maps, mixed in any order by two requests at once, are plain maps.
    #[test]
    fn entries_in_sqlite_are_those_of_plain_maps(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        check(SqliteStore::open(folder.path().join("sessions.db")).unwrap(), &steps);
    }
}
