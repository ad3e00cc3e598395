//! `Max-Age`: what is left of the session on the server, in whole seconds, never 0 and never over 400 days.

use std::time::Duration;

use session_runtime::expiry::TouchEvery;
use session_runtime::{CookieConfig, SessionConfig};

use crate::app::{Answer, App, Browser, patient};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// RFC 6265bis section 5.6.2.
const MOST: u64 = 400 * 24 * 3600;

fn persistent() -> SessionConfig {
    patient().cookie(CookieConfig::new().name("id").secure(false).persistent(true))
}

fn age(answer: &Answer) -> Option<u64> {
    let line = answer.set_cookie.first().expect("an answer with a cookie");
    assert!(!line.to_lowercase().contains("expires"), "{line}");
    let mut ages = line.split("; ").filter_map(|part| part.strip_prefix("Max-Age="));
    let age = ages.next().map(|seconds| seconds.parse().unwrap());
    assert_eq!(ages.next(), None, "{line}");
    age
}

/// A new session, and the age of its cookie.
async fn new_age(config: SessionConfig) -> Option<u64> {
    let app = App::with(config).await;
    let mut browser = Browser::default();
    let age = age(&app.post(&mut browser, "/add/7").await);
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":1}"#, "the browser keeps the cookie");
    age
}

/// Some browsers drop a cookie with a longer age, and the others cut it.
#[rocket::async_test]
async fn no_cookie_is_to_be_kept_for_more_than_400_days() {
    for (days, seconds) in [(399, 399 * 86_400), (400, MOST), (401, MOST), (9_000, MOST)] {
        assert_eq!(new_age(persistent().idle(days * DAY).absolute(9_999 * DAY)).await, Some(seconds), "{days}");
        let app = App::with(patient().absolute(9_999 * DAY)).await;
        for choice in ["after", "at"] {
            let mut browser = Browser::default();
            app.post(&mut browser, "/add/7").await;
            let chosen = app.post(&mut browser, &format!("/expiry/{choice}/{}", days * 86_400)).await;
            assert_eq!(age(&chosen), Some(seconds), "{choice} {days}");
        }
    }
}

/// An age of 0 removes the cookie, and with it a session that is alive.
#[rocket::async_test]
async fn a_new_session_of_less_than_a_second_has_a_cookie() {
    for (millis, seconds) in [(1, 1), (600, 1), (999, 1), (1_000, 1), (1_999, 1), (2_000, 2), (61_999, 61)] {
        let time = Duration::from_millis(millis);
        assert_eq!(new_age(persistent().idle(time).absolute(HOUR)).await, Some(seconds), "{millis} ms");
        assert_eq!(new_age(persistent().idle(time).absolute(time)).await, Some(seconds), "{millis} ms");
    }
    assert_eq!(new_age(patient().idle(SECOND / 2)).await, None, "not persistent");
}

/// Every answer with a cookie gives it the age of the record.
#[rocket::async_test]
async fn the_age_is_the_time_left_of_the_record() {
    let config = persistent().idle(HOUR).absolute(9 * HOUR).touch_every(TouchEvery::TenthOfIdle).renew_every(2 * HOUR);
    let app = App::with(config).await;
    let (mut browser, mut sent) = (Browser::default(), 0);
    app.post(&mut browser, "/add/7").await;
    let key = app.key(&browser).await;
    let paths =
        ["/login/ada", "/renew", "/cart", "/expiry/after/7200", "/cart", "/renew", "/expiry/default/0", "/cart"];
    for round in 0..24 {
        app.clock.advance(Duration::from_millis(777_777));
        let path = paths[round % paths.len()];
        let answer = match path {
            "/cart" => app.get(&mut browser, path).await,
            _ => app.post(&mut browser, path).await,
        };
        if !answer.set_cookie.is_empty() {
            let left = app.store.record(key).await.unwrap().head.idle_deadline.since(app.clock.timestamp());
            assert_eq!(age(&answer), Some(left.as_secs()), "{path} in round {round}");
            sent += 1;
        }
    }
    assert!(sent > 12, "{sent} cookies");
}

/// A renewal that does not move the deadline does not lengthen the life of the cookie either.
#[rocket::async_test]
async fn a_renewed_cookie_has_the_age_that_is_left() {
    let app = App::with(persistent().idle(HOUR).touch_every(TouchEvery::Off).renew_every(HOUR / 4)).await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    for left in [2_699, 1_799, 899] {
        app.clock.advance(Duration::from_millis(900_001));
        assert_eq!(age(&app.get(&mut browser, "/cart").await), Some(left));
        assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty(), "the new id is presented");
    }
}

/// The removal of a persistent cookie, and of one of a session that chose to be: age 0, once, and nothing else changed.
#[rocket::async_test]
async fn a_persistent_cookie_is_removed_like_any_other() {
    for choice in ["default", "after", "at", "browser"] {
        for config in [persistent(), patient()] {
            let app = App::with(config).await;
            let mut browser = Browser::default();
            app.post(&mut browser, "/add/7").await;
            app.post(&mut browser, &format!("/expiry/{choice}/600")).await;
            let removed = app.post(&mut browser, "/destroy").await;
            assert_eq!(removed.set_cookie, ["id=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"], "{choice}");
            assert_eq!((age(&removed), browser.0), (Some(0), None));
        }
    }
}
