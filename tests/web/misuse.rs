//! Programming errors get a clear error: never a lost write, never a deadlock, and a launch that stops where it can.

use rocket::figment::Figment;
use rocket::local::asynchronous::Client;
use rocket::{Build, Rocket, get, post, routes};
use session_runtime::{MemoryStore, Session, SessionHandle, Sessions};

use crate::app::{App, Auth, Browser, Cart};

/// Two writable guards of one schema at once: 500.
#[rocket::async_test]
async fn two_writable_guards_at_once_are_refused() {
    let app = App::new().await;
    assert_eq!(app.post(&mut Browser::default(), "/twice").await.status, 500);
    assert_eq!(app.spy.records(), 0);
}

/// A guard moved into a stream outlives its handler: 500 before anything goes out, and nothing half-stored.
#[rocket::async_test]
async fn a_guard_in_a_stream_is_refused() {
    let app = App::new().await;
    let mut browser = Browser::default();
    app.post(&mut browser, "/add/7").await;
    let answer = app.post(&mut browser, "/stream").await;
    assert_eq!((answer.status, answer.set_cookie.len()), (500, 0));
}

#[get("/")]
fn reads(_cart: &Cart) {}

#[post("/")]
fn writes(_cart: Session<Cart>) {}

#[post("/")]
fn handles(_session: &SessionHandle) {}

fn quiet() -> Figment {
    rocket::Config::figment().merge(("log_level", "off"))
}

async fn launches(rocket: Rocket<Build>) -> bool {
    match Client::untracked(rocket).await {
        Ok(_) => true,
        Err(error) => {
            assert!(matches!(error.kind(), rocket::error::ErrorKind::SentinelAborts(_)), "{error}");
            false
        }
    }
}

/// B57: a forgotten fairing, or a schema that it does not have, stops the launch.
#[rocket::async_test]
async fn a_forgotten_fairing_stops_the_launch() {
    for routes in [routes![reads], routes![writes], routes![handles]] {
        assert!(!launches(rocket::custom(quiet()).mount("/", routes.clone())).await);
        let with = |fairing: session_runtime::SessionFairing| {
            rocket::custom(quiet()).mount("/", routes.clone()).attach(fairing.store(MemoryStore::new()))
        };
        assert!(launches(with(Sessions::fairing::<(Cart, Auth)>())).await);
    }
    for routes in [routes![reads], routes![writes]] {
        let rocket = rocket::custom(quiet()).mount("/", routes);
        assert!(!launches(rocket.attach(Sessions::fairing::<Auth>().store(MemoryStore::new()))).await);
    }
}
