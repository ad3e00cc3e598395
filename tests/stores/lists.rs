//! Lists that merge and values that expire: random requests of one visitor on two nodes whose clocks differ, up to three
//! in flight at once, against a plain model; and single cases at the boundaries. Every store: see `servers` and `cookie`.
//!
//! The model predicts the values that each guard shows, which change is refused, and the stored data after each request.
//! More cases: `PROPTEST_CASES=10000`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use session_runtime::clock::Timestamp;
use session_runtime::store::Wanted;
use session_runtime::testing::ManualClock;
use session_runtime::{
    ErrorKind, MemoryStore, Session, SessionConfig, SessionKey, Sessions, SqliteStore, Store, Visit,
};

mod boundaries;
mod cookie;
mod model;
mod parallel;
mod servers;
mod traffic;

use self::model::{MAX, Request, Stored};

#[derive(Session)]
#[session(key = "box", version = 1)]
struct Inbox {
    #[session(merge = append(max = 4), expires_after = "1s")]
    notices: Vec<u32>,
    #[session(expires_after = "1s")]
    code: Option<u8>,
    #[session(merge = reject, expires_after = "1s")]
    seat: Option<u8>,
    #[session(merge = sum, expires_after = "1s")]
    hits: i64,
    theme: u32,
}

#[derive(Clone, Debug)]
enum Step {
    Open { request: usize, node: usize },
    Write { request: usize, edit: Edit },
    Finish(usize),
    Pass(i64),
}

#[derive(Clone, Copy, Debug)]
enum Edit {
    Push,
    Take,
    Clear,
    /// Edits the element at this position of the list, if there is one.
    InPlace(usize),
    Remove(usize),
    Insert(usize),
    Sort,
    Reverse,
    SetSame,
    SetCode(u8),
    AlterCode(u8),
    ClearCode,
    SetSeat(u8),
    AlterSeat(u8),
    TakeSeat,
    Hits(i64),
    SetHits(i64),
    ClearHits,
    Theme,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..MAX;
    let edit = prop_oneof![
        6 => Just(Edit::Push),
        2 => Just(Edit::Take),
        1 => Just(Edit::Clear),
        3 => at().prop_map(Edit::InPlace),
        2 => at().prop_map(Edit::Remove),
        1 => at().prop_map(Edit::Insert),
        1 => Just(Edit::Sort),
        1 => Just(Edit::Reverse),
        1 => Just(Edit::SetSame),
        2 => (0..3_u8).prop_map(Edit::SetCode),
        2 => (0..3_u8).prop_map(Edit::AlterCode),
        1 => Just(Edit::ClearCode),
        2 => (0..3_u8).prop_map(Edit::SetSeat),
        1 => (0..3_u8).prop_map(Edit::AlterSeat),
        1 => Just(Edit::TakeSeat),
        3 => (-2..3_i64).prop_map(Edit::Hits),
        1 => (-2..3_i64).prop_map(Edit::SetHits),
        1 => Just(Edit::ClearHits),
        1 => Just(Edit::Theme),
    ];
    let request = || 0..3_usize;
    prop_oneof![
        6 => (request(), 0..2_usize).prop_map(|(request, node)| Step::Open { request, node }),
        16 => (request(), edit).prop_map(|(request, edit)| Step::Write { request, edit }),
        6 => request().prop_map(Step::Finish),
        // The period is a second, so that a deadline is often met to the millisecond.
        3 => prop_oneof![Just(1), Just(250), Just(500), Just(999), Just(1_000)].prop_map(Step::Pass),
    ]
}

/// Two nodes on one store, and their clocks.
struct Trial<S> {
    store: Arc<S>,
    nodes: [(Sessions, ManualClock); 2],
    cookie: String,
    key: SessionKey,
    stored: Stored,
    requests: [Option<(usize, Visit, Request)>; 3],
    number: u32,
}

/// A clock that stands at the current time: Redis removes what has expired by its own clock.
fn clock() -> ManualClock {
    let clock = ManualClock::new();
    clock.set(SystemTime::now().into());
    clock
}

fn node<S: Store>(store: &Arc<S>, clock: &ManualClock) -> Sessions {
    let config = SessionConfig::new().deadline(Duration::from_secs(60));
    let sessions = Sessions::builder().store(Arc::clone(store)).config(config).clock(clock.clone());
    sessions.schemas::<Inbox>().build().unwrap()
}

impl<S: Store> Trial<S> {
    /// Begins with an empty session. The second clock is ahead by `skew` milliseconds.
    async fn new(store: S, skew: i64) -> Self {
        let (store, clocks) = (Arc::new(store), [clock(), clock()]);
        clocks[1].set(Timestamp::from_millis(clocks[1].timestamp().as_millis() + skew));
        let nodes = clocks.map(|clock| (node(&store, &clock), clock));
        let visit = nodes[0].0.open([]);
        visit.write::<Inbox>().await.unwrap().set_theme(0);
        let finished = visit.finish(200).await;
        let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        let (key, stored, requests) = (visit.key().unwrap(), Stored::default(), [const { None }; 3]);
        Self { store, nodes, cookie, key, stored, requests, number: 0 }
    }

    async fn run(&mut self, step: &Step) {
        match *step {
            Step::Open { request, node } => self.open(request, node).await,
            Step::Write { request, edit } => self.write(request, edit).await,
            Step::Finish(request) => self.finish(request).await,
            Step::Pass(millis) => self.pass(millis),
        }
    }

    fn pass(&self, millis: i64) {
        let time = Duration::from_millis(millis.unsigned_abs());
        self.nodes.iter().for_each(|(_, clock)| clock.advance(time));
    }

    fn now(&self, node: usize) -> i64 {
        self.nodes[node].1.timestamp().as_millis()
    }

    /// Unless that one is still in flight.
    async fn open(&mut self, request: usize, node: usize) {
        if self.requests[request].is_some() {
            return;
        }
        let visit = self.nodes[node].0.open([self.cookie.as_str()]);
        drop(visit.write::<Inbox>().await.unwrap());
        let model = Request::open(&self.stored, self.now(node));
        self.requests[request] = Some((node, visit, model));
    }

    async fn write(&mut self, request: usize, edit: Edit) {
        // No two requests append in one millisecond of one node, where the order would be random.
        self.pass(1);
        let Some((node, visit, mut model)) = self.requests[request].take() else { return };
        let now = self.now(node);
        let mut inbox = visit.write::<Inbox>().await.unwrap();
        assert_shows(&inbox, &model);
        self.number += 1;
        apply(edit, &mut inbox, &mut model, now, &mut self.number);
        drop(inbox);
        self.requests[request] = Some((node, visit, model));
    }

    async fn finish(&mut self, request: usize) {
        let Some((node, visit, model)) = self.requests[request].take() else { return };
        let finished = visit.finish(200).await;
        let now = self.now(node);
        let is_saved = model.save(&mut self.stored, now);
        let error = finished.error.map(|error| error.kind());
        assert_eq!(error, (!is_saved).then_some(ErrorKind::Rejected));
        self.compare().await;
    }

    /// The stored elements are those of the model. Elements that two requests appended at the same time may be in any
    /// order, and the model takes over that of the store.
    async fn compare(&mut self) {
        let loaded = self.store.load(self.key, &Wanted::all(), Timestamp::from_millis(self.now(0))).await.unwrap();
        let record = loaded.unwrap().record;
        let texts = record.values.prefix("box.notices/").map(|(_, text)| text.parse().unwrap());
        let stored: Vec<u32> = texts.collect();
        for tie in self.stored.list.chunk_by_mut(|a, b| a.id.0 == b.id.0) {
            tie.sort_by_key(|element| stored.iter().position(|value| *value == element.value));
        }
        let values: Vec<_> = self.stored.list.iter().map(|element| element.value).collect();
        assert_eq!(stored, values);
        let text = |name: &str| record.values.get(name).map(str::to_owned);
        assert_eq!(text("box.code"), self.stored.code.map(|(code, _)| code.to_string()));
        assert_eq!(text("box.seat"), self.stored.seat.map(|(seat, _)| seat.to_string()));
        assert_eq!(text("box.hits"), self.stored.hits.map(|(hits, _)| hits.to_string()));
        for (name, deadline) in [
            ("box.code~", self.stored.code.map(|(_, deadline)| deadline)),
            ("box.seat~", self.stored.seat.map(|(_, deadline)| deadline)),
            ("box.hits~", self.stored.hits.map(|(_, deadline)| deadline)),
        ] {
            let begins =
                |deadline: i64| text(name).is_some_and(|text| text.starts_with(&format!("{{\"at\":{deadline},")));
            assert!(deadline.map_or_else(|| text(name).is_none(), begins), "{name}: {:?}, {deadline:?}", text(name));
        }
    }
}

/// A guard shows what the model predicts.
#[track_caller]
fn assert_shows(inbox: &InboxMut, model: &Request) {
    let list: Vec<_> = model.list.iter().map(|element| element.value).collect();
    assert_eq!(*inbox.notices(), list);
    assert_eq!((*inbox.code(), *inbox.seat()), (model.code.ours, model.seat.ours));
    assert_eq!(*inbox.hits(), model.hits.ours.unwrap_or(0));
}

/// Makes an edit through the guard, and in the model.
fn apply(edit: Edit, inbox: &mut InboxMut, model: &mut Request, now: i64, number: &mut u32) {
    let (list, value) = (inbox.notices().clone(), *number);
    let all: Vec<usize> = (0..list.len()).collect();
    match edit {
        Edit::Push => inbox.notices_mut().push(value),
        Edit::Take => assert_eq!(inbox.take_notices(), list),
        Edit::Clear => inbox.clear_notices(),
        Edit::InPlace(at) => inbox.notices_mut().get_mut(at).into_iter().for_each(|element| *element = value),
        Edit::Remove(at) if at < list.len() => _ = inbox.notices_mut().remove(at),
        Edit::Insert(at) if at <= list.len() => inbox.notices_mut().insert(at, value),
        Edit::Sort => inbox.notices_mut().sort_unstable(),
        Edit::Reverse => inbox.notices_mut().reverse(),
        Edit::SetSame => inbox.set_notices(list.clone()),
        _ => return apply_to_values(edit, inbox, model),
    }
    let kept = match edit {
        Edit::Take | Edit::Clear => Vec::new(),
        Edit::Remove(at) => all.into_iter().filter(|one| *one != at).collect(),
        Edit::Insert(at) => all[..at].to_vec(),
        Edit::Sort | Edit::Reverse => not_moved(&list, inbox.notices()),
        _ => all,
    };
    let replaced = matches!(edit, Edit::Take | Edit::Clear | Edit::SetSame);
    model.rewrite(&kept, inbox.notices(), replaced, now, number);
}

/// Positions of the first elements that have not moved behind one that came after them.
fn not_moved(before: &[u32], after: &[u32]) -> Vec<usize> {
    let places = after.iter().map(|value| before.iter().position(|before| before == value).unwrap());
    let mut kept: Vec<usize> = Vec::new();
    for place in places {
        if kept.last().is_some_and(|last| place < *last) {
            break;
        }
        kept.push(place);
    }
    kept
}

fn apply_to_values(edit: Edit, inbox: &mut InboxMut, model: &mut Request) {
    match edit {
        Edit::SetCode(code) => {
            inbox.set_code(code);
            model.code.set(code);
        }
        Edit::AlterCode(code) => {
            *inbox.code_mut() = Some(code);
            model.code.edit(code);
        }
        Edit::ClearCode => {
            inbox.clear_code();
            model.code.clear();
        }
        Edit::SetSeat(seat) => {
            inbox.set_seat(seat);
            model.seat.set(seat);
        }
        Edit::AlterSeat(seat) => {
            *inbox.seat_mut() = Some(seat);
            model.seat.edit(seat);
        }
        Edit::TakeSeat => {
            inbox.take_seat();
            model.seat.clear();
        }
        Edit::Hits(0) => _ = inbox.hits_mut(),
        Edit::Hits(more) => {
            *inbox.hits_mut() += more;
            match *inbox.hits() {
                0 => model.hits.edit_to_default(0),
                hits => model.hits.edit(hits),
            }
        }
        Edit::SetHits(hits) => {
            inbox.set_hits(hits);
            model.hits.set(hits);
        }
        Edit::ClearHits => {
            inbox.clear_hits();
            model.hits.clear();
        }
        Edit::Theme => *inbox.theme_mut() += 1,
        _ => {}
    }
}

fn check<S: Store>(store: S, skew: i64, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut trial = Trial::new(store, skew).await;
        for step in steps {
            trial.run(step).await;
        }
    });
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..80)
}

proptest! {
    /// C101: no element is lost, doubled or revived, and values expire at their deadline.
    #[test]
    fn lists_and_deadlines_in_memory_follow_the_model(skew in -1_500..1_500_i64, steps in steps()) {
        check(MemoryStore::new(), skew, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    /// C101: no element is lost, doubled or revived, and values expire at their deadline.
    #[test]
    fn lists_and_deadlines_in_sqlite_follow_the_model(skew in -1_500..1_500_i64, steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        check(SqliteStore::open(folder.path().join("sessions.db")).unwrap(), skew, &steps);
    }
}
