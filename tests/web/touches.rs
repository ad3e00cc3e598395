//! A session in use does not expire: uses that come less than its idle time apart keep it, with any settings.

use std::time::Duration;

use session_runtime::SessionConfig;
use session_runtime::expiry::TouchEvery;

use crate::app::{App, Browser, patient};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Each with what it allows at most, and more than that.
const PERIODS: [TouchEvery; 5] = [
    TouchEvery::TenthOfIdle,
    TouchEvery::Period(MINUTE),
    TouchEvery::Period(Duration::from_secs(30 * 60)),
    TouchEvery::Period(Duration::from_secs(45 * 60)),
    TouchEvery::Period(Duration::from_secs(90 * 3600)),
];

fn config(touch_every: TouchEvery) -> SessionConfig {
    patient().idle(HOUR).absolute(900 * HOUR).touch_every(touch_every)
}

async fn visitor(app: &App) -> Browser {
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    browser
}

async fn is_alive(app: &App, browser: &Browser) -> bool {
    app.get(&mut browser.clone(), "/cart").await.body != "{}"
}

/// Reads so often, with these pauses.
async fn use_every(app: &App, browser: &Browser, pause: Duration, shown: &str) {
    for round in 0..12 {
        app.clock.advance(pause);
        assert!(is_alive(app, browser).await, "{shown}: dead in round {round}, used every {pause:?}");
    }
}

/// The same program after a restart with other settings.
async fn restarted(app: &App, config: SessionConfig) -> App {
    let next = App::on(app.store.clone(), config).await;
    next.clock.set(app.clock.timestamp());
    next
}

#[rocket::async_test]
async fn a_session_in_use_lives_on_whatever_the_touch_period() {
    for period in PERIODS {
        for minutes in [1, 29, 30, 31, 44, 46, 59] {
            let app = App::with(config(period)).await;
            let browser = visitor(&app).await;
            use_every(&app, &browser, minutes * MINUTE, &format!("{period:?}")).await;
            app.clock.advance(HOUR);
            assert!(!is_alive(&app, &browser).await, "{period:?}: alive an hour after the last use");
        }
    }
}

/// A chosen time counts from the last use, too: a tenth of `idle`, or half of it, may be more than all of that.
#[rocket::async_test]
async fn a_session_with_a_chosen_expiry_in_use_lives_on() {
    for period in PERIODS {
        for (chosen, pauses) in [(2, [1, 1]), (10, [5, 9]), (20, [6, 19]), (600, [301, 599])] {
            for minutes in pauses {
                let app = App::with(config(period)).await;
                let mut browser = visitor(&app).await;
                app.post(&mut browser, &format!("/expiry/after/{}", chosen * 60)).await;
                use_every(&app, &browser, minutes * MINUTE, &format!("{chosen} minutes chosen, {period:?}")).await;
                app.clock.advance(chosen * MINUTE);
                assert!(!is_alive(&app, &browser).await, "{chosen} minutes chosen, {period:?}");
            }
        }
    }
}

/// A read moves a chosen deadline as seldom as its own length asks for, and by that length.
#[rocket::async_test]
async fn a_chosen_expiry_decides_how_often_a_use_is_stored() {
    let app = App::with(config(TouchEvery::TenthOfIdle)).await;
    let mut browser = visitor(&app).await;
    app.post(&mut browser, "/expiry/after/72000").await;
    let key = app.key(&browser).await;
    app.store.take_calls();
    app.clock.advance(119 * MINUTE);
    assert!(is_alive(&app, &browser).await);
    assert_eq!(app.store.take_calls().get("patch"), None, "a tenth of twenty hours has not passed");
    app.clock.advance(MINUTE);
    assert!(is_alive(&app, &browser).await);
    assert_eq!(app.store.take_calls()["patch"], 1);
    let head = app.store.record(key).await.unwrap().head;
    assert_eq!(head.idle_deadline, app.clock.timestamp().after(20 * HOUR), "by the chosen expiry, and not by `idle`");
}

/// A session that is to end at a moment ends then, used or not, and its uses are not stored.
#[rocket::async_test]
async fn a_chosen_moment_is_not_moved_by_a_read() {
    for period in PERIODS {
        let app = App::with(config(period)).await;
        let mut browser = visitor(&app).await;
        app.post(&mut browser, "/expiry/at/18000").await;
        app.store.take_calls();
        for _ in 0..9 {
            app.clock.advance(HOUR / 2);
            assert!(is_alive(&app, &browser).await, "{period:?}: longer than `idle` after the last write");
        }
        assert_eq!(app.store.take_calls().get("patch"), None, "{period:?}");
        app.clock.advance(HOUR / 2);
        assert!(!is_alive(&app, &browser).await, "{period:?}");
    }
}

#[rocket::async_test]
async fn a_session_that_ends_with_the_browser_has_the_configured_deadline() {
    for period in PERIODS {
        let app = App::with(config(period)).await;
        let mut browser = visitor(&app).await;
        app.post(&mut browser, "/expiry/browser/0").await;
        use_every(&app, &browser, 31 * MINUTE, &format!("{period:?}")).await;
        app.clock.advance(HOUR);
        assert!(!is_alive(&app, &browser).await, "{period:?}");
    }
}

/// A tenth of the new idle time was more than the session had left, so its uses were not stored.
#[rocket::async_test]
async fn a_session_in_use_outlives_a_restart_with_a_longer_idle_time() {
    for period in PERIODS {
        let before = App::with(config(TouchEvery::TenthOfIdle)).await;
        let browser = visitor(&before).await;
        let app = restarted(&before, config(period).idle(20 * HOUR)).await;
        app.clock.advance(50 * MINUTE);
        assert!(is_alive(&app, &browser).await, "{period:?}");
        use_every(&app, &browser, 19 * HOUR, &format!("{period:?}")).await;
    }
}

/// The choice of a session holds under the settings of the next program as well.
#[rocket::async_test]
async fn a_chosen_expiry_outlives_a_restart_with_other_settings() {
    let settings = [config(TouchEvery::TenthOfIdle).idle(20 * HOUR), config(TouchEvery::Period(HOUR)).idle(MINUTE)];
    for config in settings {
        let before = App::with(self::config(TouchEvery::TenthOfIdle)).await;
        let (mut after, mut at) = (visitor(&before).await, visitor(&before).await);
        before.post(&mut after, "/expiry/after/600").await;
        before.post(&mut at, "/expiry/at/7200").await;
        let app = restarted(&before, config).await;
        use_every(&app, &after, 9 * MINUTE, "ten minutes chosen").await;
        assert!(is_alive(&app, &at).await);
        app.clock.advance(10 * MINUTE);
        assert!(!is_alive(&app, &after).await, "ten minutes after the last use");
        app.clock.advance(2 * MINUTE);
        assert!(!is_alive(&app, &at).await, "two hours after the choice");
    }
}
