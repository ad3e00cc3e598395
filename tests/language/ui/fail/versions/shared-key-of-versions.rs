//! Two newest structs of one schema: the older one was not marked as archived.

use session_runtime::{Session, Sessions};

#[derive(Session)]
#[session(key = "cart", version = 1, layout = "count:4d0f51c1")]
struct CartV1 {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = CartV1, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

impl From<CartV1> for Cart {
    fn from(cart: CartV1) -> Self {
        Self { count: cart.count }
    }
}

fn main() {
    let _ = Sessions::fairing::<(Cart, CartV1)>();
}
