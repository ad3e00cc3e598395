//! The session cookie: its name and attributes, how it is found in a request, how it is written into a response.
//!
//! The raw `Cookie` header is parsed here byte for byte: a framework's cookie jar that decodes or trims names accepts a
//! look-alike such as `%5F%5FHost-Http-id` as `__Host-Http-id`. Two cookies with the name count as none, since their
//! order has no meaning (RFC 6265bis section 4.2.2). Set-Cookie attributes: RFC 6265bis section 4.1; name prefixes:
//! 4.1.3, and for `__Host-Http-` and `__Http-` draft-ietf-httpbis-layered-cookies section 4.1.3.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{ErrorKind, SessionError};
use crate::id::SessionId;
use crate::record::Head;

/// Upper limit of `Max-Age`: browsers reduce longer ones to 400 days (RFC 6265bis section 5.6.2).
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Name and attributes of the session cookie. `HttpOnly` is always set.
///
/// # Examples
///
/// ```
/// use session_runtime::{CookieConfig, SameSite, SessionConfig};
///
/// let cookie = CookieConfig::new().same_site(SameSite::Strict).persistent(true);
/// let config = SessionConfig::new().cookie(cookie);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieConfig {
    pub(crate) name: Option<String>,
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) same_site: SameSite,
    pub(crate) secure: Option<bool>,
    pub(crate) persistent: bool,
}

/// Selection of the cross-site requests that carry the cookie (RFC 6265bis section 4.1.2.7).
///
/// # Examples
///
/// ```
/// use session_runtime::SameSite;
///
/// assert_eq!(SameSite::default(), SameSite::Lax);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// No cross-site request.
    Strict,
    /// Requests that follow a link. The default.
    #[default]
    Lax,
    /// All requests; browsers then require `Secure`.
    None,
}

impl Default for CookieConfig {
    fn default() -> Self {
        let path = "/".to_owned();
        Self { name: None, path, domain: None, same_site: SameSite::Lax, secure: None, persistent: false }
    }
}

impl CookieConfig {
    /// Returns the default attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name. Default: `__Host-Http-id` with `Secure`, `Path=/` and no `Domain`; `__Secure-id` if only `Secure`
    /// holds; otherwise `id`.
    ///
    /// A browser that knows the prefix `__Host-Http-` accepts such a cookie only from a response of this host, and
    /// refuses one that a script sets. An older browser treats it as `__Host-`.
    ///
    /// Browsers keep one set of cookies for all ports of a host (RFC 6265 section 8.5). Applications that are developed
    /// side by side on several ports of `localhost` each need their own name. Otherwise every cookie that one
    /// application sets replaces the session of the other.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the `Path`. Default: `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the `Domain`. Default: none, so that only this host receives the cookie.
    ///
    /// # Security
    ///
    /// With a `Domain`, every subdomain receives the cookie and can replace it with a cookie of its own.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets `SameSite`. Default: `Lax`.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sets `Secure`. Default: on, except over plain HTTP in Rocket's debug profile, and in a debug build whose settings come
    /// from `SessionConfig::from_env` or `from_figment`.
    ///
    /// # Security
    ///
    /// Without it the cookie also travels over plain HTTP, where anyone on the network path can read it. Outside the
    /// debug profile, turning it off is refused.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = Some(secure);
        self
    }

    /// Sets whether the cookie survives the end of the browser session. `Max-Age` is then the remaining lifetime of the
    /// session. Default: no.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Checks all settings and builds the fixed part of the header. `insecure` is true where plain HTTP is the default
    /// and allowed.
    pub(crate) fn resolve(&self, insecure: bool) -> Result<CookieRules, SessionError> {
        let secure = self.secure.unwrap_or(!insecure);
        let name = self.name.clone().unwrap_or_else(|| self.default_name(secure).to_owned());
        self.check(&name, secure, insecure)?;
        let domain = self.domain.as_ref().map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        let secure_text = if secure { "; Secure" } else { "" };
        let same_site = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        let attributes = format!("{domain}; Path={}{secure_text}; HttpOnly; SameSite={same_site}", self.path);
        let has_domain = self.domain.is_some();
        Ok(CookieRules { name, attributes, secure, has_domain, persistent: self.persistent })
    }

    fn default_name(&self, secure: bool) -> &'static str {
        match (secure, self.path == "/" && self.domain.is_none()) {
            (true, true) => "__Host-Http-id",
            (true, false) => "__Secure-id",
            (false, _) => "id",
        }
    }

    fn check(&self, name: &str, secure: bool, insecure: bool) -> Result<(), SessionError> {
        let prefixed = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        // `__Host-Http-` also needs `HttpOnly`, which every cookie of this library has.
        let host = prefixed("__Host-");
        let domain = self.domain.as_deref();
        let wrong = [
            (!is_token(name), "`session.cookie.name` must be letters, digits and punctuation without separators"),
            (
                !is_path(&self.path),
                "`session.cookie.path` must begin with `/` and hold no `;` and no control character",
            ),
            (domain.is_some_and(|domain| !is_domain(domain)), "`session.cookie.domain` is not a host name"),
            (host && !secure, "`session.cookie.name` begins with `__Host-`, which needs `cookie.secure = true`"),
            (host && domain.is_some(), "`session.cookie.name` begins with `__Host-`, which allows no `cookie.domain`"),
            (
                host && self.path != "/",
                "`session.cookie.name` begins with `__Host-`, which needs `cookie.path = \"/\"`",
            ),
            (
                (prefixed("__Secure-") || prefixed("__Http-")) && !secure,
                "`session.cookie.name` begins with `__Secure-` or `__Http-`, which need `cookie.secure = true`",
            ),
            (
                self.same_site == SameSite::None && !secure,
                "`session.cookie.same_site = \"None\"` needs `cookie.secure = true`: browsers drop the cookie otherwise",
            ),
            (
                !secure && !insecure,
                "`session.cookie.secure = false` is for the debug profile only: anyone on the network path could read \
                 the cookie",
            ),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, reason)) => Err(SessionError::with(ErrorKind::Config, reason)),
            None => Ok(()),
        }
    }
}

/// True if the text is a cookie name (RFC 6265 section 4.1.1): an RFC 9110 token.
fn is_token(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b';')
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && label.len() < 64
    };
    domain.strip_prefix('.').unwrap_or(domain).split('.').all(label)
}

/// Checked [`CookieConfig`], ready to read and to write headers.
#[derive(Clone, Debug)]
pub(crate) struct CookieRules {
    pub(crate) name: String,
    attributes: String,
    #[cfg_attr(not(any(test, feature = "rocket")), expect(dead_code, reason = "only the fairing announces it"))]
    pub(crate) secure: bool,
    #[cfg_attr(not(feature = "rocket"), expect(dead_code, reason = "only the fairing announces it"))]
    pub(crate) has_domain: bool,
    pub(crate) persistent: bool,
}

/// Values of all cookies with the name.
#[derive(Clone, Copy)]
pub(crate) enum Found<'h> {
    Nothing,
    One(&'h str),
    Several,
}

/// Session cookie in the headers of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presented {
    /// No cookie with the name.
    Nothing,
    /// A cookie with the name that holds no id, or more than one cookie with the name.
    Unusable,
    /// An id, whether or not this application issued it.
    Id(SessionId),
}

impl From<Found<'_>> for Presented {
    fn from(found: Found<'_>) -> Self {
        match found {
            Found::Nothing => Self::Nothing,
            Found::One(value) => SessionId::parse(value).map_or(Self::Unusable, Self::Id),
            Found::Several => Self::Unusable,
        }
    }
}

/// Change of the browser's cookie by a response, or of the id of a client with the transport
/// [`Bearer`](crate::config::Transport::Bearer).
///
/// # Examples
///
/// ```
/// use session_runtime::cookie::CookieCommand;
///
/// assert_eq!(CookieCommand::Remove("id=; Max-Age=0".into()).header(), Some("id=; Max-Age=0"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub enum CookieCommand {
    /// No change.
    #[default]
    Keep,
    /// Sets the cookie by this `Set-Cookie` header, for a new secret, a new `Max-Age`, or, with the cookie store, a
    /// changed session. With the transport `Bearer`, the value of `Session-Id`.
    Set(String),
    /// Removes the cookie by this `Set-Cookie` header. With the transport `Bearer`, the value of `Session-Id`.
    Remove(String),
}

impl CookieCommand {
    /// Returns the value of the header `Set-Cookie` or `Session-Id`, or `None` for no change.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Keep => None,
            Self::Set(header) | Self::Remove(header) => Some(header),
        }
    }

    /// Returns the value of the header itself.
    pub(crate) fn into_header(self) -> Option<String> {
        match self {
            Self::Keep => None,
            Self::Set(header) | Self::Remove(header) => Some(header),
        }
    }
}

/// Omits the header, which contains the id.
impl std::fmt::Debug for CookieCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Keep => "Keep",
            Self::Set(_) => "Set(…)",
            Self::Remove(_) => "Remove(…)",
        })
    }
}

impl CookieRules {
    /// Finds the cookie in the request's `Cookie` header lines.
    pub(crate) fn find<'h>(&self, lines: impl Iterator<Item = &'h str>) -> Found<'h> {
        let mut found = Found::Nothing;
        for line in lines {
            for value in line.split(';').filter_map(|pair| self.value(pair)) {
                found = if matches!(found, Found::Nothing) { Found::One(value) } else { Found::Several };
            }
        }
        found
    }

    fn value<'h>(&self, pair: &'h str) -> Option<&'h str> {
        // Pairs are separated by `; ` (RFC 6265 section 4.2.1); any other white space belongs to the name.
        let pair = pair.strip_prefix(' ').unwrap_or(pair);
        pair.strip_prefix(self.name.as_str())?.strip_prefix('=')
    }

    /// Returns the command that sets this value, for a session with this head. A persistent cookie lasts as long as the
    /// session.
    pub(crate) fn set(&self, value: &str, head: &Head, now: Timestamp) -> CookieCommand {
        let mut header = format!("{}={value}{}", self.name, self.attributes);
        if head.expiry.persistent(self.persistent) {
            let lifetime = head.idle_deadline.since(now);
            header.push_str("; Max-Age=");
            // At least 1: zero would remove the cookie of a session that has less than a second left.
            header.push_str(&lifetime.min(MAX_AGE).as_secs().max(1).to_string());
        }
        CookieCommand::Set(header)
    }

    /// Returns the command that removes the cookie: browsers ignore it unless name, path, domain and `Secure` are the
    /// same.
    pub(crate) fn remove(&self) -> CookieCommand {
        CookieCommand::Remove(format!("{}={}; Max-Age=0", self.name, self.attributes))
    }
}

#[cfg(test)]
mod tests;
