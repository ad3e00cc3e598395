//! Many requests of one session at once: nothing that was acknowledged is lost, and nothing counts twice.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread::{self, ScopedJoinHandle};

use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Connection, Request};

use crate::process::{Host, Profile, Shop, Storage};

/// This many requests at once take longer than one request should, the more so on a busy machine.
const PATIENT: &str = ",deadline=\"30s\"";

/// Sends `count` requests one after the other on a connection of its own.
fn send_all(shop: &Shop, count: usize, request: impl Fn(usize) -> Request) -> Vec<Answer> {
    let mut connection = shop.connect();
    (0..count).map(|at| connection.ask(&request(at)).unwrap()).collect()
}

fn join(clients: Vec<ScopedJoinHandle<'_, Vec<Answer>>>) -> Vec<Answer> {
    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

/// Every answer has this status and sets no cookie.
#[track_caller]
fn assert_all(answers: &[Answer], status: u16) {
    let mut statuses = BTreeMap::<u16, usize>::new();
    for answer in answers {
        *statuses.entry(answer.status).or_default() += 1;
        assert!(answer.set_cookies().is_empty(), "a write to a living session should set no cookie: {answer:?}");
    }
    let only = |status| statuses.keys().all(|other| *other == status);
    assert!(only(status), "every answer should be {status}; number of answers by status: {statuses:?}");
}

fn prefs(shop: &Shop, cookie: &Cookie) -> BTreeMap<String, String> {
    shop.get("/prefs", cookie).expect_silent(200).json()
}

/// 16 clients add the same product, 125 times each, and `writers` others set preferences of distinct names in between.
fn adds_and_preferences(storage: Storage, processes: usize, writers: usize) {
    const CLIENTS: usize = 16;
    const EACH: usize = 125;
    let host = Host::new();
    let shop = host.open_fleet(storage, processes, PATIENT);
    let visitor = shop.ask(&Request::post("/prefs/first/yes")).expect(204).new_cookie();
    let (adds, sets) = thread::scope(|scope| {
        let adding = || send_all(&shop, EACH, |_| Request::post("/cart/add/7").cookie(&visitor));
        let adders: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(adding)).collect();
        let setting = |writer: usize| {
            let (shop, visitor) = (&shop, &visitor);
            let request = move |at| Request::post(format!("/prefs/k{}/v{at}", writer * EACH + at)).cookie(visitor);
            scope.spawn(move || send_all(shop, EACH, request))
        };
        let setters: Vec<_> = (0..writers).map(setting).collect();
        (join(adders), join(setters))
    });
    assert_all(&adds, 200);
    assert_all(&sets, 204);
    assert_eq!(shop.cart(&visitor), format!("{{\"7\":{}}}", CLIENTS * EACH), "each of the adds counts once");
    let mut expected: BTreeMap<_, _> =
        (0..writers * EACH).map(|name| (format!("k{name}"), format!("v{}", name % EACH))).collect();
    expected.insert("first".into(), "yes".into());
    assert_eq!(prefs(&shop, &visitor), expected, "every preference is there, with its own value");
}

/// 64 clients, connected before, send one add each at the same moment.
fn sixty_four_at_once(storage: Storage) {
    const CLIENTS: usize = 64;
    let host = Host::new();
    let shop = host.open_with(Profile::Debug, storage, PATIENT);
    let visitor = shop.ask(&Request::post("/prefs/first/yes")).expect(204).new_cookie();
    let request = Request::post("/cart/add/7").cookie(&visitor);
    for round in 1..=3 {
        let barrier = Barrier::new(CLIENTS);
        thread::scope(|scope| {
            let adding = || {
                let mut connection: Connection = shop.connect();
                barrier.wait();
                connection.ask(&request).unwrap()
            };
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(adding)).collect();
            let answers: Vec<Answer> = clients.into_iter().map(|client| client.join().unwrap()).collect();
            assert_all(&answers, 200);
        });
        assert_eq!(shop.cart(&visitor), format!("{{\"7\":{}}}", CLIENTS * round), "each of the adds counts once");
    }
}

/// C55, memory: 2,000 adds of one product are 2,000.
#[test]
fn adds_of_sixteen_clients_all_count_in_memory() {
    adds_and_preferences(Storage::Memory, 1, 0);
}

/// C55, `SQLite`: 2,000 adds of one product are 2,000.
#[test]
fn adds_of_sixteen_clients_all_count_in_sqlite() {
    adds_and_preferences(Storage::Sqlite, 1, 0);
}

/// C55, memory: the same, and 1,000 preferences of distinct names set in between are all there.
#[test]
fn adds_and_preferences_all_count_in_memory() {
    adds_and_preferences(Storage::Memory, 1, 8);
}

/// C55, `SQLite`: the same, and 1,000 preferences of distinct names set in between are all there.
#[test]
fn adds_and_preferences_all_count_in_sqlite() {
    adds_and_preferences(Storage::Sqlite, 1, 8);
}

/// C55, memory: 64 adds at one moment.
#[test]
fn sixty_four_adds_at_once_all_count_in_memory() {
    sixty_four_at_once(Storage::Memory);
}

/// C55, `SQLite`: 64 adds at one moment.
#[test]
fn sixty_four_adds_at_once_all_count_in_sqlite() {
    sixty_four_at_once(Storage::Sqlite);
}

/// C55, `SQLite`: adds that reach one session through two processes are all there.
#[test]
fn adds_through_two_processes_all_count() {
    const CLIENTS: usize = 4;
    const EACH: usize = 50;
    let host = Host::new();
    let shops = [(); 2].map(|()| host.open_with(Profile::Debug, Storage::Sqlite, PATIENT));
    let visitor = shops[0].ask(&Request::post("/prefs/first/yes")).expect(204).new_cookie();
    let answers = thread::scope(|scope| {
        let adding = |shop| {
            let visitor = &visitor;
            scope.spawn(move || send_all(shop, EACH, |_| Request::post("/cart/add/7").cookie(visitor)))
        };
        join(shops.iter().cycle().take(2 * CLIENTS).map(adding).collect())
    });
    assert_all(&answers, 200);
    for shop in &shops {
        assert_eq!(shop.cart(&visitor), format!("{{\"7\":{}}}", 2 * CLIENTS * EACH), "each of the adds counts once");
    }
}

/// B65: two first requests at once are two sessions, each complete.
#[test]
fn first_requests_at_once_make_sessions_of_their_own() {
    const CLIENTS: usize = 16;
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let barrier = Barrier::new(CLIENTS);
    let mut cookies: Vec<Cookie> = thread::scope(|scope| {
        let starting = || {
            let mut connection = shop.connect();
            barrier.wait();
            connection.ask(&Request::post("/cart/add/7")).unwrap().expect(200).new_cookie()
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(starting)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for cookie in &cookies {
        assert_eq!(shop.cart(cookie), r#"{"7":1}"#);
    }
    cookies.sort_by_key(Cookie::key);
    cookies.dedup_by_key(|cookie| cookie.key());
    assert_eq!(cookies.len(), CLIENTS, "each first request has a key of its own");
}

/// C55, C75: 2,000 adds of one product are 2,000, and 1,000 preferences set in between are all there, on every store on
/// a server.
#[test]
fn adds_and_preferences_all_count_on_servers() {
    for storage in [Storage::Postgres, Storage::Redis, Storage::Cluster] {
        adds_and_preferences(storage, 1, 8);
        println!("{storage:?}: 2000 adds and 1000 preferences of 24 clients, nothing lost");
    }
}

/// C55, C75: the same through three processes at once.
#[test]
fn adds_and_preferences_through_three_processes_all_count() {
    for storage in Storage::SHARED {
        adds_and_preferences(storage, 3, 8);
        println!("{storage:?}: 2000 adds and 1000 preferences of 24 clients through 3 processes, nothing lost");
    }
}
