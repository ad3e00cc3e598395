use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 2, oldest = 2, archived, retired("total"), layout = "basket:4d0f51c1 gift:3032d9ea")]
struct CartV2 {
    basket: u32,
    gift: bool,
}

#[derive(Session)]
#[session(key = "cart", version = 3, previous = CartV2, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

impl From<CartV2> for Cart {
    fn from(cart: CartV2) -> Self {
        Self { count: cart.basket + u32::from(cart.gift) }
    }
}

fn main() {}
