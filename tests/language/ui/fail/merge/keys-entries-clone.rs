//! A value that is returned by itself is a copy.
use serde::{Deserialize, Serialize};
use session_runtime::Session;

#[derive(Serialize, Deserialize)]
struct Line {
    quantity: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 1)]
struct Cart {
    #[session(merge = keys, entries)]
    items: std::collections::BTreeMap<u32, Line>,
}

fn main() {}
