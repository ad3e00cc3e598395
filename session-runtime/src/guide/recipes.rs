//! Recipes: guards for users and administrators, "remember me", a limit on logins.
//!
//! The example `accounts` is a whole application with all of them, tested in a real browser.
//!
//! # The user and the administrator
//!
//! A guard of the application reads the session, and a route with it has a user. For visitors without a login the guard
//! forwards with 401, so another route of the same path may answer them; otherwise the catcher does.
//!
#![cfg_attr(feature = "rocket", doc = "```")]
#![cfg_attr(not(feature = "rocket"), doc = "```ignore")]
//! use rocket::http::Status;
//! use rocket::outcome::try_outcome;
//! use rocket::request::{FromRequest, Outcome};
//! use rocket::response::Redirect;
//! use rocket::{Request, catch, catchers, get, routes};
//! use session_runtime::{Session, SessionError, Sessions};
//!
//! #[derive(Session)]
//! #[session(key = "auth", version = 1)]
//! struct Auth {
//!     #[session(renew)]
//!     user: Option<String>,
//!     #[session(renew(keep))]
//!     is_admin: bool,
//! }
//!
//! /// Name of the user.
//! struct User<'r>(&'r str);
//!
//! #[rocket::async_trait]
//! impl<'r> FromRequest<'r> for User<'r> {
//!     type Error = SessionError;
//!
//!     async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
//!         // A store that is down is no logout: its error goes on, with 503.
//!         let auth = try_outcome!(request.guard::<&Auth>().await);
//!         match auth.user() {
//!             Some(name) => Outcome::Success(User(name)),
//!             None => Outcome::Forward(Status::Unauthorized),
//!         }
//!     }
//! }
//!
//! /// Name of the administrator.
//! struct Admin<'r>(&'r str);
//!
//! #[rocket::async_trait]
//! impl<'r> FromRequest<'r> for Admin<'r> {
//!     type Error = SessionError;
//!
//!     async fn from_request(request: &'r Request<'_>) -> Outcome<Self, SessionError> {
//!         let User(name) = try_outcome!(request.guard::<User>().await);
//!         let auth = try_outcome!(request.guard::<&Auth>().await);
//!         if *auth.is_admin() { Outcome::Success(Admin(name)) } else { Outcome::Forward(Status::Forbidden) }
//!     }
//! }
//!
//! #[get("/orders")]
//! fn orders(user: User<'_>) -> String {
//!     format!("orders of {}", user.0)
//! }
//!
//! #[get("/users")]
//! fn users(admin: Admin<'_>) -> String {
//!     format!("{} sees all users", admin.0)
//! }
//!
//! #[catch(401)]
//! fn log_in_first() -> Redirect {
//!     Redirect::to("/login")
//! }
//!
//! fn rocket() -> rocket::Rocket<rocket::Build> {
//!     rocket::build()
//!         .attach(Sessions::fairing::<Auth>())
//!         .mount("/", routes![orders, users])
//!         .register("/", catchers![log_in_first])
//! }
//! ```
//!
//! The guards of one request share one load. A role in the session is as old as the login: after a change of it in the
//! database, end the sessions of that user, or read the role from the database in the guard, as `accounts` does.
//!
//! A path to come back to after the login, such as `/login?back=/orders`, can be written by anyone. Check that it begins
//! with one `/` and has no `\`, tab or line break, or the redirect leads to another site.
//!
//! # Remember me
//!
//! The session itself is remembered: it gets a longer lifetime, and its cookie outlives the browser. The setting
//! `remember` is the ceiling.
//!
#![cfg_attr(feature = "rocket", doc = "```")]
#![cfg_attr(not(feature = "rocket"), doc = "```ignore")]
//! use rocket::form::{Form, FromForm};
//! use rocket::http::Status;
//! use rocket::post;
//! use session_runtime::{Expiry, Session, SessionHandle};
//! use std::time::Duration;
//!
//! #[derive(Session)]
//! #[session(key = "auth", version = 1)]
//! struct Auth {
//!     #[session(renew, index)]
//!     user: Option<String>,
//! }
//!
//! #[derive(FromForm)]
//! struct LogIn {
//!     name: String,
//!     password: String,
//!     remember: bool,
//! }
//!
//! # fn is_right(_name: &str, _password: &str) -> bool { true }
//! #[post("/login", data = "<form>")]
//! fn log_in(form: Form<LogIn>, session: &SessionHandle, mut auth: Session<Auth>) -> Status {
//!     if !is_right(&form.name, &form.password) {
//!         return Status::UnprocessableEntity;
//!     }
//!     let days = Duration::from_secs(30 * 24 * 60 * 60);
//!     session.set_expiry(if form.remember { Expiry::After(days) } else { Expiry::Default });
//!     auth.set_user(form.into_inner().name);
//!     // A login is a proof by itself, except one of the user who is logged in already.
//!     session.reauthenticated();
//!     Status::NoContent
//! }
//! ```
//!
//! A remembered session has its user, but no recent proof of identity: [`Recent<10>`](crate::Recent) asks for the password
//! before what is delicate. An application that keeps a token of its own in another cookie calls
//! [`remembered`](crate::Visit::remembered) at that login.
//!
//! # A limit on logins
//!
//! [`update_now`](struct@crate::Session#method.update_now) decides on a fresh load and stores the decision before the
//! password is compared. So of a hundred requests at once, five pass. With a plain edit all of them would read the same
//! number first.
//!
//! ```
//! use session_runtime::{Session, SessionError};
//!
//! /// Kept across a logout.
//! #[derive(Session)]
//! #[session(key = "attempts", version = 1, lasting)]
//! struct Attempts {
//!     /// Attempts that have not succeeded, until a quarter of an hour after the last one that counted.
//!     #[session(merge = sum, expires_after = "15m")]
//!     failed: u32,
//! }
//!
//! /// Counts an attempt; returns false if there were too many. The answer is then 429.
//! async fn may_try(attempts: &mut Session<'_, Attempts>) -> Result<bool, SessionError> {
//!     let count = |attempts: &mut AttemptsMut| {
//!         let may_try = *attempts.failed() < 5;
//!         if may_try {
//!             *attempts.failed_mut() += 1;
//!         }
//!         may_try
//!     };
//!     attempts.update_now(count).await
//! }
//!
//! /// Takes back the attempt that has succeeded, and no other one.
//! fn has_succeeded(attempts: &mut AttemptsMut) {
//!     let failed = attempts.failed_mut();
//!     *failed = failed.saturating_sub(1);
//! }
//! ```
//!
//! **This bounds one browser, and no attacker.** An attacker sends no cookie, and each request begins another session. Put
//! a limit by address in front of the server and one by account into the database. The limit in the session keeps a
//! forgotten browser from being tried out, and its visitor from sending a form too often.
//!
//! # What can go wrong
//!
//! - A guard that treats every error as "no user" logs everyone out while the store is down. Forward errors, as above.
//! - `attempts` without `lasting` begins again after a logout.
//! - Clearing the attempts after a login lets a visitor with an account of their own guess without end: four guesses, a login,
//!   four guesses.
//! - Each attempt at a login stores something, also for visitors without a session. A flood of them fills the store until
//!   the sessions expire; the limit in front of the server bounds that too.
