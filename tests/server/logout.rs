//! Logout, one request at a time; logout under load is in `logout_race`.

use session_runtime::testing::Fault;
use session_tests::cookie::{Cookie, encode};
use session_tests::http::Request;

use crate::process::{Host, Profile, Storage};
use crate::test_app::{TestApp, patient};

/// The removal in the order-independent form that matters to a browser.
#[track_caller]
fn assert_removal(line: &str, name: &str, attributes: &[&str]) {
    let mut parts: Vec<&str> = line.split(';').map(str::trim).collect();
    let pair = parts.remove(0);
    assert_eq!(pair, format!("{name}="), "a removal has no value: {line}");
    parts.sort_unstable();
    let mut expected = [attributes, &["Max-Age=0"]].concat();
    expected.sort_unstable();
    assert_eq!(parts, expected, "browsers remove only a cookie with the same attributes: {line}");
}

/// C19, C47: logout removes the record and the cookie, and the id is worth nothing afterwards.
#[test]
fn logout_removes_record_and_cookie() {
    let profiles = [
        (Profile::Debug, "id", &["Path=/", "HttpOnly", "SameSite=Lax"][..]),
        (Profile::Release, "__Host-Http-id", &["Path=/", "Secure", "HttpOnly", "SameSite=Lax"][..]),
    ];
    for (profile, name, attributes) in profiles {
        let host = Host::new();
        let shop = host.open(profile, Storage::Sqlite);
        let empty = host.rows();
        let visitor = shop.visitor(7);
        let anna = shop.post("/login/anna", &visitor).expect(204).new_cookie();
        shop.post("/prefs/lang/de", &anna).expect_silent(204);
        assert!(!host.rows_about(&anna).is_empty(), "the record should be found by its key");

        let answer = shop.post("/logout", &anna).expect(204);
        let [removal] = answer.set_cookies()[..] else { panic!("expected one removal: {answer:?}") };
        assert_removal(removal, name, attributes);
        assert_eq!(answer.count("cache-control", "no-store"), 1, "{answer:?}");
        assert_eq!(answer.count("vary", "cookie"), 1, "{answer:?}");

        assert_eq!(host.rows(), empty, "the logout left something behind");
        for cookie in [&visitor, &anna] {
            shop.assert_anonymous(cookie);
        }
        let new = shop.post("/cart/add/8", &anna).expect(200).new_cookie();
        assert_ne!(new.key(), anna.key(), "a write after the logout brought the session back");
        shop.assert_anonymous(&anna);
    }
}

/// C19, C51: who has no session cannot end one; nothing is stored, removed or set.
#[test]
fn logout_without_a_session_does_nothing() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let before = host.rows();
    shop.ask(&Request::post("/logout")).expect_silent(204);
    let unknown = Cookie { name: visitor.name.clone(), value: encode(&[5; 32]) };
    // A removal here could arrive after the answer to a login and push the new id out of the browser.
    shop.post("/logout", &unknown).expect_silent(204);
    assert_eq!(host.rows(), before);
    shop.post("/logout", &visitor).expect(204);
    shop.post("/logout", &visitor).expect_silent(204);
}

/// C19, C12: an id from before a login does not end the session that the login made.
#[test]
fn an_id_from_before_the_login_cannot_log_out() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let anna = shop.post("/login/anna", &visitor).expect(204).new_cookie();
    shop.post("/logout", &visitor).expect_silent(204);
    assert_eq!(shop.user(&anna).as_deref(), Some("anna"));
    assert_eq!(shop.cart(&anna), r#"{"7":1}"#);
}

/// C19: one visitor's logout is no other visitor's business.
#[test]
fn logout_ends_one_session_only() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let anna = shop.ask(&Request::post("/login/anna")).expect(204).new_cookie();
    let again = shop.ask(&Request::post("/login/anna")).expect(204).new_cookie();
    shop.post("/logout", &anna).expect(204);
    assert_eq!(shop.user(&anna), None);
    assert_eq!(shop.user(&again).as_deref(), Some("anna"));
}

/// C12, C19: another user in the same browser starts over, and the first user's session is gone.
#[test]
fn another_user_starts_over() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let anna = shop.ask(&Request::post("/login/anna")).expect(204).new_cookie();
    shop.post("/cart/add/7", &anna).expect_silent(200);
    let ben = shop.post("/login/ben", &anna).expect(204).new_cookie();
    assert_ne!(ben.key(), anna.key(), "the second user got the first one's record");
    assert_eq!(shop.user(&ben).as_deref(), Some("ben"));
    assert_eq!(shop.cart(&ben), "{}", "the first user's cart reached the second");
    shop.assert_anonymous(&anna);
    assert!(host.rows_about(&anna).is_empty(), "the first user's record should be gone");
}

/// C84: a logout empties the cache of the browser, so that the back button shows no page of the visitor.
#[test]
fn a_logout_clears_the_cache_of_the_browser() {
    let app = TestApp::launch(Storage::Memory, patient().clear_site_data(true));
    let visitor = app.ask(&Request::post("/login/anna")).expect(200).new_cookie();
    for path in ["/job/1", "/show"] {
        let request = if path == "/show" { Request::get(path) } else { Request::post(path) };
        let answer = app.ask(&request.cookie(&visitor)).expect(200);
        assert!(answer.all("clear-site-data").is_empty(), "{path}: {answer:?}");
    }
    let renewed = app.ask(&Request::post("/renew").cookie(&visitor)).expect(200);
    assert!(renewed.all("clear-site-data").is_empty(), "{renewed:?}");
    for _ in 0..2 {
        // The second time the session is over, and pages of it may still be in the cache.
        let answer = app.ask(&Request::post("/logout").cookie(&renewed.new_cookie())).expect(200);
        assert_eq!(answer.all("clear-site-data"), ["\"cache\""], "{answer:?}");
    }
}

/// C84: a browser that has lost its cache must fetch every page again, so the header is not the default.
#[test]
fn a_logout_leaves_the_cache_alone_by_default() {
    let app = TestApp::launch(Storage::Memory, patient());
    let visitor = app.ask(&Request::post("/login/anna")).expect(200).new_cookie();
    let answer = app.ask(&Request::post("/logout").cookie(&visitor)).expect(200);
    assert!(answer.all("clear-site-data").is_empty(), "{answer:?}");
}

/// C84: a logout that did not happen claims nothing.
#[test]
fn a_failed_logout_clears_no_cache() {
    let app = TestApp::launch(Storage::Memory, patient().clear_site_data(true));
    let visitor = app.ask(&Request::post("/login/anna")).expect(200).new_cookie();
    app.store.fail("delete", Fault::Down);
    let answer = app.ask(&Request::post("/logout").cookie(&visitor)).expect_unavailable();
    assert!(answer.all("clear-site-data").is_empty(), "{answer:?}");
}
