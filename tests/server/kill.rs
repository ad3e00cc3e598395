//! C71: SIGKILL at random moments under write load, and a restart on the same `SQLite` file: what was acknowledged is
//! there, and what was not is there as a whole or not at all.
//!
//! What the server acknowledged is remembered here, in another process than the one that dies. A killed process loses
//! nothing that the operating system has taken; a power cut is the matter of the package `session-power-tests`.
//!
//! Three facts show that a kill came in the middle of writing: the process ended by signal 9 and by nothing else,
//! in each round at least one write had been sent and not been answered, and of the unanswered ones some are found
//! stored and some are not. Some of the logs left behind end in the middle of a transaction.

mod fate;
mod log;
mod visitor;
mod writer;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use session_tests::http::Connection;
use session_tests::random::{Random, number_from};

use self::fate::{Fate, Unanswered};
use self::visitor::Visitors;
use self::writer::Writer;
use crate::process::{Host, Profile, Shop, Storage};

const WRITERS: usize = 4;
const BRINGERS: usize = 2;
const CLIENTS: usize = WRITERS + BRINGERS;
/// After so many kills the next ones are of a server with a new file.
const ROUNDS_PER_FILE: u64 = 100;
const SIGKILL: i32 = 9;

/// A file, who works on it, and everything that was ever acknowledged about it.
struct Scene {
    host: Host,
    writers: Vec<Writer>,
    visitors: Vec<Visitors>,
    /// Sessions that are stored though the answer with their cookie never came.
    strangers: usize,
}

#[derive(Default)]
struct Tally {
    unanswered: Unanswered,
    /// Logs that end in the middle of a transaction.
    cut_logs: usize,
    adds: u32,
    present: usize,
    ended: usize,
}

impl Scene {
    fn new() -> (Self, Shop) {
        let host = Host::new();
        let shop = host.open(Profile::Debug, Storage::Sqlite);
        let writers = (0..WRITERS).map(|_| Writer::new(&shop)).collect();
        let visitors = (0..BRINGERS).map(|_| Visitors::default()).collect();
        (Self { host, writers, visitors, strangers: 0 }, shop)
    }

    /// Lets all clients work, and kills the server at a random moment.
    fn kill_under_load(&mut self, mut shop: Shop, random: &mut Random) {
        let moment = Duration::from_micros(2_000 + random.below(60_000));
        let barrier = &Barrier::new(CLIENTS + 1);
        thread::scope(|scope| {
            let mut client = || (shop.connect(), Random::from(random.next()));
            for writer in &mut self.writers {
                spawn(scope, barrier, client(), |connection, random| writer.work(connection, random));
            }
            for visitors in &mut self.visitors {
                spawn(scope, barrier, client(), |connection, random| visitors.work(connection, random));
            }
            barrier.wait();
            // Not a wait for something to happen: the moment is the point.
            thread::sleep(moment);
            let status = shop.kill();
            assert_eq!(status.signal(), Some(SIGKILL), "the server should die by SIGKILL, not end with {status}");
        });
        let waiting = self.writers.iter().filter(|writer| writer.is_waiting()).count()
            + self.visitors.iter().filter(|visitors| visitors.is_waiting()).count();
        assert!(waiting > 0, "no write was under way: this kill proves nothing");
    }

    /// True if the dead server's log ends in the middle of a transaction.
    fn is_log_cut(&self) -> bool {
        let log = fs::read(self.host.database().with_extension("db-wal")).expect("a killed server leaves its log");
        log::frames_of_an_unfinished_transaction(&log) > 0
    }

    /// Checks the file, and settles what became of the unanswered requests.
    fn check(&mut self, shop: &Shop) -> Unanswered {
        self.check_file();
        let mut unanswered = Unanswered::default();
        for writer in &mut self.writers {
            unanswered.adds += writer.check(shop);
        }
        for visitors in &mut self.visitors {
            let settled = visitors.settle(shop, &self.host);
            self.strangers += settled.logins.stored;
            unanswered += settled;
        }
        let mut too_many = self.count_strangers();
        for visitors in &mut self.visitors {
            let fate = visitors.settle_first_write(too_many > 0);
            too_many -= fate.stored;
            self.strangers += fate.stored;
            unanswered.creates += fate;
        }
        assert_eq!(too_many, 0, "sessions without a request for them");
        unanswered
    }

    /// Sessions that are neither known nor accounted for.
    fn count_strangers(&self) -> usize {
        let of_writers = self.writers.iter().map(|writer| writer.cookie.key());
        let of_visitors = self.visitors.iter().flat_map(|visitors| &visitors.present).map(|(cookie, _)| cookie.key());
        let known: BTreeSet<[u8; 16]> = of_writers.chain(of_visitors).collect();
        let stored: BTreeSet<[u8; 16]> = self.host.keys().into_iter().collect();
        assert!(known.is_subset(&stored), "an acknowledged session is gone");
        stored.len() - known.len() - self.strangers
    }

    /// The file is sound, and no session is stored by half: the number and the bytes of its values are those in its
    /// head.
    fn check_file(&self) {
        let database = self.host.look();
        let ask = |sql: &str| database.query_row(sql, (), |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(ask("SELECT group_concat(integrity_check) FROM pragma_integrity_check"), "ok");
        let halves = "SELECT group_concat(hex(session)) FROM entry AS head
            WHERE name = 0 AND (hex(substr(content, 108, 8)), hex(substr(content, 100, 8))) IS NOT (
                SELECT printf('%016X', count(*)), printf('%016X', coalesce(sum(octet_length(name || content)), 0))
                FROM entry WHERE session = head.session AND name <> 0)";
        assert_eq!(
            ask(&format!("SELECT coalesce(({halves}), 'none')")),
            "none",
            "sessions without some of their values"
        );
        let heads = "SELECT session FROM entry WHERE name = 0";
        let orphans = format!("SELECT count(*) || '' FROM entry WHERE session NOT IN ({heads})");
        assert_eq!(ask(&orphans), "0", "values without their session");
    }

    /// Everything that was acknowledged since the file was new.
    fn check_again(&mut self, shop: &Shop, tally: &mut Tally) {
        for writer in &mut self.writers {
            writer.check(shop);
            tally.adds += writer.adds();
        }
        for visitors in &self.visitors {
            visitors.check(shop);
            tally.present += visitors.present.len();
            tally.ended += visitors.ended.len();
        }
    }
}

fn spawn<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    barrier: &'scope Barrier,
    (connection, random): (Connection, Random),
    work: impl FnOnce(Connection, Random) + Send + 'scope,
) {
    scope.spawn(move || {
        barrier.wait();
        work(connection, random);
    });
}

fn kill_often(rounds: u64, random: &mut Random, tally: &mut Tally) {
    let (mut scene, mut shop) = Scene::new();
    for _ in 0..rounds {
        scene.kill_under_load(shop, random);
        tally.cut_logs += usize::from(scene.is_log_cut());
        shop = scene.host.open(Profile::Debug, Storage::Sqlite);
        tally.unanswered += scene.check(&shop);
    }
    scene.check_again(&shop, tally);
}

/// After every kill, every acknowledged add, first write, login and logout holds.
#[test]
fn acknowledged_changes_survive_a_kill() {
    let rounds = number_from("SESSION_KILL_ROUNDS").unwrap_or(200);
    let mut random = Random::seeded("acknowledged_changes_survive_a_kill");
    let mut tally = Tally::default();
    let mut left = rounds;
    while left > 0 {
        let now = left.min(ROUNDS_PER_FILE);
        kill_often(now, &mut random, &mut tally);
        left -= now;
    }
    let Tally { unanswered, cut_logs, adds, present, ended } = tally;
    println!(
        "killed {rounds} times, each time by signal {SIGKILL} with a write under way; none lost of {adds} acknowledged \
         adds, {present} visitors, {ended} logouts; unanswered and never stored by half: {unanswered}; \
         {cut_logs} logs ended in the middle of a transaction"
    );
    assert!(adds > 0 && present > 0 && ended > 0, "the load should do everything at least once");
    if rounds >= 50 {
        let Fate { stored, undone } = unanswered.all();
        assert!(stored > 0 && undone > 0, "kills between commit and answer, and before the commit: {unanswered}");
    }
}

/// Two processes serve one file, and one of them is killed: the other goes on at once, and has what both acknowledged.
#[test]
fn a_kill_does_not_stop_the_other_process_on_the_file() {
    let mut random = Random::seeded("a_kill_does_not_stop_the_other_process_on_the_file");
    let host = Host::new();
    let mut shop = host.open(Profile::Debug, Storage::Sqlite);
    let mut other = host.open(Profile::Debug, Storage::Sqlite);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|_| Writer::new(&other)).collect();
    let mut unanswered = Fate::default();
    for _ in 0..30 {
        let (of_shop, of_other) = writers.split_at_mut(WRITERS / 2);
        kill_one(shop, of_shop, &other, of_other, &mut random);
        for writer in &mut writers {
            unanswered += writer.check(&other);
        }
        shop = host.open(Profile::Debug, Storage::Sqlite);
        other.assert_unharmed();
    }
    println!("unanswered: {unanswered}");
    assert_eq!(unanswered.total(), 30 * WRITERS / 2, "each kill should come while all clients of the server wait");
}

fn kill_one(mut shop: Shop, of_shop: &mut [Writer], other: &Shop, of_other: &mut [Writer], random: &mut Random) {
    let over = &AtomicBool::new(false);
    let moment = Duration::from_micros(2_000 + random.below(40_000));
    let mut client = |shop: &Shop| (shop.connect(), Random::from(random.next()));
    thread::scope(|scope| {
        for writer in of_shop {
            let (connection, random) = client(&shop);
            scope.spawn(move || writer.work(connection, random));
        }
        for writer in of_other {
            let (connection, random) = client(other);
            scope.spawn(move || writer.work_until(over, connection, random));
        }
        // Not waits for something to happen: the moments are the point.
        thread::sleep(moment);
        assert_eq!(shop.kill().signal(), Some(SIGKILL));
        thread::sleep(Duration::from_millis(10));
        over.store(true, Ordering::Relaxed);
    });
}
