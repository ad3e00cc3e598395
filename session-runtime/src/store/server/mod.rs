//! State machine that keeps a connection to a server open, shared by all stores on a server.

mod reconnect;

pub(super) use reconnect::{Connect, End, Opened, Reconnecting, first_opened};
