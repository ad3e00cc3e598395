//! The stores: the conformance kit and plain models over each of them, and the behaviour that only one of them has.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test that cannot go on has failed")]

mod cached;
mod ceilings;
mod contract;
mod cookie;
mod earlier;
mod entries;
mod failures;
mod lists;
mod lookups;
mod overload;
mod postgres;
mod redis;
mod sqlite;
mod steps;
mod sweeps;
mod visits;
