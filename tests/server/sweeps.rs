//! The sweep of several processes, and of one that is stopped in the middle.

use crate::process::{Host, Profile, Storage, poll};

/// A file with this many sessions that expired long ago, and one that is alive; the server that made it has ended.
fn with_expired(count: u32) -> (Host, session_tests::cookie::Cookie) {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let alive = shop.visitor(7);
    let dead = shop.visitor(8);
    shop.stop();
    let mut database = rusqlite::Connection::open(host.database()).unwrap();
    let copies = database.transaction().unwrap();
    copies.execute("UPDATE entry SET expires = 1 WHERE session = ?1 AND name = 0", [dead.key()]).unwrap();
    for number in 1..count {
        let key: Vec<u8> = [&number.to_be_bytes()[..], &[0; 12]].concat();
        let copy = "INSERT INTO entry SELECT ?1, name, content, expires FROM entry WHERE session = ?2";
        copies.execute(copy, (&key, dead.key())).unwrap();
    }
    copies.commit().unwrap();
    (host, alive)
}

fn sessions(host: &Host) -> usize {
    host.rows().iter().filter(|row| is_head(row)).count()
}

fn is_head(row: &str) -> bool {
    row.contains(" | 0 | ")
}

/// C70: two processes that sweep one file at once remove everything that is expired and nothing else, without a
/// complaint.
#[test]
fn two_processes_sweep_one_file_at_once() {
    let (host, alive) = with_expired(5_000);
    assert_eq!(sessions(&host), 5_001);
    let shops = [(); 2].map(|()| host.open(Profile::Debug, Storage::Sqlite));
    poll("both to have swept", || (sessions(&host) == 1).then_some(()));
    for mut shop in shops {
        assert_eq!(shop.cart(&alive), r#"{"7":1}"#);
        let output = shop.output();
        assert!(!output.contains("swept") && !output.contains("Error"), "{output}");
        shop.assert_running();
    }
    assert_eq!(host.rows_about(&alive).len(), host.rows().len(), "no value of a swept session");
}

/// C70: a process that is stopped while it sweeps ends well and leaves whole records, and the next one goes on.
#[test]
fn a_stop_during_a_sweep_leaves_whole_records() {
    let (host, alive) = with_expired(20_000);
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    // From the first answer on, Rocket listens for the signal.
    shop.get("/ping", &alive).expect(200);
    shop.stop();
    println!("{} of 20,001 sessions were left when it stopped", sessions(&host));
    let rows = host.rows();
    let (records, values) =
        (rows.iter().filter(|row| is_head(row)).count(), rows.iter().filter(|row| row.contains(" | cart | ")).count());
    assert_eq!(records, values, "each record with its one metadata row, or neither");
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    poll("the next process to sweep the rest", || (sessions(&host) == 1).then_some(()));
    assert_eq!(shop.cart(&alive), r#"{"7":1}"#);
}
