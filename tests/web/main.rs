//! Whole requests through Rocket's in-process client: what a handler's guards read, what is stored, what goes out.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test that cannot go on has failed")]
#![allow(clippy::large_futures, reason = "whole requests are awaited in place")]
#![allow(clippy::needless_pass_by_value, reason = "Rocket hands guards over by value")]

mod app;
mod concurrency;
mod config;
mod expiry;
mod faults;
mod identity;
mod jobs;
mod mended;
mod misuse;
mod routes;
mod saving;
mod spy;
mod tracking;
mod two_guards;
