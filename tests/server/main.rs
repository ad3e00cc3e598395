//! The example `cart` as a visitor, a load balancer and an attacker see it: a launched process behind a raw TCP socket.
//!
//! To the shop they talk from outside. Its process is started on a free port in a folder of its own and killed at
//! the end of each test; headers are sent and compared byte for byte; the `SQLite` file is opened by a second process.
//! What the shop has no routes or stores for is asked of an application of our own, `own`, behind a socket as well. The
//! programs of `rollout` are processes again: this test's own executable, started anew as one version of a shop.
//! Numbers such as C08 name the case that a test stands for; `tests/README.md` lists them all.
//!
//! `SESSION_TESTS_PROFILE=release` takes the example from the release build, `SESSION_KILL_ROUNDS` says how often the
//! process is killed under load (200), `SESSION_TESTS_SEED` repeats a run's random moments.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mounts;
mod process;
mod test_app;

mod answers;
mod application;
mod caches;
mod connections;
mod cookies_in;
mod damaged;
mod disk;
mod faults;
mod file;
mod fleet;
mod kill;
mod launch;
mod lines;
mod locked;
mod login_race;
mod logout;
mod logout_race;
mod logs;
mod parallel;
mod restart;
mod rollout;
mod secrecy;
mod sweeps;
