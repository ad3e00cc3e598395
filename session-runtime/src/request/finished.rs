//! [`Finished`]: the outcome of a request for its response.
//!
//! Takes the command for the cookie and the error of the save; gives the headers of the response as names and values, so
//! that an adapter to a web framework only carries them out. Deliberately absent: the types of any web framework.

use std::borrow::Cow;

use crate::config::transport::Transport;
use crate::cookie::CookieCommand;
use crate::error::{RETRY_AFTER, SessionError};

/// Result of [`Visit::finish`](super::visit::Visit::finish), to be applied to the response by the adapter.
///
/// # Examples
///
/// ```
/// # use session_runtime::Sessions;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
/// # let sessions = Sessions::builder().store(session_runtime::MemoryStore::new()).build()?;
/// let finished = sessions.open([]).finish(200).await;
/// assert!(finished.error.is_none() && finished.cookie.header().is_none());
/// let headers: Vec<_> = finished.into_headers().map(|header| (header.name, header.value)).collect();
/// assert_eq!(headers, [("Vary", "Cookie".into())]);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// Command for the session cookie, or for the id of a client with another transport.
    pub cookie: CookieCommand,
    /// Error whose status must replace the response, if there is one.
    pub error: Option<SessionError>,
    pub(super) transport: Transport,
    pub(super) clears_site_data: bool,
    /// True if the response is the application's own, and reports a failure of a guard that may be temporary.
    pub(super) asks_to_retry: bool,
}

/// Response that replaces another one: status and text, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replacement {
    /// Status of the response.
    pub status: u16,
    /// Body, with the type `text/plain`. It names no internals.
    pub text: String,
}

/// Header for the response of a request that has used its session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHeader {
    /// Name of the header.
    pub name: &'static str,
    /// Value of the header; ASCII.
    pub value: Cow<'static, str>,
    /// Handling of headers of this name that the response already has.
    pub placement: Placement,
    /// True if the value holds an id. It belongs in no log, and in no table of header compression (RFC 7541 section
    /// 7.1.3).
    pub is_sensitive: bool,
}

/// Handling of headers of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The header is added beside them.
    Beside,
    /// The header replaces them.
    Instead,
    /// The header is left out if there is one.
    IfAbsent,
    /// The value is added to the list that they form, unless [the list has it](ResponseHeader::is_in).
    InList,
}

impl Finished {
    /// Returns the response that replaces that of the handler, if it must be replaced. The headers of the session go with
    /// either.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{Session, SessionConfig, Sessions};
    /// # use session_runtime::config::Limits;
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// let tiny = SessionConfig::new().store("memory:").limits(Limits { record_bytes: 1, ..Limits::default() });
    /// let sessions = Sessions::builder().config(tiny).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// let replacement = visit.finish(200).await.replacement().unwrap();
    /// assert_eq!((replacement.status, &*replacement.text), (500, "500 Internal Server Error\n"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn replacement(&self) -> Option<Replacement> {
        self.error.as_ref().map(SessionError::replacement)
    }

    /// Returns the headers for the response, or for the one that replaces it.
    ///
    /// - `Set-Cookie`, if the cookie is set or removed; `Session-Id` with the transport
    ///   [`Bearer`](crate::config::Transport::Bearer). `Cache-Control: no-store` then forbids caches to store the
    ///   response (RFC 9111 section 5.2.2.5; OWASP session management).
    /// - `Clear-Site-Data: "cache"`, if the session was destroyed and the setting `clear_site_data` is on.
    /// - `Retry-After`, if the response reports a failure that may be temporary.
    /// - `Vary`: a response that depends on the session depends on `Cookie` or `Authorization` (RFC 9110 section
    ///   12.5.5).
    pub fn into_headers(self) -> impl Iterator<Item = ResponseHeader> {
        let Self { cookie, error, transport, clears_site_data, asks_to_retry } = self;
        let replaced = error.is_some_and(|error| error.retry_after().is_some()).then_some(Placement::IfAbsent);
        let retry = replaced.or(asks_to_retry.then_some(Placement::Instead)).map(ResponseHeader::retry_after);
        let id = cookie.into_header();
        let no_store = id.is_some().then(|| ResponseHeader::new("Cache-Control", "no-store", Placement::Instead));
        let id = id.map(|value| ResponseHeader::of_id(transport, value));
        let clear = || ResponseHeader::new("Clear-Site-Data", "\"cache\"", Placement::InList);
        let clear = clears_site_data.then(clear);
        let vary = Some(ResponseHeader::new("Vary", transport.request_header(), Placement::InList));
        [retry, id, no_store, clear, vary].into_iter().flatten()
    }

    /// Returns whether the response must lose its header of this name, which some caches obey in place of
    /// `Cache-Control`.
    ///
    /// Those are the headers of RFC 9213, whose names all have the same ending, and older ones.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_runtime::{MemoryStore, Session, Sessions};
    /// # #[derive(Session)]
    /// # #[session(key = "cart", version = 1)]
    /// # struct Cart { coupon: Option<String> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), session_runtime::SessionError> {
    /// # let sessions = Sessions::builder().store(MemoryStore::new()).schemas::<Cart>().build()?;
    /// let visit = sessions.open([]);
    /// visit.write::<Cart>().await?.set_coupon("SPRING".into());
    /// assert!(visit.finish(200).await.removes("CDN-Cache-Control"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn removes(&self, name: &str) -> bool {
        self.cookie != CookieCommand::Keep && is_targeted(name)
    }
}

fn is_targeted(name: &str) -> bool {
    const OLDER: [&str; 3] = ["surrogate-control", "edge-control", "x-accel-expires"];
    let name = name.to_ascii_lowercase();
    name.ends_with("-cache-control") || OLDER.contains(&name.as_str())
}

impl SessionError {
    /// Returns the response that reports the error to a client.
    pub(crate) fn replacement(&self) -> Replacement {
        Replacement { status: self.kind().status(), text: format!("{}\n", self.kind().status_line()) }
    }
}

impl ResponseHeader {
    /// Returns the header with the time after which a client should try again.
    pub(crate) fn retry_after(placement: Placement) -> Self {
        Self::new("Retry-After", RETRY_AFTER.as_secs().to_string(), placement)
    }

    /// Returns the header that sets or removes the id of the client.
    fn of_id(transport: Transport, value: String) -> Self {
        let placement = match transport {
            Transport::Cookie => Placement::Beside,
            Transport::Bearer => Placement::Instead,
        };
        Self { is_sensitive: true, ..Self::new(transport.response_header(), value, placement) }
    }

    fn new(name: &'static str, value: impl Into<Cow<'static, str>>, placement: Placement) -> Self {
        Self { name, value: value.into(), placement, is_sensitive: false }
    }

    /// Returns whether a line of the same name has the value, or a wild card, as an item of its list.
    #[must_use]
    pub fn is_in(&self, line: &str) -> bool {
        let mut items = line.split(',').map(str::trim);
        items.any(|item| item.eq_ignore_ascii_case(&self.value) || item.trim_matches('"') == "*")
    }
}

/// Omits the value if it holds an id.
impl std::fmt::Debug for ResponseHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = if self.is_sensitive { "…" } else { &*self.value };
        write!(f, "{}: {value}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(cookie: CookieCommand, clears_site_data: bool) -> Finished {
        Finished { cookie, error: None, transport: Transport::Cookie, clears_site_data, asks_to_retry: false }
    }

    fn shown(finished: Finished) -> Vec<String> {
        finished.into_headers().map(|header| format!("{header:?}")).collect()
    }

    #[test]
    fn a_header_that_holds_an_id_shows_no_value() {
        let set = finished(CookieCommand::Set("id=abc".into()), true);
        let shown = shown(set);
        assert_eq!(shown, ["Set-Cookie: …", "Cache-Control: no-store", "Clear-Site-Data: \"cache\"", "Vary: Cookie"]);
    }

    #[test]
    fn a_request_that_keeps_its_cookie_varies_and_stays_cacheable() {
        assert_eq!(shown(finished(CookieCommand::Keep, false)), ["Vary: Cookie"]);
        assert!(!finished(CookieCommand::Keep, true).removes("CDN-Cache-Control"));
    }

    #[test]
    fn a_bearer_gets_its_id_in_a_header_of_its_own() {
        let cookie = CookieCommand::Remove("-".into());
        let removal = Finished { transport: Transport::Bearer, ..finished(cookie, false) };
        assert!(removal.removes("CDN-Cache-Control"));
        let headers: Vec<_> = removal.into_headers().map(|it| (it.name, it.value, it.placement)).collect();
        assert_eq!(
            headers,
            [
                ("Session-Id", "-".into(), Placement::Instead),
                ("Cache-Control", "no-store".into(), Placement::Instead),
                ("Vary", "Authorization".into(), Placement::InList),
            ]
        );
    }

    #[test]
    fn targeted_headers_of_caches_are_removed() {
        let removal = || finished(CookieCommand::Remove("id=".into()), false);
        for name in ["CDN-Cache-Control", "x-litespeed-cache-control", "Surrogate-Control", "X-Accel-Expires"] {
            assert!(removal().removes(name), "{name}");
        }
        for name in ["Cache-Control", "Expires", "Vary"] {
            assert!(!removal().removes(name), "{name}");
        }
    }

    #[test]
    fn an_item_or_a_wild_card_is_found_in_a_list() {
        let vary = ResponseHeader::new("Vary", "Cookie", Placement::InList);
        assert!(["cookie", "Accept, COOKIE", "*"].iter().all(|line| vary.is_in(line)));
        assert!(["", "Accept", "Cookies", "Set-Cookie"].iter().all(|line| !vary.is_in(line)));
        let clear = ResponseHeader::new("Clear-Site-Data", "\"cache\"", Placement::InList);
        assert!(["\"cache\"", "\"cookies\", \"cache\"", "\"*\""].iter().all(|line| clear.is_in(line)));
        assert!(!clear.is_in("\"cookies\""));
    }
}
