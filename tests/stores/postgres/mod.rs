//! The promises of `PostgresStore`. Each test has a server of its own.

mod conformance;
mod damaged;
mod faults;
mod full;
mod idle;
mod index;
mod locks;
mod model;
mod pool;
mod secrecy;
pub(crate) mod session;
mod settings;
mod setup;
mod standby;
mod traffic;
mod ways;
