//! Rolling deploys: two server processes of different versions on one `SQLite` file, and a client whom a load balancer
//! sends to the one or the other at random.
//!
//! | phase | programs | what is refused |
//! |---|---|---|
//! | a key is added | v1, v2 | nothing |
//! | a breaking change, on hold | v2, v3 held at 2 | nothing |
//! | rolled back | v2, v2 | nothing |
//! | again, and the hold ends | v3 held at 2, v3 | nothing |
//! | rolled back too late | v2, v3 | the cart of a session that a v3 wrote, by v2: 503 with `Retry-After` |
//! | everywhere | v3, v3 | nothing |
//!
//! The client remembers each acknowledged change of each session and compares every answer with that. One request in
//! four is sent together with another of the same session to the other process.

mod program;
mod v1;
mod v2;
mod v3;
mod visitor;

use std::ops::Range;

use session_tests::http::{Answer, Connection};
use session_tests::random::{Random, number_from};

use self::program::Program::{self, V1, V2, V3, V3Held};
use self::visitor::{Ask, Visitor};
use crate::process::{Host, Shop};

/// The same moments each time: a failure is the library's or the machine's, not luck.
const SEED: u64 = 20_261_123;

/// The running programs, the number of requests, and the visitors. Some visitors stay away while the hold ends, so that
/// there are carts of version 2 when a v2 and a v3 that writes version 3 are side by side.
const PHASES: [([Program; 2], u32, Range<usize>); 6] = [
    ([V1, V2], 500, 0..8),
    ([V3Held, V2], 400, 0..14),
    ([V2, V2], 200, 0..15),
    ([V3Held, V3], 400, 8..17),
    ([V2, V3], 300, 0..19),
    ([V3, V3], 200, 0..20),
];
const TOO_LATE: [Program; 2] = [V2, V3];

/// The two processes; a deploy replaces one at a time.
struct Fleet<'a> {
    host: &'a Host,
    running: [(Program, Shop, Connection); 2],
}

#[derive(Debug, Default)]
struct Tally {
    requests: u32,
    together: u32,
    acknowledged: u32,
    refused: u32,
}

struct Client {
    visitors: Vec<Visitor>,
    random: Random,
    /// A new one for each request.
    number: u32,
}

impl<'a> Fleet<'a> {
    fn launch(host: &'a Host, programs: [Program; 2]) -> Self {
        Self { host, running: programs.map(|program| Self::start(host, program)) }
    }

    fn start(host: &Host, program: Program) -> (Program, Shop, Connection) {
        let shop = program.launch(host);
        let connection = shop.connect();
        (program, shop, connection)
    }

    fn deploy(&mut self, programs: [Program; 2]) {
        for (at, program) in programs.into_iter().enumerate() {
            if self.running[at].0 != program {
                let (_, old, connection) = std::mem::replace(&mut self.running[at], Self::start(self.host, program));
                drop(connection);
                old.stop();
            }
        }
    }
}

impl Client {
    fn new() -> Self {
        let seed = number_from("SESSION_TESTS_SEED").unwrap_or(SEED);
        println!("rollout: SESSION_TESTS_SEED={seed}");
        Self { visitors: Vec::new(), random: Random::from(seed), number: 0 }
    }

    fn think(&mut self, who: usize, program: Program) -> Ask {
        self.number += 1;
        self.visitors[who].think(program, &mut self.random, self.number)
    }

    /// To be sent together with the first.
    fn think_of_another(&mut self, who: usize, first: &Ask, program: Program) -> Option<Ask> {
        let also = self.think(who, program);
        (self.visitors[who].is_stored() && first.commutes_with(&also)).then_some(also)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(bound as u64)).unwrap()
    }

    /// Sends the requests of the phase.
    fn work(&mut self, fleet: &mut Fleet<'_>, requests: u32, who: Range<usize>) -> Tally {
        self.visitors.resize_with(who.end, Visitor::default);
        let mut tally = Tally::default();
        while tally.requests < requests {
            let who = who.start + self.below(who.len());
            let at = self.below(2);
            let ask = self.think(who, fleet.running[at].0);
            let joined = self.random.below(4) == 0 && tally.requests + 2 <= requests;
            let also = if joined { self.think_of_another(who, &ask, fleet.running[1 - at].0) } else { None };
            match also {
                Some(also) => self.ask_both(who, [(at, ask), (1 - at, also)], fleet, &mut tally),
                None => self.ask(who, at, &ask, fleet, &mut tally),
            }
        }
        tally
    }

    fn ask(&mut self, who: usize, at: usize, ask: &Ask, fleet: &mut Fleet<'_>, tally: &mut Tally) {
        let visitor = &mut self.visitors[who];
        let (program, _, connection) = &mut fleet.running[at];
        let answer = connection.ask(&visitor.request(ask)).unwrap();
        tally.requests += 1;
        if visitor.is_refused(ask, *program) {
            tally.refuse(answer);
        } else {
            tally.acknowledge(visitor, ask, *program, &answer);
            visitor.check(ask, *program, &answer);
        }
    }

    /// Sends both before either is answered.
    fn ask_both(&mut self, who: usize, asks: [(usize, Ask); 2], fleet: &mut Fleet<'_>, tally: &mut Tally) {
        let visitor = &mut self.visitors[who];
        for (at, ask) in &asks {
            fleet.running[*at].2.send(&visitor.request(ask).bytes()).unwrap();
        }
        let answers = asks.map(|(at, ask)| {
            let (program, _, connection) = &mut fleet.running[at];
            (*program, ask, connection.receive(false).unwrap())
        });
        let was_refused = answers.each_ref().map(|(program, ask, _)| visitor.is_refused(ask, *program));
        for (program, ask, answer) in answers.iter().filter(|(_, _, answer)| answer.status == 200) {
            tally.acknowledge(visitor, ask, *program, answer);
        }
        for ((program, ask, answer), was_refused) in answers.into_iter().zip(was_refused) {
            tally.requests += 1;
            tally.together += 1;
            // What was not refused before may have become so meanwhile.
            let is_refused = visitor.is_refused(&ask, program);
            assert!(is_refused || answer.status == 200, "{program:?} {ask:?}: {answer:?}");
            assert!(!was_refused || answer.status == 503, "{program:?} {ask:?}: {answer:?}");
            if answer.status != 200 {
                tally.refuse(answer);
            }
        }
    }

    /// Every visitor's data, as it is stored and as both processes show it.
    fn check_all(&mut self, fleet: &mut Fleet<'_>) {
        for visitor in &self.visitors {
            visitor.check_stored(fleet.host);
            for (program, _, connection) in &mut fleet.running {
                for ask in [Ask::Show, Ask::Prefs] {
                    let answer = connection.ask(&visitor.request(&ask)).unwrap();
                    if visitor.is_refused(&ask, *program) {
                        answer.expect_unavailable();
                    } else {
                        visitor.check(&ask, *program, &answer.expect_silent(200));
                    }
                }
            }
        }
    }

    fn stored_as(&self, version: u16) -> usize {
        self.visitors.iter().filter(|visitor| visitor.stored == version).count()
    }
}

impl Tally {
    #[track_caller]
    fn acknowledge(&mut self, visitor: &mut Visitor, ask: &Ask, program: Program, answer: &Answer) {
        assert_eq!(answer.status, 200, "{program:?} {ask:?}: {answer:?}");
        visitor.remember(ask, program, answer);
        self.acknowledged += 1;
    }

    #[track_caller]
    fn refuse(&mut self, answer: Answer) {
        answer.expect_unavailable();
        self.refused += 1;
    }
}

/// B73, B74, C43: no session and no field is lost, and only the expected requests are refused.
#[test]
fn two_thousand_requests_through_a_rolling_deploy() {
    let host = Host::new();
    let mut client = Client::new();
    let mut fleet = Fleet::launch(&host, PHASES[0].0);
    for (programs, requests, who) in PHASES {
        fleet.deploy(programs);
        let tally = client.work(&mut fleet, requests, who);
        client.check_all(&mut fleet);
        let stored = [1, 2, 3].map(|version| client.stored_as(version));
        println!("{programs:?}: {tally:?}, sessions stored as version 1, 2 and 3: {stored:?}");
        assert_eq!(tally.refused > 0, programs == TOO_LATE);
    }
    for (_, shop, _) in &mut fleet.running {
        shop.assert_unharmed();
    }
    let known = client.visitors.iter().filter(|visitor| visitor.is_stored()).count();
    assert_eq!(host.keys().len(), known, "a session for each visitor and no other");
}
