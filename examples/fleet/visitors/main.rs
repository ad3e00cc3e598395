//! Visitors who shop through a proxy while nodes come and go, and who check the results.
//!
//! `fleet-visitors ADDRESS` runs until the end of its standard input. Each visitor has one connection and one session
//! at a time. An add that was answered with 200 must be in the cart at every later read. An add without such an answer
//! may be there once, and never twice. A visitor who has logged out stays logged out. The exit code is 1 if any of that
//! is violated.

mod http;

use std::collections::BTreeMap;
use std::io;
use std::ops::AddAssign;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http::{Client, PATIENCE};

const VISITORS: usize = 16;
/// Number of steps of which one reads the cart; the others are adds.
const READ_EVERY: u32 = 5;
/// Number of steps of which one is a logout.
const LOGOUT_EVERY: u32 = 100;
/// Pause after a failed request.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: fleet-visitors ADDRESS");
        return ExitCode::FAILURE;
    };
    let is_over = AtomicBool::new(false);
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let visit = || Visitor::new(&address).visit(&is_over);
        let visits: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visit)).collect();
        // The end of the input is the signal to stop, and so is an error.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        is_over.store(true, Ordering::Relaxed);
        visits.into_iter().filter_map(|visit| visit.join().ok()).collect()
    });
    report(&tallies)
}

fn report(tallies: &[Tally]) -> ExitCode {
    let mut all = Tally::default();
    for tally in tallies {
        all += tally;
    }
    let Tally { stored, unknown, lost, twice, reads, logouts, returned, unanswered, .. } = all;
    println!("adds     {stored} acknowledged, {unknown} of unknown outcome, {lost} lost, {twice} counted twice");
    println!("reads    {reads}, each compared with the changes acknowledged by then");
    println!("logouts  {logouts}, {returned} came back");
    for (answer, count) in &all.instead {
        println!("instead of an answer: {answer}, {count} times");
    }
    if unanswered > 0 {
        println!("{unanswered} requests without an answer, however often they were sent");
    }
    let is_good = tallies.len() == VISITORS && stored > 0 && lost + twice + returned + unanswered == 0;
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Results of the visitors.
#[derive(Default)]
struct Tally {
    stored: u64,
    unknown: u64,
    lost: u64,
    twice: u64,
    reads: u64,
    logouts: u64,
    returned: u64,
    unanswered: u64,
    /// Failures in place of answers, with their number.
    instead: BTreeMap<String, u64>,
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.stored += other.stored;
        self.unknown += other.unknown;
        self.lost += other.lost;
        self.twice += other.twice;
        self.reads += other.reads;
        self.logouts += other.logouts;
        self.returned += other.returned;
        self.unanswered += other.unanswered;
        for (answer, count) in &other.instead {
            *self.instead.entry(answer.clone()).or_default() += count;
        }
    }
}

struct Visitor<'a> {
    client: Client<'a>,
    /// Minimum number of pieces in the cart: those that were acknowledged.
    least: u64,
    /// Maximum number of pieces: those that were acknowledged, and those whose outcome is unknown.
    most: u64,
    /// Cookies of the sessions that were logged out.
    ended: Vec<String>,
    tally: Tally,
}

impl<'a> Visitor<'a> {
    fn new(address: &'a str) -> Self {
        Self { client: Client::new(address), least: 0, most: 0, ended: Vec::new(), tally: Tally::default() }
    }

    fn visit(mut self, is_over: &AtomicBool) -> Tally {
        for step in 1.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            if step % LOGOUT_EVERY == 0 {
                self.log_out();
            } else if step % READ_EVERY == 0 {
                self.read();
            } else {
                self.add();
            }
        }
        self.read();
        self.look_back();
        self.tally
    }

    /// Sends an add once: without an answer, its outcome is unknown.
    fn add(&mut self) {
        // If the first answer of a session is lost, so is its cookie.
        let is_first = self.client.cookie.is_empty();
        if self.send("POST", "/cart/add/1", 200).is_some() {
            self.tally.stored += 1;
            self.least += 1;
            self.most += 1;
        } else {
            self.tally.unknown += 1;
            self.most += u64::from(!is_first);
        }
    }

    fn read(&mut self) {
        let Some(cart) = self.insist("GET", "/cart", 200) else { return };
        let found = pieces(&cart);
        self.tally.reads += 1;
        self.tally.lost += self.least.saturating_sub(found);
        self.tally.twice += found.saturating_sub(self.most);
        // Pieces that were there once must stay.
        (self.least, self.most) = (found, self.most.max(found));
    }

    /// Logs out. A request to end a session that has ended is no error, so it may be sent again.
    fn log_out(&mut self) {
        self.read();
        let cookie = self.client.cookie.clone();
        if self.insist("POST", "/logout", 204).is_some() && !cookie.is_empty() {
            self.tally.logouts += 1;
            self.ended.push(cookie);
        }
        self.client.cookie.clear();
        (self.least, self.most) = (0, 0);
    }

    /// Checks whether one of the logged-out sessions is there again.
    fn look_back(&mut self) {
        for cookie in std::mem::take(&mut self.ended) {
            self.client.cookie = cookie;
            let cart = self.insist("GET", "/cart", 200);
            self.tally.returned += u64::from(cart.is_some_and(|cart| pieces(&cart) > 0));
        }
    }

    /// Repeats a request until there is an answer.
    fn insist(&mut self, method: &str, path: &str, wanted: u16) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(body) = self.send(method, path, wanted) {
                return Some(body);
            }
        }
        self.tally.unanswered += 1;
        None
    }

    /// Sends a request; returns the body of an answer with this status.
    fn send(&mut self, method: &str, path: &str, wanted: u16) -> Option<String> {
        let instead = match self.client.send(method, path) {
            Ok(answer) if answer.status == wanted => return Some(answer.body),
            Ok(answer) => format!("status {}", answer.status),
            Err(_) => "a closed connection".to_owned(),
        };
        *self.tally.instead.entry(instead).or_default() += 1;
        thread::sleep(PAUSE);
        None
    }
}

/// Quantity of the only product, `{"1":42}`.
fn pieces(cart: &str) -> u64 {
    let number = cart.trim_end_matches('}').rsplit(':').next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
