//! Reads, changes and saves of fields: the store calls of each.

use crate::app::{App, Browser};

/// Sends one request as a known visitor and returns its store calls.
async fn calls(app: &App, browser: &mut Browser, method: &str, path: &str) -> Vec<(&'static str, usize)> {
    app.store.take_calls();
    let answer = match method {
        "GET" => app.get(browser, path).await,
        _ => app.post(browser, path).await,
    };
    assert!(answer.status < 400, "{path}: {answer:?}");
    app.store.take_calls().into_iter().collect()
}

/// B1, B46, B47, C01: no cookie, no store call; a reader without a session costs nothing either.
#[rocket::async_test]
async fn round_trips_of_a_stranger() {
    let app = App::new().await;
    let mut browser = Browser::default();
    assert_eq!(calls(&app, &mut browser, "GET", "/ping").await, []);
    assert_eq!(calls(&app, &mut browser, "GET", "/all").await, []);
    assert_eq!(calls(&app, &mut browser, "POST", "/do/nothing").await, []);
    assert_eq!(calls(&app, &mut browser, "POST", "/do/touch-all").await, []);
    assert_eq!(browser, Browser::default());
    assert_eq!(app.store.records().await, 0);
    assert_eq!(calls(&app, &mut browser, "POST", "/add/7").await, [("create", 1)]);
}

/// B3, B55: one round trip for a read, two for a write, none for a route without a guard.
#[rocket::async_test]
async fn round_trips_of_a_visitor() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    assert_eq!(calls(&app, &mut browser, "GET", "/ping").await, []);
    assert_eq!(calls(&app, &mut browser, "GET", "/all").await, [("load", 1)]);
    assert_eq!(calls(&app, &mut browser, "POST", "/add/7").await, [("load", 1), ("patch", 1)]);
    assert_eq!(calls(&app, &mut browser, "POST", "/destroy").await, [("delete", 1), ("load", 1)]);
}

/// A lazy schema adds one load, and only when a guard asks for it.
#[rocket::async_test]
async fn a_lazy_schema_is_loaded_when_asked_for() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/history/a").await;
    app.post(&mut browser, "/add/7").await;
    assert_eq!(calls(&app, &mut browser, "GET", "/history").await, [("load", 1)]);
    assert_eq!(app.get(&mut browser, "/history").await.body, r#"["a"]"#);
    app.barrier.open();
    assert_eq!(calls(&app, &mut browser, "GET", "/late-history").await, [("load", 2)]);
}

/// B4, B10: what did not change is not written, whichever accessor touched it.
#[rocket::async_test]
async fn an_unchanged_value_is_not_written() {
    let app = App::new().await;
    let mut browser = Browser::default();
    for what in ["add=7", "coupon=A", "luck=9", "weigh=a", "weigh=b", "weigh=c"] {
        app.post(&mut browser, &format!("/do/{what}")).await;
    }
    for what in ["nothing", "touch-all", "coupon=A", "luck=9", "same-luck", "weigh=b", "no-visits", "untag=none"] {
        let path = format!("/do/{what}");
        assert_eq!(calls(&app, &mut browser, "POST", &path).await, [("load", 1)], "{what}");
    }
}

/// Setting stores the value even if it equals the default; only an untouched or cleared field is absent.
#[rocket::async_test]
async fn setting_the_default_stores_it() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/do/add=1").await;
    let key = app.key(&browser).await;
    assert_eq!(calls(&app, &mut browser, "POST", "/do/same-luck").await, [("load", 1)]);
    assert_eq!(calls(&app, &mut browser, "POST", "/do/luck=7").await, [("load", 1), ("patch", 1)]);
    assert_eq!(app.store.record(key).await.unwrap().values.get("cart.luck"), Some("7"));
    assert_eq!(calls(&app, &mut browser, "POST", "/do/visits=0").await, [("load", 1), ("patch", 1)]);
    app.post(&mut browser, "/do/no-visits").await;
    assert_eq!(app.store.record(key).await.unwrap().values.get("cart.visits"), None);
}

/// B5, B6, B7: taking and clearing leave the default and remove the key; `None` is never stored.
#[rocket::async_test]
async fn a_cleared_field_leaves_the_stored_map() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/do/coupon=A").await;
    let key = app.key(&browser).await;
    assert_eq!(app.store.record(key).await.unwrap().values.get("cart.coupon"), Some("\"A\""));
    for clear in ["no-coupon", "take-coupon"] {
        app.post(&mut browser, "/do/coupon=A").await;
        app.post(&mut browser, &format!("/do/{clear}")).await;
        assert_eq!(app.store.record(key).await.unwrap().values.get("cart.coupon"), None, "{clear}");
    }
    assert_eq!(calls(&app, &mut browser, "POST", "/do/take-coupon").await, [("load", 1)]);
}

/// B9, B12: nested edits and free edits of the struct are seen, and go out in one save.
#[rocket::async_test]
async fn nested_and_free_edits_are_seen() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/dark").await;
    app.post(&mut browser, "/do/struct=B").await;
    assert_eq!(app.get(&mut browser, "/prefs").await.body, "{} Settings { dark: true } None");
    assert!(app.get(&mut browser, "/all").await.body.contains("Some(\"B\")"));
}

/// One line changed in a map stored entry by entry writes one entry.
#[rocket::async_test]
async fn entries_are_stored_one_by_one() {
    let app = App::new().await;
    let mut browser = Browser::default();
    for what in ["add=7", "add=8", "tag=a%2Fb", "tag=%22quoted%22%0A"] {
        app.post(&mut browser, &format!("/do/{what}")).await;
    }
    let key = app.key(&browser).await;
    let names = async || {
        let record = app.store.record(key).await.unwrap();
        record.values.iter().map(|(name, text)| format!("{name} {text}")).collect::<Vec<_>>()
    };
    let stored = [
        "cart {\"v\":1}",
        "cart.items/7 1",
        "cart.items/8 1",
        "cart.tags/\\\"quoted\\\"\\n true",
        "cart.tags/a/b true",
    ];
    assert_eq!(names().await, stored);
    app.post(&mut browser, "/remove/7").await;
    app.post(&mut browser, "/do/untag=a%2Fb").await;
    assert_eq!(names().await, [stored[0], stored[2], stored[3]]);
}

/// B55, B56, and the life of a snapshot: those handed out stay, later ones show a finished write; `transient` lives for
/// the request and no longer.
#[rocket::async_test]
async fn guards_of_one_request_see_finished_writes() {
    let app = App::new().await;
    let mut browser = Browser::default();
    let seen = app.post(&mut browser, "/read-after-write").await.body;
    assert_eq!(seen, r#"{} {} {1: 1} Some("scratch") Some("scratch")"#);
    assert!(!app.get(&mut browser, "/all").await.body.contains("scratch"));
}

/// B73, B76, C43: keys that this program does not know survive its saves.
#[rocket::async_test]
async fn unknown_keys_survive() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let key = app.key(&browser).await;
    for name in ["cart.future", "basket", "basket.items/7"] {
        app.store.plant(key, name, "[1,  2]").await;
    }
    for path in ["/add/7", "/do/clear", "/login/ada", "/prefs/a/1"] {
        assert!(app.post(&mut browser, path).await.status < 300);
    }
    let record = app.store.record(key).await.unwrap();
    for name in ["cart.future", "basket", "basket.items/7"] {
        assert_eq!(record.values.get(name), Some("[1,  2]"), "{name}");
    }
}
