//! What users of `CachedStore` rely on: what a hit costs, what a node sees of itself and of others, and that no write is
//! lost.
//!
//! Time is tokio's, paused and moved by hand, wherever the bound counts; the clock that judges deadlines is another one.

mod calls;
mod conformance;
mod hits;
mod model;
mod nodes;
mod races;
mod settings;
mod visitors;
