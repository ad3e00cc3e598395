//! The session of one request: loaded once, handed out in guards, and stored as one patch.

pub(crate) mod backend;
pub(crate) mod budget;
pub(crate) mod changes;
mod commit;
pub(crate) mod conflict_queue;
pub(crate) mod core;
mod ended;
pub(crate) mod failures;
mod finished;
mod guard;
pub(crate) mod learned;
mod lifecycle;
mod load;
pub(crate) mod load_set;
mod next_session;
pub(crate) mod proof;
pub(crate) mod requested;
mod save;
mod state;
pub mod visit;
pub(crate) mod watches;
