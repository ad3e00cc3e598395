//! A retired key is one that a field could have, once.

use session_runtime::Session;

#[derive(Session)]
#[session(
    key = "cart",
    version = 1,
    retired(
        "",
        "my basket",
        "cart.basket",
        "z",
        "z",
        "a123456789b123456789c123456789d123456789e123456789f123456789g1234",
        "items",
    )
)]
struct Cart {
    basket: u32,
    items: u32,
}

fn main() {}
