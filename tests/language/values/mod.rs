//! A success answer means that the value can be read again: what serde writes and does not read is refused at the save.
#![allow(
    clippy::box_collection,
    clippy::reversed_empty_ranges,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_box_returns,
    clippy::zero_sized_map_values,
    reason = "unusual types and values are the subject"
)]

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
