//! Check of cross-site requests, by the headers in which browsers state where a request comes from: `Sec-Fetch-Site`
//! (W3C Fetch Metadata, section 2.1) and `Origin` (RFC 6454 section 7).
//!
//! Takes a method, a path, the host and the headers of a request; gives a [`Verdict`]. Hosts compare without letter
//! case, and default ports are left out. Deliberately absent: `X-Forwarded-*`, which any client can send, and the scheme
//! of the own host, which a program behind a proxy does not know.

#![cfg_attr(
    not(any(feature = "rocket", feature = "axum")),
    allow(dead_code, reason = "the adapter to a framework runs the check")
)]

use crate::error::{ErrorKind, SessionError};

/// Handling of requests that come from another site.
///
/// # Examples
///
/// ```
/// use session_runtime::{SessionConfig, config::CrossSite};
///
/// let config = SessionConfig::new().cross_site(CrossSite::Allow);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrossSite {
    /// Guards of a request from another site fail with 403 and [`ErrorKind::CrossSite`]. The default.
    #[default]
    Refuse,
    /// No check.
    ///
    /// # Security
    ///
    /// Pages of other sites can then act on behalf of the visitor, as far as `SameSite` lets the cookie pass.
    Allow,
}

/// Checked settings.
#[derive(Debug, Default)]
pub(crate) struct CrossSiteRules {
    mode: CrossSite,
    trusted: Box<[Origin]>,
    anonymous: Box<[String]>,
}

/// Outcome of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// Allowed without its cookie.
    Anonymous,
    Refused,
}

/// Origin with its default port left out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

/// Values of the headers that the check reads.
#[derive(Default)]
pub(crate) struct Headers<'h> {
    site: Header<'h>,
    origin: Header<'h>,
    is_upgrade: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Header<'h> {
    #[default]
    Absent,
    One(&'h str),
    Several,
}

impl CrossSiteRules {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for an origin with a path, a wildcard or without a scheme, and for a path without a leading
    /// slash.
    pub(crate) fn new(mode: CrossSite, trusted: &[String], anonymous: &[String]) -> Result<Self, SessionError> {
        let trusted = trusted.iter().map(|text| Origin::parse(text).ok_or_else(|| no_origin(text)));
        if let Some(path) = anonymous.iter().find(|path| !path.starts_with('/')) {
            let detail = format!("`session.cross_site_paths` holds `{path}`, which does not begin with `/`");
            return Err(SessionError::with(ErrorKind::Config, detail));
        }
        Ok(Self { mode, trusted: trusted.collect::<Result<_, _>>()?, anonymous: anonymous.into() })
    }

    /// True if no other subdomain may use the session.
    #[cfg_attr(not(feature = "rocket"), allow(dead_code, reason = "only the fairing announces it"))]
    pub(crate) fn refuses_siblings(&self) -> bool {
        self.mode == CrossSite::Refuse && self.trusted.is_empty()
    }

    /// Returns whether the request may use its session. `host` gives its `Host`, or `:authority` in HTTP/2.
    pub(crate) fn check(
        &self,
        method: &str,
        path: &str,
        host: impl FnOnce() -> Option<String>,
        headers: &Headers<'_>,
    ) -> Verdict {
        let is_checked = self.mode == CrossSite::Refuse && may_change(method, headers.is_upgrade);
        if !is_checked || self.allows(headers, host) {
            return Verdict::Allowed;
        }
        if self.anonymous.iter().any(|pattern| covers(pattern, path)) {
            return Verdict::Anonymous;
        }
        Verdict::Refused
    }

    fn allows(&self, headers: &Headers<'_>, host: impl FnOnce() -> Option<String>) -> bool {
        let origin = match headers.origin {
            Header::Several => return false,
            Header::One(text) => Some(Origin::parse(text)),
            Header::Absent => None,
        };
        let is_trusted = || matches!(&origin, Some(Some(origin)) if self.trusted.contains(origin));
        match headers.site {
            Header::One("same-origin" | "none") => true,
            Header::One(_) => is_trusted(),
            Header::Several => false,
            Header::Absent => match &origin {
                None => true,
                Some(Some(origin)) => is_trusted() || host().is_some_and(|host| origin.is_at(&host)),
                Some(None) => false,
            },
        }
    }
}

fn no_origin(text: &str) -> SessionError {
    let detail = format!(
        "`session.trusted_origins` holds `{text}`, which is not an origin: write a scheme, a host and, if it is not the \
         default, a port, such as `https://shop.example`; paths and wildcards are not supported"
    );
    SessionError::with(ErrorKind::Config, detail)
}

/// True for requests that may change something, and for those that open a WebSocket.
fn may_change(method: &str, is_upgrade: bool) -> bool {
    match method {
        "GET" => is_upgrade,
        "HEAD" | "OPTIONS" | "TRACE" => false,
        _ => true,
    }
}

/// True if the pattern is the path, or ends in a slash and begins the path.
fn covers(pattern: &str, path: &str) -> bool {
    path == pattern || (pattern.ends_with('/') && path.starts_with(pattern))
}

impl<'h> Headers<'h> {
    /// Keeps the header if the check reads it. A value that is not UTF-8 is no origin and no site.
    pub(crate) fn add(&mut self, name: &str, value: &'h [u8]) {
        let text = || std::str::from_utf8(value).unwrap_or_default();
        // The length rules out nearly all headers at once.
        match name.len() {
            6 if name.eq_ignore_ascii_case("origin") => self.origin.add(text()),
            7 if name.eq_ignore_ascii_case("upgrade") => self.is_upgrade = true,
            14 if name.eq_ignore_ascii_case("sec-fetch-site") => self.site.add(text()),
            _ => {}
        }
    }

    /// Returns the single `Origin` header, for the log.
    pub(crate) fn origin(&self) -> Option<&'h str> {
        if let Header::One(origin) = self.origin { Some(origin) } else { None }
    }
}

impl<'h> Header<'h> {
    fn add(&mut self, value: &'h str) {
        *self = if *self == Self::Absent { Self::One(value) } else { Self::Several };
    }
}

impl Origin {
    /// Parses an origin in its ASCII form (RFC 6454 section 6.2). `None` for `null` and for anything else.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let (host, port) = split(authority).filter(|_| is_scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port.filter(|port| default_port(&scheme) != Some(*port));
        Some(Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// True if the host, and the port unless both are default ports, are those of a `Host` header.
    fn is_at(&self, host: &str) -> bool {
        let without_default = |port: Option<u16>| port.filter(|port| !matches!(port, 80 | 443));
        split(host).is_some_and(|(host, port)| {
            self.host.eq_ignore_ascii_case(host) && without_default(self.port) == without_default(port)
        })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// Splits a host from its port. `None` if the text is not a host, or if the port is not a number.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(end);
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if rest.is_empty() => None,
        _ => return None,
    };
    is_host(host).then_some((host, port))
}

/// True for a name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "shop.example:8000";

    fn rules(trusted: &[&str], anonymous: &[&str]) -> CrossSiteRules {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        CrossSiteRules::new(CrossSite::Refuse, &owned(trusted), &owned(anonymous)).unwrap()
    }

    fn check(rules: &CrossSiteRules, method: &str, path: &str, headers: &[(&str, &str)]) -> Verdict {
        let mut seen = Headers::default();
        for (name, value) in headers {
            seen.add(name, value.as_bytes());
        }
        rules.check(method, path, || Some(HOST.to_owned()), &seen)
    }

    fn verdict(method: &str, headers: &[(&str, &str)]) -> Verdict {
        check(&rules(&["https://pay.example"], &["/callback/"]), method, "/cart/add", headers)
    }

    /// C85: headers of a request, and the verdict on it.
    #[test]
    fn each_row_of_the_table_has_its_verdict() {
        let (site, origin) = ("Sec-Fetch-Site", "Origin");
        for (headers, verdict_of_post) in [
            (vec![(site, "same-origin")], Verdict::Allowed),
            (vec![(site, "none"), (origin, "null")], Verdict::Allowed),
            (vec![(site, "cross-site"), (origin, "https://pay.example")], Verdict::Allowed),
            (vec![(site, "same-site"), (origin, "https://PAY.example:443")], Verdict::Allowed),
            (vec![(site, "same-site"), (origin, "http://shop.example:8000")], Verdict::Refused),
            (vec![(site, "cross-site")], Verdict::Refused),
            (vec![(site, "Same-Origin")], Verdict::Refused),
            (vec![], Verdict::Allowed),
            (vec![(origin, "http://SHOP.example:8000")], Verdict::Allowed),
            (vec![(origin, "https://pay.example")], Verdict::Allowed),
            (vec![(origin, "http://pay.example")], Verdict::Refused),
            (vec![(origin, "http://shop.example")], Verdict::Refused),
            (vec![(origin, "http://evil.example")], Verdict::Refused),
            (vec![(origin, "null")], Verdict::Refused),
        ] {
            assert_eq!(verdict("POST", &headers), verdict_of_post, "{headers:?}");
        }
    }

    /// C85: browsers send each header once, in one form.
    #[test]
    fn doubled_and_malformed_headers_count_as_cross_site() {
        let (site, origin, own) = ("sec-fetch-site", "origin", "http://shop.example:8000");
        for headers in [
            vec![(site, "same-origin"), (site, "same-origin")],
            vec![(origin, own), (origin, own)],
            vec![(origin, "http://shop.example:8000/")],
            vec![(origin, "http://shop.example:8000, http://shop.example:8000")],
            vec![(origin, "shop.example:8000")],
            vec![(origin, "http://shop.example:80000")],
            vec![(origin, "http://shop.example:+8000")],
            vec![(origin, "http://ann@shop.example:8000")],
            vec![(origin, "")],
            vec![(site, "")],
        ] {
            assert_eq!(verdict("POST", &headers), Verdict::Refused, "{headers:?}");
        }
    }

    /// C86: a GET that opens a WebSocket is checked as a POST is.
    #[test]
    fn reading_methods_pass_and_upgrades_are_checked() {
        let foreign = ("Sec-Fetch-Site", "cross-site");
        for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
            assert_eq!(verdict(method, &[foreign]), Verdict::Allowed);
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "get"] {
            assert_eq!(verdict(method, &[foreign]), Verdict::Refused);
        }
        assert_eq!(verdict("GET", &[foreign, ("Upgrade", "websocket")]), Verdict::Refused);
        assert_eq!(verdict("GET", &[("upgrade", "websocket"), ("Sec-Fetch-Site", "same-origin")]), Verdict::Allowed);
    }

    #[test]
    fn listed_paths_are_anonymous_for_other_sites() {
        let rules = rules(&[], &["/callback/", "/paid"]);
        let check = |path, site| check(&rules, "POST", path, &[("Sec-Fetch-Site", site)]);
        assert_eq!(check("/callback/bank", "cross-site"), Verdict::Anonymous);
        assert_eq!(check("/callback/bank", "same-origin"), Verdict::Allowed);
        assert_eq!(check("/paid", "cross-site"), Verdict::Anonymous);
        for path in ["/paid/", "/paids", "/callback", "/x/callback/"] {
            assert_eq!(check(path, "cross-site"), Verdict::Refused, "{path}");
        }
    }

    #[test]
    fn default_ports_are_left_out() {
        let at = |origin: &str, host: &str| Origin::parse(origin).unwrap().is_at(host);
        assert!(at("https://shop.example", "shop.example") && at("https://shop.example", "shop.example:443"));
        assert!(at("http://shop.example:80", "SHOP.example") && at("http://[::1]:8000", "[::1]:8000"));
        assert!(!at("http://shop.example:8000", "shop.example") && !at("http://shop.example", "shop.example:8000"));
        assert!(!at("http://shop.example", "shop.example.") && !at("http://shop.example", ""));
    }

    #[test]
    fn settings_take_origins_and_paths_only() {
        let texts = |text: &str| vec![text.to_owned()];
        for text in [
            "shop.example",
            "https://shop.example/",
            "https://*.shop.example",
            "*",
            "null",
            "https://",
            "://x",
            "https://shop.example:https",
            "https://ann@shop.example",
            "https://shop example",
        ] {
            let error = CrossSiteRules::new(CrossSite::Refuse, &texts(text), &[]).unwrap_err();
            assert!(error.kind() == ErrorKind::Config && error.to_string().contains(text), "{text}");
        }
        assert!(CrossSiteRules::new(CrossSite::Refuse, &texts("app://shop"), &texts("/paid")).is_ok());
        assert!(CrossSiteRules::new(CrossSite::Refuse, &[], &texts("paid")).is_err());
    }
}
