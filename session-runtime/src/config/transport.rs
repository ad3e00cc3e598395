//! Transport of the id between client and server: in a cookie, or in the headers `Authorization` and `Session-Id`.
//!
//! Takes the header lines of a request; gives the text that may be an id, and the command that changes the id of the
//! client. Bearer tokens: RFC 6750 section 2.1. Deliberately absent: both transports at once, and a token in a form or
//! in a query.

use crate::clock::Timestamp;
use crate::cookie::{CookieCommand, CookieRules, Found};
use crate::id::SessionId;
use crate::record::Head;

/// Transport of the id between client and server.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, config::Transport};
///
/// let config = SessionConfig::new().transport(Transport::Bearer);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A cookie. The default.
    #[default]
    Cookie,
    /// Headers, for clients other than browsers and for pages on another origin: `Authorization: Bearer <id>` in requests
    /// (RFC 6750 section 2.1), `Session-Id` in responses.
    ///
    /// A response with a new id has the header `Session-Id: <id>`, and one that ends the session has `Session-Id: -`.
    /// Both also have `Cache-Control: no-store`. A client has to look at every response, since a login and a periodic
    /// renewal replace the id. Responses that used the session carry `Vary: Authorization`.
    ///
    /// `Authorization` with another scheme is ignored. A request with two such headers, or with one that holds no id, has
    /// no session. A browser never sends the header by itself, so there is no check of cross-site requests. A script of
    /// another origin can read the id only if the response has `Access-Control-Expose-Headers: Session-Id`. It can send
    /// the id only if the application allows the header with `Access-Control-Allow-Headers: Authorization`.
    ///
    /// # Security
    ///
    /// Every script of a page can read an id that the page keeps. No script can read the cookie.
    Bearer,
}

/// Value of `Session-Id` that removes the id.
const REMOVED: &str = "-";

impl Transport {
    /// Returns the name of the request header that carries the id.
    pub(crate) const fn request_header(self) -> &'static str {
        match self {
            Self::Cookie => "Cookie",
            Self::Bearer => "Authorization",
        }
    }

    /// Returns the name of the response header that changes the id.
    pub(crate) const fn response_header(self) -> &'static str {
        match self {
            Self::Cookie => "Set-Cookie",
            Self::Bearer => "Session-Id",
        }
    }
}

/// Checked transport, ready to read and to write headers.
#[derive(Clone, Debug)]
pub(crate) enum TransportRules {
    Cookie(CookieRules),
    Bearer,
}

impl TransportRules {
    pub(crate) const fn transport(&self) -> Transport {
        match self {
            Self::Cookie(_) => Transport::Cookie,
            Self::Bearer => Transport::Bearer,
        }
    }

    /// Returns the rules of the cookie, unless ids travel in other headers.
    pub(crate) const fn cookie(&self) -> Option<&CookieRules> {
        match self {
            Self::Cookie(rules) => Some(rules),
            Self::Bearer => None,
        }
    }

    /// Finds the text that may be an id in the lines of the request header that carries it.
    pub(crate) fn find<'h>(&self, lines: impl Iterator<Item = &'h str>) -> Found<'h> {
        match self {
            Self::Cookie(rules) => rules.find(lines),
            Self::Bearer => find_token(lines),
        }
    }

    /// Returns the command that gives the client this id.
    pub(crate) fn set(&self, id: SessionId, head: &Head, now: Timestamp) -> CookieCommand {
        match self {
            Self::Cookie(rules) => rules.set(&id.to_cookie(), head, now),
            Self::Bearer => CookieCommand::Set(id.to_cookie()),
        }
    }

    /// Returns the command that removes the id of the client.
    pub(crate) fn remove(&self) -> CookieCommand {
        match self {
            Self::Cookie(rules) => rules.remove(),
            Self::Bearer => CookieCommand::Remove(REMOVED.to_owned()),
        }
    }

    /// Returns whether the client is informed of the deadline, so that a new deadline has to be sent.
    pub(crate) fn sends_deadline(&self, head: &Head) -> bool {
        self.cookie().is_some_and(|rules| head.expiry.persistent(rules.persistent))
    }
}

/// Finds the token in the `Authorization` lines. Of several lines none counts, since the header has one value (RFC 9110
/// section 11.6.2).
fn find_token<'h>(lines: impl Iterator<Item = &'h str>) -> Found<'h> {
    let mut found = Found::Nothing;
    for (at, line) in lines.enumerate() {
        found = match (at, token(line), found) {
            (0, Some(token), _) => Found::One(token),
            (_, None, Found::Nothing) => Found::Nothing,
            _ => Found::Several,
        };
    }
    found
}

/// Returns the token of a line with the scheme `Bearer`, which compares without letter case (RFC 9110 section 11.1).
fn token(line: &str) -> Option<&str> {
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Result<Option<String>, usize> {
        match TransportRules::Bearer.find(lines.iter().copied()) {
            Found::Nothing => Ok(None),
            Found::One(token) => Ok(Some(token.to_owned())),
            Found::Several => Err(lines.len()),
        }
    }

    #[test]
    fn a_token_follows_the_scheme_in_any_case() {
        for line in ["Bearer x", "bearer x", "BEARER x", "Bearer  x"] {
            assert_eq!(found(&[line]), Ok(Some("x".into())), "{line}");
        }
        for line in
            ["", "x", "Basic x", "Bearerx", "Bearer\tx", " Bearer x", "BearerToken x", "Basic Bearer x", "Beare"]
        {
            assert_eq!(found(&[line]), Ok(None), "{line}");
        }
    }

    /// The rest of the line is not an id, so the request has no session.
    #[test]
    fn a_token_is_taken_as_it_stands() {
        for (line, token) in
            [("Bearer", ""), ("Bearer ", ""), ("Bearer x y", "x y"), ("Bearer x, Bearer y", "x, Bearer y")]
        {
            assert_eq!(found(&[line]), Ok(Some(token.into())), "{line}");
        }
        for line in ["Bearer x ", "Bearer \"x\"", "Bearer %41", "Bearer x="] {
            assert_eq!(found(&[line]), Ok(Some(line["Bearer ".len()..].into())), "{line}");
        }
    }

    #[test]
    fn two_headers_are_several_unless_none_is_a_bearer() {
        for lines in [["Bearer x", "Bearer x"], ["Bearer x", "Basic y"], ["Basic y", "Bearer x"], ["Bearer", ""]] {
            assert_eq!(found(&lines), Err(2), "{lines:?}");
        }
        assert_eq!(found(&["Bearer x", "Basic y", "Basic z"]), Err(3));
        assert_eq!(found(&["Basic y", "Digest z"]), Ok(None));
        assert_eq!(found(&[]), Ok(None));
    }
}
