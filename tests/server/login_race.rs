//! Login while other requests with the old id are in flight: the browser ends with the new id, and the old one writes
//! nothing any more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Instant;

use session_tests::cookie::Cookie;
use session_tests::http::{Connection, Request};
use session_tests::random::Random;

use crate::process::{Host, Profile, Shop, Storage, poll};

const CLIENTS: usize = 8;
const ROUNDS: usize = 100;

/// A browser's cookie, replaced by every `Set-Cookie` in the order of arrival.
struct Jar(Mutex<Cookie>);

impl Jar {
    fn take(&self, line: &str) {
        *self.0.lock().unwrap() = Cookie::of(line);
    }
}

/// The requests of one client with the old id.
#[derive(Default)]
struct Done {
    adds: u32,
    prefs: BTreeMap<String, String>,
    overlapped: bool,
    refused: usize,
}

struct Race<'r> {
    old: &'r Cookie,
    jar: &'r Jar,
    answered: &'r AtomicUsize,
    over: &'r AtomicBool,
    /// The moment of the login request.
    login: &'r Mutex<Option<Instant>>,
}

impl Race<'_> {
    fn work(&self, connection: &mut Connection, client: usize) -> Done {
        let mut done = Done::default();
        for at in 0.. {
            let (name, value) = (format!("k{client}x{at}"), format!("v{at}"));
            let request = match (client + at) % 4 {
                0 => Request::post("/cart/add/7"),
                1 => Request::post(format!("/prefs/{name}/{value}")),
                2 => Request::get("/cart"),
                _ => Request::get("/whoami"),
            };
            let sent = Instant::now();
            let answer = connection.ask(&request.clone().cookie(self.old)).unwrap();
            for line in answer.set_cookies() {
                self.jar.take(line);
            }
            let login = *self.login.lock().unwrap();
            done.overlapped |= login.is_some_and(|login| sent < login);
            assert!(matches!(answer.status, 200 | 204 | 409), "{request:?} beside a login: {answer:?}");
            assert!(answer.set_cookies().is_empty(), "{request:?} beside a login sets a cookie: {answer:?}");
            match ((client + at) % 4, answer.status) {
                (_, 409) => done.refused += 1,
                (0, _) => done.adds += 1,
                (1, _) => drop(done.prefs.insert(name, value)),
                _ => {}
            }
            self.answered.fetch_add(1, Ordering::SeqCst);
            if self.over.load(Ordering::SeqCst) {
                break;
            }
        }
        done
    }
}

/// One round; gives what the clients did in all.
fn round(shop: &Shop, connections: &mut [Connection], wait_for: usize) -> Done {
    let old = shop.visitor(7);
    let jar = Jar(Mutex::new(old.clone()));
    let (answered, over, login) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
    let race = Race { old: &old, jar: &jar, answered: &answered, over: &over, login: &login };
    let mut all = Done::default();
    let new = thread::scope(|scope| {
        let race = &race;
        let clients: Vec<_> = connections
            .iter_mut()
            .enumerate()
            .map(|(client, connection)| scope.spawn(move || race.work(connection, client)))
            .collect();
        let mut connection = shop.connect();
        poll("the clients to be under way", || (answered.load(Ordering::SeqCst) >= wait_for).then_some(()));
        *login.lock().unwrap() = Some(Instant::now());
        let answer = connection.ask(&Request::post("/login/anna").cookie(&old)).unwrap();
        answer.set_cookies().iter().for_each(|line| jar.take(line));
        over.store(true, Ordering::SeqCst);
        for client in clients {
            let done = client.join().unwrap();
            all.adds += done.adds;
            all.prefs.extend(done.prefs);
            all.overlapped |= done.overlapped;
            all.refused += done.refused;
        }
        answer.expect(204).new_cookie()
    });
    let kept = jar.0.into_inner().unwrap();
    assert_eq!(kept, new, "the browser should keep the login's id");
    assert_ne!(new.secret(), old.secret(), "a login gives a new secret");
    assert_eq!(shop.user(&kept).as_deref(), Some("anna"));
    assert_eq!(
        shop.cart(&kept),
        format!("{{\"7\":{}}}", 1 + all.adds),
        "the cart should hold exactly the adds that were answered with 200"
    );
    let prefs: BTreeMap<String, String> = shop.get("/prefs", &kept).expect_silent(200).json();
    assert_eq!(prefs, all.prefs, "the preferences should be exactly those that were answered with 204");
    shop.assert_anonymous(&old);
    all
}

fn rounds(test: &str, storage: Storage, processes: usize) {
    let host = Host::new();
    let mut shop = host.open_fleet(storage, processes, "");
    let mut connections: Vec<Connection> = (0..CLIENTS).map(|_| shop.connect()).collect();
    let mut random = Random::seeded(test);
    let (mut overlapped, mut refused) = (0, 0);
    for _ in 0..ROUNDS {
        let wait_for = usize::try_from(random.below(3 * CLIENTS as u64)).unwrap();
        let done = round(&shop, &mut connections, wait_for);
        overlapped += usize::from(done.overlapped);
        refused += done.refused;
    }
    println!(
        "{test}: a request overlapped the login in {overlapped} of {ROUNDS} rounds; {refused} answers were 409 ({storage:?}, {processes} processes)"
    );
    assert!(overlapped > 0, "no request ever overlapped a login: the test proves nothing");
    shop.assert_running();
}

/// C13, memory: 100 logins among 8 busy clients.
#[test]
fn the_browser_keeps_the_logins_id_in_memory() {
    rounds("the_browser_keeps_the_logins_id_in_memory", Storage::Memory, 1);
}

/// C13, `SQLite`: 100 logins among 8 busy clients.
#[test]
fn the_browser_keeps_the_logins_id_in_sqlite() {
    rounds("the_browser_keeps_the_logins_id_in_sqlite", Storage::Sqlite, 1);
}

/// C14: two logins at once from one anonymous session give each user a session of the own, and end the anonymous one.
#[test]
fn two_logins_at_once_are_two_sessions() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    for _ in 0..30 {
        let old = shop.visitor(7);
        let barrier = Barrier::new(2);
        let cookies = thread::scope(|scope| {
            let log_in = |user: &'static str| {
                let mut connection = shop.connect();
                let (barrier, old) = (&barrier, &old);
                scope.spawn(move || {
                    barrier.wait();
                    let request = Request::post(format!("/login/{user}")).cookie(old);
                    connection.ask(&request).unwrap().expect(204).new_cookie()
                })
            };
            let both = ["anna", "ben"].map(log_in);
            both.map(|client| client.join().unwrap())
        });
        assert_ne!(cookies[0].key(), cookies[1].key(), "two users share one record");
        assert_eq!(shop.user(&cookies[0]).as_deref(), Some("anna"));
        assert_eq!(shop.user(&cookies[1]).as_deref(), Some("ben"));
        shop.assert_anonymous(&old);
    }
}

/// C12, C13: a plain write with the id from just before a login answers 409 and pushes nothing out of the browser.
#[test]
fn a_write_with_the_id_from_before_the_login_is_refused() {
    for storage in [Storage::Memory, Storage::Sqlite] {
        let host = Host::new();
        let shop = host.open(Profile::Debug, storage);
        let old = shop.visitor(7);
        let new = shop.post("/login/anna", &old).expect(204).new_cookie();
        for path in ["/cart/add/7", "/cart/add/8", "/prefs/lang/de"] {
            shop.post(path, &old).expect_silent(409);
        }
        // The log-in button pressed twice: a session of its own, with nothing of the first one's.
        let again = shop.post("/login/ben", &old).expect(204).new_cookie();
        assert_ne!(again.key(), new.key());
        assert_eq!(shop.user(&again).as_deref(), Some("ben"));
        assert_eq!(shop.cart(&again), "{}");
        assert_eq!(shop.user(&new).as_deref(), Some("anna"));
        assert_eq!(shop.cart(&new), r#"{"7":1}"#);
    }
}

/// C13: 100 logins among 8 busy clients, on every store on a server.
#[test]
fn the_browser_keeps_the_logins_id_on_servers() {
    for storage in [Storage::Postgres, Storage::Redis, Storage::Cluster] {
        rounds("the_browser_keeps_the_logins_id_on_servers", storage, 1);
    }
}

/// C13: the same where the clients are served by three processes.
#[test]
fn the_browser_keeps_the_logins_id_through_three_processes() {
    for storage in Storage::SHARED {
        rounds("the_browser_keeps_the_logins_id_through_three_processes", storage, 3);
    }
}
