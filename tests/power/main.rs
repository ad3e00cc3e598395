//! `SqliteStore` on a disk that loses power, or that fails.
//!
//! In this process `SQLite`'s default file system is one of ours. It passes every call to the system's, and reports
//! every write, truncation, sync and deletion to a [`disk`], in their order. The store is the real one and does not
//! know that file system.
//!
//! | file | contents |
//! |---|---|
//! | `vfs.rs` | the functions that `SQLite` calls; the only `unsafe` of the workspace |
//! | `disk.rs` | what happened to a folder, in order, and operations that are to fail |
//! | `image.rs` | from that, the files as a power cut leaves them |
//! | `work.rs` | what is done to the store, and what it should hold by then |
//! | `cuts.rs` | a power cut after every operation |
//! | `faults.rs` | every operation failing once, or from then on until the fault goes away |
//!
//! Cases C71b. `SESSION_TESTS_SEED` repeats a run's choice of what survives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk;
mod image;
#[path = "../lib/random.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the library of the other tests, which uses all of it")]
mod random;
mod vfs;
mod work;

mod cuts;
mod faults;
