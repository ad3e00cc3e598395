//! Files that another program has locked or owns, or that are damaged.

use std::fs;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use session_tests::cookie::Cookie;
use session_tests::http::Request;

use crate::process::{Host, Profile, Storage};

const PAGE_BYTES: usize = 4096;

/// Another process keeps the lock for longer than a request may take: writes are refused in time and are not done
/// later, reads go on, and when the lock is gone, so is the trouble.
#[test]
fn a_lock_of_another_process_refuses_writes_until_it_is_gone() {
    let host = Host::new();
    let deadline = Duration::from_millis(600);
    let mut shop = host.open_with(Profile::Debug, Storage::Sqlite, r#",deadline="600ms""#);
    let visitor = shop.visitor(7);
    let other = host.look();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let before = host.rows();

    for path in ["/cart/add/7", "/login/anna", "/logout"] {
        let asked = Instant::now();
        shop.post(path, &visitor).expect_unavailable();
        let took = asked.elapsed();
        assert!(took >= deadline, "{path} did not wait for the lock, which may be gone soon: {took:?}");
        assert!(took < 10 * deadline, "{path} waited for {took:?}, the deadline is {deadline:?}");
    }
    shop.ask(&Request::post("/cart/add/7")).expect_unavailable();
    assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
    assert_eq!(shop.ask(&Request::get("/ping")).expect_silent(200).text(), "ok");

    other.execute_batch("COMMIT").unwrap();
    assert_eq!(shop.post("/cart/add/8", &visitor).expect_silent(200).text(), "1");
    assert_eq!(shop.cart(&visitor), r#"{"7":1,"8":1}"#, "a refused write was done later");
    assert_ne!(host.rows(), before);
    shop.assert_unharmed();
}

/// A file that another process has for itself: no launch, and a launch as soon as it is given back.
#[test]
fn a_launch_on_a_locked_file_is_refused() {
    let host = Host::new();
    host.open(Profile::Debug, Storage::Sqlite).stop();
    let other = host.look();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; PRAGMA user_version = 2; COMMIT").unwrap();
    let output = host.refusal(Profile::Debug, &host.sqlite(""));
    let file = host.database().display().to_string();
    assert!(output.contains("locked") && output.contains(&file), "the reason should be the lock:\n{output}");
    drop(other);
    host.open(Profile::Debug, Storage::Sqlite).visitor(7);
}

/// A database of another program is refused, and left as it was to the byte.
#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_was() {
    for setup in ["CREATE TABLE user (id)", "PRAGMA journal_mode = WAL; CREATE TABLE user (id)"] {
        let host = Host::new();
        Connection::open(host.database()).unwrap().execute_batch(setup).unwrap();
        let before = fs::read(host.database()).unwrap();
        let output = host.refusal(Profile::Debug, &host.sqlite(""));
        assert!(output.contains("another program"), "the reason should name the file's program:\n{output}");
        assert!(fs::read(host.database()).unwrap() == before, "the file was changed");
        assert_eq!(host.database_files(), [host.database()], "something was left beside it");
    }
}

/// The file of a shop with some visitors, closed in good order.
fn sound_file() -> (Host, Vec<Cookie>, Vec<u8>) {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitors = (0..40).map(|_| shop.visitor(7)).collect();
    shop.stop();
    let bytes = fs::read(host.database()).unwrap();
    assert!(bytes.len() > 4 * PAGE_BYTES, "the file should have several pages");
    (host, visitors, bytes)
}

/// A copy that did not come to its end is refused as what it is; the whole one is taken.
#[test]
fn a_half_written_file_is_refused() {
    let (host, visitors, sound) = sound_file();
    for length in [100, PAGE_BYTES - 1, PAGE_BYTES, sound.len() / 2, sound.len() - PAGE_BYTES] {
        fs::write(host.database(), &sound[..length]).unwrap();
        let output = host.refusal(Profile::Debug, &host.sqlite(""));
        let reason = ["is damaged", "not an SQLite"].iter().any(|words| output.contains(words));
        assert!(reason, "{length} of {} bytes should be refused:\n{output}", sound.len());
        assert!(fs::read(host.database()).unwrap() == sound[..length], "the file was changed");
    }
    fs::write(host.database(), &sound).unwrap();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    assert!(visitors.iter().all(|visitor| shop.cart(visitor) == r#"{"7":1}"#));
}

/// Garbage in the middle: those whom it concerns get 503, the others do not notice, and nothing panics.
#[test]
fn a_garbled_page_fails_only_whom_it_concerns() {
    let (host, visitors, sound) = sound_file();
    let (mut failed, mut served) = (0, 0);
    for page in 1..sound.len() / PAGE_BYTES {
        let mut bytes = sound.clone();
        bytes[page * PAGE_BYTES..][..PAGE_BYTES].fill(0x5a);
        fs::write(host.database(), &bytes).unwrap();
        let mut shop = host.open(Profile::Debug, Storage::Sqlite);
        assert_eq!(shop.ask(&Request::get("/ping")).expect_silent(200).text(), "ok");
        for visitor in &visitors {
            let answer = shop.get("/cart", visitor);
            if answer.status == 200 {
                assert_eq!(answer.expect_silent(200).text(), r#"{"7":1}"#, "damage passes for a change");
                served += 1;
            } else {
                answer.expect_unavailable();
                failed += 1;
            }
        }
        let answer = shop.ask(&Request::post("/cart/add/7"));
        if answer.status != 200 {
            answer.expect_unavailable();
        }
        shop.assert_unharmed();
        // It must not write to the next page's file.
        shop.kill();
        host.database_files().iter().for_each(|path| fs::remove_file(path).unwrap());
    }
    println!("{failed} reads failed, {served} were served");
    assert!(failed > 0 && served > 0);
}
