//! Rustc's own error cannot be held back; nothing else comes with the two.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    name: impl std::fmt::Debug,
}

fn main() {}
