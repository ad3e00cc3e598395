//! A visitor's way through the shop: for one browser the same as with any other store.

use super::site::{DAY, MINUTE, Plan, SECOND, anonymous, key};
use session_tests::http::Request;

fn shown(cart: &str, user: &str) -> (String, String) {
    (cart.into(), user.into())
}

/// B3, B19: the first write begins a session. Login, logout by field and logout by `destroy` work. Every answer varies
/// on the cookie, and no cache stores an answer that sets one.
#[test]
fn a_cart_works_as_with_a_store() {
    let site = Plan::new(&[&key()]).launch();
    let mut visitor = site.browser();
    let answer = visitor.get("/cart").expect_silent(200);
    assert_eq!((answer.text(), answer.count("vary", "cookie")), ("{}".into(), 1));
    assert_eq!(site.ask(&Request::get("/ping")).expect_silent(200).count("vary", "cookie"), 0);
    for product in [7, 7, 8] {
        let answer = visitor.post(&format!("/add/{product}")).expect(200);
        assert_eq!((answer.set_cookies().len(), answer.count("cache-control", "no-store")), (1, 1));
        assert_eq!(answer.count("vary", "cookie"), 1);
    }
    let answer = visitor.get("/cart").expect_silent(200);
    assert_eq!((answer.text(), answer.count("cache-control", "no-store")), (r#"{"7":2,"8":1}"#.into(), 0));
    visitor.post("/login/ada").expect(200).new_cookie();
    assert_eq!(visitor.shown(), shown(r#"{"7":2,"8":1}"#, "ada"));
    visitor.post("/visit/home").expect(200);
    assert_eq!(visitor.get("/pages").expect_silent(200).text(), "2 home");
    visitor.post("/twice").expect(200);
    assert_eq!(visitor.shown().0, r#"{"1":11,"2":1,"7":2,"8":1}"#);
    let answer = visitor.post("/logout").expect(200);
    assert_eq!(answer.set_cookies(), ["id=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"]);
    assert_eq!(visitor.cookie, None);
    assert_eq!(visitor.shown(), anonymous());
}

/// Another program with the same keys goes on where this one stopped: nothing is on the server.
#[test]
fn a_restart_ends_nothing() {
    let plan = Plan::new(&[&key()]);
    let cookie = {
        let site = plan.launch();
        let mut visitor = site.browser();
        visitor.post("/add/7").expect(200);
        visitor.post("/login/ada").expect(200);
        visitor.cookie()
    };
    let site = plan.launch();
    assert_eq!(site.browser_with(&cookie).shown(), shown(r#"{"7":1}"#, "ada"));
}

/// The key names the session for as long as it lives; its times stand where they stood.
#[test]
fn the_handle_answers_as_with_a_store() {
    let site = Plan::new(&[&key()]).launch();
    let mut visitor = site.browser();
    let facts = |visitor: &mut super::site::Browser<'_>| visitor.get("/facts").expect(200).json::<serde_json::Value>();
    assert_eq!(facts(&mut visitor)["new"], true);
    visitor.post("/add/7").expect(200);
    let first = facts(&mut visitor);
    let now = u64::try_from(site.clock.timestamp().as_millis()).unwrap();
    assert_eq!((&first["new"], &first["created"]), (&false.into(), &now.into()));
    assert_eq!(first["expires"], now + u64::try_from((14 * DAY).as_millis()).unwrap());
    visitor.post("/login/ada").expect(200);
    visitor.post("/renew").expect(200).new_cookie();
    assert_eq!(facts(&mut visitor), first);
    site.clock.advance(DAY);
    visitor.post("/remember/60").expect(200).new_cookie();
    let chosen = facts(&mut visitor);
    let minute = u64::try_from((DAY + MINUTE).as_millis()).unwrap();
    assert_eq!((&chosen["key"], &chosen["created"]), (&first["key"], &first["created"]));
    assert_eq!(chosen["expires"], now + minute);
}

/// C30: a server's failure takes the writes of its request back, a refusal does not; what is written after `destroy` is
/// dropped.
#[test]
fn the_status_decides_as_with_a_store() {
    let site = Plan::new(&[&key()]).launch();
    let mut visitor = site.browser();
    visitor.post("/fail").expect_silent(500);
    visitor.post("/add/7").expect(200);
    visitor.post("/fail").expect_silent(500);
    assert_eq!(visitor.shown().0, r#"{"7":1}"#);
    visitor.post("/deny").expect(403).new_cookie();
    assert_eq!(visitor.shown().0, r#"{"7":1,"403":1}"#);
    visitor.post("/logout-and-write").expect(200);
    assert_eq!((visitor.cookie.clone(), visitor.shown()), (None, anonymous()));
}

/// C25: a use moves the idle deadline, at most once in a tenth of it, by a cookie that is sealed anew; nothing moves
/// the absolute one.
#[test]
fn a_use_seals_anew_now_and_then() {
    let mut plan = Plan::new(&[&key()]);
    plan.config = plan.config.idle(10 * MINUTE).absolute(25 * MINUTE);
    let site = plan.launch();
    let mut visitor = site.browser();
    visitor.post("/add/7").expect(200);
    visitor.get("/cart").expect_silent(200);
    for _ in 0..2 {
        site.clock.advance(59 * SECOND);
        visitor.get("/cart").expect_silent(200);
        site.clock.advance(7 * MINUTE);
        visitor.get("/cart").expect(200).new_cookie();
        visitor.get("/cart").expect_silent(200);
    }
    site.clock.advance(9 * MINUTE);
    assert_eq!(visitor.get("/cart").expect_silent(200).text(), r#"{"7":1}"#, "24 minutes and 58 seconds");
    site.clock.advance(2 * SECOND);
    assert_eq!(visitor.shown(), anonymous());
}

/// `renew_every` seals anew from time to time; as documented, that ends nothing.
#[test]
fn a_periodic_renewal_seals_anew() {
    let mut plan = Plan::new(&[&key()]);
    plan.config = plan.config.renew_every(5 * MINUTE);
    let site = plan.launch();
    let mut visitor = site.browser();
    visitor.post("/login/ada").expect(200);
    let before = visitor.cookie();
    site.clock.advance(299 * SECOND);
    visitor.get("/whoami").expect_silent(200);
    site.clock.advance(SECOND);
    visitor.get("/whoami").expect(200).new_cookie();
    visitor.get("/whoami").expect_silent(200);
    assert_eq!(visitor.shown(), shown("{}", "ada"));
    assert_eq!(site.browser_with(&before).shown(), shown("{}", "ada"));
}

/// A persistent cookie lasts as long as the record that is sealed in it.
#[test]
fn a_persistent_cookie_lasts_as_long_as_its_content() {
    let mut plan = Plan::new(&[&key()]);
    plan.cookie = plan.cookie.persistent(true);
    plan.config = plan.config.idle(10 * MINUTE);
    let site = plan.launch();
    let line = |path: &str, visitor: &mut super::site::Browser<'_>| {
        visitor.post(path).expect(200).set_cookies()[0].split_once("; ").unwrap().1.to_owned()
    };
    let mut visitor = site.browser();
    assert_eq!(line("/add/7", &mut visitor), "Path=/; HttpOnly; SameSite=Lax; Max-Age=600");
    site.clock.advance(MINUTE / 2);
    assert_eq!(line("/add/7", &mut visitor), "Path=/; HttpOnly; SameSite=Lax; Max-Age=570");
    site.clock.advance(MINUTE / 2);
    assert_eq!(line("/add/7", &mut visitor), "Path=/; HttpOnly; SameSite=Lax; Max-Age=600");
}
