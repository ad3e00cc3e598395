//! Two nodes of a shop, each with a way of its own to the store, which is cut, refused and swallowed while visitors
//! shop.
//!
//! The test records the answers to each visitor and compares the end with them: a history check in the manner of
//! Jepsen. Sums hold every acknowledged change and any of the unanswered ones. Acknowledged entries are stored. A
//! visitor with an acknowledged logout stays logged out. No read shows less than was acknowledged before the read
//! began.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use session_tests::cookie::Cookie;
use session_tests::http::{Connection, Request};
use session_tests::random::Random;

use super::engine::{Engine, Kind, Way};
use crate::process::{Host, Profile, Shop, poll};

const CLIENTS: u64 = 8;
const SESSIONS: u64 = 4;
const LEAVERS: u64 = 4;
const APART: Duration = Duration::from_secs(3);

/// A session that stays, and what is known of it.
struct Known {
    cookie: Cookie,
    acknowledged: AtomicU64,
    unknown: AtomicU64,
    /// The most that any read has shown.
    seen: AtomicU64,
    prefs: Mutex<BTreeSet<String>>,
    maybe: Mutex<BTreeSet<String>>,
}

struct Fleet {
    _place: Host,
    ways: [Way; 2],
    nodes: [Shop; 2],
    staying: Vec<Known>,
    leaving: Vec<Cookie>,
    over: AtomicBool,
    reads: AtomicU64,
    failures: AtomicU64,
}

impl Fleet {
    fn open(engine: &Engine) -> Self {
        let host = Host::new();
        let ways = [engine.another_way(), engine.another_way()];
        let nodes = [0, 1].map(|node: usize| host.open_at(Profile::Debug, &engine.url_by(&ways[node]), ""));
        let staying = (0..SESSIONS).map(|_| Known::new(nodes[0].visitor(7))).collect();
        let leaver = |_| nodes[1].post("/login/anna", &nodes[0].visitor(7)).expect(204).new_cookie();
        let leaving = (0..LEAVERS).map(leaver).collect();
        Self {
            _place: host,
            ways,
            nodes,
            staying,
            leaving,
            over: AtomicBool::new(false),
            reads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// One client: adds, preferences and reads, on any session through any node.
    fn shop(&self, client: u64, mut random: Random) {
        let mut connections = [0, 1].map(|node: usize| self.nodes[node].connect());
        let mut at = 0;
        while !self.over.load(SeqCst) {
            at += 1;
            let connection = &mut connections[usize::from(random.below(2) == 1)];
            let session = random.below(SESSIONS + 1);
            let Some(known) = usize::try_from(session).ok().and_then(|session| self.staying.get(session)) else {
                // Whatever is answered to one who leaves: the session must not come back by it.
                let cookie = &self.leaving[usize::try_from(random.below(LEAVERS)).unwrap()];
                let _ = connection.ask(&Request::post("/cart/add/7").cookie(cookie)).unwrap();
                continue;
            };
            let stored = match random.below(4) {
                0 | 1 => known.add(connection),
                2 => known.prefer(connection, &format!("c{client}n{at}")),
                _ => known.read(connection).inspect(|()| {
                    self.reads.fetch_add(1, SeqCst);
                }),
            };
            if stored.is_none() {
                self.failures.fetch_add(1, SeqCst);
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Asks to be logged out until that is acknowledged. From then on no request sees the session.
    fn leave(&self, cookie: &Cookie, mut random: Random) {
        thread::sleep(Duration::from_millis(random.below(8_000)));
        let logout = Request::post("/logout").cookie(cookie);
        poll("a logout to be acknowledged", || {
            let answer = self.nodes[usize::from(random.below(2) == 1)].ask(&logout);
            (answer.status == 204).then_some(())
        });
        while !self.over.load(SeqCst) {
            for node in &self.nodes {
                let answer = node.get("/whoami", cookie);
                assert!(answer.status == 503 || answer.text() == r#"{"user":null}"#, "came back: {answer:?}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Each node is apart from the store twice: unable to connect, and then without any answer.
    fn part(&self, random: &mut Random) {
        let first = usize::from(random.below(2) == 1);
        for node in [first, 1 - first] {
            let way = &self.ways[node];
            thread::sleep(Duration::from_millis(500));
            way.refuse(true);
            way.cut();
            thread::sleep(APART);
            way.refuse(false);
            thread::sleep(Duration::from_millis(500));
            way.swallow(true);
            thread::sleep(APART);
            way.heal();
        }
    }
}

impl Known {
    fn new(cookie: Cookie) -> Self {
        Self {
            cookie,
            // With the one that it began with.
            acknowledged: AtomicU64::new(1),
            unknown: AtomicU64::new(0),
            seen: AtomicU64::new(1),
            prefs: Mutex::default(),
            maybe: Mutex::default(),
        }
    }

    /// `None`: it is not known what came of it.
    fn add(&self, connection: &mut Connection) -> Option<()> {
        let answer = connection.ask(&Request::post("/cart/add/7").cookie(&self.cookie)).unwrap();
        if answer.status == 200 {
            answer.expect_silent(200);
            self.acknowledged.fetch_add(1, SeqCst);
            return Some(());
        }
        answer.expect_unavailable();
        self.unknown.fetch_add(1, SeqCst);
        None
    }

    fn prefer(&self, connection: &mut Connection, name: &str) -> Option<()> {
        let request = Request::post(format!("/prefs/{name}/v{name}")).cookie(&self.cookie);
        let answer = connection.ask(&request).unwrap();
        let is_stored = answer.status == 204;
        if is_stored {
            answer.expect_silent(204)
        } else {
            answer.expect_unavailable()
        };
        let names = if is_stored { &self.prefs } else { &self.maybe };
        names.lock().unwrap().insert(name.to_owned());
        is_stored.then_some(())
    }

    fn read(&self, connection: &mut Connection) -> Option<()> {
        let least = self.acknowledged.load(SeqCst).max(self.seen.load(SeqCst));
        let answer = connection.ask(&Request::get("/cart").cookie(&self.cookie)).unwrap();
        if answer.status == 503 {
            answer.expect_unavailable();
            return None;
        }
        let quantity = quantity(&answer.expect_silent(200).json());
        assert!(quantity >= least, "a read shows {quantity} where {least} was known before");
        self.seen.fetch_max(quantity, SeqCst);
        Some(())
    }

    /// The final state, read through a node without faults.
    fn judge(&self, node: &Shop) -> u64 {
        let stored = quantity(&node.get("/cart", &self.cookie).expect_silent(200).json());
        let (acknowledged, unknown) = (self.acknowledged.load(SeqCst), self.unknown.load(SeqCst));
        assert!(acknowledged <= stored, "lost: {stored} stored of {acknowledged} acknowledged");
        assert!(stored <= acknowledged + unknown, "twice: {stored} stored of {acknowledged} and {unknown} unknown");
        let found: BTreeMap<String, String> = node.get("/prefs", &self.cookie).expect_silent(200).json();
        let (prefs, maybe) = (self.prefs.lock().unwrap(), self.maybe.lock().unwrap());
        let lost: Vec<&String> = prefs.iter().filter(|name| !found.contains_key(*name)).collect();
        assert!(lost.is_empty(), "lost preferences: {lost:?}");
        for (name, value) in &found {
            assert!(prefs.contains(name) || maybe.contains(name), "{name} was never set");
            assert_eq!(*value, format!("v{name}"));
        }
        stored
    }
}

fn quantity(cart: &BTreeMap<u32, u64>) -> u64 {
    cart.get(&7).copied().unwrap_or_default()
}

fn apart_for_a_while(kind: Kind) {
    let engine = Engine::start(kind);
    let mut random = Random::seeded(&format!("C75 {kind:?}"));
    let mut fleet = Fleet::open(&engine);
    thread::scope(|scope| {
        let fleet = &fleet;
        for client in 0..CLIENTS {
            let random = Random::from(random.next());
            scope.spawn(move || fleet.shop(client, random));
        }
        for cookie in &fleet.leaving {
            let random = Random::from(random.next());
            scope.spawn(move || fleet.leave(cookie, random));
        }
        fleet.part(&mut random);
        // Both work again before the clients end.
        for node in &fleet.nodes {
            let add = || Request::post("/cart/add/8").cookie(&fleet.staying[0].cookie);
            poll("a node to work again", || (node.ask(&add()).status == 200).then_some(()));
        }
        thread::sleep(Duration::from_millis(500));
        fleet.over.store(true, SeqCst);
    });
    let stored: u64 = fleet.staying.iter().map(|known| known.judge(&fleet.nodes[0])).sum();
    for node in &fleet.nodes {
        fleet.leaving.iter().for_each(|cookie| node.assert_anonymous(cookie));
    }
    fleet.nodes.iter_mut().for_each(Shop::assert_unharmed);
    report(kind, &fleet, stored);
}

fn report(kind: Kind, fleet: &Fleet, stored: u64) {
    let sum =
        |count: fn(&Known) -> &AtomicU64| -> u64 { fleet.staying.iter().map(|known| count(known).load(SeqCst)).sum() };
    let prefs: usize = fleet.staying.iter().map(|known| known.prefs.lock().unwrap().len()).sum();
    let (acknowledged, unknown) = (sum(|known| &known.acknowledged), sum(|known| &known.unknown));
    let (reads, failures) = (fleet.reads.load(SeqCst), fleet.failures.load(SeqCst));
    assert!(unknown > 0 && acknowledged > SESSIONS, "nothing happened");
    for way in &fleet.ways {
        let counts = way.counts();
        assert!(counts.cut > 0 && counts.refused > 0 && counts.swallowed > 0, "{counts:?}");
    }
    println!(
        "C75 {kind:?}: {acknowledged} adds acknowledged, {stored} stored, {unknown} unknown; {prefs} preferences \
         acknowledged and there; {reads} reads, none going back; {failures} requests answered 503; {LEAVERS} logged out, \
         none came back"
    );
}

/// C75: Redis.
#[test]
fn two_nodes_cut_off_from_redis_keep_acknowledged_changes() {
    apart_for_a_while(Kind::Redis);
}

/// C75: `PostgreSQL`.
#[test]
fn two_nodes_cut_off_from_postgres_keep_acknowledged_changes() {
    apart_for_a_while(Kind::Postgres);
}
