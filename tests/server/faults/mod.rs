//! Requests while the server of the sessions fails: answers, cookies, and the stored data afterwards.
//!
//! An application behind a socket, or the example `cart` as a process, runs on private servers of Redis, a Redis
//! Cluster and `PostgreSQL`. A TCP proxy stands in between where the fault is one of the network. Every test proves
//! that its fault happened, by the count of a server or a proxy or by the state of a process, and that no restart is
//! needed. The store's answers to the runtime in such moments are tested in `stores/redis` and `stores/postgres`.
//!
//! | file | contents |
//! |---|---|
//! | `app.rs` | the application, its routes, and a gate at which handlers wait |
//! | `engine.rs` | one of the servers, the way to it, and what can happen to both |
//!
//! `SESSION_TESTS_SEED` repeats a run's random moments.

mod app;
mod engine;

mod cost;
mod down;
mod ended;
mod frozen;
mod launch;
mod lines;
mod logout;
mod lost;
mod partition;
mod pool;
mod refused;
mod stop;
