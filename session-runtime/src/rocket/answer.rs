//! Responses: the replacement for a response whose save failed, and the headers that go with a session.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::rocket::http::{ContentType, Status};
use ::rocket::response::Responder;
use ::rocket::{Request, Response};

use super::handle::SessionHandle;
use crate::cookie::CookieCommand;
use crate::error::{RETRY_AFTER, SessionError};

/// Function that builds the application's page for a failure.
pub(super) type ErrorPage = Arc<dyn for<'r> Fn(&SessionError, &'r Request<'_>) -> Response<'r> + Send + Sync>;

/// Saves the session and applies the outcome to the response.
pub(super) async fn finish<'r>(
    handle: &SessionHandle,
    page: Option<&ErrorPage>,
    request: &'r Request<'_>,
    response: &mut Response<'r>,
) {
    let finished = handle.visit.finish(response.status().code).await;
    let answered = handle.visit.take_answered().filter(|error| status(error) == response.status());
    if let Some(error) = finished.error.as_ref().or(answered.as_deref()) {
        *response = replacement(error, page, request);
    } else if response.status() == Status::ServiceUnavailable && handle.visit.asks_to_retry() {
        set_retry_after(response);
    }
    if let CookieCommand::Set(header) | CookieCommand::Remove(header) = finished.cookie {
        response.adjoin_raw_header("Set-Cookie", header);
        forbid_storing(response);
    }
    vary_on_cookie(response);
}

/// Builds a new response, with nothing of the one that it replaces.
fn replacement<'r>(error: &SessionError, page: Option<&ErrorPage>, request: &'r Request<'_>) -> Response<'r> {
    let Some(page) = page else { return plain(error) };
    let Ok(mut response) = catch_unwind(AssertUnwindSafe(|| page(error, request))) else {
        tracing::error!("the function given to `on_error` panicked");
        return plain(error);
    };
    // A success would imply that the session is stored.
    if response.status().code < 300 {
        response.set_status(status(error));
    }
    if error.retry_after().is_some() && !response.headers().contains("Retry-After") {
        set_retry_after(&mut response);
    }
    response
}

/// Builds a response with the status and a short text.
fn plain<'r>(error: &SessionError) -> Response<'r> {
    let status = status(error);
    let text = format!("{status}\n");
    let mut response = Response::build();
    response.status(status).header(ContentType::Plain).sized_body(text.len(), Cursor::new(text));
    let mut response = response.finalize();
    if error.retry_after().is_some() {
        set_retry_after(&mut response);
    }
    response
}

pub(super) fn status(error: &SessionError) -> Status {
    Status::new(error.kind().status())
}

fn set_retry_after(response: &mut Response<'_>) {
    response.set_raw_header("Retry-After", RETRY_AFTER.as_secs().to_string());
}

/// Response of a handler that returns the error of `save` or `update_now`: the status and a short text, or the page set
/// with [`on_error`](crate::SessionFairing::on_error).
impl<'r> Responder<'r, 'static> for SessionError {
    fn respond_to(self, request: &'r Request<'_>) -> ::rocket::response::Result<'static> {
        let response = plain(&self);
        if let Some(handle) = SessionHandle::opened(request) {
            handle.visit.report(&self);
            handle.visit.set_answered(self);
        }
        Ok(response)
    }
}

impl SessionError {
    /// Returns the latest failure of this request, for its catchers: that of a session guard or of a save.
    ///
    /// `None` if no guard and no save failed. Catchers do not run for a save that fails after the handler; see
    /// [`on_error`](crate::SessionFairing::on_error) for those.
    ///
    /// # Examples
    ///
    /// ```
    /// use rocket::{Request, catch};
    /// use session_runtime::SessionError;
    ///
    /// #[catch(503)]
    /// fn unavailable(request: &Request) -> &'static str {
    ///     match SessionError::of(request) {
    ///         Some(_) => "Your session cannot be reached. Please try again.",
    ///         None => "The shop is closed.",
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn of<'r>(request: &'r Request<'_>) -> Option<&'r Self> {
        SessionHandle::opened(request)?.visit.failures.latest()
    }
}

/// Forbids caches from storing a response that carries an id (RFC 9111 section 5.2.2.5; OWASP session management).
fn forbid_storing(response: &mut Response<'_>) {
    let name = "Cache-Control";
    let forbidden = response.headers().get(name).any(|line| has_token(line, "no-store"));
    if !forbidden {
        response.set_raw_header(name, "no-store");
    }
    let targeted: Vec<String> = response
        .headers()
        .iter()
        .filter(|header| is_targeted(header.name.as_str()))
        .map(|header| header.name.to_string())
        .collect();
    for name in targeted {
        response.remove_header(&name);
    }
}

/// True for headers that some caches obey in place of `Cache-Control`: those of RFC 9213, whose names all have the same
/// ending, and older ones.
fn is_targeted(name: &str) -> bool {
    const OLDER: [&str; 3] = ["surrogate-control", "edge-control", "x-accel-expires"];
    let name = name.to_ascii_lowercase();
    name.ends_with("-cache-control") || OLDER.contains(&name.as_str())
}

/// Adds `Vary: Cookie`: a response that depends on the session depends on the cookie (RFC 9110 section 12.5.5).
fn vary_on_cookie(response: &mut Response<'_>) {
    let name = "Vary";
    // Iterating over the few headers of a response is cheaper than looking one up.
    if !response.headers().iter().any(|header| header.name() == name) {
        response.set_raw_header(name, "Cookie");
        return;
    }
    let lines: Vec<&str> = response.headers().get(name).collect();
    if !lines.iter().any(|line| has_token(line, "cookie") || has_token(line, "*")) {
        let lines = [&lines[..], &["Cookie"]].concat().join(", ");
        response.set_raw_header(name, lines);
    }
}

fn has_token(line: &str, token: &str) -> bool {
    line.split(',').any(|part| part.trim().eq_ignore_ascii_case(token))
}
