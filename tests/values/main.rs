//! A success answer means that the value can be read again: what serde writes and does not read is refused at the save.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test that cannot go on has failed")]

mod any;
mod data;
mod known;
mod merged;
mod null;
mod refused;
mod sets;
mod shelf;
mod united;
mod upgraded;
