//! Settings of the exchange with clients: the transport of the id, the cookie, and requests from other sites.

use super::cross_site::CrossSiteRules;
use super::transport::TransportRules;
use super::{CrossSite, SessionConfig, Transport};
use crate::cookie::CookieConfig;
use crate::error::SessionError;

impl SessionConfig {
    /// Sets the transport of the id between client and server. Default: [`Transport::Cookie`].
    ///
    /// [`Transport::Bearer`] is refused together with the cookie store, and with settings that have no effect without
    /// cookies: those of the cookie, `trusted_origins` and `cross_site_paths`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::{MemoryStore, SessionConfig, Sessions, config::Transport};
    ///
    /// let config = SessionConfig::new().transport(Transport::Bearer);
    /// let sessions = Sessions::builder().store(MemoryStore::new()).config(config).build()?;
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Sets the name and the attributes of the cookie.
    #[must_use]
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        self.cookie = cookie;
        self
    }

    /// Sets the handling of requests that come from another site. Default: [`CrossSite::Refuse`].
    ///
    /// Browsers state where a request comes from in `Sec-Fetch-Site` (W3C Fetch Metadata) and `Origin` (RFC 6454). The
    /// first session guard of a request reads them, before anything is loaded. A request with neither header does not
    /// come from a browser and is allowed. GET, HEAD, OPTIONS and TRACE are allowed, except a GET that opens a WebSocket.
    ///
    /// # Security
    ///
    /// A GET handler that changes something is not protected.
    #[must_use]
    pub fn cross_site(mut self, cross_site: CrossSite) -> Self {
        self.cross_site = cross_site;
        self
    }

    /// Sets the origins of other sites whose pages may use the session, such as `https://pay.example`. Default: none.
    ///
    /// An origin has a scheme, a host, and a port if it is not the default. Behind a proxy that rewrites `Host`, the
    /// application's own origin belongs here.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().trusted_origins(["https://shop.example", "https://admin.shop.example"]);
    /// ```
    #[must_use]
    pub fn trusted_origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.trusted_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the paths on which a request from another site is anonymous instead of refused, for payment and identity
    /// providers that send the visitor back with a POST. A path that ends in `/` covers all paths below it. Default: none.
    /// [The guide](crate::guide::visitors#other-sites) shows what the handler of such a path should do.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().cross_site_paths(["/callback/", "/paid"]);
    /// ```
    #[must_use]
    pub fn cross_site_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.cross_site_paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether [`destroy`](crate::Visit::destroy) also sends `Clear-Site-Data: "cache"`. Default: no.
    ///
    /// The browser then empties its cache of this origin, so that its back button shows no page of the visitor (W3C
    /// Clear Site Data, section 3.1; OWASP session management). Browsers obey it over HTTPS only. Afterwards the browser
    /// fetches all pages and images of the origin again. Only `destroy` sends the header, and no other end of a session,
    /// such as [`restart`](crate::Visit::restart).
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::SessionConfig;
    ///
    /// let config = SessionConfig::new().clear_site_data(true);
    /// ```
    #[must_use]
    pub fn clear_site_data(mut self, clear_site_data: bool) -> Self {
        self.clear_site_data = clear_site_data;
        self
    }

    /// Returns the checked transport. `insecure` is true where plain HTTP is the default and allowed.
    pub(crate) fn transport_rules(&self, insecure: bool) -> Result<TransportRules, SessionError> {
        match self.transport {
            Transport::Cookie => self.cookie.resolve(insecure || self.insecure).map(TransportRules::Cookie),
            Transport::Bearer => Ok(TransportRules::Bearer),
        }
    }

    /// Returns the checked rules for requests from other sites. Without cookies, a browser sends no id by itself.
    pub(crate) fn cross_site_rules(&self) -> Result<CrossSiteRules, SessionError> {
        let cross_site = match self.transport {
            Transport::Cookie => self.cross_site,
            Transport::Bearer => CrossSite::Allow,
        };
        CrossSiteRules::new(cross_site, &self.trusted_origins, &self.cross_site_paths)
    }
}
