//! The application's own pages for failures: `on_error` for saves, catchers for guards.

use rocket::http::{ContentType, Status};
use rocket::local::asynchronous::Client;
use rocket::{Request, Response, Route, catch, catchers, get, post, routes};
use session_runtime::testing::{Fault, RecordingStore};
use session_runtime::{ErrorKind, Session, SessionConfig, SessionError, SessionFairing, SessionHandle, Sessions};
use std::io::Cursor;
use std::time::Duration;

use crate::app::{Answer, Auth, Cart};
use crate::store::recording_store;

/// Without a status, as one forgets it.
fn page<'r>(error: &SessionError, request: &'r Request<'_>) -> Response<'r> {
    let text = format!("<p>{:?} at {}", error.kind(), request.uri());
    Response::build().header(ContentType::HTML).sized_body(text.len(), Cursor::new(text)).finalize()
}

fn routes() -> Vec<Route> {
    routes![add, save, swallow, read, optional, settle]
}

#[post("/add")]
fn add(mut cart: Session<Cart>) -> &'static str {
    cart.set_address("here".into());
    "added"
}

#[post("/save")]
async fn save(mut cart: Session<'_, Cart>) -> Result<&'static str, SessionError> {
    cart.set_coupon("SPRING".into());
    cart.save().await?;
    Ok("saved")
}

/// Passes another error on than the one that it got.
#[post("/swallow")]
async fn swallow(mut cart: Session<'_, Cart>) -> Result<&'static str, Status> {
    cart.set_coupon("SPRING".into());
    cart.save().await.map_err(|_| Status::ServiceUnavailable)?;
    Ok("saved")
}

#[get("/read")]
fn read(cart: &Cart) -> String {
    format!("{:?}", cart.items())
}

#[get("/optional")]
fn optional(cart: Option<&Cart>, _auth: &Auth) -> String {
    cart.is_some().to_string()
}

#[post("/settle")]
fn settle(session: &SessionHandle) {
    session.renew();
}

#[catch(default)]
fn catcher(status: Status, request: &Request) -> String {
    format!("caught {status}: {:?}", SessionError::of(request).map(|error| (error.kind(), error.schema())))
}

struct Site {
    client: Client,
    store: RecordingStore,
    cookie: Option<String>,
}

impl Site {
    async fn with(fairing: SessionFairing) -> Self {
        let store = recording_store();
        let config = SessionConfig::new().deadline(Duration::from_secs(6));
        let rocket = rocket::custom(rocket::Config::figment().merge(("log_level", "off")))
            .attach(fairing.store(store.clone()).config(config))
            .mount("/", routes())
            .register("/", catchers![catcher]);
        Self { client: Client::untracked(rocket).await.unwrap(), store, cookie: None }
    }

    async fn ask(&mut self, method: rocket::http::Method, path: &'static str) -> Answer {
        let mut request = self.client.req(method, path);
        if let Some(pair) = &self.cookie {
            request = request.header(rocket::http::Header::new("Cookie", pair.clone()));
        }
        let answer = Answer::of(request.dispatch().await).await;
        if let Some(line) = answer.set_cookie.first() {
            self.cookie = line.split(';').next().map(str::to_owned);
        }
        answer
    }

    async fn post(&mut self, path: &'static str) -> Answer {
        self.ask(rocket::http::Method::Post, path).await
    }

    async fn get(&mut self, path: &'static str) -> Answer {
        self.ask(rocket::http::Method::Get, path).await
    }
}

fn fairing() -> SessionFairing {
    Sessions::fairing::<(Cart, Auth)>()
}

/// A save that fails after the handler has the application's page, not the short text of the library.
#[rocket::async_test]
async fn a_failed_save_answers_with_the_page_of_on_error() {
    let mut site = Site::with(fairing().on_error(page)).await;
    assert_eq!(site.post("/add").await.body, "added");
    for (fault, operation, status) in [(Fault::Down, "patch", 503), (Fault::Panics, "patch", 500)] {
        site.store.fail(operation, fault);
        let answer = site.post("/save").await;
        let kind = if status == 503 { "Unavailable" } else { "Panicked" };
        assert_eq!((answer.status, answer.body), (status, format!("<p>{kind} at /save")), "of `save` in the handler");
        let answer = site.post("/settle").await;
        assert_eq!((answer.status, answer.body.as_str()), (status, format!("<p>{kind} at /settle").as_str()));
        let retry: &[&str] = if status == 503 { &["1"] } else { &[] };
        assert_eq!((answer.header("retry-after"), answer.header("vary")), (retry.to_vec(), vec!["Cookie"]));
        assert_eq!(answer.header("content-type"), ["text/html; charset=utf-8"]);
        assert!(answer.set_cookie.is_empty() && !answer.body.contains(RecordingStore::CAUSE));
        site.store.recover();
    }
}

/// A conflict of `merge = reject` is a failed save as well.
#[rocket::async_test]
async fn a_rejected_change_answers_with_the_page_of_on_error() {
    let mut site = Site::with(fairing().on_error(page)).await;
    site.post("/save").await;
    let (key, _) = site.store.all().await.remove(0);
    let store = site.store.clone();
    let slow = site.post("/add");
    let (answer, ()) =
        store.clone().before_write(slow, async { store.plant(key, "cart.address", "\"there\"").await }).await;
    assert_eq!((answer.status, answer.body.as_str()), (409, "<p>Rejected at /add"));
    assert!(answer.set_cookie.is_empty() && answer.header("retry-after").is_empty());
}

/// A closure may hold what it needs, give its own status, its own `Retry-After`, and redirect.
#[rocket::async_test]
async fn the_page_of_on_error_may_be_a_closure() {
    let place = "/sorry".to_owned();
    let fairing = fairing().on_error(move |error, _| {
        let mut response = Response::build();
        match error.kind() {
            ErrorKind::Unavailable => response.status(Status::TooManyRequests).raw_header("Retry-After", "30"),
            _ => response.status(Status::SeeOther).raw_header("Location", place.clone()),
        };
        response.finalize()
    });
    let mut site = Site::with(fairing).await;
    site.store.fail("create", Fault::Down);
    let answer = site.post("/add").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, vec!["30"]));
    site.store.fail("create", Fault::Panics);
    let answer = site.post("/add").await;
    assert_eq!((answer.status, answer.header("location")), (303, vec!["/sorry"]));
    assert_eq!((answer.header("vary"), answer.set_cookie.len()), (vec!["Cookie"], 0));
}

#[rocket::async_test]
async fn a_page_that_panics_leaves_the_short_text() {
    let mut site = Site::with(fairing().on_error(|_, _| panic!("no page"))).await;
    site.store.fail("create", Fault::Down);
    let answer = site.post("/add").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "503 Service Unavailable\n"));
    assert_eq!(answer.header("retry-after"), ["1"]);
}

/// A catcher learns why a guard failed: the last one, since that is what it was called for.
#[rocket::async_test]
async fn a_catcher_learns_which_failure_it_was_called_for() {
    let mut site = Site::with(fairing()).await;
    site.post("/save").await;
    let (key, _) = site.store.all().await.remove(0);
    site.store.plant(key, "cart.coupon", "7").await;
    let answer = site.get("/read").await;
    assert_eq!(answer.body, r#"caught 500 Internal Server Error: Some((Undecodable, Some("cart")))"#);
    site.store.plant(key, "auth.user", "7").await;
    let answer = site.get("/optional").await;
    assert_eq!(answer.body, r#"caught 500 Internal Server Error: Some((Undecodable, Some("auth")))"#);
    site.store.fail("load", Fault::Down);
    let answer = site.get("/read").await;
    assert_eq!(answer.body, "caught 503 Service Unavailable: Some((Unavailable, None))");
    assert_eq!(answer.header("retry-after"), ["1"]);
    assert_eq!(site.get("/nowhere").await.body, "caught 404 Not Found: None");
}

/// A handler that answers a failed `save` with a status of its own has its catcher, which learns of the save.
#[rocket::async_test]
async fn a_catcher_learns_of_a_failed_save() {
    let mut site = Site::with(fairing().on_error(page)).await;
    site.post("/save").await;
    site.store.fail("patch", Fault::Down);
    site.store.fail("create", Fault::Down);
    site.cookie = None;
    let answer = site.post("/swallow").await;
    assert_eq!(answer.body, "caught 503 Service Unavailable: Some((Unavailable, None))");
    assert_eq!(answer.header("retry-after"), ["1"]);
}
