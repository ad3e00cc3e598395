//! Logout while other requests of the session are in flight: whatever they do, the session stays ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Connection, Request};
use session_tests::random::Random;

use crate::process::{Host, Profile, Shop, Storage, poll};

const CLIENTS: usize = 8;
const ROUNDS: usize = 100;
/// Sessions started by late writes that are looked into, by round.
const FRESH: usize = 4;

/// One request and its answer, with the moments that show whether it overlapped the logout.
struct Exchange {
    sent: Instant,
    answered: Instant,
    request: String,
    answer: Answer,
}

/// The requests of the clients, each at its own place in the list: adds, preferences and reads.
fn request(client: usize, at: usize) -> (&'static str, String) {
    match (client + at) % 4 {
        0 => ("POST", "/cart/add/7".to_owned()),
        1 => ("POST", format!("/prefs/k{client}/v{at}")),
        2 => ("GET", "/cart".to_owned()),
        _ => ("GET", "/whoami".to_owned()),
    }
}

/// Sends with this cookie until `over`, at least once.
fn work(
    connection: &mut Connection,
    client: usize,
    cookie: &Cookie,
    answered: &AtomicUsize,
    over: &AtomicBool,
) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    loop {
        let (method, path) = request(client, exchanges.len());
        let sent = Instant::now();
        let answer = connection.ask(&Request::new(method, path.as_str()).cookie(cookie)).unwrap();
        let request = format!("{method} {path}");
        exchanges.push(Exchange { sent, answered: Instant::now(), request, answer });
        answered.fetch_add(1, Ordering::SeqCst);
        if over.load(Ordering::SeqCst) {
            return exchanges;
        }
    }
}

/// Runs one round. True if a request overlapped the logout.
fn round(shop: &Shop, connections: &mut [Connection], user: bool, wait_for: usize) -> bool {
    let mut cookie = shop.visitor(5);
    if user {
        cookie = shop.post("/login/anna", &cookie).expect(204).new_cookie();
    }
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (logout_sent, exchanges) = thread::scope(|scope| {
        let (cookie, answered, over) = (&cookie, &answered, &over);
        let clients: Vec<_> = connections
            .iter_mut()
            .enumerate()
            .map(|(client, connection)| scope.spawn(move || work(connection, client, cookie, answered, over)))
            .collect();
        let mut connection = shop.connect();
        poll("the clients to be under way", || (answered.load(Ordering::SeqCst) >= wait_for).then_some(()));
        let sent = Instant::now();
        let answer = connection.ask(&Request::post("/logout").cookie(cookie)).unwrap();
        over.store(true, Ordering::SeqCst);
        let exchanges: Vec<Exchange> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let removal = answer.expect(204).new_cookie();
        assert_eq!(removal.value, "", "a logout removes the cookie");
        (sent, exchanges)
    });
    for exchange in &exchanges {
        check(exchange, &cookie, logout_sent);
    }
    let fresh: Vec<&Exchange> = exchanges.iter().filter(|exchange| !exchange.answer.set_cookies().is_empty()).collect();
    for exchange in fresh.iter().take(FRESH) {
        check_fresh(shop, exchange);
    }
    shop.assert_anonymous(&cookie);
    exchanges.iter().any(|exchange| exchange.sent < logout_sent && logout_sent < exchange.answered)
}

fn check(exchange: &Exchange, dead: &Cookie, logout_sent: Instant) {
    let Exchange { request, answer, .. } = exchange;
    assert!(matches!(answer.status, 200 | 204), "{request} beside a logout: {answer:?}");
    for line in answer.set_cookies() {
        assert!(exchange.answered > logout_sent, "{request} set a cookie before any logout: {answer:?}");
        let set = Cookie::of(line);
        assert_eq!(set.value.len(), 43, "{request} removes a cookie, though only the logout may: {answer:?}");
        assert_ne!(set.key(), dead.key(), "{request} hands out the ended session again: {answer:?}");
    }
}

/// A session that a late write started holds what this write wrote, and nothing of the one that was ended.
fn check_fresh(shop: &Shop, exchange: &Exchange) {
    let cookie = exchange.answer.new_cookie();
    let add = exchange.request.starts_with("POST /cart");
    let request = &exchange.request;
    assert_eq!(shop.cart(&cookie), if add { r#"{"7":1}"# } else { "{}" }, "the cart after {request}");
    let prefs: BTreeMap<String, String> = shop.get("/prefs", &cookie).expect_silent(200).json();
    assert_eq!(prefs.len(), usize::from(!add), "the preferences after {request}");
    assert_eq!(shop.user(&cookie), None, "{request} after a logout has a user");
}

fn rounds(test: &str, storage: Storage, processes: usize) {
    let host = Host::new();
    let mut shop = host.open_fleet(storage, processes, "");
    let mut connections: Vec<Connection> = (0..CLIENTS).map(|_| shop.connect()).collect();
    let mut random = Random::seeded(test);
    let mut overlapped = 0;
    for at in 0..ROUNDS {
        let wait_for = usize::try_from(random.below(3 * CLIENTS as u64)).unwrap();
        overlapped += usize::from(round(&shop, &mut connections, at % 2 == 0, wait_for));
    }
    println!(
        "{test}: a request overlapped the logout in {overlapped} of {ROUNDS} rounds ({storage:?}, {processes} processes)"
    );
    assert!(overlapped > 0, "no request ever overlapped a logout: the test proves nothing");
    shop.assert_running();
}

/// C20, C21, memory: 100 logouts among 8 busy clients.
#[test]
fn nothing_brings_a_session_back_in_memory() {
    rounds("nothing_brings_a_session_back_in_memory", Storage::Memory, 1);
}

/// C20, C21, `SQLite`: 100 logouts among 8 busy clients.
#[test]
fn nothing_brings_a_session_back_in_sqlite() {
    rounds("nothing_brings_a_session_back_in_sqlite", Storage::Sqlite, 1);
}

/// C20, `SQLite`: after all that, no row is left of an ended session.
#[test]
fn no_row_of_an_ended_session_is_left() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let mut connections: Vec<Connection> = (0..CLIENTS).map(|_| shop.connect()).collect();
    for _ in 0..10 {
        let cookie = shop.visitor(7);
        assert!(!host.rows_about(&cookie).is_empty(), "the record should be found by its key");
        let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let (cookie, answered, over) = (&cookie, &answered, &over);
            for (client, connection) in connections.iter_mut().enumerate() {
                scope.spawn(move || work(connection, client, cookie, answered, over));
            }
            poll("the clients to be under way", || (answered.load(Ordering::SeqCst) >= CLIENTS).then_some(()));
            shop.post("/logout", cookie).expect(204);
            over.store(true, Ordering::SeqCst);
        });
        assert_eq!(host.rows_about(&cookie), Vec::<String>::new(), "rows of an ended session");
    }
}

/// C20, C21: 100 logouts among 8 busy clients, on every store on a server.
#[test]
fn nothing_brings_a_session_back_on_servers() {
    for storage in [Storage::Postgres, Storage::Redis, Storage::Cluster] {
        rounds("nothing_brings_a_session_back_on_servers", storage, 1);
    }
}

/// C20, C21: the same where the clients are served by three processes.
#[test]
fn nothing_brings_a_session_back_through_three_processes() {
    for storage in Storage::SHARED {
        rounds("nothing_brings_a_session_back_through_three_processes", storage, 3);
    }
}
