//! Types of which only the author knows what serde makes of them.

use serde::{Deserialize, Serialize};
use session_runtime::Session;

#[derive(Default, Serialize, Deserialize)]
struct Money(u64);

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "total:6a21d6d9 count:4d0f51c1")]
struct Cart {
    #[session(opaque = "money@1")]
    total: Money,
    count: u32,
    #[session(transient)]
    at: Option<std::time::Instant>,
}

/// Not pinned, and so not asked for.
#[derive(Session)]
#[session(key = "prefs", version = 1)]
struct Prefs {
    #[session(opaque = "money@1", rename = "limit")]
    most: Money,
    least: Money,
}

fn main() {}
