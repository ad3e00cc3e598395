//! The way back still compiles.

use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, archived, layout = "basket:4d0f51c1")]
struct CartV1 {
    basket: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = CartV1, retired("basket"), layout = "count")]
struct Cart {
    count: u32,
}

impl From<CartV1> for Cart {
    fn from(cart: CartV1) -> Self {
        Self { count: *cart.basket() }
    }
}

impl From<Cart> for CartV1 {
    fn from(cart: Cart) -> Self {
        Self { basket: *cart.count() }
    }
}

fn main() {}
