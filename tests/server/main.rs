//! The example `cart` from the outside: a launched process behind a raw TCP socket.
//!
//! A test starts the process on a free port in a folder of its own and kills it at the end. Headers are sent and
//! compared byte for byte, and a second process opens the `SQLite` file. Routes and stores that the shop lacks are in
//! an application of the tests, `test_app`, behind a socket as well. The programs of `rollout` are processes again:
//! this test's own executable, started as one version of a shop. Numbers such as C08 name the case of a test;
//! `tests/README.md` lists them all.
//!
//! `SESSION_TESTS_PROGRAM=axum` takes the example `axum-cart` and an application on axum instead, see `axum_too`.
//! `SESSION_TESTS_PROFILE=release` takes the example from the release build, `SESSION_KILL_ROUNDS` sets the number of
//! kills under load (200), `SESSION_LOOKUPS` that of the sessions of one user (10,000), `SESSION_TESTS_SEED` repeats the
//! random moments of a run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod axum_app;
mod mounts;
mod process;
mod test_app;

mod answers;
mod application;
mod axum_too;
mod bearer;
mod caches;
mod command_line;
mod connections;
mod cookies_in;
mod cross_site;
mod damaged;
mod disk;
mod faults;
mod file;
mod fleet;
#[cfg(feature = "http2")]
mod http2;
mod kill;
mod launch;
mod lines;
mod locked;
mod login_race;
mod logout;
mod logout_race;
mod logs;
mod lookups;
mod parallel;
mod restart;
mod rollout;
mod secrecy;
mod sweeps;
