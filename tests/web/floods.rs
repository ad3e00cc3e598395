//! Many requests at once or in a row: what they cost the store, and what they leave behind.

use std::collections::BTreeSet;
use std::time::Duration;

use rocket::futures::future::join_all;
use session_runtime::Sessions;

use crate::app::{Answer, App, Browser, patient};

const HOUR: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(10);

/// A well-formed id that was never issued. Each number makes another one.
fn unknown(number: u32) -> Browser {
    Browser(Some(format!("{number:08}{}A", "x_-Q".repeat(8) + "ab")))
}

/// C50: 10,000 unknown ids cost one load each; nothing is written, and nothing is set.
#[rocket::async_test]
async fn unknown_ids_cost_one_load_each_and_no_write() {
    let app = App::new().await;
    app.post(&mut Browser::default(), "/add/7").await;
    app.store.take_calls();
    for number in 0..10_000 {
        let answer = app.get(&mut unknown(number), "/cart").await;
        assert_eq!((answer.status, answer.body.as_str(), answer.set_cookie.len()), (200, "{}", 0));
    }
    assert_eq!(app.store.take_calls().into_iter().collect::<Vec<_>>(), [("load", 10_000)]);
    assert_eq!(app.store.records().await, 1);
}

/// C51: logouts, renewals and chosen expiries of visitors without a session, or with an unknown id, store nothing.
#[rocket::async_test]
async fn anonymous_logouts_and_renewals_leave_nothing() {
    let app = App::new().await;
    for number in 0..500 {
        for path in ["/destroy", "/renew", "/expiry/after/60", "/logout-field", "/do/nothing", "/do/clear"] {
            for mut browser in [Browser::default(), unknown(number)] {
                let before = browser.clone();
                let answer = app.post(&mut browser, path).await;
                assert!(answer.status < 300 && answer.set_cookie.is_empty(), "{path}: {answer:?}");
                assert_eq!(browser, before);
            }
        }
    }
    let calls = app.store.take_calls();
    assert!(calls.keys().all(|operation| *operation == "load"), "{calls:?}");
    assert_eq!(app.store.records().await, 0);
}

/// C52, C53: anonymous writers leave one record each, no more, and all of them are gone once they are expired and
/// swept.
#[rocket::async_test]
async fn anonymous_writers_leave_one_record_each_until_they_expire() {
    let app = App::with(patient().idle(HOUR)).await;
    let mut regular = Browser::default();
    app.post(&mut regular, "/login/ada").await;
    for number in 0..2_500 {
        app.post(&mut unknown(number), "/add/7").await;
    }
    assert_eq!(app.store.records().await, 2_501);
    app.clock.advance(HOUR / 2);
    app.get(&mut regular, "/whoami").await;
    app.clock.advance(HOUR / 2 + Duration::from_secs(60));
    let sessions = Sessions::fetch(app.client.rocket()).unwrap();
    assert_eq!(sessions.sweep().await.unwrap(), 2_500, "in batches");
    assert_eq!(app.get(&mut regular, "/whoami").await.body, "ada");
    assert_eq!(app.store.records().await, 1);
}

/// Sends from 32 tabs with the same cookie at once; what came back, and the new ids among it.
async fn at_once(app: &App, old: &Browser, path: impl Fn(usize) -> String) -> (Vec<Answer>, BTreeSet<String>) {
    let paths: Vec<String> = (0..32).map(path).collect();
    let requests = paths.iter().map(|path| async { app.post(&mut old.clone(), path).await });
    let answers = join_all(requests).await;
    let mut ids = BTreeSet::new();
    for answer in &answers {
        let mut browser = Browser::default();
        browser.take(answer);
        ids.extend(browser.0);
    }
    (answers, ids)
}

/// C13: 32 requests carry the old id while the periodic renewal falls due: one new id comes of it, all are served, all
/// their writes are kept, and after the grace the old id is worth nothing.
#[rocket::async_test]
async fn requests_during_a_periodic_renewal_lose_nothing() {
    let app = App::with(patient().renew_every(HOUR).renew_grace(GRACE)).await;
    let mut old = Browser::default();
    app.post(&mut old, "/add/7").await;
    app.clock.advance(HOUR);
    let (answers, ids) = at_once(&app, &old, |n| format!("/add/{}", 100 + n)).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(ids.len(), 1, "one renewal, by any of them");
    let mut new = Browser(ids.into_iter().next());
    let cart = app.get(&mut new, "/cart").await.body;
    assert_eq!(cart.matches(":1").count(), 33, "{cart}");
    assert_eq!(app.get(&mut old.clone(), "/cart").await.body, cart, "within the grace");
    assert_eq!(app.store.records().await, 1, "never a second copy");
    app.clock.advance(GRACE);
    assert_eq!(app.get(&mut old, "/cart").await.body, "{}");
    assert_eq!(app.get(&mut new, "/cart").await.body, cart);
}

/// C13: 31 writes carry the old id while an explicit renewal is in flight: each is stored and was answered so, or is
/// refused; none reaches a second copy, none hands out a cookie but the renewal.
#[rocket::async_test]
async fn requests_during_an_explicit_renewal_are_kept_or_refused() {
    for renewal in 0..32 {
        let app = App::new().await;
        let mut old = Browser::default();
        app.post(&mut old, "/add/7").await;
        let path = |n: usize| if n == renewal { "/renew".to_owned() } else { format!("/add/{}", 100 + n) };
        let (answers, ids) = at_once(&app, &old, path).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 204 | 409)), "{answers:?}");
        assert_eq!((ids.len(), answers[renewal].set_cookie.len()), (1, 1), "{answers:?}");
        let cart = app.get(&mut Browser(ids.into_iter().next()), "/cart").await.body;
        let kept = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(cart.matches(":1").count() - 1, kept - usize::from(answers[renewal].status == 200), "{cart}");
        assert_eq!(app.store.records().await, 1);
        assert_eq!(app.get(&mut old, "/cart").await.body, "{}");
    }
}

/// C22: a write that the store holds for a while finds the session ended, and it stays ended.
#[rocket::async_test]
async fn a_write_held_by_the_store_does_not_bring_a_session_back() {
    let app = App::new().await;
    for path in ["/add/7", "/renew", "/login/ada", "/expiry/after/60"] {
        let mut browser = Browser::default();
        app.post(&mut browser, "/add/7").await;
        let mut other = browser.clone();
        let slow = app.post(&mut browser, path);
        let meanwhile = async { app.post(&mut other, "/destroy").await };
        let (answer, logout) = app.store.before_write(slow, meanwhile).await;
        assert_eq!((logout.status, logout.set_cookie.len()), (204, 1));
        assert!(answer.set_cookie.is_empty(), "{path}: {answer:?}");
        assert_eq!(app.store.records().await, 0, "{path}");
    }
}
