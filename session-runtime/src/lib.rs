//! Typed, versioned web sessions. The compiler checks keys and types, concurrent requests lose no changes, and a logout
//! is final.
//!
//! A session is a set of *schemas*: plain structs whose fields become keys of a stored map. `#[derive(Session)]`
//! generates the accessors of a schema. A Rocket fairing, or a layer of axum, loads the session once, when a guard needs it.
//! At the end of the request it writes only the changed keys.
//!
#![cfg_attr(feature = "rocket", doc = "```")]
#![cfg_attr(not(feature = "rocket"), doc = "```ignore")]
//! use rocket::{get, launch, post, routes};
//! use session_runtime::{Session, SessionHandle, Sessions};
//!
//! #[derive(Session)]
//! #[session(key = "auth", version = 1, layout = "user:ec0d589b")]
//! struct Auth {
//!     /// User name, if logged in. A login renews the id; when the user leaves, the session starts over.
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
//! The module `axum` shows the same for axum, with the feature of that name.
//!
//! `layout` pins the stored form: a change of it does not compile until the version is raised. Write `layout = ""`, and
//! the compiler prints the value to paste.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | attributes and accessors | the derive macro [`Session`](macro@Session) |
//! | types inside fields | the derive macro [`SessionValue`](macro@SessionValue) |
//! | a struct that changes | the guide [Changing a session struct](guide) |
//! | ids, other sites, clients without cookies | the guide [Ids of visitors](guide::visitors) |
//! | the user of a session, and the sessions of a user | the guide [Logging in and out](guide::logging_in) |
//! | notices, drafts, one-time codes | the guide [Forms and notices](guide::forms) |
//! | guards | `&S`, [`Session<S>`](struct@Session), [`Read<S>`](Read), [`Peek<S>`](Peek), [`SessionHandle`], [`Recent`] |
//! | the end of a session, for a WebSocket or a stream | [`Ended`], [`Visit::ended`] |
//! | settings, in code and in `Rocket.toml` | [`SessionConfig`], [`CookieConfig`], [`Transport`](config::Transport) |
//! | sessions outside requests | [`Sessions`] |
//! | all stored sessions at once | [`migrate`] |
//! | stores, and writing one | [`store`] |
//! | axum | the module `axum`, with the feature of that name |
//! | another web framework | [`Visit`] |
//! | the structure of this crate | [architecture] |
//!
//! # Features
//!
//! | feature | gives | default |
//! |---|---|---|
//! | `rocket` | guards, fairing, configuration | on |
//! | `axum` | the module `axum`: layer and extractors for axum 0.8 | off |
//! | `sqlite` | `SqliteStore` | on |
//! | `cache` | `CachedStore`: an in-process cache in front of a store | off |
//! | `cookie` | `CookieStore`: the session itself in the cookie, sealed | off |
//! | `postgres` | `PostgresStore`: PostgreSQL 13 and newer | off |
//! | `deadpool-postgres-0-14` | `PostgresStore::from_pool`: a store over a pool of the crate `deadpool-postgres` 0.14 | off |
//! | `redis` | `RedisStore`: Redis 7 and Valkey, one server or a cluster | off |
//! | `redis-1` | `RedisConnection`: a `RedisStore` over a connection of the crate `redis` 1 | off |
//! | `testing` | `testing`: visitors, a manual clock and a failing store for tests of applications | off |
//! | `conformance` | `testing::conformance`: the kit for stores; brings `testing` | off |
//! | `cli` | `cli`: the command `session` for operators | off |
//! | `chrono`, `time`, `uuid`, `rust_decimal`, `url` | [`SessionValue`](trait@SessionValue) for their types | off |
//!
//! Without any feature, the core and [`MemoryStore`] remain. Store operations use tokio's timers, so a tokio runtime
//! with time enabled must be running. The runtimes of Rocket and of `#[tokio::main]` have time enabled.
//!
//! # Guarantees and limits
//!
//! - A success response means that the changes are stored, as durably as the store allows. If the save fails, the
//!   client gets an error and no cookie.
//! - Requests that change different fields, or different entries of a `merge = keys` field, never lose each other's
//!   writes. If two requests set the same field, the later one wins, unless `merge` specifies another rule.
//! - No request can bring back a destroyed session. A login renews the id, and the old id is invalid at once.
//! - A logout wins over a concurrent login: it deletes the session even if a login happened between its load and its
//!   save.
//! - If a request outlives its session, or another request destroys the session meanwhile, its writes are dropped with
//!   one line in the log, and it sets no cookie.
//! - Calls of `destroy`, `restart`, `renew` and `set_expiry` after the response has begun, as in a stream, have no
//!   effect except a line in the log.
//! - After a panic or a 5xx response, field writes and a chosen expiry are discarded. `destroy`, `restart` and `renew`
//!   take effect all the same.
//! - `absolute` and `remember` count from the creation of a session. No login, read or sweep moves these deadlines.
//! - Two concurrent first requests of one visitor create two sessions, and the browser keeps the last cookie.
//! - If the response to a login is lost, so is the anonymous session: its old id is already invalid.
//! - If a client repeats a POST after a 503, the request may take effect twice: the outcome of a lost save is unknown.
//! - Guards of a request from another site fail with 403, unless the method is GET, HEAD, OPTIONS or TRACE or the setting
//!   `cross_site` allows it. A GET handler that changes something is not protected.
//! - The save of a login records a proof of identity ([`Recent`], [`Visit::authenticated_at`]), unless the login is
//!   `remembered`. The proof ends with the login, and with every renewal of the id other than by `renew_every`.
//! - A future of [`Ended`] resolves at once in the process that ends the session, and in other processes within
//!   `watch_every`. While the store is unavailable, it resolves only at the absolute deadline.
//! - Only a `__Host-` or `__Host-Http-` cookie is immune to cookies that a subdomain sets (cookie tossing).
//! - A change through `&self` (an atomic, a `Mutex`) is not detected. A different order inside a `HashSet` that is part
//!   of another value counts as a change, unless the type derives `SessionValue`.
//! - When a `renew` field changes from a user to its default or to another user, the session starts over: only the
//!   first user's `lasting` schemas are carried over. An edit of another value of that user is refused at the save
//!   ([`ErrorKind::PreviousUser`]); a field that was set as a whole is kept.
//! - A value that the application copies with `set_…` from one user's field into another's is not detected.
//! - A panic after the last writable guard was dropped looks like a normal response: if a catcher responds with 200, the
//!   earlier changes are stored.
//! - Rocket's own log prints `Cookie` and `Authorization` headers at debug level.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Unit tests derive schemas too, and generated code refers to the crate by its name.
#[cfg(test)]
extern crate self as session_runtime;

#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[cfg(feature = "cli")]
pub mod cli;
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

#[cfg(feature = "axum")]
pub mod axum;
mod backoff;
mod pace;
mod request;
#[cfg(feature = "rocket")]
mod rocket;
mod sync;
#[cfg(any(test, feature = "testing"))]
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
pub use crate::request::visit::{EndReason, Ended, Peek, Read, Session, Visit};
#[cfg(any(feature = "rocket", feature = "axum"))]
pub use crate::request::{handle::SessionHandle, recent::Recent};
#[cfg(feature = "rocket")]
pub use crate::rocket::SessionFairing;
pub use crate::schema::codec::EntryKey;
pub use crate::schema::entry::EntryMut;
pub use crate::schema::lookup::Lookup;
pub use crate::schema::section::RawSection;
pub use crate::schema::value::SessionValue;
pub use crate::schema::{NewestSchema, Schema, Schemas};
#[doc(inline)]
pub use crate::schema::{codec, merge, value};
#[doc(inline)]
pub use crate::sessions::bulk as migrate;
pub use crate::sessions::{SessionInfo, Sessions, SessionsBuilder};
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
