//! The examples are programs: `cargo run --example cart`.
