//! Random work of two nodes on one store, against the whole history of what was stored.
//!
//! Every load of a node must return a state of the store that ended within the bound and is not older than the last
//! write of that node. Its totals must fit. More cases: `PROPTEST_CASES=10000`.

use std::time::Duration;

use proptest::prelude::*;
use session_runtime::id::SecretHash;
use session_runtime::patch::{Deadline, NewSecret, Patch, Patched, Precondition};
use session_runtime::record::{Head, Record};
use session_runtime::store::{Created, Loaded, Wanted};
use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{CachedStore, Store};
use tokio::time::{Instant, advance};

use super::calls::{KEY, NOW, load, record};

const BOUND: Duration = Duration::from_secs(10);
const NAMES: [&str; 5] = ["cart", "cart.a", "cart.items/7", "prefs.b", "cartoon.x"];
const SCHEMAS: [&str; 3] = ["cart", "prefs", "cartoon"];

#[derive(Clone, Debug)]
enum Step {
    Create {
        node: usize,
    },
    Load {
        node: usize,
        wanted: Option<Vec<usize>>,
        fresh: bool,
        known: bool,
    },
    Patch {
        node: usize,
        edit: Edit,
    },
    Delete {
        node: usize,
    },
    /// The node's next write of this kind is applied, and its answer gets lost.
    LoseAnswer {
        operation: &'static str,
    },
    Pass(u64),
}

#[derive(Clone, Debug)]
struct Edit {
    set: Vec<(usize, u8)>,
    remove: Vec<usize>,
    /// Rests on the revision that is stored, or on another.
    on_revision: Option<bool>,
    login: bool,
    touch: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..2_usize;
    let wanted = prop::option::of(prop::collection::vec(0..SCHEMAS.len(), 0..3));
    let on_revision = prop::option::weighted(0.3, any::<bool>());
    let set = prop::collection::vec((0..NAMES.len(), any::<u8>()), 0..3);
    let remove = prop::collection::vec(0..NAMES.len(), 0..2);
    let head = (prop::bool::weighted(0.1), prop::bool::weighted(0.3));
    let edit = (set, remove, on_revision, head).prop_map(|(set, remove, on_revision, (login, touch))| Edit {
        set,
        remove,
        on_revision,
        login,
        touch,
    });
    prop_oneof![
        2 => node().prop_map(|node| Step::Create { node }),
        12 => (node(), wanted, prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(node, wanted, fresh, known)| Step::Load { node, wanted, fresh, known }),
        8 => (node(), edit).prop_map(|(node, edit)| Step::Patch { node, edit }),
        1 => node().prop_map(|node| Step::Delete { node }),
        1 => prop_oneof![Just("patch"), Just("delete"), Just("create")].prop_map(|operation| Step::LoseAnswer { operation }),
        4 => prop_oneof![0..4_u64, 8..12_u64].prop_map(Step::Pass),
    ]
}

/// A state of the store, and since when.
struct State {
    since: Instant,
    loaded: Option<Loaded>,
}

struct Trial {
    store: RecordingStore,
    nodes: [CachedStore<RecordingStore>; 2],
    history: Vec<State>,
    /// The first state that each node may still show.
    floor: [usize; 2],
    logins: u8,
    creations: u64,
    hits: usize,
}

impl Trial {
    fn new() -> Self {
        let store = RecordingStore::default();
        let node = || CachedStore::new(store.clone()).bound(BOUND);
        let (nodes, history) = ([node(), node()], vec![State { since: Instant::now(), loaded: None }]);
        Self { store, nodes, history, floor: [0; 2], logins: 1, creations: 0, hits: 0 }
    }

    fn newest(&self) -> Option<&Loaded> {
        self.history.last().unwrap().loaded.as_ref()
    }

    async fn run(&mut self, step: &Step) {
        match step {
            Step::Create { node } => {
                let mut record = record(&[("cart", "{}"), ("prefs.b", "0")]);
                // Keys are random and used once. Here one key is used again, and the moment of creation distinguishes
                // two records.
                self.creations += 1;
                record.head.created = NOW.before(Duration::from_millis(self.creations));
                let created = self.nodes[*node].create(KEY, record).await;
                if let Ok(created) = created {
                    assert_eq!(created == Created::Done, self.newest().is_none());
                }
                self.wrote(*node).await;
            }
            Step::Patch { node, edit } => {
                let patch = self.patch(edit);
                let patched = self.nodes[*node].patch(KEY, patch, NOW).await;
                self.wrote(*node).await;
                if let Ok(Patched::Done(head)) = patched {
                    assert_eq!(head, self.newest().unwrap().record.head);
                }
            }
            Step::Delete { node } => {
                drop(self.nodes[*node].delete(KEY).await);
                self.wrote(*node).await;
            }
            Step::LoseAnswer { operation } => self.store.fail_next(operation, Fault::ReplyLost),
            Step::Pass(seconds) => advance(Duration::from_secs(*seconds)).await,
            Step::Load { node, wanted, fresh, known } => self.load(*node, wanted.as_deref(), *fresh, *known).await,
        }
    }

    /// Writes down what a write has made of the store: from now on its node may show nothing older.
    async fn wrote(&mut self, node: usize) {
        let loaded = load(&self.store).await;
        if !same(self.newest(), loaded.as_ref()) {
            self.history.push(State { since: Instant::now(), loaded });
        }
        self.floor[node] = self.history.len() - 1;
    }

    fn patch(&mut self, edit: &Edit) -> Patch {
        let head = self.newest().map(|loaded| loaded.record.head.clone());
        let (generation, revision) = head.as_ref().map_or((0, 0), |head| (head.generation, head.revision));
        let precondition = match edit.on_revision {
            Some(right) => Precondition::Revision(if right { revision } else { revision + 1 }),
            None => Precondition::Values(Vec::new()),
        };
        self.logins += u8::from(edit.login);
        let touch = |head: &Head| Deadline::Touch {
            seen: head.idle_deadline,
            touched: NOW,
            expires: head.idle_deadline.after(Duration::from_millis(1)),
        };
        let mut patch = Patch::on_generation(generation)
            .precondition(precondition)
            .set(edit.set.iter().map(|(name, n)| (NAMES[*name], n.to_string())))
            .remove(edit.remove.iter().map(|name| NAMES[*name]));
        patch.deadline = head.as_ref().filter(|_| edit.touch).map(touch);
        let hash = SecretHash::from_bytes([self.logins; 32]);
        patch.secret = edit.login.then_some(NewSecret::Raise { hash, at: NOW });
        patch
    }

    async fn load(&mut self, node: usize, schemas: Option<&[usize]>, fresh: bool, known: bool) {
        let mut wanted = schemas.map_or(Wanted::all(), |schemas| {
            Wanted::schemas(&schemas.iter().map(|at| SCHEMAS[*at]).collect::<Vec<_>>())
        });
        let secret = self.newest().map(|loaded| loaded.record.head.secret);
        if let Some(secret) = secret.filter(|_| known) {
            wanted = wanted.opened_by(secret);
        }
        if fresh {
            wanted = wanted.fresh();
        }
        self.store.total_calls();
        let found = self.nodes[node].load(KEY, &wanted, NOW).await.unwrap();
        let asked = self.store.total_calls() > 0;
        self.hits += usize::from(!asked);

        assert!(asked || !fresh && found.is_some(), "absent records and fresh loads are read from the store");
        if secret.is_some() && known {
            assert_eq!(found.as_ref().map(|found| found.record.head.secret), secret, "the newest secret opens");
        }
        let first = if asked { self.history.len() - 1 } else { self.floor[node].max(self.first_young()) };
        let fits = self.history[first..].iter().any(|state| shows(state.loaded.as_ref(), found.as_ref(), &wanted));
        assert!(fits, "node {node} shows a state that the store never had, or had too long ago (asked: {asked})");
        if asked {
            self.floor[node] = first;
        }
    }

    /// The first state that had not ended before the bound began.
    fn first_young(&self) -> usize {
        let now = Instant::now();
        // A copy that is as old as the bound is served no more.
        let ended = |at: &usize| self.history.get(at + 1).is_some_and(|next| now - next.since >= BOUND);
        (0..self.history.len()).find(|at| !ended(at)).unwrap()
    }
}

fn same(one: Option<&Loaded>, other: Option<&Loaded>) -> bool {
    let parts = |loaded: &Loaded| (loaded.record.head.clone(), loaded.record.values.clone());
    one.map(parts) == other.map(parts)
}

/// True if an answer shows this state: every wanted part as it was, and nothing that was not there.
fn shows(state: Option<&Loaded>, found: Option<&Loaded>, wanted: &Wanted) -> bool {
    let (Some(state), Some(found)) = (state, found) else { return state.is_none() && found.is_none() };
    let (Record { head, values, .. }, total) = (&state.record, (state.bytes, state.keys));
    let nothing_else = found.record.values.iter().all(|(name, text)| values.get(name) == Some(&**text));
    let nothing_less = values.iter().all(|(name, _)| !wanted.wants(name) || found.record.values.get(name).is_some());
    found.record.head == *head && (found.bytes, found.keys) == total && nothing_else && nothing_less
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(256), ..ProptestConfig::default() })]

    /// C76: nothing older than the bound, and never older than a node's own writes.
    #[test]
    fn two_nodes_show_nothing_too_old(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut trial = Trial::new();
            for step in &steps {
                trial.run(step).await;
            }
        });
    }
}

/// The model is worth something only if copies are served, older ones among them.
#[tokio::test(start_paused = true)]
async fn the_model_sees_hits() {
    let mut trial = Trial::new();
    let read = |node| Step::Load { node, wanted: None, fresh: false, known: false };
    let edit = Edit { set: vec![(1, 5)], remove: Vec::new(), on_revision: None, login: false, touch: true };
    let steps = [Step::Create { node: 0 }, read(0), read(1), read(1), Step::Patch { node: 0, edit }, read(0), read(1)];
    for step in &steps {
        trial.run(step).await;
    }
    assert_eq!(trial.hits, 4);
    trial.history.remove(1);
    let caught = tokio::spawn(async move { trial.run(&read(1)).await }).await;
    assert!(caught.is_err(), "a state that never was");
}
