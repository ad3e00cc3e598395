//! Several structs that are not recorded yet, with and without a past.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, unreleased, on_newer = "refuse")]
struct Cart {
    items: Vec<u32>,
}

#[derive(Session)]
#[session(key = "basket", version = 2, was(1 = "items:c7992f67"), unreleased, on_newer = "discard")]
struct Basket {
    items: Vec<u32>,
    note: Option<String>,
}

#[derive(Session)]
#[session(key = "list", version = 2, oldest = 2, unreleased, on_newer = refuse, readers = 2)]
struct List {
    items: Vec<u32>,
}

fn main() {}
