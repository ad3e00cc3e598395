//! Lookups by an indexed field from several processes: this test's own executable, started anew as a node of a fleet.

mod node;
mod pages;
mod races;
