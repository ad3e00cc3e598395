//! Typed, versioned web sessions: keys and types checked by the compiler, concurrent requests that lose nothing, logout
//! that stays logged out.
//!
//! A session is a set of *schemas*: plain structs whose fields become keys of a stored map. `#[derive(Session)]` gives a
//! schema its accessors, a Rocket fairing loads and saves, and a request that ends writes only what it changed.

pub mod clock;
pub mod codec;
pub mod config;
pub mod cookie;
pub mod error;
pub mod expiry;
pub mod id;
pub mod merge;
pub mod patch;
pub mod record;
pub mod schema;
pub mod sessions;
pub mod store;
pub mod visit;

mod commit;
mod jobs;
mod pending;
#[cfg(feature = "rocket")]
mod rocket;
#[cfg(feature = "conformance")]
pub mod testing;
mod tracked;

#[doc(hidden)]
pub mod __private;

pub use ::async_trait::async_trait;
pub use session_derive::Session;

pub use crate::codec::EntryKey;
pub use crate::config::SessionConfig;
pub use crate::cookie::{CookieConfig, SameSite};
pub use crate::error::{ErrorKind, SessionError};
pub use crate::expiry::Expiry;
pub use crate::id::SessionKey;
pub use crate::schema::{Schema, Schemas};
pub use crate::sessions::{Sessions, SessionsBuilder};
pub use crate::visit::{Session, Visit};
#[cfg(feature = "sqlite")]
pub use crate::store::SqliteStore;
pub use crate::store::{MemoryStore, Store};
#[cfg(feature = "rocket")]
pub use crate::rocket::{SessionFairing, SessionHandle};
