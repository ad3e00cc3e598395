//! Whole requests through Rocket's in-process client: what a handler's guards read, what is stored, what goes out.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test that cannot go on has failed")]
#![allow(clippy::large_futures, reason = "whole requests are awaited in place")]
#![allow(clippy::needless_pass_by_value, reason = "Rocket hands guards over by value")]

mod ages;
mod app;
mod busy;
mod caches;
mod clocks;
mod concurrency;
mod config;
mod cross_site;
mod data;
mod deadlines;
mod ended;
mod expiry;
mod faults;
mod fields;
mod floods;
mod identity;
mod ids;
mod jar;
mod jobs;
mod learned;
mod misuse;
mod neighbours;
mod on_axum;
mod pages;
mod peeks;
mod proofs;
mod regressions;
mod remember;
mod routes;
mod saving;
mod store;
mod touches;
mod tracking;
mod two_guards;
mod users;
mod visitors;

/// All of these tests a second time, in a process whose stores are `SQLite` files.
#[test]
fn every_test_holds_on_sqlite_too() {
    const NAME: &str = "every_test_holds_on_sqlite_too";
    let test = std::env::current_exe().unwrap();
    let run = std::process::Command::new(test).args(["--skip", NAME]).env(store::VARIABLE, "sqlite").output().unwrap();
    let shown = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "on SQLite:\n{shown}{}", String::from_utf8_lossy(&run.stderr));
    assert!(shown.lines().filter(|line| line.starts_with("test ")).count() > 100, "{shown}");
}
