use session_runtime::Session;

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

/// No schema, and no way up from it: one thing at a time.
#[derive(Session)]
#[session(key = "basket", version = 2, previous = Vec<CartV1>, layout = "count:4d0f51c1")]
struct Basket {
    count: u32,
}

fn main() {}
