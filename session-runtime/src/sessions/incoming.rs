//! Requests as the adapters to web frameworks present them: opens the visit, unless the request comes from another site.

use crate::config::cross_site::{Headers, Verdict};
use crate::cookie::Found;
use crate::error::{ErrorKind, SessionError};
use crate::request::visit::Visit;
use crate::sessions::Sessions;

/// A request, as an adapter to a web framework presents it.
pub(crate) trait Incoming {
    fn method(&self) -> &str;

    /// Path as the client sent it, also inside a nested router.
    fn path(&self) -> &str;

    /// `Host`, or `:authority` in HTTP/2.
    fn host(&self) -> Option<String>;

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])>;

    /// Returns the line of a cookie that the framework has in no header.
    fn cookie_beside_headers(&self, _name: &str) -> Option<String> {
        None
    }

    /// Number of the route; 0 outside routes. Requests of one route ask for much the same schemas.
    fn route(&self) -> usize;
}

impl Sessions {
    /// Opens the visit, unless the request comes from another site.
    pub(crate) fn open_incoming(&self, request: &impl Incoming) -> Visit {
        let mut headers = Headers::default();
        let mut visit = self.open_with_headers(request, &mut headers);
        visit.route = request.route();
        match self.core.cross_site.check(request.method(), request.path(), || request.host(), &headers) {
            Verdict::Allowed => visit,
            Verdict::Anonymous => self.open([]),
            Verdict::Refused => {
                report_refusal(headers.origin(), request.host().as_deref());
                visit.refuse(SessionError::new(ErrorKind::CrossSite));
                visit
            }
        }
    }

    /// Opens the visit with the raw lines that carry the id, byte for byte. Collects the headers of the check on the way.
    fn open_with_headers<'r>(&self, request: &'r impl Incoming, headers: &mut Headers<'r>) -> Visit {
        let id = self.core.transport.transport().request_header();
        let (mut is_there, mut is_readable) = (false, true);
        let lines = request.headers().filter_map(|(name, value)| {
            headers.add(name, value);
            if !name.eq_ignore_ascii_case(id) {
                return None;
            }
            is_there = true;
            std::str::from_utf8(value).inspect_err(|_| is_readable = false).ok()
        });
        let found = self.core.transport.find(lines);
        match self.core.transport.cookie() {
            // A line that cannot be read may hold another id.
            _ if !is_readable => self.open_found(Found::Several),
            Some(rules) if !is_there => self.open(request.cookie_beside_headers(&rules.name).as_deref()),
            _ => self.open_found(found),
        }
    }
}

/// Logs what an operator needs to tell an attack from a proxy that rewrites `Host`.
fn report_refusal(origin: Option<&str>, host: Option<&str>) {
    tracing::warn!(
        ?origin,
        ?host,
        "a request from another site was refused: if its origin is this application's own or one that may use its \
         sessions, add it to `session.trusted_origins`"
    );
}
