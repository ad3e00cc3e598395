//! The contract of a store: the conformance kit over the stores that need no server, wrong stores that the kit must find, and
//! random operations against a plain map.

mod conformance;
mod exact;
mod model;
mod nodes;
mod third_party;
mod wrong;
