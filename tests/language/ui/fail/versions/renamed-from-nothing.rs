//! `renamed_from` names a key that an older version has.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "first", version = 1)]
struct First {
    #[session(renamed_from = "nope")]
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, was(1 = "basket:4d0f51c1"), unreleased)]
struct Cart {
    #[session(renamed_from = "nope")]
    count: u32,
    #[session(renamed_from = "cart.basket")]
    basket: u32,
    #[session(renamed_from = "")]
    other: u32,
}

#[derive(Session)]
#[session(key = "twice", version = 2, was(1 = "basket:4d0f51c1"), unreleased)]
struct Twice {
    #[session(renamed_from = "basket")]
    count: u32,
    #[session(renamed_from = "basket")]
    other: u32,
}

fn main() {}
