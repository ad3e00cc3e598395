//! Stores that are down, slow or broken, and data that is not what it should be.

use std::time::Duration;

use session_runtime::config::{Limits, OnSaveError};
use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{CookieConfig, SessionConfig};

use crate::app::{App, Browser, patient};

fn impatient() -> SessionConfig {
    SessionConfig::new().deadline(Duration::from_millis(100))
}

async fn visitor(app: &App) -> Browser {
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    browser
}

/// B53, C60, C63: a store that is down or hangs at load: 503 with `Retry-After`, not "logged out"; other routes work.
#[rocket::async_test]
async fn a_store_that_fails_at_load_answers_503() {
    for fault in [Fault::Down, Fault::LockedOut, Fault::Hangs, Fault::ReplyLost] {
        let app = App::with(impatient()).await;
        let mut browser = visitor(&app).await;
        app.store.fail("load", fault);
        for path in ["/cart", "/whoami", "/facts"] {
            let answer = app.get(&mut browser, path).await;
            assert_eq!((answer.status, answer.header("retry-after")), (503, vec!["1"]), "{path}");
            assert!(!answer.body.contains(RecordingStore::CAUSE) && answer.set_cookie.is_empty());
        }
        assert_eq!(app.get(&mut browser, "/ping").await.status, 200);
        assert_eq!(app.get(&mut Browser::default(), "/cart").await.status, 200, "a stranger needs no store");
        app.store.recover();
        assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":1}"#);
    }
}

/// B52, C58, C61, C61b: at save 503, nothing of the original answer, no cookie; a lost reply is never sent again.
#[rocket::async_test]
async fn a_store_that_fails_at_save_answers_503() {
    for (fault, after) in [(Fault::Down, r#"{"7":1}"#), (Fault::Hangs, r#"{"7":1}"#), (Fault::ReplyLost, r#"{"7":2}"#)]
    {
        let app = App::with(impatient()).await;
        let mut browser = visitor(&app).await;
        app.store.fail("patch", fault);
        app.store.take_calls();
        let answer = app.post(&mut browser, "/add/7").await;
        assert_eq!((answer.status, answer.body.as_str()), (503, "503 Service Unavailable\n"));
        assert_eq!((answer.header("retry-after"), answer.set_cookie.len()), (vec!["1"], 0));
        assert_eq!(app.store.take_calls()["patch"], 1, "the outcome is unknown, so it is not sent again");
        app.store.recover();
        assert_eq!(app.get(&mut browser, "/cart").await.body, after);
    }
    let app = App::with(impatient()).await;
    app.store.fail("create", Fault::Down);
    let answer = app.post(&mut Browser::default(), "/add/7").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (503, 0));
}

/// C61b: an explicit save whose answer was lost is not repeated at the end of the request.
#[rocket::async_test]
async fn a_lost_save_is_not_repeated_at_the_end() {
    let app = App::with(impatient()).await;
    let mut browser = visitor(&app).await;
    app.store.fail("patch", Fault::ReplyLost);
    app.store.take_calls();
    assert_eq!(app.post(&mut browser, "/save/visit").await.status, 503);
    assert_eq!(app.store.take_calls()["patch"], 1);
}

/// Logout with the store down is an error that the visitor sees, not a logout that did not happen.
#[rocket::async_test]
async fn a_logout_that_fails_is_an_error() {
    let app = App::with(impatient()).await;
    let mut browser = visitor(&app).await;
    app.store.fail("delete", Fault::Down);
    let answer = app.post(&mut browser, "/destroy").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (503, 0));
}

/// `on_save_error = "log"` lets the answer through, unless the request destroyed or renewed.
#[rocket::async_test]
async fn save_errors_may_be_logged_only() {
    let app = App::with(impatient().on_save_error(OnSaveError::Log)).await;
    let mut browser = visitor(&app).await;
    app.store.fail("patch", Fault::Down);
    app.store.fail("delete", Fault::Down);
    let answer = app.post(&mut browser, "/add/7").await;
    assert_eq!((answer.status, answer.body.as_str(), answer.set_cookie.len()), (200, "2", 0));
    for path in ["/destroy", "/renew", "/login/ada"] {
        assert_eq!(app.post(&mut browser, path).await.status, 503, "{path}");
    }
}

/// C73: a store that panics costs an answer, not the connection.
#[rocket::async_test]
async fn a_panicking_store_answers_500() {
    let app = App::new().await;
    let mut browser = visitor(&app).await;
    for (operation, path) in [("load", "/add/7"), ("patch", "/add/7"), ("delete", "/destroy")] {
        app.store.fail(operation, Fault::Panics);
        assert_eq!(app.post(&mut browser, path).await.status, 500, "{operation}");
        app.store.recover();
    }
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":1}"#);
}

/// B69, C38: a record unreadable as a whole is no session; it stays as it is, and a write starts a new one.
#[rocket::async_test]
async fn an_unreadable_record_is_left_alone() {
    let app = App::new().await;
    let mut browser = visitor(&app).await;
    let old = browser.clone();
    app.store.fail("load", Fault::Corrupt);
    assert_eq!(app.get(&mut browser, "/cart").await.body, "{}");
    assert_eq!(app.post(&mut browser, "/add/8").await.set_cookie.len(), 1);
    assert_ne!(browser, old);
    assert_eq!(app.store.records().await, 2);
}

/// B13, B70: an undecodable field fails its schema's guards, the others work, and nothing stored changes.
#[rocket::async_test]
async fn an_undecodable_field_fails_its_schema_only() {
    let app = App::new().await;
    for (name, text) in [
        ("cart.coupon", "7"),
        ("cart.coupon", "not json"),
        ("cart.items/x", "1"),
        ("cart.items/07", "1"),
        ("cart.items/7", "\"two\""),
        ("cart", "[]"),
        ("cart", "{\"v\":0}"),
        ("cart.visits", "9223372036854775808"),
        ("cart.note", &"[".repeat(200_000)),
    ] {
        let mut browser = visitor(&app).await;
        let key = app.key(&browser).await;
        app.store.plant(key, name, text).await;
        let answer = app.get(&mut browser, "/cart").await;
        assert_eq!(answer.status, 500, "{name}");
        assert_eq!(app.post(&mut browser, "/add/7").await.status, 500, "{name}");
        assert_eq!(app.get(&mut browser, "/optional").await.body, "none");
        assert_eq!(app.post(&mut browser, "/login/ada").await.status, 200, "the other schemas work");
        assert_eq!(app.get(&mut browser, "/whoami").await.body, "ada");
        assert_eq!(app.store.record(key).await.unwrap().values.get(name), Some(text), "nothing stored changes");
    }
}

/// B74: data of a newer version is refused for now, with a hint to try again.
#[rocket::async_test]
async fn newer_data_is_refused() {
    let app = App::new().await;
    let mut browser = visitor(&app).await;
    let key = app.key(&browser).await;
    app.store.plant(key, "cart", r#"{"v":2,"r":2,"w":2}"#).await;
    let answer = app.get(&mut browser, "/cart").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, vec!["1"]));
    assert_eq!(app.get(&mut browser, "/whoami").await.status, 200);
}

/// C43: a schema upgraded by another node between load and save: the old program writes nothing over it.
#[rocket::async_test]
async fn an_upgrade_meanwhile_is_not_overwritten() {
    let app = App::new().await;
    let mut browser = visitor(&app).await;
    let key = app.key(&browser).await;
    let slow = app.post(&mut browser, "/do/coupon=A?slow=true");
    let meanwhile = async {
        app.store.plant(key, "cart", r#"{"v":2}"#).await;
    };
    let (answer, ()) = app.barrier.during(slow, meanwhile).await;
    assert_eq!(answer.status, 503);
    assert_eq!(app.store.record(key).await.unwrap().values.get("cart.coupon"), None);
}

/// B70: `on_invalid = reset`: the one undecodable field or entry takes its default and stays stored until it is
/// replaced.
#[rocket::async_test]
async fn a_reset_field_takes_its_default() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/prefs/a/1").await;
    let key = app.key(&browser).await;
    app.store.plant(key, "prefs.values/b", "\"two\"").await;
    app.store.plant(key, "prefs.settings", "7").await;
    assert_eq!(app.get(&mut browser, "/prefs").await.body, r#"{"a": 1} Settings { dark: false } None"#);
    app.post(&mut browser, "/prefs/c/3").await;
    let stored = app.store.record(key).await.unwrap().values;
    assert_eq!((stored.get("prefs.values/b"), stored.get("prefs.settings")), (Some("\"two\""), Some("7")));
    app.post(&mut browser, "/dark").await;
    let stored = app.store.record(key).await.unwrap().values;
    assert_eq!(stored.get("prefs.settings"), Some(r#"{"dark":true}"#));
}

/// C39: over the limit is an error before anything is written; what only shrinks always passes.
#[rocket::async_test]
async fn a_record_over_the_limit_is_refused() {
    let limits = Limits { record_bytes: 2_000, record_keys: 20 };
    let app = App::with(patient().limits(limits)).await;
    let mut browser = visitor(&app).await;
    assert_eq!(app.post(&mut browser, "/do/big=1500").await.status, 200);
    assert_eq!(app.post(&mut browser, "/do/big=2500").await.status, 500);
    let many: Vec<u16> = futures_in_order(&app, &mut browser).await;
    assert!(many.contains(&500), "the number of keys is limited too: {many:?}");
    assert_eq!(app.post(&mut browser, "/do/clear").await.status, 200);
    assert_eq!(app.post(&mut Browser::default(), "/do/big=2500").await.status, 500);
}

async fn futures_in_order(app: &App, browser: &mut Browser) -> Vec<u16> {
    let mut statuses = Vec::new();
    for product in 100..130 {
        statuses.push(app.post(browser, &format!("/add/{product}")).await.status);
    }
    statuses
}

/// B46, C60: a route without a guard works with the store down, cookie or not.
#[rocket::async_test]
async fn a_route_without_a_guard_needs_no_store() {
    let app = App::with(impatient().cookie(CookieConfig::new().persistent(true))).await;
    let mut browser = visitor(&app).await;
    for operation in ["load", "patch", "create", "delete"] {
        app.store.fail(operation, Fault::Panics);
    }
    let answer = app.get(&mut browser, "/ping").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (200, 0));
}
