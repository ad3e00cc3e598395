//! The session of one request: loaded once, handed out in guards, and stored as one patch.

pub(crate) mod backend;
pub(crate) mod budget;
pub(crate) mod changes;
pub(crate) mod commit;
pub(crate) mod conflict_queue;
pub(crate) mod core;
mod ended;
pub(crate) mod failures;
mod finished;
pub(crate) mod guard;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod handle;
pub(crate) mod learned;
mod lifecycle;
mod load;
pub(crate) mod load_set;
mod next_session;
pub(crate) mod proof;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod recent;
pub(crate) mod requested;
mod save;
pub(crate) mod saving;
mod state;
#[cfg(any(feature = "rocket", feature = "axum"))]
pub(crate) mod to_end;
pub mod visit;
pub(crate) mod watches;
