use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, archived, layout = "basket:4d0f51c1")]
struct CartV1 {
    basket: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = CartV1, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

impl From<CartV1> for Cart {
    fn from(cart: CartV1) -> Self {
        Self { count: cart.basket }
    }
}

fn main() {}
