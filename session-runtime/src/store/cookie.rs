//! [`CookieStore`]: the session itself in the cookie, sealed, and nothing on the server.
//!
//! | room | takes | gives |
//! |---|---|---|
//! | `key` | the key ring as texts | keys for sealing, named by four bytes |
//! | `content` | a record | its bytes, and back |
//! | `seal` | those bytes | the text in the cookie, and back |
//! | `drawer` | what a cookie held | a store of one record, for one request |
//! | `nowhere` | a job's wish | *unsupported* |
//!
//! A request's guards, changes, merges, deadlines and versions are those of every store: what the request does, it does to
//! the one record in its drawer, and each change seals that record anew for the answer's `Set-Cookie`.
//!
//! Deliberately absent: another decoder for what does not open, a choice of algorithms, and compression. With compression
//! the length of the cookie would tell how much of what a visitor sends is like what the session keeps from him.

use std::fmt;
use std::sync::Arc;

use crate::error::SessionError;

mod content;
mod key;
mod request_store;
mod seal;
mod unsupported;

pub(crate) use request_store::RequestStore;
pub(crate) use seal::Sealer;
pub(crate) use unsupported::Unsupported;

use key::Ring;

/// The session itself in the cookie, sealed: no server to run, and less to promise.
///
/// # What it cannot do
///
/// | promise | holds |
/// |---|---|
/// | logout is final | **no**: the browser loses its cookie, but a copy of it works until its deadline |
/// | a login or a renewal ends the old id | **no**: the cookie from before goes on showing what was in it, until its deadline |
/// | concurrent writes merge | **no**: of two requests at once, the cookie that the browser gets last wins whole |
/// | the newest state counts | **no**: a visitor can go back to an older cookie of his own (no stock, no balance, no tries left in here) |
/// | work outside a request | **no**: reading, changing or destroying by key, sweeping, listing, migrating are [`Unsupported`] |
/// | large sessions | **no**: a `Set-Cookie` line of at most 4,096 bytes, name and attributes counted; more is [`TooLarge`] |
/// | survives a restart, works on several machines | yes, with the same keys |
/// | nobody reads it or changes it | yes, but its length shows |
/// | idle and absolute deadline | yes: they stand inside the seal; judged by the application's clock |
/// | a key can be replaced | yes: put the new one first, remove the old one when `idle` has passed |
///
/// To end copied cookies before their deadline, keep `absolute` short, or remove the key that sealed them, which ends all.
/// `renew_every` seals anew and ends nothing. What must be revoked belongs into a store on a server.
///
/// # Use
///
/// In `Rocket.toml`: `store = "cookie:"` and `keys = ["…"]` in the table `[default.session]`. A key is 32 random bytes as
/// base64url, base64 or hex: `openssl rand -base64 32`. The first of several seals, all of them open; a cookie of an older
/// key is sealed anew with the first one by the next answer. Two applications that share keys and the name of the cookie
/// take each other's sessions unless they have [names](Self::application), in the configuration `store = "cookie:shop"`.
///
/// XChaCha20-Poly1305 with 24 random bytes of nonce; keys by HKDF-SHA256; version, purpose, name of the cookie and of the
/// application are authenticated with it.
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
    /// With these keys, each 32 random bytes as base64url, base64 or hex. The first seals, all of them open.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config): there is no key, one has another length or another alphabet, repeats itself,
    /// or is there twice. The text names the key by its place only.
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

    /// The application's name, which becomes part of what the seal covers. Default: none.
    ///
    /// Another name, like another name of the cookie, makes all cookies from before foreign.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::CookieStore;
    ///
    /// let store = CookieStore::new([CookieStore::random_key()?])?.application("shop");
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    #[must_use]
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = name.into();
        self
    }

    /// A fresh key as text, for tests and for programs that keep keys in a place of their own: 43 characters of base64url.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable): the operating system gave no random bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_runtime::CookieStore;
    ///
    /// assert_ne!(CookieStore::random_key()?, CookieStore::random_key()?);
    /// # Ok::<(), session_runtime::SessionError>(())
    /// ```
    pub fn random_key() -> Result<String, SessionError> {
        key::random_text()
    }

    /// The store that `cookie:` or `cookie:application` names, if the URL is one.
    pub(crate) fn of_url(url: &str, keys: &[impl AsRef<str>]) -> Option<Result<Arc<Self>, SessionError>> {
        let (scheme, application) = url.split_once(':')?;
        let store = || Ok(Arc::new(Self::new(keys)?.application(application)));
        scheme.eq_ignore_ascii_case("cookie").then(store)
    }
}

/// Says how many keys there are, and none of them.
impl fmt::Debug for CookieStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("CookieStore");
        fields.field("keys", &self.ring.len()).field("application", &self.application).finish_non_exhaustive()
    }
}

/// Said once where sessions begin, since nobody reads it later.
pub(crate) fn say_what_is_missing() {
    tracing::warn!(
        "session store `cookie:`: sessions are in the cookies themselves. Nothing can be revoked: a copied cookie works \
         until its deadline, after a logout too. Of two requests at once the last cookie wins. Jobs cannot read, change or \
         destroy sessions"
    );
}

#[cfg(test)]
mod tests;
