//! Idle and absolute deadline, touches, persistent cookies, and a session's own choice; all with a clock moved by hand.

use std::time::Duration;

use session_runtime::expiry::TouchEvery;
use session_runtime::testing::Fault;
use session_runtime::{CookieConfig, SessionConfig};

use crate::app::{Answer, App, Browser, patient};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

async fn app(config: impl FnOnce(SessionConfig) -> SessionConfig) -> (App, Browser) {
    let app = App::with(config(patient().idle(HOUR).absolute(3 * HOUR))).await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    app.store.take_calls();
    (app, browser)
}

fn persistent(config: SessionConfig) -> SessionConfig {
    config.cookie(CookieConfig::new().persistent(true))
}

fn max_age(answer: &Answer) -> Option<u64> {
    let line = answer.set_cookie.first()?;
    line.split("; ").find_map(|part| part.strip_prefix("Max-Age=")).map(|seconds| seconds.parse().unwrap())
}

async fn alive(app: &App, browser: &mut Browser) -> bool {
    app.get(browser, "/cart").await.body != "{}"
}

/// Seconds until the session expires, by the handle.
async fn left(app: &App, browser: &mut Browser) -> i64 {
    let facts: serde_json::Value = serde_json::from_str(&app.get(browser, "/facts").await.body).unwrap();
    let expires: i64 = facts["expires"].as_str().unwrap().parse().unwrap();
    (expires - app.clock.timestamp().as_millis()) / 1000
}

/// B37, B38, C25: dead at the idle deadline, to the millisecond, swept or not.
#[rocket::async_test]
async fn a_session_ends_at_the_idle_deadline() {
    let (app, mut browser) = app(|config| config.touch_every(TouchEvery::Off)).await;
    app.clock.advance(Duration::from_millis(3_600_000 - 1));
    assert!(alive(&app, &mut browser).await);
    app.clock.advance(Duration::from_millis(1));
    assert!(!alive(&app, &mut browser).await);
    assert_eq!(app.store.records().await, 1, "not swept, and yet not served");
    let old = browser.clone();
    assert_eq!(app.post(&mut browser, "/add/7").await.set_cookie.len(), 1);
    assert_ne!(browser, old, "the new record has a new id");
}

/// B38: however often it is used, the absolute deadline ends it.
#[rocket::async_test]
async fn the_absolute_deadline_is_not_moved() {
    let (app, mut browser) = app(|config| config).await;
    for _ in 0..5 {
        app.clock.advance(HOUR / 2);
        assert!(alive(&app, &mut browser).await);
        app.post(&mut browser, "/add/7").await;
    }
    app.clock.advance(HOUR / 2);
    assert!(!alive(&app, &mut browser).await);
}

/// B39, B42: a use moves the deadline at most once per `touch_every`, record and cookie together.
#[rocket::async_test]
async fn a_use_touches_at_most_once_per_period() {
    let (app, mut browser) = app(persistent).await;
    app.clock.advance(Duration::from_millis(6 * 60_000 - 1));
    assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty());
    assert_eq!(app.store.take_calls().get("patch"), None);
    app.clock.advance(Duration::from_millis(1));
    let touched = app.get(&mut browser, "/cart").await;
    assert_eq!(max_age(&touched), Some(3600));
    assert_eq!(app.store.take_calls()["patch"], 1);
    assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty());
    assert_eq!(app.store.take_calls().get("patch"), None);
    app.clock.advance(6 * MINUTE);
    let written = app.post(&mut browser, "/add/7").await;
    assert_eq!(max_age(&written), Some(3600), "the touch rides along with a write");
    assert_eq!(app.store.take_calls()["patch"], 1);
}

/// B40: with touching off a read writes nothing; a write still moves the deadline.
#[rocket::async_test]
async fn with_touching_off_only_writes_move_the_deadline() {
    let (app, mut browser) = app(|config| persistent(config).touch_every(TouchEvery::Off)).await;
    app.clock.advance(HOUR / 2);
    assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty());
    assert_eq!(app.store.take_calls().get("patch"), None);
    assert_eq!(max_age(&app.post(&mut browser, "/add/7").await), Some(3600));
    app.clock.advance(59 * MINUTE);
    assert!(alive(&app, &mut browser).await);
}

/// B35: a browser-close cookie has no age, and the server's deadline holds all the same.
#[rocket::async_test]
async fn a_browser_close_cookie_has_no_age() {
    let (app, mut browser) = app(|config| config).await;
    app.clock.advance(HOUR / 2);
    assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty(), "a touch sends no cookie then");
    assert_eq!(left(&app, &mut browser).await, 3600);
    let login = app.post(&mut browser, "/login/ada").await;
    assert!(!login.set_cookie[0].contains("Max-Age") && !login.set_cookie[0].contains("Expires"));
}

/// B32, B33, B34: a choice of this session's own is kept by later requests, until it is taken back.
#[rocket::async_test]
async fn a_chosen_expiry_is_kept() {
    let (app, mut browser) = app(|config| config).await;
    let chosen = app.post(&mut browser, "/expiry/after/7200").await;
    assert_eq!(max_age(&chosen), Some(7200));
    assert_eq!(left(&app, &mut browser).await, 7200);
    app.clock.advance(HOUR);
    let written = app.post(&mut browser, "/add/7").await;
    assert_eq!(max_age(&written), Some(7200), "two hours from this use; the absolute deadline allows it");
    app.clock.advance(HOUR + MINUTE);
    assert!(alive(&app, &mut browser).await, "longer than the configured idle time");
    assert_eq!(left(&app, &mut browser).await, 3600 - 60, "the absolute deadline is the ceiling");
    let back = app.post(&mut browser, "/expiry/default/0").await;
    assert_eq!((back.set_cookie.len(), max_age(&back)), (1, None), "the cookie is a browser-close one again");
}

/// B32: a moment of its own is not moved by use.
#[rocket::async_test]
async fn a_chosen_moment_is_not_moved() {
    let (app, mut browser) = app(|config| config).await;
    assert_eq!(max_age(&app.post(&mut browser, "/expiry/at/5400").await), Some(5400));
    app.clock.advance(HOUR);
    app.post(&mut browser, "/add/7").await;
    assert_eq!(left(&app, &mut browser).await, 1800);
    app.clock.advance(HOUR / 2);
    assert!(!alive(&app, &mut browser).await);
}

/// `BrowserClose` for one session of an application with persistent cookies.
#[rocket::async_test]
async fn a_session_may_choose_to_end_with_the_browser() {
    let (app, mut browser) = app(persistent).await;
    let chosen = app.post(&mut browser, "/expiry/browser/0").await;
    assert_eq!((chosen.set_cookie.len(), max_age(&chosen)), (1, None));
    app.clock.advance(HOUR / 2);
    assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty());
    assert!(alive(&app, &mut browser).await);
}

/// `set_expiry` creates nothing.
#[rocket::async_test]
async fn choosing_an_expiry_creates_nothing() {
    let (app, _) = app(|config| config).await;
    let mut stranger = Browser::default();
    assert!(app.post(&mut stranger, "/expiry/after/60").await.set_cookie.is_empty());
    assert_eq!(app.store.records().await, 1);
}

/// C21: a touch neither brings a session back nor sends a cookie for it.
#[rocket::async_test]
async fn a_touch_after_a_logout_does_nothing() {
    let (app, mut browser) = app(persistent).await;
    app.clock.advance(HOUR / 2);
    let mut other = browser.clone();
    let slow = app.get(&mut browser, "/cart");
    let meanwhile = async {
        app.post(&mut other, "/destroy").await;
    };
    let (answer, ()) = app.store.before_write(slow, meanwhile).await;
    assert_eq!((answer.status, answer.set_cookie.len(), app.store.records().await), (200, 0, 0));
}

/// A touch that lost against a login sends no cookie: it would push the new id out of the browser.
#[rocket::async_test]
async fn a_touch_that_lost_against_a_login_sends_no_cookie() {
    let (app, mut browser) = app(persistent).await;
    app.clock.advance(HOUR / 2);
    let mut other = browser.clone();
    let slow = app.get(&mut browser, "/cart");
    let meanwhile = async {
        app.post(&mut other, "/login/ada").await;
    };
    let (answer, ()) = app.store.before_write(slow, meanwhile).await;
    assert_eq!((answer.status, answer.set_cookie.len()), (200, 0));
}

/// A touch that cannot be stored changes nothing for the visitor.
#[rocket::async_test]
async fn a_failed_touch_does_not_change_the_answer() {
    let (app, mut browser) = app(persistent).await;
    app.clock.advance(HOUR / 2);
    app.store.fail("patch", Fault::Down);
    let answer = app.get(&mut browser, "/cart").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (200, 0));
}

/// C68: a clock that jumps neither panics nor extends beyond the absolute deadline.
#[rocket::async_test]
async fn a_jumping_clock_does_no_harm() {
    let (app, mut browser) = app(|config| config).await;
    let start = app.clock.timestamp();
    app.clock.set(start.before(HOUR));
    assert!(alive(&app, &mut browser).await);
    app.post(&mut browser, "/add/7").await;
    app.clock.set(start.after(10 * 365 * 24 * HOUR));
    assert!(!alive(&app, &mut browser).await);
    app.clock.set(session_runtime::clock::Timestamp::MAX);
    assert!(!alive(&app, &mut browser).await);
    app.clock.set(start.after(3 * HOUR));
    assert!(!alive(&app, &mut browser).await);
}

/// B31: age and date agree with the configured default.
#[rocket::async_test]
async fn the_handle_returns_the_configured_default() {
    let (app, mut browser) = app(|config| config).await;
    assert_eq!(left(&app, &mut browser).await, 3600);
}
