//! Any contents of a visitor's session come back: through a real server, and through the same header code without one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use session_runtime::{CookieStore, Sessions};
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Request};
use session_tests::random::Random;

use super::routes::{All, Cart, random_text};
use super::site::{Plan, key};

/// Letters that no parser on the way changes: not by percent-decoding, not by `+` for a space, not by trimming or
/// quotes.
fn is_safe(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[track_caller]
fn stored(answer: &Answer) -> Cookie {
    let cookie = answer.new_cookie();
    assert!(is_safe(&cookie.value), "{}", cookie.value);
    cookie
}

/// C35: random payloads through a real server, each written, sent back and read; as they came.
#[test]
fn random_payloads_survive_a_real_server() {
    const CLIENTS: u64 = 4;
    const EACH: u64 = 250;
    let site = Plan::new(&[&key()]).launch();
    let start = Random::seeded("payloads").next() >> 16;
    let letters = AtomicU64::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (site, letters) = (&site, &letters);
            scope.spawn(move || {
                let mut connection = site.connect();
                for at in 0..EACH {
                    let seed = start + client * EACH + at;
                    let answer = connection.ask(&Request::post(format!("/random/{seed}"))).unwrap().expect(200);
                    let cookie = stored(&answer);
                    let read = connection.ask(&Request::get("/note").cookie(&cookie)).unwrap().expect_silent(200);
                    assert_eq!(read.text(), random_text(seed), "seed {seed}");
                    letters.fetch_add(cookie.value.len() as u64, Ordering::Relaxed);
                }
            });
        }
    });
    let sent = CLIENTS * EACH;
    println!("{sent} payloads, {} letters of cookie on average", letters.into_inner() / sent);
}

/// C35: 10,000 without the socket: the header that goes out, and the header that comes in.
#[tokio::test]
async fn ten_thousand_random_payloads_survive_the_headers() {
    let store = CookieStore::new([key()]).unwrap();
    let sessions = Sessions::builder().cookie_store(store).schemas::<All>().build().unwrap();
    let start = Random::seeded("headers").next() >> 16;
    for seed in start..start + 10_000 {
        let visit = sessions.open([]);
        visit.write::<Cart>().await.unwrap().set_note(random_text(seed));
        let finished = visit.finish(200).await;
        let cookie = Cookie::of(finished.cookie.header().unwrap());
        assert!(is_safe(&cookie.value));
        let line = format!("a=b; {}; c=d", cookie.pair());
        let visit = sessions.open([&*line]);
        assert_eq!(*visit.read::<Cart>().await.unwrap().note(), random_text(seed), "seed {seed}");
    }
}

/// Two seals of one content have nothing in common but the key's name: a nonce is never used twice.
#[test]
fn no_two_seals_are_alike() {
    let site = Plan::new(&[&key()]).launch();
    let mut connection = site.connect();
    let mut ask = || connection.ask(&Request::post("/add/7")).unwrap().new_cookie();
    let seals: Vec<Vec<u8>> = (0..200).map(|_| session_tests::cookie::decode(&ask().value).unwrap()).collect();
    for (at, seal) in seals.iter().enumerate() {
        assert!(seals[..at].iter().all(|other| other[5..29] != seal[5..29] && other[29..45] != seal[29..45]));
        assert_eq!(seal[..5], seals[0][..5]);
    }
}
