//! The pages of errors: each states the reason in one sentence and offers a way on.

use maud::html;
use rocket::http::Status;
use rocket::response::{Redirect, Responder};
use rocket::{Catcher, Request, Response, catch, catchers};
use session_runtime::{ErrorKind, SessionError};

use crate::local_path::LocalPath;
use crate::page::Page;
use crate::users;

pub(crate) fn catchers() -> Vec<Catcher> {
    catchers![unauthorized, forbidden, not_found, unprocessable, failed]
}

/// Failure of a handler: of the sessions, or of the accounts.
#[derive(Responder)]
pub(crate) enum Failure {
    Session(SessionError),
    Users(rocket::response::Debug<users::Error>),
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Session(error)
    }
}

impl From<users::Error> for Failure {
    fn from(error: users::Error) -> Self {
        Self::Users(error.into())
    }
}

fn page(title: &str, reason: &str) -> Page {
    let main = html! {
        section .card {
            h1 { (title) }
            p { (reason) }
            p { a .button href="/" { "Go to the first page" } }
        }
    };
    Page::public(title, &[], &main)
}

/// Page of a user without a login: the login, which leads back.
#[catch(401)]
fn unauthorized(request: &Request<'_>) -> Redirect {
    Redirect::to(back_to(request).behind("/login"))
}

/// Three reasons have this status: the proof of identity is too old, another site sent the form, or the page is the
/// administrator's.
#[catch(403)]
fn forbidden(request: &Request<'_>) -> Result<Redirect, Page> {
    match SessionError::of(request).map(SessionError::kind) {
        Some(ErrorKind::NotRecent) => Ok(Redirect::to(back_to(request).behind("/confirm"))),
        Some(ErrorKind::CrossSite) => {
            Err(page("Refused", "Another site sent this form. Nothing was changed. Please use the forms of this site."))
        }
        _ => Err(page("Not allowed", "This page is for the administrator.")),
    }
}

/// Forms are sent to the path of their page, so this is the page to come back to.
fn back_to(request: &Request<'_>) -> LocalPath {
    LocalPath::new(request.uri().path().as_str()).unwrap_or_default()
}

#[catch(404)]
fn not_found() -> Page {
    page("Not found", "There is no page with this address.")
}

#[catch(422)]
fn unprocessable() -> Page {
    page("Incomplete", "A field of this form is missing or has a value that it cannot have.")
}

#[catch(default)]
fn failed(status: Status, _: &Request<'_>) -> Page {
    if status == Status::ServiceUnavailable {
        return page("Please try again", "The server cannot reach its data at the moment. Nothing was changed.");
    }
    page("Something went wrong", "The server could not answer. Nothing was changed.")
}

/// Page of a failed save, for `SessionFairing::on_error`.
pub(crate) fn of_session<'r>(error: &SessionError, request: &'r Request<'_>) -> Response<'r> {
    let status = Status::new(error.kind().status());
    let response = (status, failed(status, request)).respond_to(request);
    response.unwrap_or_default()
}
