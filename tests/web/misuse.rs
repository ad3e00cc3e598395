//! Programming errors get a clear error: never a lost write, never a deadlock, and a launch that stops where it can.

use rocket::error::ErrorKind;
use rocket::figment::Figment;
use rocket::local::asynchronous::Client;
use rocket::{Build, Rocket, get, post, routes};
use session_runtime::{MemoryStore, Peek, Recent, Session, SessionHandle, Sessions};

use crate::app::{App, Auth, Browser, Cart};

/// Two writable guards of one schema at once: 500.
#[rocket::async_test]
async fn two_writable_guards_at_once_are_refused() {
    let app = App::new().await;
    assert_eq!(app.post(&mut Browser::default(), "/twice").await.status, 500);
    assert_eq!(app.store.records().await, 0);
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

#[get("/")]
fn peeks(_cart: Peek<Cart>) {}

#[post("/")]
fn asks_for_a_proof(_recent: Recent<10>) {}

#[post("/")]
fn handles(_session: &SessionHandle) {}

fn quiet() -> Figment {
    rocket::Config::figment().merge(("log_level", "off"))
}

/// The guards that stop the launch; none if it goes on.
async fn refused(rocket: Rocket<Build>) -> Vec<&'static str> {
    let Err(error) = Client::untracked(rocket).await else { return Vec::new() };
    match error.kind() {
        ErrorKind::SentinelAborts(guards) => guards.iter().map(|guard| guard.type_name).collect(),
        other => panic!("{other}"),
    }
}

fn names(guards: &[&str], wanted: &str) -> bool {
    matches!(guards, [one] if one.ends_with(wanted))
}

/// B57: a forgotten fairing, or a schema that it does not have, stops the launch and names the guard.
#[rocket::async_test]
async fn a_forgotten_fairing_stops_the_launch() {
    let guards = [
        (routes![reads], "::Cart"),
        (routes![writes], "::Cart>"),
        (routes![peeks], "::Cart>"),
        (routes![handles], "::SessionHandle"),
        (routes![asks_for_a_proof], "::Recent<10>"),
    ];
    for (routes, name) in guards {
        let found = refused(rocket::custom(quiet()).mount("/", routes.clone())).await;
        assert!(names(&found, name), "{found:?}");
        let fairing = Sessions::fairing::<(Cart, Auth)>().store(MemoryStore::new());
        assert_eq!(refused(rocket::custom(quiet()).mount("/", routes).attach(fairing)).await, [] as [&str; 0]);
    }
    for (routes, name) in [(routes![reads], "::Cart"), (routes![writes], "::Cart>"), (routes![peeks], "::Cart>")] {
        let rocket = rocket::custom(quiet()).mount("/", routes);
        let found = refused(rocket.attach(Sessions::fairing::<Auth>().store(MemoryStore::new()))).await;
        assert!(names(&found, name), "{found:?}");
    }
}
