//! Responses: carries out the replacement for a response whose save failed, and the headers that go with a session.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::rocket::http::{ContentType, Status};
use ::rocket::response::Responder;
use ::rocket::{Request, Response};

use crate::error::SessionError;
use crate::request::handle::SessionHandle;
use crate::request::visit::{Finished, Placement, Replacement, ResponseHeader};

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
    if let Some(error) = &finished.error {
        *response = replacement(error, page, request);
    }
    carry_out(finished, response);
}

/// Writes the headers of the session into the response.
fn carry_out(finished: Finished, response: &mut Response<'_>) {
    if finished.cookie.header().is_some() {
        remove_targeted(&finished, response);
    }
    for header in finished.into_headers() {
        place(header, response);
    }
}

fn remove_targeted(finished: &Finished, response: &mut Response<'_>) {
    let headers = response.headers().iter();
    let removed = headers.filter(|header| finished.removes(header.name().as_str()));
    let removed: Vec<String> = removed.map(|header| header.name().to_string()).collect();
    for name in removed {
        response.remove_header(&name);
    }
}

fn place(header: ResponseHeader, response: &mut Response<'_>) {
    match header.placement {
        Placement::Beside => {
            response.adjoin_raw_header(header.name, header.value);
        }
        Placement::IfAbsent if response.headers().contains(header.name) => {}
        Placement::Instead | Placement::IfAbsent => {
            response.set_raw_header(header.name, header.value);
        }
        Placement::InList => add_to_list(header, response),
    }
}

fn add_to_list(header: ResponseHeader, response: &mut Response<'_>) {
    // Iterating over the few headers of a response is cheaper than looking one up.
    if !response.headers().iter().any(|other| other.name() == header.name) {
        response.set_raw_header(header.name, header.value);
        return;
    }
    let lines: Vec<&str> = response.headers().get(header.name).collect();
    if !lines.iter().any(|line| header.is_in(line)) {
        let lines = [&lines[..], &[&*header.value]].concat().join(", ");
        response.set_raw_header(header.name, lines);
    }
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
    response
}

/// Builds a response with the status and a short text.
fn plain<'r>(error: &SessionError) -> Response<'r> {
    let Replacement { text, .. } = error.replacement();
    let mut response = Response::build();
    response.status(status(error)).header(ContentType::Plain).sized_body(text.len(), Cursor::new(text));
    response.finalize()
}

pub(super) fn status(error: &SessionError) -> Status {
    Status::new(error.kind().status())
}

/// Response of a handler that returns the error of `save` or `update_now`: the status and a short text, or the page set
/// with [`on_error`](crate::SessionFairing::on_error).
impl<'r> Responder<'r, 'static> for SessionError {
    fn respond_to(self, request: &'r Request<'_>) -> ::rocket::response::Result<'static> {
        let mut response = plain(&self);
        if self.retry_after().is_some() {
            place(ResponseHeader::retry_after(Placement::Instead), &mut response);
        }
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
