//! The behaviour that only `SqliteStore` has: files, locks and restarts.

mod damaged;
mod files;
mod index;
mod moved;
mod tuning;

use session_tests::pages;
