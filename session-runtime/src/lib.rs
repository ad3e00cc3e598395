//! Typed, versioned web sessions: keys and types checked by the compiler, concurrent requests that lose nothing, logout
//! that stays logged out.
//!
//! A session is a set of *schemas*: plain structs whose fields become keys of a stored map. `#[derive(Session)]` gives a
//! schema its accessors; a Rocket fairing loads a session once, when a guard asks for it, and a request that ends writes
//! only what it changed.
//!
#![cfg_attr(feature = "rocket", doc = "```")]
#![cfg_attr(not(feature = "rocket"), doc = "```ignore")]
//! use rocket::{get, launch, post, routes};
//! use session_runtime::{Session, SessionHandle, Sessions};
//!
//! #[derive(Session)]
//! #[session(key = "auth", version = 1, layout = "user:ec0d589b")]
//! struct Auth {
//!     /// Who is logged in. A login gives the session a new id; where the user goes, the session starts over.
//!     #[session(renew)]
//!     user: Option<String>,
//! }
//!
//! #[get("/whoami")]
//! fn whoami(auth: &Auth) -> Option<&str> {
//!     auth.user().as_deref()
//! }
//!
//! #[post("/login/<user>")]
//! fn login(user: &str, mut auth: Session<Auth>) {
//!     auth.set_user(user.into());
//! }
//!
//! #[post("/logout")]
//! fn logout(session: &SessionHandle) {
//!     session.destroy();
//! }
//!
//! #[launch]
//! fn rocket() -> _ {
//!     rocket::build().attach(Sessions::fairing::<Auth>()).mount("/", routes![whoami, login, logout])
//! }
//! ```
//!
//! `layout` records what is stored, so that a change of it does not compile until the version is raised. Write `layout = ""`,
//! and the compiler says what to paste.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | attributes and accessors | the derive macro [`Session`](macro@Session) |
//! | types inside fields | the derive macro [`SessionValue`](macro@SessionValue) |
//! | a struct that changes | the guide [Changing a session struct](guide) |
//! | guards | `&S`, [`Session<S>`](struct@Session), [`SessionHandle`] |
//! | settings | [`SessionConfig`], [`CookieConfig`], and the README for `Rocket.toml` |
//! | sessions outside requests | [`Sessions`] |
//! | all stored sessions at once | [`migrate`] |
//! | stores, and writing one | [`store`] |
//! | another web framework | [`Visit`] |
//!
//! # Features
//!
//! | feature | gives | default |
//! |---|---|---|
//! | `rocket` | guards, fairing, configuration | on |
//! | `sqlite` | `SqliteStore` | on |
//! | `cache` | `CachedStore`: a cache of this process in front of a store | off |
//! | `cookie` | `CookieStore`: the session itself in the cookie, sealed | off |
//! | `postgres` | `PostgresStore`: PostgreSQL 13 and newer | off |
//! | `redis` | `RedisStore`: Redis 7 and Valkey, one server or a cluster | off |
//! | `conformance` | `testing`: the conformance kit for stores, a clock moved by hand | off |
//! | `chrono`, `time`, `uuid`, `rust_decimal`, `url` | [`SessionValue`](trait@SessionValue) for the types of that crate | off |
//!
//! Without features the core and [`MemoryStore`] remain. Store work is awaited with tokio's timers, so a tokio runtime
//! with time enabled must be running, as Rocket's is.
//!
//! # What is promised, and what is not
//!
//! - A success answer means that the changes are stored, to the store's own durability; otherwise the client gets an
//!   error and no cookie.
//! - Requests that change different fields, or different entries of a `merge = keys` field, never lose each other's
//!   writes. Of two plain writes of one field the later wins; `merge` says otherwise.
//! - After `destroy` no request brings the session back. A login gives a new id, and the old one is dead at once.
//! - A logout wins over a login under way: the session is deleted whoever logged in between load and save.
//! - Two first requests at once of one visitor make two sessions, and the browser keeps the last cookie.
//! - A login whose answer never arrives loses the anonymous session: the old id is dead already.
//! - A client that repeats a POST by itself after a 503 may count twice: the outcome of a lost save is unknown.
//! - Only a `__Host-` cookie is immune to cookies tossed from a subdomain.
//! - A field that changes through `&self` (an atomic, a `Mutex`) is not seen to change, and the order inside a
//!   `HashSet` that is part of another value counts as a change.
//! - Where a `renew` field leaves a user, for its default or for another user, the session starts over: of the first user
//!   only schemas marked `lasting` go along. An edit of another value of that user is refused at the save
//!   ([`ErrorKind::PreviousUser`]); a field that was set as a whole counts.
//! - A value that the application itself copies from one user's field into another by `set_…` is not recognised.
//! - A panic after the last writable guard was dropped cannot be told from an answer: if a catcher answers 200, what was
//!   written before is stored.
//! - Rocket's own log prints `Cookie` headers at debug level.

// Tests inside the crate derive schemas too, and generated code names the crate.
#[cfg(test)]
extern crate self as session_runtime;

pub mod clock;
pub mod config;
pub mod cookie;
pub mod error;
pub mod guide;
pub mod id;
pub mod record;
pub mod schema;
pub mod sessions;
pub mod store;

mod request;
#[cfg(feature = "rocket")]
mod rocket;
mod sync;
#[cfg(any(test, feature = "conformance"))]
pub mod testing;
mod version;

#[doc(hidden)]
pub mod __private;

pub use ::async_trait::async_trait;
pub use session_derive::{Session, SessionValue};

pub use crate::config::SessionConfig;
pub use crate::cookie::{CookieConfig, SameSite};
pub use crate::error::{ErrorKind, SessionError};
pub use crate::id::SessionKey;
pub use crate::record::expiry::Expiry;
#[doc(inline)]
pub use crate::record::{expiry, patch};
#[doc(inline)]
pub use crate::request::visit;
pub use crate::request::visit::{Session, Visit};
#[cfg(feature = "rocket")]
pub use crate::rocket::{SessionFairing, SessionHandle};
pub use crate::schema::codec::EntryKey;
pub use crate::schema::section::RawSection;
pub use crate::schema::value::SessionValue;
pub use crate::schema::{NewestSchema, Schema, Schemas};
#[doc(inline)]
pub use crate::schema::{codec, merge, value};
#[doc(inline)]
pub use crate::sessions::bulk as migrate;
pub use crate::sessions::{Sessions, SessionsBuilder};
#[cfg(feature = "cache")]
pub use crate::store::CachedStore;
#[cfg(feature = "postgres")]
pub use crate::store::PostgresStore;
#[cfg(feature = "redis")]
pub use crate::store::RedisStore;
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteStore;
#[cfg(feature = "cookie")]
pub use crate::store::cookie::CookieStore;
pub use crate::store::{MemoryStore, Store};
