use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, retired("basket"), layout = "count:4d0f51c1")]
struct CartV2 {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 3, previous = CartV2, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

impl From<CartV2> for Cart {
    fn from(cart: CartV2) -> Self {
        Self { count: cart.count }
    }
}

fn main() {}
