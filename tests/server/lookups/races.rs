//! Races of `destroy_all` from three processes whose clocks differ, over one store. After it, no session exists that held
//! the value when the call began, whatever the visitors of all processes did meanwhile: saves, renewals, logins of the same
//! and of another user, logouts, touches, and new visitors.

use std::array;

use session_runtime::SessionKey;
use session_tests::lookups::{Browser, WORKS};
use session_tests::random::{Random, number_from};
use session_tests::servers::postgres::Postgres;
use session_tests::servers::redis::Redis;

use super::node::{EndedAll, Node, Order, Raced};

const ROUNDS: usize = 200;
const PROCESSES: usize = 3;
/// Seconds that the clock of each process is ahead.
const CLOCKS: [i64; PROCESSES] = [0, 50, 25];
/// The pause between the beginning of the works and that of `destroy_all` is less than 2 to the power of this, in
/// microseconds.
const LONGEST_PAUSE: u64 = 11;
const SEED: u64 = 20_261_201;

struct Race {
    nodes: [Node; PROCESSES],
    random: Random,
    ended: u64,
    /// Rounds in which a process worked during the call.
    met: [usize; PROCESSES],
}

impl Race {
    fn run(store: &str) {
        let seed = number_from("SESSION_TESTS_SEED").unwrap_or(SEED);
        let (nodes, random) = (CLOCKS.map(|clock| Node::start(store, clock)), Random::from(seed));
        let mut race = Self { nodes, random, ended: 0, met: [0; PROCESSES] };
        for round in 0..ROUNDS {
            race.round(round);
        }
        let Self { ended, met, .. } = &race;
        println!("lookups: {ended} sessions ended, works met the call in {met:?} rounds, SESSION_TESTS_SEED={seed}");
        assert!(met.iter().all(|met| *met > ROUNDS / 2), "of {ROUNDS} rounds, works met the call in {met:?}");
    }

    fn round(&mut self, round: usize) {
        let visitors = self.log_in("ann", WORKS);
        let keys: Vec<SessionKey> = visitors.iter().map(|(_, key)| *key).collect();
        let dora = self.log_in("dora", 1)[0].1;
        let ender = round % PROCESSES;
        let EndedAll { ended, left, .. } = self.race(round, ender, visitors, &keys);
        assert_eq!(left, 0, "round {round}: {left} of {WORKS} sessions are left");
        let other = &mut self.nodes[(ender + 1) % PROCESSES];
        assert_eq!(other.ask::<usize>(&Order::Existing(keys)), 0, "round {round}: a session came back");
        assert_eq!(other.ask::<usize>(&Order::Existing(vec![dora])), 1, "round {round}: another user's session ended");
        self.ended += ended;
        self.clean_up(round);
    }

    /// Logs a user in several times, on one node after the other.
    fn log_in(&mut self, user: &str, number: usize) -> Vec<(Browser, SessionKey)> {
        let logins: [_; PROCESSES] = array::from_fn(|at| number.saturating_sub(at).div_ceil(PROCESSES));
        for (node, logins) in self.nodes.iter_mut().zip(logins) {
            node.send(&Order::LogIn(vec![user.to_owned(); logins]));
        }
        self.nodes.iter_mut().flat_map(Node::answer::<Vec<(Browser, SessionKey)>>).collect()
    }

    /// Lets all visitors work, on other nodes in each round, and one node end all sessions.
    fn race(
        &mut self,
        round: usize,
        ender: usize,
        visitors: Vec<(Browser, SessionKey)>,
        keys: &[SessionKey],
    ) -> EndedAll {
        let mut works: [Vec<_>; PROCESSES] = array::from_fn(|_| Vec::new());
        for (number, (browser, _)) in visitors.into_iter().enumerate() {
            works[(number + round / PROCESSES) % PROCESSES].push((number, browser));
        }
        for (at, (node, works)) in self.nodes.iter_mut().zip(works).enumerate() {
            let ends = (at == ender).then(|| keys.to_vec());
            node.send(&Order::Race { works, ends, pause_us: 1 << self.random.below(LONGEST_PAUSE) });
        }
        let mut raced: Vec<Raced> = self.nodes.iter_mut().map(Node::answer).collect();
        let ended = raced[ender].ended.take().unwrap();
        for (met, raced) in self.met.iter_mut().zip(raced) {
            *met += usize::from(raced.worked.meets(ended.during));
        }
        ended
    }

    /// Ends all sessions, by the index: a session that it does not find stays and fails a later round.
    fn clean_up(&mut self, round: usize) {
        self.nodes[round % PROCESSES].ask::<()>(&Order::CleanUp);
        for node in &mut self.nodes {
            assert_eq!(node.ask::<u64>(&Order::Count), 0, "round {round}");
        }
    }
}

/// C119
#[test]
fn nothing_escapes_three_processes_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    Race::run(&format!("sqlite:{}", folder.path().join("sessions.db").display()));
}

/// C119
#[test]
fn nothing_escapes_three_processes_on_postgresql() {
    let server = Postgres::start("");
    Race::run(&server.url());
}

/// C119
#[test]
fn nothing_escapes_three_processes_on_redis() {
    let server = Redis::start();
    Race::run(&server.url());
}
