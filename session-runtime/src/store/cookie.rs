//! [`CookieStore`]: the session itself in a sealed cookie, without any state on the server.
//!
//! | module | takes | gives |
//! |---|---|---|
//! | `key` | the key ring as texts | keys for sealing, each with an id of four bytes |
//! | `content` | a record | its bytes, and back |
//! | `seal` | those bytes | the text in the cookie, and back |
//! | `request_store` | the content of a cookie | a store of one record, for one request |
//! | `unsupported` | an operation of a job | the error *unsupported* |
//!
//! Guards, changes, merges, deadlines and versions work as in every other store: a request changes the one record in
//! its `RequestStore`, and each change seals that record again for the `Set-Cookie` header of the response.
//!
//! Deliberately absent: a second decoder for cookies that do not open, a choice of algorithms, and compression. With
//! compression, the length of the cookie would reveal how much the input of a visitor resembles data that the session
//! hides from that visitor.

use std::fmt;
use std::sync::Arc;

use crate::cookie::CookieRules;
use crate::error::SessionError;
use crate::id::Random;

mod content;
mod key;
mod request_store;
mod seal;
mod unsupported;

pub(crate) use request_store::RequestStore;
pub(crate) use seal::Sealer;

use key::Ring;

/// Store that keeps the session itself in the cookie, sealed. It needs no server and gives fewer guarantees.
///
/// # Limitations
///
/// | promise | holds |
/// |---|---|
/// | logout is final | **no**: the browser deletes its cookie, but a copy of it works until its deadline |
/// | a login or a renewal ends the old id | **no**: the old cookie opens until its deadline, with its old content |
/// | concurrent writes merge | **no**: of two concurrent requests, the cookie that the browser receives last wins |
/// | only the newest state counts | **no**: a visitor can replay an old cookie; keep no stock, balance or tries in it |
/// | work outside a request | **no**: read, change or destroy by key, sweep, list and migrate are [`Unsupported`] |
/// | large sessions | **no**: a `Set-Cookie` line of over 4,096 bytes, attributes included, is [`TooLarge`] |
/// | survives a restart, works on several machines | yes, with the same keys |
/// | the content is secret and cannot be changed | yes, but its length is visible |
/// | idle and absolute deadline | yes: inside the seal, checked with the application's clock |
/// | a key can be replaced | yes: put the new key first, and remove the old one after `idle` has passed |
///
/// To end copied cookies before their deadline, keep `absolute` short, or remove the key that sealed them, which ends
/// all cookies sealed with it. `renew_every` seals the cookie again and ends no older one. Data that must be revocable
/// belongs in a store on a server.
///
/// # Usage
///
/// `Rocket.toml` needs `store = "cookie:"` and `keys = ["…"]` in the table `[default.session]`. A key is 32 random
/// bytes as base64url, base64 or hex: `openssl rand -base64 32`. The first of several keys seals, all of them open. The
/// next response seals a cookie of an older key again with the first key. Two applications that share keys and the
/// cookie name accept each other's sessions unless they have different [names](Self::application), in the configuration
/// `store = "cookie:shop"`.
///
/// The cipher is XChaCha20-Poly1305 with a random nonce of 24 bytes. The keys are derived with HKDF-SHA256. The
/// version, the purpose, the name of the cookie and the name of the application are authenticated too.
///
/// # Examples
///
/// ```
/// use session_runtime::{CookieStore, Sessions};
///
/// let key = CookieStore::random_key()?;
/// let sessions = Sessions::builder().cookie_store(CookieStore::new([key])?).build()?;
/// # Ok::<(), session_runtime::SessionError>(())
/// ```
///
/// [`Unsupported`]: crate::ErrorKind::Unsupported
/// [`TooLarge`]: crate::ErrorKind::TooLarge
pub struct CookieStore {
    ring: Ring,
    application: String,
}

impl CookieStore {
    /// Creates a store with these keys, each 32 random bytes as base64url, base64 or hex. The first key seals, all of
    /// them open.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if there is no key, or if a key has another length or alphabet, repeats
    /// itself, or is given twice. The message identifies the key only by its position.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::CookieStore;
    ///
    /// let (new, old) = (CookieStore::random_key()?, CookieStore::random_key()?);
    /// let store = CookieStore::new([new, old])?;
    /// assert!(CookieStore::new(["too short"]).is_err());
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    pub fn new<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Result<Self, SessionError> {
        Ok(Self { ring: Ring::new(keys)?, application: String::new() })
    }

    /// Sets the name of the application, which is authenticated with every cookie. Default: none.
    ///
    /// A change of this name, or of the cookie name, invalidates all existing cookies.
    #[must_use]
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = name.into();
        self
    }

    /// Generates a random key as text, for tests and for programs that store their keys elsewhere: 43 characters of
    /// base64url.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the operating system returned no random bytes.
    pub fn random_key() -> Result<String, SessionError> {
        key::random_text()
    }

    /// Creates the store for `cookie:` or `cookie:application`; `None` if the URL has another scheme.
    pub(crate) fn of_url(url: &str, keys: &[impl AsRef<str>]) -> Option<Result<Arc<Self>, SessionError>> {
        let (scheme, application) = url.split_once(':')?;
        let store = || Ok(Arc::new(Self::new(keys)?.application(application)));
        scheme.eq_ignore_ascii_case("cookie").then(store)
    }

    /// Returns the sealer of an application, and logs the missing guarantees.
    pub(crate) fn sealer(self: Arc<Self>, rules: CookieRules, random: Random) -> Arc<Sealer> {
        warn_about_limits();
        Arc::new(Sealer::new(self, rules, random))
    }
}

/// Shows the number of keys, but no key.
impl fmt::Debug for CookieStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("CookieStore");
        fields.field("keys", &self.ring.len()).field("application", &self.application).finish_non_exhaustive()
    }
}

fn warn_about_limits() {
    tracing::warn!(
        "session store `cookie:`: sessions are in the cookies themselves. Nothing can be revoked: a copied cookie works \
         until its deadline, after a logout too. Of two requests at once the last cookie wins. Jobs cannot read, change or \
         destroy sessions"
    );
}

#[cfg(test)]
mod tests;
