//! Stores: the conformance kit over each of them, deliberately wrong ones that it must see through, and what only `SQLite`
//! has: files, locks, restarts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod damaged;
mod sqlite;
mod wrong;
