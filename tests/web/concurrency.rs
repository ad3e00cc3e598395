//! Two requests of one session at once: A loads, B does something, A saves.

use crate::app::{Answer, App, Browser};

/// Runs `slow` with a pause between load and save, and `meanwhile` in the pause. Both come from one browser.
async fn race(app: &App, setup: &[&str], slow: &str, meanwhile: &[&str]) -> (Answer, Browser) {
    let mut browser = Browser::default();
    app.post(&mut browser, "/do/weigh=x").await;
    for what in setup {
        app.post(&mut browser, &format!("/do/{what}")).await;
    }
    let mut slow_browser = browser.clone();
    let path = format!("/do/{slow}?slow=true");
    let a = app.post(&mut slow_browser, &path);
    let b = async {
        for path in meanwhile {
            let path = if path.starts_with('/') { (*path).to_owned() } else { format!("/do/{path}") };
            assert!(app.post(&mut browser, &path).await.status < 300, "{path}");
        }
    };
    let (answer, ()) = app.barrier.during(a, b).await;
    (answer, browser)
}

async fn stored(app: &App, browser: &Browser, name: &str) -> Option<String> {
    let key = app.key(browser).await;
    app.store.record(key).await.unwrap().values.get(name).map(str::to_owned)
}

/// The text stored under `name` after `setup`, then `ours` and `theirs` at once.
async fn merged(name: &str, setup: &[&str], ours: &str, theirs: &[&str]) -> Option<String> {
    let app = App::new().await;
    let (answer, browser) = race(&app, setup, ours, theirs).await;
    assert_eq!(answer.status, 200, "{ours} against {theirs:?}");
    stored(&app, &browser, name).await
}

/// B61: different fields both survive, and cost no second round trip.
#[rocket::async_test]
async fn different_fields_both_survive() {
    let app = App::new().await;
    let (answer, browser) = race(&app, &[], "coupon=A", &["note=theirs", "add=7"]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(stored(&app, &browser, "cart.coupon").await.as_deref(), Some("\"A\""));
    assert_eq!(stored(&app, &browser, "cart.note").await.as_deref(), Some("\"theirs\""));
    assert_eq!(stored(&app, &browser, "cart.items/7").await.as_deref(), Some("1"));
    assert_eq!(app.store.take_calls()["patch"], 3, "note, add, coupon: no conflict anywhere");
}

/// B62: the same plain field: one of the two values, the later save.
#[rocket::async_test]
async fn the_later_save_of_a_plain_field_wins() {
    assert_eq!(merged("cart.coupon", &[], "coupon=A", &["coupon=B"]).await.as_deref(), Some("\"A\""));
    assert_eq!(merged("cart.coupon", &["coupon=C"], "no-coupon", &["coupon=B"]).await, None);
}

/// C55: sums add up, absent counts as the default, bounds hold.
#[rocket::async_test]
async fn sums_add_up() {
    let visits = async |setup: &[&str], ours: &str, theirs: &[&str]| merged("cart.visits", setup, ours, theirs).await;
    assert_eq!(visits(&[], "visit", &["visit"]).await.as_deref(), Some("2"));
    assert_eq!(visits(&["visits=5"], "visit", &["visit", "visit"]).await.as_deref(), Some("8"));
    assert_eq!(visits(&["visits=5"], "visits=2", &["visit"]).await.as_deref(), Some("3"));
    assert_eq!(visits(&["visits=5"], "no-visits", &["visit"]).await.as_deref(), Some("1"));
    assert_eq!(visits(&["visits=5"], "no-visits", &["no-visits"]).await, None);
    assert_eq!(visits(&["visits=5"], "visit", &["no-visits"]).await.as_deref(), Some("1"));
    let most = format!("visits={}", i64::MAX - 1);
    assert_eq!(visits(&[&most], "visit", &["visit"]).await, Some(i64::MAX.to_string()), "saturates");
}

/// Entries of a counted map: each adds up by itself; a removal is a change.
#[rocket::async_test]
async fn counted_entries_add_up() {
    let seven = async |setup: &[&str], ours: &str, theirs: &[&str]| merged("cart.items/7", setup, ours, theirs).await;
    assert_eq!(seven(&[], "add=7", &["add=7"]).await.as_deref(), Some("2"));
    assert_eq!(seven(&["add=7"], "add=7", &["add=7", "add=7"]).await.as_deref(), Some("4"));
    assert_eq!(seven(&["add=7"], "add=8", &["add=7"]).await.as_deref(), Some("2"));
    assert_eq!(seven(&["add=7"], "remove=7", &["add=7"]).await.as_deref(), Some("1"), "a concurrent add remains");
    assert_eq!(
        seven(&["add=7"], "clear", &["add=7"]).await.as_deref(),
        Some("1"),
        "clear removes the quantity that it saw"
    );
    assert_eq!(seven(&["add=7"], "replace=8", &["add=7"]).await.as_deref(), Some("1"));
    assert_eq!(seven(&["add=7"], "remove=7", &["remove=7"]).await, None);
    assert_eq!(seven(&["add=7"], "remove=7", &["add=8"]).await, None);
    assert_eq!(seven(&["add=7"], "add=7", &["remove=7"]).await.as_deref(), Some("1"));
}

/// Elements of a set: a changed one wins over an unchanged one, and removal is a change.
#[rocket::async_test]
async fn set_elements_merge_one_by_one() {
    let a = async |setup: &[&str], ours: &str, theirs: &[&str]| merged("cart.tags/a", setup, ours, theirs).await;
    assert_eq!(a(&["tag=a"], "tag=b", &["untag=a"]).await, None);
    assert_eq!(a(&[], "tag=b", &["tag=a"]).await.as_deref(), Some("true"));
    assert_eq!(a(&["tag=a"], "untag=a", &["tag=b"]).await, None);
}

/// `merge = with`: the application's own function gets base, theirs and ours.
#[rocket::async_test]
async fn an_own_merge_decides() {
    let note = async |ours: &str, theirs: &[&str]| merged("cart.note", &["note=base"], ours, theirs).await;
    assert_eq!(note("note=short", &["note=muchlonger"]).await.as_deref(), Some("\"muchlonger\""));
    assert_eq!(note("note=muchlonger", &["note=short"]).await.as_deref(), Some("\"muchlonger\""));
}

/// B62: `merge = reject`: 409 and nothing stored if both changed it; none if only one did, or theirs is back at the
/// base.
#[rocket::async_test]
async fn a_rejected_field_answers_409() {
    let app = App::new().await;
    let (answer, browser) = race(&app, &["address=base"], "address=ours", &["address=theirs"]).await;
    assert_eq!((answer.status, answer.set_cookie.len()), (409, 0));
    assert_eq!(stored(&app, &browser, "cart.address").await.as_deref(), Some("\"theirs\""));
    let back = merged("cart.address", &["address=base"], "address=ours", &["address=x", "address=base"]).await;
    assert_eq!(back.as_deref(), Some("\"ours\""));
    let other = merged("cart.address", &["address=base"], "coupon=A", &["address=theirs"]).await;
    assert_eq!(other.as_deref(), Some("\"theirs\""));
}

/// B29, B63, C20: a save that comes after a logout is dropped; the answer goes out, without a cookie.
#[rocket::async_test]
async fn a_late_save_does_not_bring_a_session_back() {
    let app = App::new().await;
    for slow in ["add=7", "coupon=A", "nothing"] {
        let (answer, browser) = race(&app, &["add=7"], slow, &["/destroy"]).await;
        assert_eq!((answer.status, answer.set_cookie.len()), (200, 0), "{slow}");
        assert_eq!(browser.0, None);
        assert_eq!(app.store.records().await, 0, "{slow}");
    }
}

/// B65: two first requests at once make two sessions, and no error.
#[rocket::async_test]
async fn two_first_requests_make_two_sessions() {
    let app = App::new().await;
    let (mut a, mut b) = (Browser::default(), Browser::default());
    let (one, two) = rocket::tokio::join!(app.post(&mut a, "/add/7"), app.post(&mut b, "/add/7"));
    assert_eq!((one.status, two.status, app.store.records().await), (200, 200, 2));
    assert_ne!(a, b);
}

/// Many at once on one session: every add is counted.
#[rocket::async_test]
async fn sixty_four_adds_at_once_are_all_counted() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let app = &app;
    let mut requests = Vec::new();
    for _ in 0..64 {
        let mut browser = browser.clone();
        requests.push(async move { app.post(&mut browser, "/add/7").await.status });
    }
    let statuses = rocket::futures::future::join_all(requests).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":65}"#);
}
