//! The contents of answers: attributes of the cookie, headers for caches, and nothing internal in a refusal.

use crate::process::{Host, Profile, Storage};
use session_tests::cookie::Cookie;
use session_tests::http::{Answer, Request};

/// Checks that a shared cache keeps this answer apart by cookie.
#[track_caller]
fn assert_varies(answer: &Answer) {
    assert_eq!(answer.count("vary", "cookie"), 1, "Vary should name Cookie once: {answer:?}");
}

/// C47: no cache stores an answer that sets or removes a cookie.
#[track_caller]
fn assert_not_stored(answer: &Answer) {
    assert_eq!(answer.count("cache-control", "no-store"), 1, "Cache-Control should contain no-store once: {answer:?}");
    assert_varies(answer);
}

/// Checks the cookie's attributes to the byte and that its value is an id.
#[track_caller]
fn assert_attributes(answer: &Answer, name: &str, attributes: &str) -> Cookie {
    let cookie = answer.new_cookie();
    assert_eq!(answer.set_cookies(), [format!("{}={}{attributes}", name, cookie.value)]);
    assert_eq!(cookie.value.len(), 43);
    let _is_an_id = cookie.bytes();
    cookie
}

/// C44, C47: the cookie of a first write and of a login, in both profiles.
#[test]
fn a_new_id_comes_with_its_attributes_and_without_caching() {
    let profiles = [
        (Profile::Debug, "id", "; Path=/; HttpOnly; SameSite=Lax"),
        (Profile::Release, "__Host-Http-id", "; Path=/; Secure; HttpOnly; SameSite=Lax"),
    ];
    for (profile, name, attributes) in profiles {
        let host = Host::new();
        let shop = host.open(profile, Storage::Memory);
        let answer = shop.ask(&Request::post("/cart/add/7")).expect(200);
        let visitor = assert_attributes(&answer, name, attributes);
        assert_not_stored(&answer);
        let answer = shop.post("/login/anna", &visitor).expect(204);
        let anna = assert_attributes(&answer, name, attributes);
        assert_not_stored(&answer);
        assert_ne!(anna.value, visitor.value, "a login gives a new id");
        assert_eq!(shop.cart(&anna), r#"{"7":1}"#, "a login keeps the cart");
    }
}

/// C44: a fresh login, without a session before it.
#[test]
fn a_login_without_a_session_starts_one() {
    let host = Host::new();
    let shop = host.open(Profile::Release, Storage::Sqlite);
    let answer = shop.ask(&Request::post("/login/anna")).expect(204);
    let anna = assert_attributes(&answer, "__Host-Http-id", "; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_not_stored(&answer);
    assert_eq!(shop.user(&anna).as_deref(), Some("anna"));
}

/// C46: an answer that read the session varies by cookie and sets none, with a session and without one.
#[test]
fn a_read_varies_by_cookie_and_sets_none() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    for path in ["/cart", "/prefs", "/whoami"] {
        for request in [Request::get(path), Request::get(path).cookie(&visitor)] {
            let answer = shop.ask(&request).expect_silent(200);
            assert_varies(&answer);
        }
    }
}

/// C46: a write to a session that exists needs no new cookie.
#[test]
fn a_later_write_sets_no_cookie() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let answer = shop.post("/cart/add/7", &visitor).expect_silent(200);
    assert_eq!(answer.text(), "2");
    assert_varies(&answer);
    assert_varies(&shop.post("/prefs/lang/de", &visitor).expect_silent(204));
    assert_varies(&shop.post("/cart/remove/7", &visitor).expect_silent(204));
    assert_eq!(shop.cart(&visitor), "{}");
    shop.post("/cart/add/8", &visitor).expect_silent(200);
    assert_varies(&shop.post("/cart/clear", &visitor).expect_silent(204));
    assert_eq!(shop.cart(&visitor), "{}");
    assert_eq!(shop.get("/prefs", &visitor).expect_silent(200).text(), r#"{"lang":"de"}"#);
}

/// C46, C48: a page that never asks for the session has no header about it, with any cookie.
#[test]
fn a_page_without_a_session_has_no_session_headers() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let before = host.rows();
    for request in [Request::get("/ping"), Request::get("/ping").cookie(&visitor), Request::get("/ping").line("id=x")] {
        let answer = shop.ask(&request).expect_silent(200);
        assert_eq!(answer.text(), "ok");
        assert!(answer.all("vary").is_empty(), "{answer:?}");
        assert!(answer.all("cache-control").is_empty(), "{answer:?}");
    }
    assert_eq!(host.rows(), before);
}

/// C30: what is answered with 404 or 422 stores nothing and sets nothing.
#[test]
fn a_refusal_sets_no_cookie_and_stores_nothing() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Sqlite);
    let visitor = shop.visitor(7);
    let before = host.rows();
    let requests = [
        Request::get("/nowhere"),
        Request::get("/prefs/unset"),
        Request::post("/cart/add/many"),
        Request::post("/cart/add/-1"),
        Request::post("/cart/add/4294967296"),
        Request::post("/ping"),
        Request::new("DELETE", "/cart"),
    ];
    for request in requests {
        for request in [request.clone(), request.clone().cookie(&visitor)] {
            let answer = shop.ask(&request);
            assert!((400..500).contains(&answer.status), "{request:?}: {answer:?}");
            assert!(answer.set_cookies().is_empty(), "{request:?}: {answer:?}");
        }
    }
    assert_eq!(host.rows(), before, "a refused request changed the store");
    assert_eq!(shop.cart(&visitor), r#"{"7":1}"#);
}

/// The page a visitor sees.
#[test]
fn the_front_page_is_html() {
    let host = Host::new();
    let shop = host.open(Profile::Debug, Storage::Memory);
    let answer = shop.ask(&Request::get("/")).expect_silent(200);
    assert!(answer.all("content-type")[0].starts_with("text/html"), "{answer:?}");
    assert!(answer.text().contains("<html"), "{answer:?}");
}
