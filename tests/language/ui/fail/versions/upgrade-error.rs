use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, archived, layout = "count:4d0f51c1")]
struct CartV1 {
    count: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = CartV1, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

impl TryFrom<CartV1> for Cart {
    type Error = String;

    fn try_from(cart: CartV1) -> Result<Self, String> {
        Ok(Self { count: cart.count })
    }
}

fn main() {}
