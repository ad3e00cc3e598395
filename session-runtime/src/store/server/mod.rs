//! Parts that the stores on a server share: one state machine keeps a connection open.

mod reconnect;

pub(super) use reconnect::{Connect, End, Opened, Reconnecting, first_opened};
