//! Ids: which are accepted, when they change, and what a request with an old one gets.

use std::time::Duration;

use rocket::http::Header;

use crate::app::{App, Browser, patient};

/// B15, B16, B37, C02: an id that the store does not know is never adopted.
#[rocket::async_test]
async fn an_unknown_id_is_not_adopted() {
    let app = App::new().await;
    let planted = "A".repeat(43);
    let mut browser = Browser(Some(planted.clone()));
    assert_eq!(app.get(&mut browser, "/cart").await.body, "{}");
    assert_eq!(app.store.records().await, 0);
    assert!(app.post(&mut browser, "/add/7").await.set_cookie[0].starts_with("id="));
    assert_ne!(browser.0, Some(planted));
}

/// B17, C03, C04, C08, C10: a cookie that is no id costs no store call; two cookies are none.
#[rocket::async_test]
async fn unusable_cookies_cost_no_store_call() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let good = browser.0.unwrap();
    let lines = [
        String::new(),
        "id=".into(),
        "id".into(),
        format!("id={}", &good[1..]),
        format!("id={good}="),
        format!("id=\"{good}\""),
        format!("ID={good}"),
        format!("=id={good}"),
        format!("%69d={good}"),
        format!("\u{a0}id={good}"),
        format!("id={good}; id={good}"),
        format!("id={good}; theme=dark; id=x"),
        format!("theme=dark; \tid={good}"),
        format!("theme=dark;  id={good}"),
        format!("id={good} ; theme=dark"),
        "id=../../etc/passwd".into(),
        format!("id={}", "x".repeat(4096)),
    ];
    for line in lines {
        app.store.take_calls();
        let request = app.client.get("/cart").header(Header::new("Cookie", line.clone()));
        let answer = app.send(request, &mut Browser::default()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{}"), "{line}");
        assert_eq!(app.store.total_calls(), 0, "{line}");
    }
    let request = app.client.get("/cart").header(Header::new("Cookie", format!("theme=dark; id={good};x")));
    assert_eq!(app.send(request, &mut Browser::default()).await.body, r#"{"7":1}"#);
}

/// The local client's jar works like a browser's header.
#[rocket::async_test]
async fn the_local_clients_jar_is_read() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let request = app.client.get("/cart").cookie(("id", browser.0.unwrap()));
    assert_eq!(app.send(request, &mut Browser::default()).await.body, r#"{"7":1}"#);
}

/// B20, B23, C12: a login gives a new id, keeps cart and key, and the old id is dead at once.
#[rocket::async_test]
async fn a_login_changes_the_id() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let (mut planted, key) = (browser.clone(), app.key(&browser).await);
    let answer = app.post(&mut browser, "/login/ada").await;
    assert_eq!(answer.set_cookie.len(), 1);
    assert_ne!(browser, planted);
    assert_eq!(app.key(&browser).await, key, "jobs keep finding the session");
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":1}"#);
    assert_eq!(app.get(&mut browser, "/whoami").await.body, "ada");
    assert_eq!(app.get(&mut planted, "/whoami").await.body, "anonymous");
    assert_eq!(app.get(&mut planted, "/cart").await.body, "{}");
}

/// The same user again is no change; a role is none either.
#[rocket::async_test]
async fn the_same_login_again_keeps_the_id() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/login/ada").await;
    assert!(app.post(&mut browser, "/login/ada").await.set_cookie.is_empty());
    assert!(app.post(&mut browser, "/roles/admin").await.set_cookie.is_empty());
}

/// A `renew` field set back to its default ends the session.
#[rocket::async_test]
async fn a_logout_by_field_ends_the_session() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    app.post(&mut browser, "/login/ada").await;
    let mut old = browser.clone();
    app.post(&mut browser, "/logout-field").await;
    assert_eq!(browser, Browser(None));
    assert_eq!(app.store.records().await, 0);
    assert_eq!(app.get(&mut old, "/cart").await.body, "{}");
}

/// Another user starts over: nothing of the first reaches the second, and the first's record is gone.
#[rocket::async_test]
async fn another_user_starts_over() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    app.post(&mut browser, "/login/ada").await;
    app.post(&mut browser, "/roles/admin").await;
    let (mut first, key) = (browser.clone(), app.key(&browser).await);
    app.post(&mut browser, "/login/bob").await;
    assert_eq!(app.get(&mut browser, "/whoami").await.body, "bob");
    assert_eq!(app.get(&mut browser, "/cart").await.body, "{}");
    assert_ne!(app.key(&browser).await, key);
    assert!(app.store.record(key).await.is_none());
    assert_eq!(app.get(&mut first, "/whoami").await.body, "anonymous");
    let record = app.store.record(app.key(&browser).await).await.unwrap();
    assert_eq!(record.values.len(), 3, "the metadata, the user and the proof of the login, nothing else");
}

/// B20, B21, C13: `renew()` keeps everything and takes effect whatever the answer; it creates nothing.
#[rocket::async_test]
async fn an_explicit_renewal() {
    let app = App::new().await;
    let mut stranger = Browser::default();
    assert!(app.post(&mut stranger, "/renew").await.set_cookie.is_empty());
    assert_eq!(app.store.records().await, 0);
    for status in [204, 500] {
        let mut browser = Browser::default();
        app.post(&mut browser, "/add/7").await;
        let mut old = browser.clone();
        app.post(&mut browser, &format!("/renew?status={status}")).await;
        assert_ne!(old, browser, "{status}");
        assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":1}"#);
        assert_eq!(app.get(&mut old, "/cart").await.body, "{}");
    }
}

/// A request from before a login reads anonymous, may not write, and cannot push the new id out of the browser.
#[rocket::async_test]
async fn an_id_from_before_a_login_cannot_write() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let mut old = browser.clone();
    app.post(&mut browser, "/login/ada").await;
    let refused = app.post(&mut old, "/add/8").await;
    assert_eq!((refused.status, refused.set_cookie.len()), (409, 0));
    assert_eq!(app.store.records().await, 1);
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":1}"#);
    app.clock.advance(Duration::from_secs(10));
    let later = app.post(&mut old, "/add/8").await;
    assert_eq!((later.status, later.set_cookie.len()), (200, 1), "after the grace it is a stranger");
}

/// The log-in button pressed twice: the second press gets a session of its own, with only what it changed.
#[rocket::async_test]
async fn a_login_with_an_old_id_gets_a_session_of_its_own() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let mut second = browser.clone();
    app.post(&mut browser, "/login/ada").await;
    let answer = app.post(&mut second, "/login/bob").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (204.min(answer.status), 1));
    assert_eq!(app.get(&mut second, "/whoami").await.body, "bob");
    assert_eq!(app.get(&mut second, "/cart").await.body, "{}");
    assert_eq!(app.get(&mut browser, "/whoami").await.body, "ada");
}

/// B64, C14: two logins from one anonymous session at once: each keeps the cart, neither sees the other's.
#[rocket::async_test]
async fn a_login_that_lost_a_race_gets_a_session_of_its_own() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let mut other = browser.clone();
    let slow = app.post(&mut browser, "/login/ada?slow=true");
    let meanwhile = async {
        app.post(&mut other, "/login/bob").await;
        app.post(&mut other, "/roles/admin").await;
    };
    let (answer, ()) = app.barrier.during(slow, meanwhile).await;
    assert_eq!((answer.status, answer.set_cookie.len()), (200, 1));
    assert_eq!(app.get(&mut browser, "/whoami").await.body, "ada");
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":1}"#);
    assert_eq!(app.get(&mut other, "/whoami").await.body, "bob");
    let own = app.store.record(app.key(&browser).await).await.unwrap();
    assert_eq!(own.values.get("auth.roles"), None, "nothing of the other's login");
}

/// B64, C13: a plain write or a `renew()` whose session was logged in meanwhile: 409, no cookie, nothing stored.
#[rocket::async_test]
async fn a_write_that_lost_against_a_login_is_refused() {
    let app = App::new().await;
    for path in ["/do/add=8?slow=true", "/renew?slow=true"] {
        let mut browser = Browser::default();
        app.post(&mut browser, "/add/7").await;
        let mut other = browser.clone();
        let slow = app.post(&mut browser, path);
        let meanwhile = async {
            app.post(&mut other, "/login/bob").await;
        };
        let (answer, ()) = app.barrier.during(slow, meanwhile).await;
        assert_eq!((answer.status, answer.set_cookie.len()), (409, 0), "{path}");
        assert_eq!(app.get(&mut other, "/cart").await.body, r#"{"7":1}"#);
    }
}

/// A later load of the request checks that the login is still the one first seen.
#[rocket::async_test]
async fn a_later_load_never_sees_changes_after_a_login() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let mut other = browser.clone();
    let slow = app.get(&mut browser, "/late-history");
    let meanwhile = async {
        app.post(&mut other, "/login/bob").await;
        app.post(&mut other, "/history/secret").await;
    };
    let (answer, ()) = app.barrier.during(slow, meanwhile).await;
    assert_eq!(answer.status, 409);
    assert!(!answer.body.contains("secret"));
}

/// Periodic renewal: the old id stays valid until the new one was presented, and for the grace after that.
#[rocket::async_test]
async fn a_periodic_renewal_has_a_grace() {
    let hour = Duration::from_secs(3600);
    let app = App::with(patient().renew_every(hour).renew_grace(Duration::from_secs(10))).await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let mut old = browser.clone();
    assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty());
    app.clock.advance(hour);
    assert_eq!(app.get(&mut browser, "/cart").await.set_cookie.len(), 1, "a read renews too");
    assert_ne!(old, browser);
    app.clock.advance(hour / 2);
    for path in ["/add/7", "/add/7"] {
        let answer = app.post(&mut old, path).await;
        assert_eq!((answer.status, answer.set_cookie.len()), (200, 0), "the new id was not presented yet");
    }
    assert!(app.get(&mut browser, "/cart").await.set_cookie.is_empty());
    app.clock.advance(Duration::from_secs(9));
    assert_eq!(app.get(&mut old, "/cart").await.body, r#"{"7":3}"#, "within the grace");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(app.get(&mut old, "/cart").await.body, "{}", "after the grace");
    assert_eq!(app.get(&mut browser, "/cart").await.body, r#"{"7":3}"#);
}

/// A login ends the id from before a periodic renewal at once.
#[rocket::async_test]
async fn a_login_ends_the_grace_of_a_periodic_renewal() {
    let hour = Duration::from_secs(3600);
    let app = App::with(patient().renew_every(hour)).await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let mut old = browser.clone();
    app.clock.advance(hour);
    app.get(&mut browser, "/cart").await;
    app.post(&mut browser, "/login/ada").await;
    assert_eq!(app.get(&mut old, "/cart").await.body, "{}");
    assert_eq!(app.get(&mut browser, "/whoami").await.body, "ada");
}

/// Two requests that both find the renewal due: one id wins, and the browser ends up with a valid one.
#[rocket::async_test]
async fn two_periodic_renewals_at_once_leave_one_id() {
    let hour = Duration::from_secs(3600);
    let app = App::with(patient().renew_every(hour)).await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    app.clock.advance(hour);
    let mut other = browser.clone();
    let slow = app.post(&mut browser, "/do/add=7?slow=true");
    let meanwhile = async { app.post(&mut other, "/do/add=7").await };
    let (late, early) = app.barrier.during(slow, meanwhile).await;
    assert_eq!((early.set_cookie.len(), late.set_cookie.len(), late.status), (1, 0, 200));
    assert_eq!(app.get(&mut other, "/cart").await.body, r#"{"7":3}"#);
}

/// A chosen expiry that is stored after another request's periodic renewal sends no cookie: it would be the old id.
#[rocket::async_test]
async fn a_choice_that_lost_against_a_periodic_renewal_sends_no_cookie() {
    let hour = Duration::from_secs(3600);
    let app = App::with(patient().renew_every(hour)).await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    app.clock.advance(hour);
    let mut other = browser.clone();
    let slow = app.post(&mut browser, "/expiry/after/7200");
    let meanwhile = async { app.get(&mut other, "/cart").await };
    let (late, renewed) = app.store.before_write(slow, meanwhile).await;
    assert_eq!((renewed.set_cookie.len(), late.set_cookie.len(), late.status), (1, 0, 200));
    let expires = app.store.record(app.key(&other).await).await.unwrap().head.idle_deadline;
    assert_eq!(expires, app.clock.timestamp().after(2 * hour), "the choice is stored all the same");
}
