//! Sign-up, login, logout.
//!
//! A login answers the same to a wrong password and to a name without an account, after the same time. A sign-up has to
//! state that a name is taken. Where names are addresses of mail, it would send a message instead and answer the same.

use std::time::Duration;

use maud::{Markup, html};
use rocket::form::Form;
use rocket::http::Header;
use rocket::response::Redirect;
use rocket::{FromForm, Responder, Route, State, get, post, routes};
use session_runtime::{Expiry, Session, SessionError, SessionHandle};

use crate::guards::{Browser, User};
use crate::hashes::{MAX_LETTERS, MIN_LETTERS, NewPassword};
use crate::home::Logins;
use crate::local_path::LocalPath;
use crate::page::{Field, Page, mistake};
use crate::refusals::Failure;
use crate::session::{Attempts, AuthSession, Notices, PAUSE_MINUTES, has_succeeded, may_try};
use crate::users::{Account, MAX_NAME_LETTERS, MIN_NAME_LETTERS, NewName, Users};

/// Lifetime of a session whose user wants to stay logged in, after its last use.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(crate) fn routes() -> Vec<Route> {
    routes![log_in_page, has_logged_in, log_in, sign_up_page, sign_up, log_out]
}

/// Answer to a form: the next page, or the form again with the reason.
#[derive(Responder)]
#[allow(clippy::large_enum_variant, reason = "one of them is made for each request")]
pub(crate) enum Answer {
    Done(Redirect),
    #[response(status = 422)]
    Refused(Page),
    #[response(status = 429)]
    TooMany(Page, Header<'static>),
}

impl Answer {
    /// Answer to a visitor who has tried too often.
    pub(crate) fn too_many(form: impl FnOnce(&str) -> Page) -> Self {
        let reason = format!("Too many attempts. Please wait {PAUSE_MINUTES} minutes, then try again.");
        let seconds = PAUSE_MINUTES * 60;
        Self::TooMany(form(&reason), Header::new("Retry-After", seconds.to_string()))
    }
}

#[derive(FromForm)]
struct LogIn<'r> {
    name: &'r str,
    password: &'r str,
    remember: bool,
}

/// Page of a login, for those who are logged in already.
#[get("/login?<back>")]
fn has_logged_in(back: LocalPath, _user: User) -> Redirect {
    Redirect::to(back.to_string())
}

#[get("/login?<back>", rank = 2)]
fn log_in_page(back: LocalPath, mut notices: Session<Notices>) -> Page {
    log_in_form(&back, "", None, &notices.take_notices())
}

fn log_in_form(back: &LocalPath, name: &str, reason: Option<&str>, notices: &[String]) -> Page {
    let is_refused = reason.is_some();
    let main = html! {
        section .card {
            h1 { "Log in" }
            form .stack method="post" action=(back.behind("/login")) {
                (mistake(reason))
                (Field { value: name, is_refused, ..Field::NAME }.html())
                (Field { is_refused, ..Field::PASSWORD }.html())
                (remember())
                button .primary { "Log in" }
            }
            p .aside { "New here? " a href="/sign-up" { "Create an account" } }
        }
    };
    Page::public("Log in", notices, &main)
}

fn remember() -> Markup {
    html! {
        label .check {
            input type="checkbox" name="remember" value="true";
            span { "Keep me logged in for 30 days" }
        }
    }
}

#[post("/login?<back>", data = "<form>")]
async fn log_in(
    back: LocalPath,
    form: Form<LogIn<'_>>,
    users: &State<Users>,
    logins: &State<Logins>,
    browser: Browser,
    session: &SessionHandle,
    mut attempts: Session<'_, Attempts>,
) -> Result<Answer, Failure> {
    let again = |reason: &str| log_in_form(&back, form.name, Some(reason), &[]);
    if !may_try(&mut attempts).await? {
        return Ok(Answer::too_many(again));
    }
    let Some(account) = users.log_in(form.name, form.password).await? else {
        return Ok(Answer::Refused(again("The name or the password is wrong.")));
    };
    has_succeeded(&mut attempts);
    enter(&account, &browser, session).await?;
    session.set_expiry(if form.remember { Expiry::After(REMEMBERED) } else { Expiry::Default });
    logins.announce(&account, &browser);
    Ok(Answer::Done(Redirect::to(back.to_string())))
}

/// Logs the visitor in: a new id, a proof of identity, and nothing of a user before.
async fn enter(account: &Account, browser: &Browser, session: &SessionHandle) -> Result<(), SessionError> {
    let mut auth = session.write::<AuthSession>().await?;
    auth.set_account(account.id);
    auth.set_password(account.password);
    auth.set_browser(browser.0.clone());
    // The same user again is no login by itself, and yet a proof.
    session.reauthenticated();
    Ok(())
}

#[derive(FromForm)]
struct SignUp<'r> {
    name: &'r str,
    password: &'r str,
}

#[get("/sign-up")]
fn sign_up_page() -> Page {
    sign_up_form("", None)
}

/// Reason to refuse a sign-up, at one of its fields.
struct Mistake<'t> {
    field: &'static str,
    reason: &'t str,
}

fn sign_up_form(name: &str, mistaken: Option<Mistake<'_>>) -> Page {
    let name_hint = format!("{MIN_NAME_LETTERS} to {MAX_NAME_LETTERS} letters, digits, dots, dashes or underscores");
    let password_hint = new_password_hint();
    let is_at = |field| mistaken.as_ref().is_some_and(|mistake| mistake.field == field);
    let name = Field { value: name, hint: Some(&name_hint), is_refused: is_at("name"), ..Field::NAME };
    let password = Field {
        autocomplete: "new-password",
        hint: Some(&password_hint),
        is_refused: is_at("password"),
        ..Field::PASSWORD
    };
    let main = html! {
        section .card {
            h1 { "Create an account" }
            form .stack method="post" action="/sign-up" {
                (mistake(mistaken.map(|mistake| mistake.reason)))
                (name.html())
                (password.html())
                button .primary { "Create the account" }
            }
            p .aside { "You have an account? " a href="/login" { "Log in" } }
        }
    };
    Page::public("Create an account", &[], &main)
}

/// Reason to refuse a new password.
pub(crate) const WRONG_LENGTH: &str = "The length of this password is not allowed.";

/// Sentence on the length of a new password.
pub(crate) fn new_password_hint() -> String {
    format!("{MIN_LETTERS} to {MAX_LETTERS} characters of any kind. A long sentence is a good one.")
}

#[post("/sign-up", data = "<form>")]
async fn sign_up(
    form: Form<SignUp<'_>>,
    users: &State<Users>,
    browser: Browser,
    session: &SessionHandle,
    mut attempts: Session<'_, Attempts>,
    mut notices: Session<'_, Notices>,
) -> Result<Answer, Failure> {
    let again = |field, reason: &str| sign_up_form(form.name, Some(Mistake { field, reason }));
    let Some(name) = NewName::new(form.name) else {
        return Ok(Answer::Refused(again("name", "This name cannot be used.")));
    };
    let Some(password) = NewPassword::new(form.password) else {
        return Ok(Answer::Refused(again("password", WRONG_LENGTH)));
    };
    if !may_try(&mut attempts).await? {
        return Ok(Answer::too_many(|reason| again("name", reason)));
    }
    let Some(account) = users.add(name, password).await? else {
        return Ok(Answer::Refused(again("name", "This name is taken.")));
    };
    has_succeeded(&mut attempts);
    enter(&account, &browser, session).await?;
    notices.add(format!("Welcome, {}. Your account is ready.", account.name));
    Ok(Answer::Done(Redirect::to("/")))
}

/// Ends the session. `restart` keeps the notice for the next page; everything else is gone.
#[post("/logout")]
async fn log_out(session: &SessionHandle) -> Result<Redirect, SessionError> {
    session.restart();
    session.write::<Notices>().await?.add("You are logged out.");
    Ok(Redirect::to("/login"))
}
