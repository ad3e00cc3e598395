//! The struct that `previous` names has no such key.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, archived, layout = "count:4d0f51c1 total:4d0f51c1")]
struct CartV1 {
    count: u32,
    total: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = CartV1, unreleased)]
struct Cart {
    count: u32,
    total: u32,
    #[session(renamed_from = "nope")]
    other: u32,
}

impl From<CartV1> for Cart {
    fn from(cart: CartV1) -> Self {
        Self { count: cart.count, total: cart.total, other: 0 }
    }
}

fn main() {}
