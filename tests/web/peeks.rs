//! A request that only peeks does not use the session: no deadline moves, and nothing is written.

use std::time::Duration;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Status;
use rocket::local::asynchronous::Client;
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, Response, catch, catchers, get, post, routes};
use session_runtime::clock::Timestamp;
use session_runtime::expiry::TouchEvery;
use session_runtime::testing::ManualClock;
use session_runtime::{
    CookieConfig, CookieStore, Peek, Recent, Session, SessionConfig, SessionError, SessionHandle, Sessions,
};

use crate::app::{All, App, Auth, Barrier, Browser, Cart, History, patient};
use crate::store::recording_store;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[get("/peek")]
fn peek(cart: Peek<Cart>) -> String {
    cart.visits().to_string()
}

/// The values outlive the guard, for a response that borrows them.
#[get("/peek-user")]
fn peek_user<'r>(auth: Peek<'r, Auth>, _cart: Peek<'r, Cart>, _history: Peek<'r, History>) -> Option<&'r str> {
    Peek::into_ref(auth).user().as_deref()
}

#[post("/visit")]
fn visit(mut cart: Session<Cart>) {
    *cart.visits_mut() += 1;
}

#[post("/login")]
fn login(mut auth: Session<Auth>) {
    auth.set_user("ann".into());
}

#[get("/with/read")]
fn with_read(_peek: Peek<Cart>, _cart: &Cart) {}

#[get("/with/optional")]
fn with_optional(_peek: Peek<Cart>, _cart: Option<&Cart>) {}

#[get("/with/write")]
fn with_write(_peek: Peek<Cart>, _cart: Session<Cart>) {}

#[get("/with/handle")]
fn with_handle(_peek: Peek<Cart>, _session: &SessionHandle) {}

#[get("/with/recent")]
fn with_recent(_peek: Peek<Cart>, _recent: Option<Recent<10>>) {}

pub struct ReadsAndForwards;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for ReadsAndForwards {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
        request.guard::<&Cart>().await.succeeded().unwrap();
        Outcome::Forward(Status::NotFound)
    }
}

#[get("/with/forward", rank = 1)]
fn with_forward(_forwards: ReadsAndForwards) {}

#[get("/with/forward", rank = 2)]
fn after_the_forward(_peek: Peek<Cart>) {}

#[get("/with/catcher")]
fn with_catcher(_peek: Peek<Cart>) -> Status {
    Status::ImATeapot
}

#[catch(418)]
async fn teapot(request: &Request<'_>) -> (Status, String) {
    let cart = request.guard::<&Cart>().await.succeeded().unwrap();
    (Status::Ok, cart.visits().to_string())
}

#[get("/with/fairing")]
fn with_fairing(_peek: Peek<Cart>) {}

/// Reads the session in the response of one route, and peeks in that of all others.
struct Reads;

#[rocket::async_trait]
impl Fairing for Reads {
    fn info(&self) -> Info {
        Info { name: "Reads", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, _: &mut Response<'r>) {
        if request.uri().path() == "/with/fairing" {
            request.guard::<&Cart>().await.succeeded().unwrap();
        } else {
            request.guard::<Peek<'_, Cart>>().await.succeeded().unwrap();
        }
    }
}

async fn app(config: SessionConfig) -> App {
    let (store, clock, barrier) = (recording_store(), ManualClock::new(), Barrier::default());
    let rocket = rocket::custom(rocket::Config::figment().merge(("log_level", "off")))
        .attach(Reads)
        .attach(Sessions::fairing::<All>().store(store.clone()).clock(clock.clone()).config(config))
        .register("/", catchers![teapot])
        .mount("/", routes![peek, peek_user, visit, login, with_read, with_optional, with_write, with_handle])
        .mount("/", routes![with_recent, with_forward, after_the_forward, with_catcher, with_fairing]);
    App { client: Client::untracked(rocket).await.unwrap(), store, clock, barrier }
}

fn a_day() -> SessionConfig {
    patient().idle(24 * HOUR).absolute(900 * HOUR)
}

/// The application with a visitor whose last use of the session was now.
async fn visitor(config: SessionConfig) -> (App, Browser) {
    let (app, mut browser) = (app(config).await, Browser::default());
    app.post(&mut browser, "/visit").await;
    app.store.take_calls();
    (app, browser)
}

async fn deadline(app: &App) -> Timestamp {
    app.store.all().await[0].1.head.idle_deadline
}

/// Polls every ten minutes for 48 hours; returns the time after which the session was found dead.
async fn poll(app: &App, browser: &mut Browser) -> Duration {
    let start = app.clock.timestamp();
    let mut died = None;
    for _ in 0..48 * 6 {
        app.clock.advance(10 * MINUTE);
        let answer = app.get(browser, "/peek").await;
        assert!(answer.status == 200 && answer.set_cookie.is_empty(), "{answer:?}");
        if answer.body == "0" {
            died.get_or_insert(app.clock.timestamp().since(start));
        }
    }
    died.unwrap()
}

/// C87: a page that stays open keeps no absent visitor logged in.
#[rocket::async_test]
async fn polling_for_two_days_ends_a_session_at_its_idle_deadline_and_writes_nothing() {
    for cookie in [CookieConfig::new(), CookieConfig::new().persistent(true)] {
        let (app, mut browser) = visitor(a_day().cookie(cookie)).await;
        assert_eq!(poll(&app, &mut browser).await, 24 * HOUR);
        assert_eq!(app.store.take_calls(), [("load", 48 * 6)].into());
    }
}

/// C87: polls every hour, the last one a millisecond before the idle deadline.
#[rocket::async_test]
async fn a_session_that_is_only_polled_ends_at_the_millisecond_of_its_idle_deadline() {
    let (app, mut browser) = visitor(a_day()).await;
    let ends = deadline(&app).await;
    for pause in [HOUR; 23].into_iter().chain([59 * MINUTE, Duration::from_millis(59_999)]) {
        app.clock.advance(pause);
        assert_eq!(app.get(&mut browser, "/peek").await.body, "1");
    }
    app.clock.advance(Duration::from_millis(1));
    assert_eq!((app.clock.timestamp(), app.get(&mut browser, "/peek").await.body.as_str()), (ends, "0"));
    assert_eq!(app.store.calls("patch"), 0);
}

/// C87: a poll does not renew the id either: the browser of an absent visitor would get a new one again and again.
#[rocket::async_test]
async fn polling_never_renews_the_id() {
    let (app, mut browser) = visitor(a_day().renew_every(HOUR)).await;
    assert_eq!(poll(&app, &mut browser).await, 24 * HOUR);
    assert_eq!(app.store.take_calls(), [("load", 48 * 6)].into());
}

/// C87: without that one write, the id from before the renewal would open the session until its end.
#[rocket::async_test]
async fn polling_after_a_renewal_writes_once_and_ends_the_old_id() {
    let touched = a_day().touch_every(TouchEvery::Period(MINUTE));
    let (app, mut browser) = visitor(touched.renew_every(HOUR).renew_grace(MINUTE)).await;
    let mut old = browser.clone();
    app.clock.advance(HOUR);
    app.get(&mut browser, "/with/read").await;
    let (read_at, ends) = (app.clock.timestamp(), deadline(&app).await);
    assert!(browser != old && ends == read_at.after(24 * HOUR));
    assert_eq!(app.get(&mut old, "/peek").await.body, "1", "until the new id has arrived");
    app.store.take_calls();
    app.get(&mut browser, "/peek").await;
    assert_eq!(app.store.take_calls(), [("load", 1), ("patch", 1)].into());
    assert_eq!(deadline(&app).await, ends);
    app.clock.advance(MINUTE);
    assert_eq!(app.get(&mut old, "/peek").await.body, "0", "after the grace");
    app.clock.set(read_at);
    app.store.take_calls();
    assert_eq!(poll(&app, &mut browser).await, 24 * HOUR);
    assert_eq!(app.store.take_calls(), [("load", 48 * 6)].into());
}

/// C87: each other guard of a request, wherever it is, makes the request a use of the session.
#[rocket::async_test]
async fn another_guard_beside_a_peek_moves_the_deadline() {
    for guard in ["read", "optional", "write", "handle", "recent", "forward", "catcher", "fairing"] {
        let (app, mut browser) = visitor(a_day()).await;
        app.clock.advance(12 * HOUR);
        let answer = app.get(&mut browser, &format!("/with/{guard}")).await;
        assert_eq!((answer.status, app.store.take_calls()), (200, [("load", 1), ("patch", 1)].into()), "{guard}");
        assert_eq!(deadline(&app).await, app.clock.timestamp().after(24 * HOUR), "{guard}");
    }
}

#[rocket::async_test]
async fn a_peek_reads_what_is_stored_and_defaults_without_a_session() {
    let (app, mut browser) = visitor(a_day()).await;
    assert_eq!(app.get(&mut Browser::default(), "/peek").await.body, "0");
    assert_eq!(app.store.total_calls(), 0);
    app.post(&mut browser, "/login").await;
    app.store.take_calls();
    app.clock.advance(12 * HOUR);
    assert_eq!(app.get(&mut browser, "/peek-user").await.body, "ann");
    assert_eq!(app.store.take_calls(), [("load", 2)].into(), "a lazy schema is a load of its own");
}

/// A writable guard that the request has dropped is seen by a peek, and its write is saved.
#[tokio::test]
async fn a_peek_sees_the_changes_of_its_request() {
    let sessions = Sessions::builder().store(recording_store()).schemas::<All>().build().unwrap();
    let visit = sessions.open([]);
    let before = visit.peek::<Cart>().await.unwrap();
    *visit.write::<Cart>().await.unwrap().visits_mut() = 7;
    let after = visit.peek::<Cart>().await.unwrap();
    assert_eq!((*before.visits(), *after.visits()), (0, 7));
    assert!(visit.finish(200).await.cookie.header().is_some());
}

/// A cookie that is sealed with an older key is sealed again when the session is used, and not by a poll.
#[tokio::test]
async fn a_peek_seals_no_cookie_again() {
    let keys = [CookieStore::random_key().unwrap(), CookieStore::random_key().unwrap()];
    let site = |keys: &[String]| {
        let store = CookieStore::new(keys.to_vec()).unwrap();
        Sessions::builder().cookie_store(store).schemas::<All>().build().unwrap()
    };
    let visit = site(&keys[1..]).open([]);
    *visit.write::<Cart>().await.unwrap().visits_mut() = 7;
    let cookie = visit.finish(200).await.cookie.header().unwrap().to_owned();
    let line = cookie.split(';').next();
    let sessions = site(&keys);
    let visit = sessions.open(line);
    assert_eq!(*visit.peek::<Cart>().await.unwrap().visits(), 7);
    assert_eq!(visit.finish(200).await.cookie.header(), None);
    let visit = sessions.open(line);
    visit.read::<Cart>().await.unwrap();
    assert!(visit.finish(200).await.cookie.header().is_some());
}
