//! Proofs of identity: a login gives one, `reauthenticated` another, `Recent` asks for one, and each ends with its login.

mod both;
mod races;

use std::time::{Duration, UNIX_EPOCH};

use rocket::http::{Header, Status};
use rocket::local::asynchronous::Client;
use rocket::{Request, catch, catchers, get, post, routes};
use session_runtime::clock::Timestamp;
use session_runtime::config::Limits;
use session_runtime::migrate::Options;
use session_runtime::record::Record;
use session_runtime::testing::ManualClock;
use session_runtime::{Recent, Session, SessionConfig, SessionError, SessionHandle, Sessions};

use crate::app::{Answer, App, Barrier, Browser, patient};
use crate::store::recording_store;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The stored key of the proof.
const PROOF: &str = "session.proof";

#[derive(Session)]
#[session(key = "auth", version = 1)]
pub struct Auth {
    #[session(renew)]
    pub(crate) user: Option<String>,
    #[session(renew(keep))]
    pub(crate) level: u8,
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
pub struct Cart {
    pub(crate) visits: u32,
}

#[derive(Session)]
#[session(key = "look", version = 1, lasting)]
pub struct Look {
    pub(crate) dark: bool,
}

pub type All = (Auth, Cart, Look);

#[get("/visits")]
fn visits(cart: &Cart, _session: &SessionHandle) -> String {
    cart.visits().to_string()
}

#[post("/visit")]
fn visit(mut cart: Session<Cart>) {
    *cart.visits_mut() += 1;
}

#[post("/dark")]
fn dark(mut look: Session<Look>) {
    look.set_dark(true);
}

/// `remembered`: the moment in the handler at which the login is declared to come from a token.
#[post("/login/<user>?<remembered>&<status>")]
async fn login(
    user: &str,
    remembered: Option<&str>,
    status: Option<u16>,
    session: &SessionHandle,
    mut auth: Session<'_, Auth>,
) -> Result<Status, SessionError> {
    if matches!(remembered, Some("before" | "before-a-save")) {
        session.remembered();
    }
    if remembered == Some("before-a-save") {
        auth.save().await?;
    }
    auth.set_user(user.into());
    drop(auth);
    if remembered == Some("after") {
        session.remembered();
    }
    Ok(Status::new(status.unwrap_or(200)))
}

#[post("/level/<level>")]
fn level(level: u8, mut auth: Session<Auth>) {
    auth.set_level(level);
}

#[post("/renew")]
fn renew(session: &SessionHandle) {
    session.renew();
}

#[post("/password?<status>")]
fn password(status: Option<u16>, session: &SessionHandle) -> Status {
    session.reauthenticated();
    Status::new(status.unwrap_or(200))
}

/// Panics under a guard, and a catcher answers with a success.
#[post("/password-and-panic")]
fn password_and_panic(session: &SessionHandle, _cart: Session<Cart>) {
    session.reauthenticated();
    panic!("the handler panics");
}

#[catch(500)]
fn answered_all_the_same() -> (Status, &'static str) {
    (Status::Ok, "caught")
}

#[post("/logout/<how>")]
fn logout(how: &str, session: &SessionHandle, mut auth: Session<Auth>) {
    match how {
        "field" => auth.clear_user(),
        "restart" => session.restart(),
        // The proof is asked for before the session starts over.
        "password-and-restart" => {
            session.reauthenticated();
            session.restart();
        }
        "password-and-field" => {
            session.reauthenticated();
            auth.clear_user();
        }
        _ => session.destroy(),
    }
}

/// Milliseconds since 1970, or "none".
#[get("/proof")]
fn proof(session: &SessionHandle) -> String {
    let at = session.authenticated_at();
    at.map_or_else(|| "none".into(), |at| at.duration_since(UNIX_EPOCH).unwrap().as_millis().to_string())
}

/// The proof as a request sees it that has asked for it.
#[post("/proof-before-the-save")]
fn proof_before_the_save(session: &SessionHandle) -> String {
    session.reauthenticated();
    proof(session)
}

#[post("/change")]
fn change(_recent: Recent<10>) -> &'static str {
    "changed"
}

#[catch(403)]
fn forbidden(request: &Request<'_>) -> String {
    format!("{:?}", SessionError::of(request).map(SessionError::kind))
}

async fn app_with(config: SessionConfig) -> App {
    let (store, clock, barrier) = (recording_store(), ManualClock::new(), Barrier::default());
    let rocket = rocket::custom(rocket::Config::figment().merge(("log_level", "off")))
        .attach(Sessions::fairing::<All>().store(store.clone()).clock(clock.clone()).config(config))
        .register("/", catchers![forbidden])
        .register("/password-and-panic", catchers![answered_all_the_same])
        .mount("/", routes![visits, visit, dark, login, level, renew, password, password_and_panic, logout])
        .mount("/", routes![proof, proof_before_the_save, change]);
    let client = Client::untracked(rocket).await.unwrap();
    App { client, store, clock, barrier }
}

async fn app() -> App {
    app_with(patient()).await
}

/// The application with a visitor who has just logged in.
async fn logged_in() -> (App, Browser) {
    let (app, mut browser) = (app().await, Browser::default());
    assert_eq!(app.post(&mut browser, "/login/ann").await.status, 200);
    (app, browser)
}

/// The time of the proof that the browser's session has.
async fn proven(app: &App, browser: &Browser) -> Option<Timestamp> {
    let body = app.get(&mut browser.clone(), "/proof").await.body;
    (body != "none").then(|| Timestamp::from_millis(body.parse().unwrap()))
}

/// The only record of the store.
async fn record(app: &App) -> Record {
    let mut all = app.store.all().await;
    assert_eq!(all.len(), 1);
    all.remove(0).1
}

async fn change_kind(app: &App, browser: &Browser) -> (u16, String) {
    let Answer { status, body, .. } = app.post(&mut browser.clone(), "/change").await;
    (status, body)
}

fn not_recent() -> (u16, String) {
    (403, "Some(NotRecent)".into())
}

#[rocket::async_test]
async fn a_login_is_a_proof_of_its_time() {
    let (app, mut browser) = (app().await, Browser::default());
    app.post(&mut browser, "/visit").await;
    assert_eq!(proven(&app, &browser).await, None);
    app.clock.advance(MINUTE);
    let at = app.clock.timestamp();
    app.post(&mut browser, "/login/ann").await;
    app.clock.advance(5 * MINUTE);
    app.post(&mut browser, "/visit").await;
    assert_eq!(proven(&app, &browser).await, Some(at));
    let stored = format!(r#"{{"at":{},"g":1}}"#, at.as_millis());
    assert_eq!(record(&app).await.values.get(PROOF), Some(&*stored));
}

#[rocket::async_test]
async fn a_login_that_begins_a_session_is_a_proof_too() {
    let (app, browser) = logged_in().await;
    assert_eq!(proven(&app, &browser).await, Some(app.clock.timestamp()));
    assert_eq!(change_kind(&app, &browser).await, (200, "changed".into()));
}

/// Neither order of the calls, nor a save in between, makes a proof of a token.
#[rocket::async_test]
async fn a_remembered_login_is_no_proof() {
    for remembered in ["before", "after", "before-a-save"] {
        for visits_first in [false, true] {
            let (app, mut browser) = (app().await, Browser::default());
            if visits_first {
                app.post(&mut browser, "/visit").await;
            }
            app.post(&mut browser, &format!("/login/ann?remembered={remembered}")).await;
            assert_eq!(proven(&app, &browser).await, None, "{remembered}");
            assert_eq!(record(&app).await.values.get(PROOF), None, "{remembered}");
            assert_eq!(change_kind(&app, &browser).await, not_recent(), "{remembered}");
            app.post(&mut browser, "/password").await;
            assert_eq!(change_kind(&app, &browser).await.0, 200, "{remembered}: the password was given afterwards");
        }
    }
}

/// A stronger proof of yesterday does not outlive today's login from a token.
#[rocket::async_test]
async fn a_remembered_login_does_not_take_over_an_earlier_proof() {
    let (app, mut browser) = (app().await, Browser::default());
    app.post(&mut browser, "/visit").await;
    app.post(&mut browser, "/password").await;
    assert!(proven(&app, &browser).await.is_some());
    app.post(&mut browser, "/login/ann?remembered=before").await;
    assert_eq!(proven(&app, &browser).await, None);
}

/// A role or a tenant that changes is no proof, and the proof from before it does not count for the new generation.
#[rocket::async_test]
async fn a_proof_of_an_earlier_generation_does_not_count() {
    for path in ["/level/2", "/renew"] {
        let (app, mut browser) = logged_in().await;
        let old = browser.clone();
        app.post(&mut browser, path).await;
        assert_ne!(browser, old, "{path}");
        assert_eq!((proven(&app, &browser).await, change_kind(&app, &browser).await), (None, not_recent()), "{path}");
        app.post(&mut browser, "/password").await;
        assert_eq!(proven(&app, &browser).await, Some(app.clock.timestamp()), "{path}");
    }
}

#[rocket::async_test]
async fn a_damaged_proof_is_none() {
    let (app, browser) = logged_in().await;
    let key = app.store.all().await[0].0;
    let at = app.clock.timestamp().as_millis();
    for text in ["null", "7", "{}", r#"{"at":0}"#, r#"{"g":0}"#, &format!(r#"{{"at":{at},"g":1}}"#), "?"] {
        app.store.plant(key, PROOF, text).await;
        assert_eq!((proven(&app, &browser).await, change_kind(&app, &browser).await), (None, not_recent()), "{text}");
    }
}

#[rocket::async_test]
async fn a_periodic_renewal_keeps_the_proof() {
    let (app, mut browser) = (app_with(patient().renew_every(HOUR)).await, Browser::default());
    app.post(&mut browser, "/login/ann").await;
    let (at, old) = (app.clock.timestamp(), browser.clone());
    app.clock.advance(HOUR);
    app.get(&mut browser, "/visits").await;
    assert_ne!(browser, old);
    assert_eq!(proven(&app, &browser).await, Some(at));
}

#[rocket::async_test]
async fn a_second_proof_renews_the_id_and_moves_the_time() {
    let (app, mut browser) = logged_in().await;
    app.post(&mut browser, "/visit").await;
    app.clock.advance(HOUR);
    assert_eq!(change_kind(&app, &browser).await, not_recent());
    let old = browser.clone();
    app.store.take_calls();
    assert_eq!(app.post(&mut browser, "/password").await.set_cookie.len(), 1);
    assert_eq!(app.store.take_calls(), [("load", 1), ("patch", 1)].into());
    assert_ne!(browser, old);
    assert_eq!(proven(&app, &old).await, None, "the old id is dead");
    assert_eq!(proven(&app, &browser).await, Some(app.clock.timestamp()));
    assert_eq!(change_kind(&app, &browser).await.0, 200);
    assert_eq!(app.get(&mut browser, "/visits").await.body, "1", "the data stays");
}

#[rocket::async_test]
async fn the_request_of_a_proof_sees_it() {
    let (app, mut browser) = logged_in().await;
    app.clock.advance(HOUR);
    let now = app.clock.timestamp().as_millis().to_string();
    assert_eq!(app.post(&mut browser, "/proof-before-the-save").await.body, now);
}

#[rocket::async_test]
async fn a_proof_creates_no_session() {
    let (app, mut browser) = (app().await, Browser::default());
    let answer = app.post(&mut browser, "/password").await;
    assert_eq!((answer.status, answer.set_cookie.len(), app.store.records().await), (200, 0, 0));
}

/// After a logout of any kind the next session, if there is one, has no proof.
#[rocket::async_test]
async fn a_proof_ends_with_its_login() {
    for how in ["field", "restart", "destroy", "password-and-field", "password-and-restart"] {
        for is_dark in [false, true] {
            let (app, mut browser) = logged_in().await;
            if is_dark {
                app.post(&mut browser, "/dark").await;
            }
            app.post(&mut browser, &format!("/logout/{how}")).await;
            assert_eq!(proven(&app, &browser).await, None, "{how}");
            assert_eq!(change_kind(&app, &browser).await, not_recent(), "{how}");
            let has_next = is_dark && how != "destroy";
            assert_eq!(app.store.records().await, usize::from(has_next), "{how}");
            assert!(!has_next || record(&app).await.values.get(PROOF).is_none(), "{how}");
        }
    }
}

#[rocket::async_test]
async fn another_user_has_a_proof_of_their_own() {
    let (app, mut browser) = logged_in().await;
    app.post(&mut browser, "/dark").await;
    app.clock.advance(HOUR);
    app.post(&mut browser, "/login/bob").await;
    assert_eq!(proven(&app, &browser).await, Some(app.clock.timestamp()));
    app.post(&mut browser, "/login/eve?remembered=after").await;
    assert_eq!(proven(&app, &browser).await, None, "neither bob's nor one of a token");
}

#[rocket::async_test]
async fn a_failed_answer_records_no_proof() {
    let (app, mut browser) = logged_in().await;
    let (at, before) = (app.clock.timestamp(), browser.clone());
    app.clock.advance(HOUR);
    for path in ["/password?status=500", "/password?status=503", "/password-and-panic"] {
        let answer = app.post(&mut browser, path).await;
        assert!(answer.set_cookie.is_empty(), "{path}: {answer:?}");
        assert_eq!((&browser, proven(&app, &browser).await), (&before, Some(at)), "{path}");
    }
    let (fresh, mut visitor) = (self::app().await, Browser::default());
    fresh.post(&mut visitor, "/visit").await;
    fresh.post(&mut visitor, "/login/ann?status=500").await;
    assert_eq!((proven(&fresh, &visitor).await, record(&fresh).await.values.get(PROOF)), (None, None));
}

/// The minute counts: ten minutes pass, and a millisecond more does not.
#[rocket::async_test]
async fn a_recent_proof_passes_and_an_older_one_is_refused() {
    let (app, browser) = logged_in().await;
    assert_eq!(change_kind(&app, &browser).await, (200, "changed".into()));
    app.clock.advance(10 * MINUTE);
    assert_eq!(change_kind(&app, &browser).await, (200, "changed".into()));
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(change_kind(&app, &browser).await, not_recent());
    assert_eq!(change_kind(&app, &Browser::default()).await, not_recent(), "a visitor without a session");
}

#[rocket::async_test]
async fn a_catcher_can_distinguish_an_old_proof_from_another_site() {
    let (app, browser) = logged_in().await;
    app.clock.advance(HOUR);
    let foreign = app.client.post("/change").header(Header::new("Sec-Fetch-Site", "cross-site"));
    let answer = app.send(foreign, &mut browser.clone()).await;
    assert_eq!((answer.status, &*answer.body), (403, "Some(CrossSite)"));
    assert_eq!(change_kind(&app, &browser).await, not_recent());
}

/// Requests without a login that ask for no proof send and store the same as without proofs.
#[rocket::async_test]
async fn a_request_without_a_proof_costs_no_more() {
    let (app, mut browser) = (app().await, Browser::default());
    app.post(&mut browser, "/visit").await;
    assert_eq!(app.store.take_calls(), [("create", 1)].into());
    app.get(&mut browser, "/visits").await;
    assert_eq!(app.store.take_calls(), [("load", 1)].into());
    app.post(&mut browser, "/visit").await;
    assert_eq!(app.store.take_calls(), [("load", 1), ("patch", 1)].into());
    let names: Vec<_> = record(&app).await.values.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["cart", "cart.visits"]);
    app.post(&mut browser, "/login/ann").await;
    assert_eq!(app.store.take_calls(), [("load", 1), ("patch", 1)].into(), "a login");
    app.get(&mut browser, "/proof").await;
    app.post(&mut browser, "/change").await;
    assert_eq!(app.store.take_calls(), [("load", 2)].into());
}

#[rocket::async_test]
async fn limits_count_the_proof() {
    let limits = Limits { record_keys: 2, ..Limits::default() };
    let (app, mut browser) = (app_with(patient().limits(limits)).await, Browser::default());
    assert_eq!(app.post(&mut browser, "/login/ann").await.status, 500);
    assert_eq!(app.store.records().await, 0);
    assert_eq!(app.post(&mut browser, "/login/ann?remembered=before").await.status, 200);
    assert_eq!(app.post(&mut browser, "/password").await.status, 500);
    assert_eq!(proven(&app, &browser).await, None);
}

#[rocket::async_test]
async fn a_census_does_not_count_the_reserved_section() {
    let (app, _browser) = logged_in().await;
    let report = Sessions::fetch(app.client.rocket()).unwrap().census(Options::default()).await.unwrap();
    assert_eq!(report.to_string(), "auth  version 1  current  1\n1 sessions");
}
