use session_runtime::Session;

#[derive(Session)]
#[session(key = "cart", version = 1, archived, layout = "count:4d0f51c1")]
struct CartV1 {
    count: u32,
}

#[derive(Session)]
#[session(
    key = "cart",
    version = 2,
    previous = CartV1,
    was(1 = "count:4d0f51c1"),
    layout = "count:4d0f51c1 note:ec0d589b"
)]
struct Cart {
    count: u32,
    note: Option<String>,
}

impl From<CartV1> for Cart {
    fn from(cart: CartV1) -> Self {
        Self { count: cart.count, note: None }
    }
}

fn main() {}
