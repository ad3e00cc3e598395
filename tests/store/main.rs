//! Stores: the conformance kit over each of them, deliberately wrong ones that it must see through, and what only `SQLite`
//! has: files, locks, restarts.

mod conformance;
mod sqlite;
mod wrong;
