//! The shop: a cart, a login, a note of any size.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use rocket::http::Status;
use rocket::serde::json::Json;
use rocket::{Route, State, get, post};
use serde_json::json;
use session_runtime::{Expiry, Session, SessionError, SessionHandle, Sessions};
use session_tests::random::Random;

#[derive(Session)]
#[session(key = "cart", version = 1)]
pub struct Cart {
    #[session(merge = keys(sum))]
    pub items: BTreeMap<u32, u32>,
    #[session(redact)]
    pub note: String,
}

#[derive(Session)]
#[session(key = "auth", version = 1)]
pub struct Auth {
    #[session(renew)]
    pub user: Option<String>,
}

/// Fetched only when asked for, where that saves anything.
#[derive(Session)]
#[session(key = "history", version = 1, lazy)]
pub struct History {
    pub pages: Vec<String>,
}

pub type All = (Cart, Auth, History);

pub fn routes() -> Vec<Route> {
    rocket::routes![
        ping,
        cart,
        add,
        note,
        random_note,
        fill,
        fill_and_save,
        whoami,
        login,
        logout,
        logout_and_write,
        renew,
        fail,
        deny,
        visit,
        pages,
        facts,
        remember,
        jobs,
        twice
    ]
}

#[get("/ping")]
fn ping() -> &'static str {
    "pong"
}

#[get("/cart")]
fn cart(cart: &Cart) -> Json<&BTreeMap<u32, u32>> {
    Json(cart.items())
}

#[post("/add/<product>")]
fn add(product: u32, mut cart: Session<Cart>) {
    *cart.items_mut().entry(product).or_default() += 1;
}

#[get("/note")]
fn note(cart: &Cart) -> String {
    cart.note().clone()
}

/// A text of letters from many scripts, so that bytes and letters differ, with every character special to JSON and
/// headers.
pub fn random_text(seed: u64) -> String {
    let mut random = Random::from(seed);
    let length = random.below(400);
    let letter = |random: &mut Random| match random.below(4) {
        0 => char::from(u8::try_from(random.below(128)).unwrap()),
        1 => ['"', '\\', '+', '/', '%', ';', '=', ',', ' ', '\n', '\0', '\u{7f}']
            [usize::try_from(random.below(12)).unwrap()],
        _ => char::from_u32(u32::try_from(random.below(0x11_0000)).unwrap()).unwrap_or('é'),
    };
    (0..length).map(|_| letter(&mut random)).collect()
}

#[post("/random/<seed>")]
fn random_note(seed: u64, mut cart: Session<Cart>) {
    cart.set_note(random_text(seed));
    cart.set_items((0..u32::try_from(seed % 5).unwrap()).map(|at| (at * 1_000_003, at)).collect());
}

#[post("/fill/<length>")]
fn fill(length: usize, mut cart: Session<Cart>) {
    cart.set_note("x".repeat(length));
}

#[post("/save/<length>")]
async fn fill_and_save(length: usize, mut cart: Session<'_, Cart>) -> String {
    let before = cart.take_note();
    cart.set_note("x".repeat(length));
    let saved = cart.save().await;
    // A value that cannot be stored is taken back, and the answer names the error.
    if saved.is_err() {
        cart.set_note(before);
    }
    saved.map_or_else(|error| format!("{:?}", error.kind()), |()| "saved".into())
}

#[get("/whoami")]
fn whoami(auth: &Auth) -> &str {
    auth.user().as_deref().unwrap_or("anonymous")
}

#[post("/login/<user>")]
fn login(user: &str, mut auth: Session<Auth>) {
    auth.set_user(user.into());
}

#[post("/logout")]
fn logout(session: &SessionHandle) {
    session.destroy();
}

#[post("/logout-and-write")]
fn logout_and_write(session: &SessionHandle, mut cart: Session<Cart>) {
    session.destroy();
    cart.items_mut().insert(9, 9);
}

#[post("/renew")]
fn renew(session: &SessionHandle) {
    session.renew();
}

#[post("/fail")]
fn fail(mut cart: Session<Cart>) -> Status {
    cart.items_mut().insert(500, 1);
    Status::InternalServerError
}

#[post("/deny")]
fn deny(mut cart: Session<Cart>) -> Status {
    cart.items_mut().insert(403, 1);
    Status::Forbidden
}

#[post("/visit/<page>")]
fn visit(page: &str, mut history: Session<History>) {
    history.pages_mut().push(page.into());
}

#[get("/pages")]
fn pages(cart: &Cart, history: &History) -> String {
    format!("{} {}", cart.items().len(), history.pages().join(","))
}

/// Times in milliseconds since 1970.
#[get("/facts")]
fn facts(session: &SessionHandle) -> Json<serde_json::Value> {
    let millis =
        |time: Option<std::time::SystemTime>| time.map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_millis());
    let (created, expires) = (millis(session.created_at()), millis(session.expires_at()));
    Json(json!({ "key": session.key(), "new": session.is_new(), "created": created, "expires": expires }))
}

#[post("/remember/<seconds>")]
fn remember(seconds: u64, session: &SessionHandle) {
    session.set_expiry(Expiry::After(Duration::from_secs(seconds)));
}

/// The operations of jobs, on this visitor's own session.
#[get("/jobs")]
async fn jobs(session: &SessionHandle, sessions: &State<Sessions>) -> Json<Vec<String>> {
    let key = session.key().unwrap_or_else(|| session_runtime::SessionKey::from_bytes([7; 16]));
    let outcome = |result: Result<(), SessionError>| {
        result.map_or_else(|error| format!("{:?}", error.kind()), |()| "done".into())
    };
    Json(vec![
        outcome(sessions.read::<Cart>(&key).await.map(drop)),
        outcome(sessions.update::<Cart, _>(&key, super::routes::CartMut::clear_note).await.map(drop)),
        outcome(sessions.destroy(&key).await),
        outcome(sessions.sweep().await.map(drop)),
        outcome(sessions.census(session_runtime::migrate::Options::default()).await.map(drop)),
        outcome(sessions.migrate(session_runtime::migrate::Options::default()).await.map(drop)),
    ])
}

/// Saves, goes on, saves again: what was stored first is the base of what follows.
#[post("/twice")]
async fn twice(mut cart: Session<'_, Cart>) -> Result<(), SessionError> {
    cart.items_mut().insert(1, 10);
    cart.save().await?;
    cart.update_now(|cart| *cart.items_mut().entry(1).or_default() += 1).await?;
    cart.items_mut().insert(2, 1);
    Ok(())
}
