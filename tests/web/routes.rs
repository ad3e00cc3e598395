//! Routes that do one thing each.

use std::collections::BTreeMap;
use std::time::Duration;

use rocket::http::{Header, Status};
use rocket::response::stream::TextStream;
use rocket::serde::json::Json;
use rocket::{Build, Request, Rocket, State, catch, catchers, get, post, routes};
use session_runtime::testing::{ManualClock, RecordingStore};
use session_runtime::{Expiry, Session, SessionConfig, SessionError, SessionHandle, SessionKey, Sessions};

use crate::app::{All, Auth, Barrier, Cart, CartMut, History, Prefs};

#[get("/ping")]
fn ping() -> &'static str {
    "ok"
}

#[get("/cart")]
fn cart(cart: &Cart) -> Json<&BTreeMap<u32, u32>> {
    Json(cart.items())
}

#[get("/all")]
fn all(cart: &Cart, prefs: &Prefs) -> String {
    format!(
        "{:?} {:?} {:?} {} {:?} {:?} {} {:?} {:?}",
        cart.items(),
        cart.tags(),
        cart.coupon(),
        cart.visits(),
        cart.address(),
        cart.note(),
        cart.luck(),
        prefs.values(),
        prefs.settings(),
    )
}

#[post("/add/<product>")]
fn add(product: u32, mut cart: Session<Cart>) -> String {
    let quantity = cart.items_mut().entry(product).or_default();
    *quantity += 1;
    quantity.to_string()
}

#[post("/remove/<product>")]
fn remove(product: u32, mut cart: Session<Cart>) {
    cart.items_mut().remove(&product);
}

/// Does `what` to the cart, with a pause between load and save if asked.
#[post("/do/<what>?<slow>")]
async fn act(what: &str, slow: bool, mut cart: Session<'_, Cart>, barrier: &State<Barrier>) {
    if slow {
        barrier.wait().await;
    }
    perform(&mut cart, what);
}

fn perform(cart: &mut CartMut, what: &str) {
    let (verb, value) = what.split_once('=').unwrap_or((what, ""));
    match verb {
        "add" => *cart.items_mut().entry(value.parse().unwrap()).or_default() += 1,
        "remove" => drop(cart.items_mut().remove(&value.parse().unwrap())),
        "clear" => cart.clear_items(),
        "replace" => cart.set_items([(value.parse().unwrap(), 1)].into()),
        "tag" => drop(cart.tags_mut().insert(value.into())),
        "untag" => drop(cart.tags_mut().remove(value)),
        "coupon" => cart.set_coupon(value.into()),
        "no-coupon" => cart.clear_coupon(),
        "take-coupon" => drop(cart.take_coupon()),
        "visit" => *cart.visits_mut() += 1,
        "visits" => cart.set_visits(value.parse().unwrap()),
        "no-visits" => cart.clear_visits(),
        "address" => cart.set_address(value.into()),
        "note" => cart.set_note(value.into()),
        "luck" => cart.set_luck(value.parse().unwrap()),
        "same-luck" => *cart.luck_mut() = *cart.luck(),
        "weigh" => drop(cart.weights_mut().insert(value.into(), 0.5)),
        "nothing" => {}
        "touch-all" => cart.update(|_| {}),
        "struct" => cart.update(|cart| cart.coupon = Some(value.into())),
        "big" => cart.set_note("x".repeat(value.parse().unwrap())),
        _ => unreachable!("no such verb: {verb}"),
    }
}

#[post("/visit-and/<status>")]
fn visit_and(status: u16, mut cart: Session<Cart>) -> Status {
    *cart.visits_mut() += 1;
    Status::new(status)
}

#[post("/err")]
fn err(mut cart: Session<Cart>) -> Result<(), Status> {
    *cart.visits_mut() += 1;
    Err(Status::BadRequest)
}

#[post("/panic")]
fn panic(mut cart: Session<Cart>) {
    *cart.visits_mut() += 1;
    panic!("the handler panics");
}

/// Writes and forwards; a catcher answers.
#[post("/forward")]
fn forward(_guard: WritesAndForwards) {}

pub struct WritesAndForwards;

#[rocket::async_trait]
impl<'r> rocket::request::FromRequest<'r> for WritesAndForwards {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> rocket::request::Outcome<Self, SessionError> {
        let mut cart = request.guard::<Session<Cart>>().await.succeeded().unwrap();
        *cart.visits_mut() += 1;
        rocket::request::Outcome::Forward(Status::ImATeapot)
    }
}

#[post("/login/<user>?<slow>")]
async fn login(user: &str, slow: bool, mut auth: Session<'_, Auth>, barrier: &State<Barrier>) {
    if slow {
        barrier.wait().await;
    }
    auth.set_user(user.into());
}

#[post("/logout-field")]
fn logout_field(mut auth: Session<Auth>) {
    auth.clear_user();
}

#[get("/whoami")]
fn whoami(auth: &Auth) -> String {
    auth.user().clone().unwrap_or_else(|| "anonymous".into())
}

#[post("/roles/<role>")]
fn role(role: &str, mut auth: Session<Auth>) {
    auth.roles_mut().push(role.into());
}

#[post("/destroy?<status>&<write>")]
fn destroy(status: Option<u16>, write: bool, session: &SessionHandle, mut cart: Session<Cart>) -> Status {
    session.destroy();
    if write {
        *cart.visits_mut() += 1;
    }
    Status::new(status.unwrap_or(204))
}

#[post("/renew?<status>&<slow>")]
async fn renew(status: Option<u16>, slow: bool, session: &SessionHandle, barrier: &State<Barrier>) -> Status {
    session.renew();
    if slow {
        barrier.wait().await;
    }
    Status::new(status.unwrap_or(204))
}

#[get("/facts")]
fn facts(session: &SessionHandle) -> String {
    let millis = |time: Option<std::time::SystemTime>| {
        time.map(|time| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis().to_string())
    };
    let key = session.key().map(|key| key.to_string());
    let (created, expires) = (millis(session.created_at()), millis(session.expires_at()));
    serde_json::json!({ "key": key, "new": session.is_new(), "created": created, "expires": expires }).to_string()
}

#[post("/expiry/<choice>/<seconds>")]
fn expiry(choice: &str, seconds: u64, session: &SessionHandle, clock: &State<ManualClock>) -> String {
    let seconds = Duration::from_secs(seconds);
    session.set_expiry(match choice {
        "after" => Expiry::After(seconds),
        "at" => Expiry::At(session_runtime::clock::Clock::now(&**clock) + seconds),
        "browser" => Expiry::BrowserClose,
        _ => Expiry::Default,
    });
    format!("{:?}", session.expires_at().is_some())
}

#[get("/history")]
fn history(history: &History) -> Json<&Vec<String>> {
    Json(history.pages())
}

#[post("/history/<page>")]
fn push_history(page: &str, mut history: Session<History>) {
    history.pages_mut().push(page.into());
}

/// Reads the eager schemas, waits, then asks for the lazy one.
#[get("/late-history")]
fn late_history(request: LateHistory) -> String {
    request.0
}

pub struct LateHistory(String);

#[rocket::async_trait]
impl<'r> rocket::request::FromRequest<'r> for LateHistory {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> rocket::request::Outcome<Self, SessionError> {
        let before = request.guard::<&Cart>().await.succeeded().unwrap().items().len();
        request.rocket().state::<Barrier>().unwrap().wait().await;
        request.guard::<&History>().await.map(|history| Self(format!("{before} {:?}", history.pages())))
    }
}

#[post("/save/<what>?<then>&<more>")]
async fn save(
    what: &str,
    then: Option<u16>,
    more: Option<&str>,
    mut cart: Session<'_, Cart>,
) -> Result<Status, SessionError> {
    perform(&mut cart, what);
    cart.save().await?;
    if let Some(more) = more {
        perform(&mut cart, more);
    }
    Ok(Status::new(then.unwrap_or(204)))
}

#[post("/slow-save/<what>")]
async fn slow_save(what: &str, mut cart: Session<'_, Cart>, barrier: &State<Barrier>) -> Result<String, SessionError> {
    perform(&mut cart, what);
    barrier.wait().await;
    cart.save().await?;
    Ok(format!("{:?} {:?}", cart.items(), cart.coupon()))
}

#[post("/handle-save?<open>")]
async fn handle_save(open: bool, session: &SessionHandle, cart: Session<'_, Cart>) -> Result<(), SessionError> {
    let cart = if open { Some(cart) } else { drop_changed(cart) };
    let saved = session.save().await;
    drop(cart);
    saved
}

fn drop_changed(mut cart: Session<'_, Cart>) -> Option<Session<'_, Cart>> {
    *cart.visits_mut() += 1;
    None
}

/// Takes one from a stock of luck, however many ask at once.
#[post("/update-now?<slow>")]
async fn update_now(slow: bool, mut cart: Session<'_, Cart>, barrier: &State<Barrier>) -> Result<String, SessionError> {
    *cart.visits_mut() += 1;
    if slow {
        barrier.wait().await;
    }
    let mut runs = 0;
    let left = cart
        .update_now(|cart| {
            runs += 1;
            *cart.luck_mut() = cart.luck().saturating_sub(1);
            *cart.luck()
        })
        .await?;
    Ok(format!("{left} in {runs}"))
}

#[post("/twice")]
fn twice(_first: Session<Cart>, _second: Session<Cart>) {}

/// Two writable guards: the cart is edited, the other schema saved in between, the cart edited again.
#[post("/two/<how>?<edit>&<user>")]
async fn two(
    how: &str,
    edit: &str,
    user: Option<&str>,
    mut cart: Session<'_, Cart>,
    mut auth: Session<'_, Auth>,
    barrier: &State<Barrier>,
) -> Result<(), SessionError> {
    perform(&mut cart, "visit");
    perform(&mut cart, "add=7");
    perform(&mut cart, edit);
    barrier.wait().await;
    match user {
        Some(user) => auth.set_user(user.into()),
        None => auth.roles_mut().push("buyer".into()),
    }
    match how {
        "save" => auth.save().await?,
        "update-now" => auth.update_now(|auth| auth.roles_mut().push("twice".into())).await?,
        "own-update-now" => cart.update_now(|_| ()).await?,
        _ => assert!(cart.update_now(|cart| cart.set_note("x".repeat(10_000))).await.is_err()),
    }
    perform(&mut cart, "add=7");
    Ok(())
}

#[post("/destroy-and-save")]
async fn destroy_and_save(session: &SessionHandle, mut cart: Session<'_, Cart>) -> Result<(), SessionError> {
    perform(&mut cart, "visit");
    session.destroy();
    cart.save().await
}

/// A writable guard first, and read-only ones that see what it finished.
#[post("/read-after-write")]
fn read_after_write(seen: ReadAfterWrite) -> String {
    seen.0
}

pub struct ReadAfterWrite(String);

#[rocket::async_trait]
impl<'r> rocket::request::FromRequest<'r> for ReadAfterWrite {
    type Error = SessionError;

    async fn from_request(request: &'r Request<'_>) -> rocket::request::Outcome<Self, SessionError> {
        let before = request.guard::<&Cart>().await.succeeded().unwrap();
        let mut writable = request.guard::<Session<Cart>>().await.succeeded().unwrap();
        *writable.items_mut().entry(1).or_default() += 1;
        *writable.scratch_mut() = Some("scratch".into());
        let during = request.guard::<&Cart>().await.succeeded().unwrap();
        drop(writable);
        let after = request.guard::<&Cart>().await.succeeded().unwrap();
        let again = request.guard::<Session<Cart>>().await.succeeded().unwrap();
        let text = format!(
            "{:?} {:?} {:?} {:?} {:?}",
            before.items(),
            during.items(),
            after.items(),
            after.scratch(),
            again.scratch()
        );
        rocket::request::Outcome::Success(Self(text))
    }
}

/// Keeps a writable guard in a stream, where it outlives the handler.
#[post("/stream")]
fn stream(mut cart: Session<'_, Cart>) -> TextStream![String + '_] {
    TextStream! {
        *cart.visits_mut() += 1;
        yield cart.visits().to_string();
    }
}

#[post("/prefs/<key>/<value>")]
fn set_pref(key: &str, value: u32, mut prefs: Session<Prefs>) {
    prefs.values_mut().insert(key.into(), value);
}

#[post("/dark")]
fn dark(mut prefs: Session<Prefs>) {
    prefs.settings_mut().dark = true;
}

#[get("/prefs")]
fn prefs(prefs: &Prefs) -> String {
    format!("{:?} {:?} {:?}", prefs.values(), prefs.settings(), prefs.language())
}

#[get("/optional")]
fn optional(cart: Option<&Cart>) -> &'static str {
    if cart.is_some() { "some" } else { "none" }
}

#[get("/job/<key>")]
async fn job(key: &str, sessions: &State<Sessions>) -> Option<String> {
    let key: SessionKey = key.parse().ok()?;
    let cart = sessions.read::<Cart>(&key).await.unwrap()?;
    Some(cart.visits().to_string())
}

#[get("/varied")]
fn varied(cart: &Cart) -> Varied {
    let _ = cart;
    Varied("text", Header::new("Vary", "Accept-Encoding"), Header::new("Cache-Control", "max-age=60"))
}

#[derive(rocket::Responder)]
pub struct Varied(&'static str, Header<'static>, Header<'static>);

/// Answers failures with a page of its own that reads, and for 400 with another status that writes.
#[catch(400)]
async fn bad_request(request: &Request<'_>) -> (Status, String) {
    let visits = request.guard::<&Cart>().await.succeeded().map(|cart| *cart.visits());
    (Status::BadRequest, format!("visits {visits:?}"))
}

#[catch(418)]
fn teapot() -> (Status, &'static str) {
    (Status::Ok, "teapot")
}

pub fn rocket(store: RecordingStore, clock: ManualClock, barrier: Barrier, config: SessionConfig) -> Rocket<Build> {
    let quiet = rocket::Config::figment().merge(("log_level", "off"));
    rocket::custom(quiet)
        .attach(Sessions::fairing::<All>().store(store).clock(clock.clone()).config(config))
        .manage(clock)
        .manage(barrier)
        .register("/", catchers![bad_request, teapot])
        .mount("/", routes![ping, cart, all, add, remove, act, visit_and, err, panic, forward, login, logout_field])
        .mount("/", routes![whoami, role, destroy, renew, facts, expiry, history, push_history, late_history, save])
        .mount(
            "/",
            routes![
                two,
                destroy_and_save,
                slow_save,
                handle_save,
                update_now,
                twice,
                read_after_write,
                stream,
                set_pref,
                dark,
                prefs
            ],
        )
        .mount("/", routes![optional, job, varied])
}
