//! The ceilings of a session's life: `absolute` for those that chose nothing, `remember` for those that chose an
//! expiry.
#![allow(clippy::float_cmp, clippy::unchecked_time_subtraction, reason = "the figures are exact")]

use std::time::Duration;

use session_runtime::{CookieConfig, SessionConfig};

use crate::app::{App, Browser, patient};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn app(config: impl FnOnce(SessionConfig) -> SessionConfig) -> (App, Browser) {
    let config = config(patient().idle(DAY).absolute(30 * DAY));
    let app = App::with(config.cookie(CookieConfig::new().persistent(true))).await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    (app, browser)
}

async fn alive(app: &App, browser: &mut Browser) -> bool {
    app.get(browser, "/cart").await.body != "{}"
}

/// Days until the session expires, by the handle.
async fn days_left(app: &App, browser: &mut Browser) -> f64 {
    let facts: serde_json::Value = serde_json::from_str(&app.get(browser, "/facts").await.body).unwrap();
    let expires: i64 = facts["expires"].as_str().unwrap().parse().unwrap();
    Duration::from_millis(u64::try_from(expires - app.clock.timestamp().as_millis()).unwrap()).div_duration_f64(DAY)
}

fn days(days: u64) -> u64 {
    days * DAY.as_secs()
}

/// `Expiry::After(60 days)` lives 60 days after its last use where `remember` allows it, though `absolute` is 30 days.
#[rocket::async_test]
async fn a_chosen_expiry_may_outlive_absolute_up_to_remember() {
    let (app, mut browser) = app(|config| config.remember(90 * DAY)).await;
    let chosen = app.post(&mut browser, &format!("/expiry/after/{}", days(60))).await;
    assert!(chosen.set_cookie[0].contains(&format!("Max-Age={}", days(60))), "{chosen:?}");
    app.clock.advance(45 * DAY);
    assert!(alive(&app, &mut browser).await, "the 30 days of `absolute` are over");
    app.post(&mut browser, "/add/7").await;
    assert_eq!(days_left(&app, &mut browser).await, 45.0, "the 90 days of `remember` are the ceiling");
    app.clock.advance(45 * DAY - Duration::from_millis(1));
    assert!(alive(&app, &mut browser).await);
    app.clock.advance(Duration::from_millis(1));
    assert!(!alive(&app, &mut browser).await, "no use moves that ceiling");
}

#[rocket::async_test]
async fn a_chosen_moment_may_lie_beyond_absolute_up_to_remember() {
    let (app, mut browser) = app(|config| config.remember(90 * DAY)).await;
    app.post(&mut browser, &format!("/expiry/at/{}", days(60))).await;
    assert_eq!(days_left(&app, &mut browser).await, 60.0);
    app.post(&mut browser, &format!("/expiry/at/{}", days(100))).await;
    assert_eq!(days_left(&app, &mut browser).await, 90.0);
}

/// A longer `remember` moves nothing for sessions that chose nothing, or only that the browser's end is theirs.
#[rocket::async_test]
async fn remember_is_only_for_chosen_expiries() {
    for choice in ["default", "browser"] {
        let (app, mut browser) = app(|config| config.remember(90 * DAY)).await;
        app.post(&mut browser, &format!("/expiry/{choice}/0")).await;
        for _ in 0..60 {
            app.clock.advance(DAY / 2 - Duration::from_millis(1));
            assert!(alive(&app, &mut browser).await);
            app.post(&mut browser, "/add/7").await;
        }
        app.clock.advance(Duration::from_millis(60));
        assert!(!alive(&app, &mut browser).await, "{choice}: 30 days are over");
    }
}

/// A choice that is taken back brings the ceiling of `absolute` back, from the creation on.
#[rocket::async_test]
async fn a_choice_taken_back_has_the_ceiling_of_absolute_again() {
    let (app, mut browser) = app(|config| config.remember(90 * DAY)).await;
    app.post(&mut browser, &format!("/expiry/after/{}", days(60))).await;
    app.clock.advance(29 * DAY + DAY / 2);
    assert_eq!(app.post(&mut browser, "/expiry/default/0").await.status, 200);
    assert_eq!(days_left(&app, &mut browser).await, 0.5);
    app.clock.advance(DAY / 2);
    assert!(!alive(&app, &mut browser).await);
}

/// Without the setting `absolute` is the ceiling of everything.
#[rocket::async_test]
async fn remember_is_absolute_by_default() {
    let (app, mut browser) = app(|config| config).await;
    app.post(&mut browser, &format!("/expiry/after/{}", days(60))).await;
    assert_eq!(days_left(&app, &mut browser).await, 30.0);
    app.clock.advance(30 * DAY);
    assert!(!alive(&app, &mut browser).await);
}

/// A session of the time before `remember` was raised keeps its ceiling; a new one has the new ceiling.
#[rocket::async_test]
async fn a_record_keeps_the_ceiling_of_its_creation() {
    let (before, mut browser) = app(|config| config).await;
    let config = patient().idle(DAY).absolute(30 * DAY).remember(90 * DAY);
    let app = App::on(before.store.clone(), config).await;
    app.post(&mut browser, &format!("/expiry/after/{}", days(60))).await;
    assert_eq!(days_left(&app, &mut browser).await, 30.0);
    let mut second = Browser::default();
    app.post(&mut second, "/add/7").await;
    app.post(&mut second, &format!("/expiry/after/{}", days(60))).await;
    assert_eq!(days_left(&app, &mut second).await, 60.0);
}

/// A login keeps the choice and its ceiling.
#[rocket::async_test]
async fn a_login_keeps_the_chosen_expiry() {
    let (app, mut browser) = app(|config| config.remember(90 * DAY)).await;
    app.post(&mut browser, &format!("/expiry/after/{}", days(60))).await;
    app.post(&mut browser, "/login/ada").await;
    app.clock.advance(45 * DAY);
    assert_eq!(app.get(&mut browser, "/whoami").await.body, "ada");
}
