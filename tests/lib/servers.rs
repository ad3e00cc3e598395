//! Real servers for the tests: private instances on free loopback ports, in temporary folders, stopped with the test.
//!
//! | file | contents |
//! |---|---|
//! | `cluster.rs` | a Redis Cluster of six nodes |
//! | `postgres.rs` | a `PostgreSQL` instance, and `PgBouncer` in front of one |
//! | `process.rs` | a server process that cannot outlive the test that started it |
//! | `proxy.rs` | a TCP proxy that delays, cuts, swallows answers and counts bytes |
//! | `redis.rs` | a Redis server with the options that a test needs |

pub mod cluster;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod redis;

use std::net::TcpListener;

/// A free port of the loopback interface.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
