//! Responses: carries out the replacement for a response whose save failed, and the headers that go with a session.

use std::borrow::Cow;
use std::sync::Arc;

use ::axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ::axum::http::{Response, StatusCode};
use ::axum::response::IntoResponse;

use super::body::Body;
use crate::error::{ErrorKind, SessionError};
use crate::request::commit::End;
use crate::request::to_end::run_to_end;
use crate::request::visit::{Finished, Placement, Replacement, ResponseHeader, Visit};

/// Statuses below 500 of a handler that was dropped: by a time limit, or for a client that has left.
const DROPPED: [u16; 2] = [408, 499];

/// Saves the session and applies the outcome to the response.
pub(super) async fn finish<B>(visit: Arc<Visit>, response: Response<B>) -> Response<Body<B>> {
    if let Some(error) = response.extensions().get::<SessionError>() {
        visit.report(error);
    }
    let status = response.status().as_u16();
    let end = if status >= 500 || DROPPED.contains(&status) { End::Failed } else { End::Answered };
    let finished = run_to_end(async move { visit.finish_as(end, status).await }).await;
    let mut response = match &finished.error {
        Some(error) => replacement(error, error.replacement()).map(Body::of_text),
        None => response.map(Body::of_handler),
    };
    carry_out(finished, response.headers_mut());
    response
}

/// Builds a new response, with nothing of the one that it replaces. The error is in its extensions.
fn replacement(error: &SessionError, replacement: Replacement) -> Response<String> {
    let Replacement { status, text } = replacement;
    let mut response = Response::new(text);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response.extensions_mut().insert(error.clone());
    response
}

/// Writes the headers of the session into the response.
fn carry_out(finished: Finished, headers: &mut HeaderMap) {
    if finished.cookie.header().is_some() {
        let removed = headers.keys().filter(|name| finished.removes(name.as_str())).cloned();
        for name in removed.collect::<Vec<_>>() {
            headers.remove(name);
        }
    }
    for header in finished.into_headers() {
        place(&header, headers);
    }
}

fn place(header: &ResponseHeader, headers: &mut HeaderMap) {
    let name = HeaderName::from_bytes(header.name.as_bytes()).expect("the names of our headers are tokens");
    let value = match &header.value {
        Cow::Borrowed(text) => HeaderValue::try_from(*text),
        Cow::Owned(text) => HeaderValue::try_from(text),
    };
    let mut value = value.expect("the settings of the cookie are checked, and an id is ASCII");
    value.set_sensitive(header.is_sensitive);
    let is_in_list = |headers: &HeaderMap| {
        headers.get_all(&name).iter().any(|line| line.to_str().is_ok_and(|line| header.is_in(line)))
    };
    match header.placement {
        Placement::Instead => drop(headers.insert(name, value)),
        Placement::IfAbsent if headers.contains_key(&name) => {}
        Placement::InList if is_in_list(headers) => {}
        Placement::Beside | Placement::IfAbsent | Placement::InList => drop(headers.append(name, value)),
    }
}

/// Rejection of an extractor, and response of a handler that returns the error of `save` or `update_now`: the status and a
/// short text. A mistake in the program is named in the text: a missing layer, or an unknown schema.
impl IntoResponse for SessionError {
    fn into_response(self) -> ::axum::response::Response {
        let mut short = self.replacement();
        if matches!(self.kind(), ErrorKind::UnknownSchema | ErrorKind::Config) {
            short.text = format!("{}: {self}\n", self.kind().status_line());
        }
        let mut response = replacement(&self, short);
        if self.retry_after().is_some() {
            place(&ResponseHeader::retry_after(Placement::Instead), response.headers_mut());
        }
        response.map(Into::into)
    }
}
