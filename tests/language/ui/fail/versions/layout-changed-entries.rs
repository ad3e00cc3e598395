//! From one stored text to one per entry, which no type shows.

use std::collections::BTreeMap;

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "items:e0b2dfa2")]
struct Cart {
    #[session(merge = keys)]
    items: BTreeMap<u32, u32>,
}

fn main() {}
