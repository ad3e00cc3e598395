//! The promises of `CachedStore`: the cost of a hit, a node's view of its own writes and of others', and no lost write.
//!
//! Time is tokio's, paused and moved by hand, wherever the bound counts. The clock that judges deadlines is another
//! one.

mod calls;
mod conformance;
mod hits;
mod model;
mod nodes;
mod races;
mod settings;
mod visitors;
