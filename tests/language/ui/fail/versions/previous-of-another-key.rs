use session_runtime::Session;

#[derive(Session)]
#[session(key = "basket", version = 1, archived, layout = "basket:4d0f51c1")]
struct Basket {
    basket: u32,
}

#[derive(Session)]
#[session(key = "cart", version = 2, previous = Basket, layout = "count:4d0f51c1")]
struct Cart {
    count: u32,
}

impl From<Basket> for Cart {
    fn from(basket: Basket) -> Self {
        Self { count: basket.basket }
    }
}

fn main() {}
