//! What a visitor sees when the server of the sessions fails: answers, cookies, and what is there once it is back.
//!
//! An application behind a socket, or the example `cart` as a process, on private servers of Redis, a Redis Cluster and
//! `PostgreSQL`, with a TCP proxy in between where a fault is one of the way. Every test proves that its fault happened,
//! by the count of a server or a proxy or by the state of a process, and that nothing has to be started anew. What a store
//! gives to the runtime in such moments is tested in `redis/` and `postgres/`.
//!
//! | room | what is in it |
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
