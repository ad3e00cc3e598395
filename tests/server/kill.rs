//! SIGKILL under load and a restart on the same `SQLite` file: what was acknowledged is there.
//!
//! A killed process loses nothing that the operating system has taken; what a power cut does is another question, and
//! not asked here.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::cookie::Cookie;
use crate::http::{Connection, Request};
use crate::place::{Place, Profile, Shop, Storage};
use crate::random::Random;

const WRITERS: usize = 4;
const PRODUCTS: u64 = 5;
const SIGKILL: i32 = 9;

/// One client with one session, and what the server acknowledged to it.
struct Writer {
    cookie: Cookie,
    acknowledged: BTreeMap<u32, u32>,
    /// The product that was being added when the connection broke.
    in_flight: Option<u32>,
}

impl Writer {
    fn new(shop: &Shop) -> Self {
        let cookie = shop.ask(&Request::post("/prefs/first/yes")).expect(204).new_cookie();
        Self { cookie, acknowledged: BTreeMap::new(), in_flight: None }
    }

    /// Adds until the server is gone.
    fn work(&mut self, mut connection: Connection, random: &mut Random) {
        self.in_flight = None;
        loop {
            let product = u32::try_from(random.below(PRODUCTS)).unwrap();
            let request = Request::post(format!("/cart/add/{product}")).cookie(&self.cookie);
            if connection.send(&request.bytes()).is_err() {
                return;
            }
            self.in_flight = Some(product);
            let Ok(answer) = connection.receive(false) else { return };
            let answer = answer.expect_silent(200);
            self.in_flight = None;
            let quantity: u32 = answer.json();
            let before = self.acknowledged.insert(product, quantity).unwrap_or_default();
            assert_eq!(quantity, before + 1, "the only writer of this session sees each add once");
        }
    }

    /// Every acknowledged add is there; the one under way may be.
    fn check(&mut self, shop: &Shop) {
        let stored: BTreeMap<u32, u32> = shop.get("/cart", &self.cookie).expect_silent(200).json();
        for product in 0..u32::try_from(PRODUCTS).unwrap() {
            let acknowledged = self.acknowledged.get(&product).copied().unwrap_or_default();
            let most = acknowledged + u32::from(self.in_flight == Some(product));
            let quantity = stored.get(&product).copied().unwrap_or_default();
            assert!(
                (acknowledged..=most).contains(&quantity),
                "product {product}: acknowledged {acknowledged}, at most {most}, but stored {quantity}"
            );
        }
        self.acknowledged = stored;
    }
}

/// Visitors who come, some of whom log in, some of whom log out again.
#[derive(Default)]
struct Visitors {
    present: Vec<(Cookie, Option<&'static str>)>,
    logged_out: Vec<Cookie>,
}

impl Visitors {
    /// Until the server is gone. Who was in the middle of something is forgotten: nothing was promised.
    fn work(&mut self, mut connection: Connection, random: &mut Random) {
        let mut ask = |request: Request| connection.ask(&request).ok();
        loop {
            let Some(answer) = ask(Request::post("/cart/add/7")) else { return };
            let cookie = answer.expect(200).new_cookie();
            match random.below(3) {
                0 => self.present.push((cookie, None)),
                1 => {
                    let Some(answer) = ask(Request::post("/login/anna").cookie(&cookie)) else { return };
                    self.present.push((answer.expect(204).new_cookie(), Some("anna")));
                }
                _ => {
                    let Some(answer) = ask(Request::post("/logout").cookie(&cookie)) else { return };
                    answer.expect(204);
                    self.logged_out.push(cookie);
                }
            }
        }
    }

    fn check(&self, shop: &Shop) {
        for (cookie, user) in &self.present {
            assert_eq!(shop.cart(cookie), r#"{"7":1}"#, "an acknowledged first write is lost");
            assert_eq!(shop.user(cookie).as_deref(), *user, "an acknowledged login is lost");
        }
        for cookie in &self.logged_out {
            shop.assert_anonymous(cookie);
        }
    }
}

/// How many requests were under way when the server was killed.
fn kill_under_load(mut shop: Shop, writers: &mut [Writer], visitors: &mut Visitors, random: &mut Random) -> usize {
    let barrier = Barrier::new(WRITERS + 2);
    let moment = Duration::from_micros(5_000 + random.below(60_000));
    let mut of_own: Vec<Random> = (0..=WRITERS).map(|_| Random::from(random.next())).collect();
    let connections: Vec<Connection> = (0..=WRITERS).map(|_| shop.connect()).collect();
    thread::scope(|scope| {
        let mut clients = of_own.iter_mut().zip(connections);
        let (random, connection) = clients.next().unwrap();
        let barrier = &barrier;
        scope.spawn(move || {
            barrier.wait();
            visitors.work(connection, random);
        });
        for (writer, (random, connection)) in writers.iter_mut().zip(clients) {
            scope.spawn(move || {
                barrier.wait();
                writer.work(connection, random);
            });
        }
        barrier.wait();
        // Not a wait for something to happen: the moment is the point.
        thread::sleep(moment);
        let status = shop.kill();
        assert_eq!(status.signal(), Some(SIGKILL), "the server should die by SIGKILL, not end with {status}");
    });
    writers.iter().filter(|writer| writer.in_flight.is_some()).count()
}

/// After every kill, every acknowledged add, first write, login and logout holds.
#[test]
fn what_was_acknowledged_survives_a_kill() {
    let rounds = std::env::var("SESSION_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(30);
    let mut random = Random::seeded("what_was_acknowledged_survives_a_kill");
    let place = Place::new();
    let mut shop = place.open(Profile::Debug, Storage::Sqlite);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|_| Writer::new(&shop)).collect();
    let (mut interrupted, mut kept, mut ended) = (0, 0, 0);
    for _ in 0..rounds {
        let mut visitors = Visitors::default();
        let in_flight = kill_under_load(shop, &mut writers, &mut visitors, &mut random);
        interrupted += usize::from(in_flight > 0);
        kept += visitors.present.len();
        ended += visitors.logged_out.len();
        shop = place.open(Profile::Debug, Storage::Sqlite);
        for writer in &mut writers {
            writer.check(&shop);
        }
        visitors.check(&shop);
    }
    let adds: u32 = writers.iter().flat_map(|writer| writer.acknowledged.values()).sum();
    println!(
        "killed {rounds} times, {interrupted} times with a write under way; \
         checked {adds} adds, {kept} visitors, {ended} logouts"
    );
    assert!(interrupted * 2 > rounds, "only {interrupted} of {rounds} kills hit a write: the test proves too little");
    assert!(adds > 0 && kept > 0 && ended > 0, "the load should do everything at least once");
}
