//! Stores: the conformance kit over each of them, deliberately wrong ones that it must see through, what only `SQLite` has:
//! files, locks, restarts; and random operations against plain models, of a store and of a session.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod damaged;
mod exact;
mod model;
mod moved;
mod nodes;
mod sqlite;
mod third_party;
mod visits;
mod wrong;

use session_tests::pages;
