//! Keys are replaced without a logout of any visitor.

use session_runtime::CookieStore;
use session_tests::http::Request;

use super::site::{Plan, anonymous, key};

fn ada() -> (String, String) {
    (r#"{"7":1}"#.into(), "ada".into())
}

/// C37, B80: with the ring [new, old] the old key's cookie is accepted, and the first answer that uses the session
/// seals it with the new key; with [new] alone that one opens and the old one does not; with [other] neither.
#[test]
fn an_old_key_opens_and_the_new_one_seals() {
    let (old, new, other) = (key(), key(), key());
    let first = {
        let site = Plan::new(&[&old]).launch();
        let mut visitor = site.browser();
        visitor.post("/add/7").expect(200);
        visitor.post("/login/ada").expect(200);
        visitor.cookie()
    };
    let second = {
        let site = Plan::new(&[&new, &old]).launch();
        let mut visitor = site.browser_with(&first);
        site.ask(&Request::get("/ping").cookie(&first)).expect_silent(200);
        let answer = visitor.get("/whoami").expect(200);
        assert_eq!(answer.text(), "ada");
        let sealed_anew = answer.new_cookie();
        assert_eq!((answer.count("cache-control", "no-store"), answer.count("vary", "cookie")), (1, 1));
        assert_ne!(sealed_anew, first);
        visitor.get("/whoami").expect_silent(200);
        assert_eq!(visitor.shown(), ada());
        assert_eq!(site.browser_with(&first).shown(), ada(), "the old one is accepted for as long as its key is");
        sealed_anew
    };
    let site = Plan::new(&[&new]).launch();
    assert_eq!(site.browser_with(&second).shown(), ada());
    let answer = site.ask(&Request::get("/whoami").cookie(&first)).expect_silent(200);
    assert_eq!(answer.text(), "anonymous");
    let site = Plan::new(&[&other]).launch();
    for cookie in [&first, &second] {
        assert_eq!(site.browser_with(cookie).shown(), anonymous());
    }
    let site = Plan::new(&[&other, &key(), &new, &old]).launch();
    for cookie in [&first, &second] {
        let mut visitor = site.browser_with(cookie);
        assert_eq!(visitor.get("/whoami").expect(200).new_cookie(), visitor.cookie(), "sealed with the first");
        assert_eq!(visitor.shown(), ada());
    }
}

/// C37, B80: times and key stay what they are: a new seal is no new session and no use of it beyond that of every
/// request.
#[test]
fn sealing_anew_moves_nothing() {
    let (old, new) = (key(), key());
    let mut plan = Plan::new(&[&old]);
    let (first, facts) = {
        let site = plan.launch();
        let mut visitor = site.browser();
        visitor.post("/login/ada").expect(200);
        (visitor.cookie(), visitor.get("/facts").text())
    };
    plan.keys = vec![new, old];
    plan.clock.advance(super::site::MINUTE);
    let site = plan.launch();
    let mut visitor = site.browser_with(&first);
    let answer = visitor.get("/facts").expect(200);
    assert_eq!((answer.text(), answer.set_cookies().len()), (facts.clone(), 1));
    assert_eq!(visitor.get("/facts").expect_silent(200).text(), facts);
}

/// An answer that failed does not seal anew; a write and a logout do what they do, with the new key.
#[test]
fn a_failed_answer_seals_nothing() {
    let (old, new) = (key(), key());
    let first = {
        let site = Plan::new(&[&old]).launch();
        let mut visitor = site.browser();
        visitor.post("/add/7").expect(200);
        visitor.cookie()
    };
    let site = Plan::new(&[&new, &old]).launch();
    let mut visitor = site.browser_with(&first);
    visitor.post("/fail").expect_silent(500);
    assert_eq!(visitor.post("/add/8").expect(200).set_cookies().len(), 1);
    visitor.get("/cart").expect_silent(200);
    let mut visitor = site.browser_with(&first);
    assert_eq!(visitor.post("/logout").expect(200).new_cookie().value, "");
}

/// A key is one key however it is spelled.
#[test]
fn a_key_may_be_base64_or_hex() {
    let bytes: Vec<u8> = (0..32).map(|at| at * 7 + 3).collect();
    let hex = session_tests::cookie::hex(&bytes);
    let url = session_tests::cookie::encode(&bytes);
    let padded = url.replace('-', "+").replace('_', "/") + "=";
    let mut cookie = None;
    for spelling in [hex, url, padded] {
        assert!(CookieStore::new([&spelling]).is_ok());
        let site = Plan::new(&[&spelling]).launch();
        let mut visitor = site.browser();
        visitor.cookie = cookie;
        visitor.post("/add/7").expect(200);
        cookie = visitor.cookie;
    }
    let site = Plan::new(&[&key()]).launch();
    assert_eq!(site.browser_with(&cookie.unwrap()).shown(), anonymous());
}
