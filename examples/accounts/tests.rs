//! Tests of the accounts in this process. Those in a browser are the target `browser` in the workspace's `tests`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use rocket::figment::Figment;
use rocket::futures::future::join_all;
use rocket::http::{ContentType, Status};
use rocket::local::asynchronous::{Client, LocalResponse};
use session_runtime::testing::{Fault, ManualClock, RecordingStore, Visitor};
use session_runtime::{SessionFairing, Store};

use crate::session::{AuthSession, AuthSessionMut};
use crate::users::Users;

/// Builds a client of an application with the user "ann". It reads neither files nor environment.
async fn client_of(sessions: SessionFairing) -> Client {
    let config =
        Figment::from(rocket::Config::debug_default()).merge(("log_level", "off")).merge(("accounts", ":memory:"));
    let client = Client::tracked(crate::build(rocket::custom(config), sessions)).await.unwrap();
    let answer = outcome(&client, "/sign-up", "name=ann&password=correct+horse").await;
    assert_eq!(answer, (303, Some("/".to_owned())));
    client
}

fn sessions(store: impl Store) -> SessionFairing {
    crate::sessions().store(store)
}

async fn client() -> Client {
    client_of(sessions(RecordingStore::default())).await
}

async fn send<'c>(client: &'c Client, path: &'c str, form: &str) -> LocalResponse<'c> {
    client.post(path).header(ContentType::Form).body(form).dispatch().await
}

/// Sends a form; returns the status and the target of the redirect.
async fn outcome(client: &Client, path: &str, form: &str) -> (u16, Option<String>) {
    let answer = send(client, path, form).await;
    (answer.status().code, answer.headers().get_one("Location").map(str::to_owned))
}

async fn log_out(client: &Client) {
    assert_eq!(outcome(client, "/logout", "").await, (303, Some("/login".to_owned())));
}

async fn try_to_log_in(client: &Client, password: &str) -> u16 {
    outcome(client, "/login", &format!("name=ann&password={password}")).await.0
}

/// Many attempts at once pass no more often than attempts one after the other.
#[rocket::async_test]
async fn attempts_at_once_do_not_pass_the_limit() {
    let client = client().await;
    log_out(&client).await;
    let all = join_all((0..12).map(|_| try_to_log_in(&client, "wrong"))).await;
    assert_eq!(all.iter().filter(|status| **status == 422).count(), 5, "{all:?}");
    assert_eq!(all.iter().filter(|status| **status == 429).count(), 7, "{all:?}");
}

#[rocket::async_test]
async fn the_limit_ends_after_a_quarter_of_an_hour() {
    let clock = ManualClock::new();
    let client = client_of(sessions(RecordingStore::default()).clock(clock.clone())).await;
    log_out(&client).await;
    for _ in 0..5 {
        assert_eq!(try_to_log_in(&client, "wrong").await, 422);
    }
    clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(try_to_log_in(&client, "correct+horse").await, 429);
    clock.advance(Duration::from_secs(61));
    assert_eq!(try_to_log_in(&client, "correct+horse").await, 303);
}

/// A visitor with an account does not begin to count again by a login to it.
#[rocket::async_test]
async fn a_login_takes_back_its_own_attempt_only() {
    let client = client().await;
    log_out(&client).await;
    for _ in 0..4 {
        assert_eq!(try_to_log_in(&client, "wrong").await, 422);
    }
    assert_eq!(try_to_log_in(&client, "correct+horse").await, 303);
    log_out(&client).await;
    assert_eq!(try_to_log_in(&client, "wrong").await, 422);
    assert_eq!(try_to_log_in(&client, "wrong").await, 429);
}

#[rocket::async_test]
async fn a_proof_older_than_ten_minutes_asks_for_the_password() {
    let clock = ManualClock::new();
    let client = client_of(sessions(RecordingStore::default()).clock(clock.clone())).await;
    assert_eq!(client.get("/password").dispatch().await.status(), Status::Ok);
    clock.advance(Duration::from_secs(10 * 60 + 1));
    let asked = (303, Some("/confirm?back=/password".to_owned()));
    assert_eq!(outcome(&client, "/password", "password=another+horse").await, asked);
    let answer = outcome(&client, "/confirm?back=/password", "password=correct+horse").await;
    assert_eq!(answer, (303, Some("/password".to_owned())));
    assert_eq!(outcome(&client, "/password", "password=another+horse").await.0, 303);
    log_out(&client).await;
    assert_eq!(try_to_log_in(&client, "correct+horse").await, 422);
    assert_eq!(try_to_log_in(&client, "another+horse").await, 303);
}

/// A login that compared the old password, and was stored after the new one.
#[rocket::async_test]
async fn a_session_of_an_older_password_is_no_login() {
    let client = client().await;
    for (password, path) in [(1, "/sessions"), (0, "/login?back=/sessions")] {
        let enter = move |auth: &mut AuthSessionMut| {
            auth.set_account(1);
            auth.set_password(password);
        };
        Visitor::of(&client).with::<AuthSession>(enter).enter().await.unwrap();
        let answer = client.get("/sessions").dispatch().await;
        let location = answer.headers().get_one("Location").unwrap_or("/sessions");
        assert_eq!(location, path, "password number {password}");
    }
}

/// The time of an answer does not show which names have an account.
#[rocket::async_test]
async fn a_name_without_an_account_takes_the_time_of_a_hash() {
    let users = Users::open(":memory:").unwrap();
    let name = |name| crate::users::NewName::new(name).unwrap();
    let password = crate::hashes::NewPassword::new("correct horse").unwrap();
    users.add(name("ann"), password).await.unwrap();
    let mut fastest = Vec::new();
    for name in ["ann", "bob"] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            assert!(users.log_in(name, "wrong horse").await.unwrap().is_none());
            times.push(start.elapsed());
        }
        fastest.push(times.into_iter().min().unwrap());
    }
    let ratio = fastest[1].as_secs_f64() / fastest[0].as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "{fastest:?}");
}

#[rocket::async_test]
async fn no_page_may_be_kept_and_none_loads_from_elsewhere() {
    let client = client().await;
    for path in ["/", "/login", "/sign-up", "/sessions", "/password", "/confirm", "/users", "/nowhere"] {
        let answer = client.get(path).dispatch().await;
        let headers = answer.headers();
        if answer.status() != Status::SeeOther {
            assert_eq!(headers.get("Cache-Control").collect::<Vec<_>>(), ["no-store"], "{path}");
            assert!(headers.get_one("Content-Security-Policy").unwrap().starts_with("default-src 'none';"), "{path}");
        }
        assert_eq!(headers.get_one("X-Content-Type-Options"), Some("nosniff"), "{path}");
        assert_eq!(headers.get_one("Referrer-Policy"), Some("same-origin"), "{path}");
    }
}

#[rocket::async_test]
async fn a_store_that_is_down_gives_a_page() {
    let store = RecordingStore::default();
    let client = client_of(sessions(store.clone())).await;
    for operation in ["load", RecordingStore::WRITE] {
        store.fail(operation, Fault::Down);
        let answer = send(&client, "/logout", "").await;
        assert_eq!(answer.status(), Status::ServiceUnavailable);
        assert!(answer.into_string().await.unwrap().contains("<h1>Please try again</h1>"));
        store.recover();
    }
}

#[rocket::async_test]
async fn texts_of_visitors_are_escaped() {
    let client = client().await;
    log_out(&client).await;
    let answer = send(&client, "/login", "name=%22%3E%3Cb%3Eann&password=x").await;
    let html = answer.into_string().await.unwrap();
    assert!(html.contains("value=\"&quot;&gt;&lt;b&gt;ann\"") && !html.contains("<b>"), "{html}");
}
