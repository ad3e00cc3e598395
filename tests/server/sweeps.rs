//! The sweep of several processes, and of one that is told to stop in the middle.

use crate::process::{Place, Profile, Storage, poll};

/// A file with this many sessions that expired long ago, and one that is alive; the server that made it has ended.
fn with_expired(count: u32) -> (Place, session_tests::cookie::Cookie) {
    let place = Place::new();
    let shop = place.open(Profile::Debug, Storage::Sqlite);
    let alive = shop.visitor(7);
    let dead = shop.visitor(8);
    shop.stop();
    let mut database = rusqlite::Connection::open(place.database()).unwrap();
    let copies = database.transaction().unwrap();
    copies.execute("UPDATE entry SET expires = 1 WHERE session = ?1 AND name = 0", [dead.key()]).unwrap();
    for number in 1..count {
        let key: Vec<u8> = [&number.to_be_bytes()[..], &[0; 12]].concat();
        let copy = "INSERT INTO entry SELECT ?1, name, content, expires FROM entry WHERE session = ?2";
        copies.execute(copy, (&key, dead.key())).unwrap();
    }
    copies.commit().unwrap();
    (place, alive)
}

fn sessions(place: &Place) -> usize {
    place.rows().iter().filter(|row| is_head(row)).count()
}

fn is_head(row: &str) -> bool {
    row.contains(" | 0 | ")
}

/// C70: two processes that sweep one file at once remove everything that is expired and nothing else, without a complaint.
#[test]
fn two_processes_sweep_one_file_at_once() {
    let (place, alive) = with_expired(5_000);
    assert_eq!(sessions(&place), 5_001);
    let shops = [(); 2].map(|()| place.open(Profile::Debug, Storage::Sqlite));
    poll("both to have swept", || (sessions(&place) == 1).then_some(()));
    for mut shop in shops {
        assert_eq!(shop.cart(&alive), r#"{"7":1}"#);
        let output = shop.output();
        assert!(!output.contains("swept") && !output.contains("Error"), "{output}");
        shop.assert_running();
    }
    assert_eq!(place.rows_about(&alive).len(), place.rows().len(), "no value of a swept session");
}

/// C70: a process that is told to stop while it sweeps ends well, leaves whole records, and the next one goes on.
#[test]
fn a_stop_during_a_sweep_leaves_whole_records() {
    let (place, alive) = with_expired(20_000);
    let shop = place.open(Profile::Debug, Storage::Sqlite);
    // From the first answer on, Rocket listens for the signal.
    shop.get("/ping", &alive).expect(200);
    shop.stop();
    println!("{} of 20,001 sessions were left when it stopped", sessions(&place));
    let rows = place.rows();
    let (records, values) =
        (rows.iter().filter(|row| is_head(row)).count(), rows.iter().filter(|row| row.contains(" | cart | ")).count());
    assert_eq!(records, values, "each record with its one metadata row, or neither");
    let shop = place.open(Profile::Debug, Storage::Sqlite);
    poll("the next process to sweep the rest", || (sessions(&place) == 1).then_some(()));
    assert_eq!(shop.cart(&alive), r#"{"7":1}"#);
}
