//! The effects of a copied cookie and of two requests at once: the documented weaknesses, pinned so that they are not
//! taken for promises, and their limits.

use std::time::Duration;

use session_tests::http::Request;

use super::site::{MINUTE, Plan, anonymous, key};

/// C26: as documented, a copy of the cookie works after the logout, until its deadline; not a moment longer.
#[test]
fn a_copied_cookie_works_after_the_logout_until_its_deadline() {
    let mut plan = Plan::new(&[&key()]);
    plan.config = plan.config.idle(10 * MINUTE);
    let site = plan.launch();
    let mut visitor = site.browser();
    visitor.post("/add/7").expect(200);
    visitor.post("/login/ada").expect(200);
    let copy = visitor.cookie();
    visitor.post("/logout").expect(200);
    assert_eq!(visitor.shown(), anonymous(), "the browser itself is logged out");
    site.clock.advance(9 * MINUTE + Duration::from_millis(59_999));
    assert_eq!(site.browser_with(&copy).shown().1, "ada", "the weakness that the documentation tells of");
    site.clock.advance(Duration::from_millis(1));
    assert_eq!(site.browser_with(&copy).shown(), anonymous());
}

/// C26: use of a copied cookie extends it, but not past the absolute deadline.
#[test]
fn a_copied_cookie_that_is_used_ends_at_the_absolute_deadline() {
    let mut plan = Plan::new(&[&key()]);
    plan.config = plan.config.idle(10 * MINUTE).absolute(30 * MINUTE);
    let site = plan.launch();
    let mut visitor = site.browser();
    visitor.post("/login/ada").expect(200);
    let mut thief = site.browser_with(&visitor.cookie());
    visitor.post("/logout").expect(200);
    for _ in 0..5 {
        site.clock.advance(5 * MINUTE);
        assert_eq!(thief.shown().1, "ada");
    }
    site.clock.advance(5 * MINUTE);
    assert_eq!(thief.shown(), anonymous());
}

/// C27: past the idle deadline, and past the absolute one, a cookie is no session, whatever its `Max-Age` was; a write
/// then begins another session.
#[test]
fn a_cookie_past_its_deadline_is_no_session() {
    for (absolute, left) in [(60, 10), (10, 5)] {
        let mut plan = Plan::new(&[&key()]);
        plan.config = plan.config.idle(10 * MINUTE).absolute(absolute * MINUTE);
        let site = plan.launch();
        let mut visitor = site.browser();
        visitor.post("/login/ada").expect(200);
        site.clock.advance(5 * MINUTE);
        let before = visitor.get("/facts").text();
        let copy = visitor.cookie();
        site.clock.advance(left * MINUTE);
        let answer = site.browser_with(&copy).get("/whoami").expect_silent(200);
        assert_eq!((answer.text().as_str(), answer.count("vary", "cookie")), ("anonymous", 1));
        site.clock.advance(10_000 * MINUTE);
        assert_eq!(site.browser_with(&copy).shown(), anonymous());
        visitor.post("/add/7").expect(200).new_cookie();
        assert_eq!(visitor.shown(), (r#"{"7":1}"#.into(), "anonymous".into()));
        assert_ne!(visitor.get("/facts").text(), before);
    }
}

/// Two requests at once: the cookie that the browser gets last replaces the other. Nothing is merged, as documented.
#[test]
fn of_two_at_once_the_last_cookie_wins() {
    let site = Plan::new(&[&key()]).launch();
    let mut visitor = site.browser();
    visitor.post("/add/1").expect(200);
    let (mut one, mut other) = (site.browser_with(&visitor.cookie()), site.browser_with(&visitor.cookie()));
    one.post("/add/2").expect(200);
    other.post("/add/3").expect(200);
    assert_eq!(one.shown().0, r#"{"1":1,"2":1}"#);
    assert_eq!(other.shown().0, r#"{"1":1,"3":1}"#, "a store on a server would have merged the two");
}

/// A login, another user or a renewal leaves an older cookie valid: it shows its old contents, as documented.
#[test]
fn a_login_leaves_the_cookie_from_before_as_it_was() {
    let site = Plan::new(&[&key()]).launch();
    let mut visitor = site.browser();
    visitor.post("/add/1").expect(200);
    let anonymous = visitor.cookie();
    visitor.post("/login/ada").expect(200);
    let ada = visitor.cookie();
    visitor.post("/login/ben").expect(200);
    assert_eq!(visitor.shown(), ("{}".into(), "ben".into()), "another user begins anew");
    assert_eq!(site.browser_with(&anonymous).shown(), (r#"{"1":1}"#.into(), "anonymous".into()));
    assert_eq!(site.browser_with(&ada).shown(), (r#"{"1":1}"#.into(), "ada".into()));
}

/// C12: a cookie that an attacker has planted in a browser stays anonymous for the attacker after any login there.
#[test]
fn a_planted_cookie_gains_nothing_by_a_login() {
    let site = Plan::new(&[&key()]).launch();
    let mut attacker = site.browser();
    attacker.post("/add/1").expect(200);
    let mut victim = site.browser_with(&attacker.cookie());
    victim.post("/login/ada").expect(200);
    assert_eq!((victim.shown().1.as_str(), attacker.shown().1.as_str()), ("ada", "anonymous"));
}

/// C08: two cookies of the name are none, sealed or not.
#[test]
fn two_cookies_are_none() {
    let site = Plan::new(&[&key()]).launch();
    let mut visitor = site.browser();
    visitor.post("/login/ada").expect(200);
    let pair = visitor.cookie().pair();
    for lines in [vec![format!("{pair}; {pair}")], vec![pair.clone(), pair.clone()], vec![format!("{pair}; id=x")]] {
        let answer = site.ask(&Request::get("/whoami").lines(&lines)).expect_silent(200);
        assert_eq!(answer.text(), "anonymous", "{} lines", lines.len());
    }
    assert_eq!(site.ask(&Request::get("/whoami").line(format!("a=b; {pair}; c=d"))).text(), "ada");
    let encoded = pair.replace("id=", "%69d=");
    assert_eq!(site.ask(&Request::get("/whoami").line(encoded)).expect_silent(200).text(), "anonymous");
}
