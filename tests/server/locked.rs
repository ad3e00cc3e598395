//! A database that another program holds: the server answers in time, loses nothing it acknowledged, and goes on when
//! the lock is gone.

use std::thread;
use std::time::{Duration, Instant};

use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Connection, Request};

use crate::process::{Host, Profile, Shop, Storage, poll};

/// Another program's transaction: all others may read, and none may write.
struct Lock(rusqlite::Connection);

impl Lock {
    fn take(host: &Host) -> Self {
        let database = rusqlite::Connection::open(host.database()).unwrap();
        database.busy_timeout(Duration::from_secs(60)).unwrap();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(database)
    }

    fn release(self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

/// Connected first, so that all are in flight at once.
fn at_once(shop: &Shop, count: usize, request: &Request) -> Vec<(Answer, Duration)> {
    let connections: Vec<Connection> = (0..count).map(|_| shop.connect()).collect();
    thread::scope(|scope| {
        let ask = |mut connection: Connection| {
            let start = Instant::now();
            (connection.ask(request).unwrap(), start.elapsed())
        };
        let clients: Vec<_> = connections.into_iter().map(|connection| scope.spawn(move || ask(connection))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// The delay that a busy machine may add to an answer: two seconds and the present time of as many pages without a
/// session.
fn slack(shop: &Shop, count: usize) -> Duration {
    let pages = at_once(shop, count, &Request::get("/ping"));
    Duration::from_secs(2) + pages.iter().map(|(_, took)| *took).max().unwrap()
}

fn quantity(shop: &Shop, visitor: &Cookie) -> usize {
    let cart: std::collections::BTreeMap<u32, usize> = shop.get("/cart", visitor).expect_silent(200).json();
    cart.get(&7).copied().unwrap_or_default()
}

/// C61, C63, C65 for `SQLite`: 200 writes at once while the file is locked each fail within the deadline, without the
/// handler's answer. Reads and pages without a session work meanwhile, and afterwards everything works again.
#[test]
fn writes_to_a_locked_file_fail_in_time_and_recover() {
    const WRITES: usize = 200;
    let host = Host::new();
    let mut shop = host.open_with(Profile::Debug, Storage::Sqlite, ",deadline=\"500ms\"");
    let visitor = shop.visitor(7);
    let bound = Duration::from_millis(500) + slack(&shop, WRITES);
    let lock = Lock::take(&host);
    let before = host.rows();
    for (answer, took) in at_once(&shop, WRITES, &Request::post("/cart/add/7").cookie(&visitor)) {
        let answer = answer.expect_silent(503);
        assert_eq!(answer.all("retry-after"), ["1"]);
        assert!(answer.text().starts_with("503"), "{answer:?}");
        assert!(took < bound, "bounded by the deadline, however many wait: {took:?}, and not {bound:?}");
    }
    shop.ask(&Request::post("/cart/add/7")).expect_silent(503);
    shop.post("/logout", &visitor).expect_silent(503);
    assert_eq!(quantity(&shop, &visitor), 1, "reads go on");
    assert_eq!(shop.get("/ping", &visitor).expect_silent(200).text(), "ok");
    assert_eq!(host.rows(), before);
    lock.release();
    // The outcome of the refused ones is unknown: any number of them may have been stored, or the logout.
    let start = Instant::now();
    poll("a write to be acknowledged again", || {
        let answer = shop.post("/cart/add/7", &visitor);
        (answer.status == 200).then_some(())
    });
    assert!(start.elapsed() < bound, "recovery took {:?}, and not {bound:?}", start.elapsed());
    assert!((1..=WRITES + 2).contains(&quantity(&shop, &visitor)) || shop.cart(&visitor) == "{}");
    shop.assert_running();
}

/// C61: of a session whose save failed everything or nothing is there after a restart, and a cookie that did not go out
/// leaves no way into a record.
#[test]
fn nothing_half_written_is_left_after_a_failed_save() {
    let host = Host::new();
    let shop = host.open_with(Profile::Debug, Storage::Sqlite, ",deadline=\"200ms\"");
    let visitor = shop.visitor(7);
    let bound = Duration::from_millis(200) + slack(&shop, 1);
    let before = host.rows();
    let lock = Lock::take(&host);
    for request in [
        Request::post("/prefs/lang/de").cookie(&visitor),
        Request::post("/login/anna").cookie(&visitor),
        Request::post("/prefs/lang/de"),
    ] {
        let start = Instant::now();
        shop.ask(&request).expect_silent(503);
        assert!(start.elapsed() < bound, "{:?}, and not {bound:?}", start.elapsed());
    }
    drop(shop);
    lock.release();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    assert_eq!(host.rows(), before);
    assert_eq!(quantity(&shop, &visitor), 1);
}

/// C74: SIGTERM with 50 saves in flight: each is answered and stored before the process ends, and ends well.
#[test]
fn a_stop_finishes_the_saves_under_way() {
    const WRITES: usize = 50;
    let host = Host::new();
    let shop = host.open_with(Profile::Debug, Storage::Sqlite, ",deadline=\"20s\"");
    let visitor = shop.visitor(7);
    let lock = Lock::take(&host);
    let request = Request::post("/cart/add/7").cookie(&visitor);
    let mut connections: Vec<Connection> = (0..WRITES).map(|_| shop.connect()).collect();
    for connection in &mut connections {
        connection.send(&request.bytes()).unwrap();
    }
    poll("all requests to reach the application", || {
        let reached = shop.reached("POST /cart/add/7");
        (reached == WRITES + 1).then_some(())
    });
    shop.ask_to_stop();
    poll("the shutdown to begin", || shop.output().contains("Shutdown").then_some(()));
    lock.release();
    for connection in &mut connections {
        connection.receive(false).unwrap().expect_silent(200);
    }
    drop(connections);
    shop.wait_for_its_end();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    assert_eq!(quantity(&shop, &visitor), WRITES + 1);
}
