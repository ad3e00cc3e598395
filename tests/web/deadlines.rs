//! The deadline of a request, counted by a clock that stands still while anything is left to do: a request that waits
//! for the store ends at its deadline, to the millisecond, however many others wait, and asks the store no more than
//! once.

use std::time::Duration;

use rocket::futures::future::join_all;
use session_runtime::SessionConfig;
use session_runtime::testing::Fault;
use tokio::time::Instant;

use crate::app::{Answer, App, Browser};
use crate::store::in_memory;

/// The time that a slow call takes longer.
const SLOW: Duration = Duration::from_millis(300);

const MANY: usize = 200;
const DEADLINE: Duration = Duration::from_millis(500);

async fn app() -> App {
    App::on(in_memory(), SessionConfig::new().deadline(DEADLINE)).await
}

async fn visitor(app: &App) -> Browser {
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    app.store.take_calls();
    browser
}

/// Sends that many requests at once. Each must be a 503 without the handler's answer, and end at the deadline.
async fn all_fail_in_time(app: &App, browser: &Browser, path: &str) {
    let ask = || async {
        let started = Instant::now();
        let answer = app.post(&mut browser.clone(), path).await;
        (answer, started.elapsed())
    };
    for (answer, took) in join_all((0..MANY).map(|_| ask())).await {
        assert!((DEADLINE..DEADLINE + Duration::from_millis(5)).contains(&took), "{path} took {took:?}");
        assert_unavailable(&answer, path);
    }
}

fn assert_unavailable(answer: &Answer, path: &str) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, vec!["1"]), "{path}");
    assert!(answer.body.contains("503 Service Unavailable") && answer.set_cookie.is_empty(), "{path}: {answer:?}");
}

/// C61, C63, C65: 200 requests for a store that does not answer: each fails at its deadline, and each asked once.
#[tokio::test(start_paused = true)]
async fn two_hundred_requests_of_a_silent_store_each_end_at_the_deadline() {
    for (operation, path) in [
        ("load", "/add/7"),
        ("load", "/login/ada"),
        ("load", "/destroy"),
        ("patch", "/add/7"),
        ("patch", "/login/ada"),
        ("patch", "/renew"),
        ("patch", "/expiry/after/60"),
        ("delete", "/destroy"),
    ] {
        let app = app().await;
        let browser = visitor(&app).await;
        app.store.fail(operation, Fault::Hangs);
        all_fail_in_time(&app, &browser, path).await;
        assert_eq!(app.store.take_calls()[operation], MANY, "{operation} for {path}");
        app.store.recover();
        assert_eq!(app.get(&mut browser.clone(), "/cart").await.body, r#"{"7":1}"#, "nothing was stored");
    }
}

/// C61, C65: the same for first requests: no cookie, no record.
#[tokio::test(start_paused = true)]
async fn two_hundred_first_saves_in_a_silent_store_leave_nothing() {
    let app = app().await;
    app.store.fail("create", Fault::Hangs);
    all_fail_in_time(&app, &Browser::default(), "/add/7").await;
    assert_eq!((app.store.take_calls()["create"], app.store.records().await), (MANY, 0));
}

/// C63: a slow load leaves less for the save: the deadline is for both together.
#[tokio::test(start_paused = true)]
async fn load_and_save_share_one_deadline() {
    let app = app().await;
    let browser = visitor(&app).await;
    app.store.fail("load", Fault::Slow(SLOW));
    app.store.fail("patch", Fault::Hangs);
    all_fail_in_time(&app, &browser, "/add/7").await;
    app.store.fail("patch", Fault::Slow(SLOW));
    assert!(SLOW < DEADLINE && DEADLINE < 2 * SLOW);
    all_fail_in_time(&app, &browser, "/add/7").await;
}

/// C61: an explicit save, one of `update_now` and what the request does after either: one deadline, and one call.
#[tokio::test(start_paused = true)]
async fn an_explicit_save_in_a_silent_store_ends_at_the_deadline() {
    for path in ["/save/visit", "/update-now", "/two/save?edit=nothing", "/handle-save"] {
        let app = app().await;
        let mut browser = visitor(&app).await;
        app.store.fail("patch", Fault::Hangs);
        let started = Instant::now();
        let request = app.post(&mut browser, path);
        let answer =
            if path.starts_with("/two") { app.barrier.during(request, async {}).await.0 } else { request.await };
        assert!(started.elapsed() < DEADLINE + Duration::from_millis(5), "{path} took {:?}", started.elapsed());
        assert_eq!((answer.status, answer.set_cookie.len()), (503, 0), "{path}");
        assert_eq!(app.store.take_calls()["patch"], 1, "{path}");
    }
}

/// The time that a handler spends elsewhere is not the store's.
#[tokio::test(start_paused = true)]
async fn a_slow_handler_has_the_whole_deadline_left() {
    let app = app().await;
    let mut browser = visitor(&app).await;
    app.store.fail("patch", Fault::Slow(SLOW));
    let slow = app.post(&mut browser, "/do/add=7?slow=true");
    let (answer, ()) = app.barrier.during(slow, tokio::time::sleep(20 * DEADLINE)).await;
    assert_eq!(answer.status, 200);
}
